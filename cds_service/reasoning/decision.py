"""The outcome of reasoning: which cards, why, with which offers; and what was considered and not met.

Everything a card says is made from these; nothing here is wording.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from cds_service.chart.conditions import SetAside
from cds_service.chart.evidence import Evidence, Fact, Gap
from cds_service.chart.reading import NotReadable
from cds_service.reasons import Reason, Said
from cds_service.site.showing import Why


class KidneyClass(StrEnum):
    """Kidney function, as far as magnesium is concerned (SPEC 3.2)."""

    NORMAL = "NORMAL"
    MODERATE = "MODERATE"
    SEVERE = "SEVERE"
    UNKNOWN = "UNKNOWN"


class Kidney(msgspec.Struct, frozen=True):
    """The kidney class and what it rests on.

    `rule` is the row of the kidney table that matched. `basis` is "eGFR", "creatinine" (computed),
    "diagnosis", "procedure" or "none"; `value` is in mL/min/{1.73_m2} where there is one, not
    rounded, and `egfr_text` is how it is said (">60", "48", "29.2"). `reason` is the finding in a
    few words ("eGFR 25", "dialysis", "CKD stage 4"), `None` for NORMAL and UNKNOWN. `why` says for
    UNKNOWN what is lacking.

    `flags` are among "stale", "needs_labs", "discordant", "conflicting" (two results of one day),
    "unusable_newer", "partly_known" (results or kidney conditions known only in part): all of these
    mean tests only; and "disagrees" (problem list and lab). With "conflicting" the first of `others`
    is the other result. `gaps` are data that could not be used, of keys that were readable.
    """

    kidney_class: KidneyClass
    rule: str
    basis: str = "none"
    value: Decimal | None = None
    egfr_text: str = ""
    reason: Reason | None = None
    evidence: Evidence | None = None
    others: tuple[Evidence, ...] = ()
    flags: tuple[str, ...] = ()
    why: Reason | None = None
    gaps: tuple[Gap, ...] = ()


class MagnesiumState(StrEnum):
    """Where the serum magnesium lies (SPEC 4.1). NONE: no usable result in the window.

    SLIGHTLY_HIGH is above the limit and surely not far above it (SPEC 12.4 M-11).
    """

    NONE = "none"
    SEVERE_LOW = "severe_low"
    LOW = "low"
    NORMAL = "normal"
    SLIGHTLY_HIGH = "slightly_high"
    HIGH = "high"
    CRITICAL_HIGH = "critical_high"


class SerumMagnesium(msgspec.Struct, frozen=True):
    """The latest usable serum magnesium: `text` is value with unit as reported.

    `why` says why there is none although there are results, or what is not known of them. `gaps` is
    not empty where a result that may be the newest cannot be used.
    """

    state: MagnesiumState
    text: str = ""
    evidence: Evidence | None = None
    unknown: bool = False
    why: Reason | None = None
    gaps: tuple[Gap, ...] = ()


class OrderRef(msgspec.Struct, frozen=True):
    """A draft order of the request: its reference (`MedicationRequest/x`, "" if it has no id)."""

    reference: str
    label: str
    resource: dict[str, Any]


class OfferKind(StrEnum):
    """What one click does."""

    PLAN = "plan"
    LABS = "labs"
    DELETE = "delete"
    UPDATE = "update"


class Offer(msgspec.Struct, frozen=True):
    """One suggestion. `plan` names a dose plan, `labs` the tests, `order` the draft acted upon.

    `daily_mg` is the elemental dose an update sets; `salt` (RxCUI and name) what it orders instead
    of a product whose strength does not fit that dose. `due_weeks` is the window in which tests are
    to be done, where that is not now.
    """

    kind: OfferKind
    recommended: bool = False
    plan: str = ""
    labs: tuple[str, ...] = ()
    order: OrderRef | None = None
    daily_mg: Decimal | None = None
    salt: tuple[str, str] | None = None
    due_weeks: tuple[int, int] | None = None


class Caution(msgspec.Struct, frozen=True):
    """A caution that applies: the id of its line in the knowledge, and what fills the line."""

    id: str
    values: dict[str, str] = {}
    evidence: tuple[Evidence, ...] = ()


class CardDecision(msgspec.Struct, frozen=True):
    """One card to be shown.

    `card` is its id in the knowledge; `values` fill its summary; `because` are the facts that made
    it; `advice` are ids of lines in the knowledge that say what to do ("trial", "titrate" ...).
    """

    card: str
    indicator: str
    values: dict[str, Said] = {}
    because: tuple[Fact, ...] = ()
    offers: tuple[Offer, ...] = ()
    cautions: tuple[Caution, ...] = ()
    gaps: tuple[Gap, ...] = ()
    kidney: Kidney | None = None
    magnesium: SerumMagnesium | None = None
    order: OrderRef | None = None
    reason_reference: str = ""
    safety: bool = False


class Withheld(msgspec.Struct, frozen=True):
    """A card that was decided and is not returned; `until` (a day in UTC) is the end of a lock-out."""

    card: CardDecision
    why: Why
    until: date | None = None


class Outcome(StrEnum):
    """What came of a rule. Programs compare these codes, in every language."""

    FIRED = "fired"
    MET = "met"
    NOT_MET = "not met"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class RuleOutcome(msgspec.Struct, frozen=True):
    """One rule that was looked at, what came of it, and why."""

    rule: str
    outcome: Outcome
    why: Said = ""


class Decision(msgspec.Struct):
    """All that was found, considered and concluded for one call.

    `not_readable` is every resource or element that could not be read and could have mattered.
    """

    service: str
    day: date
    cards: tuple[CardDecision, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    facts: tuple[Fact, ...] = ()
    kidney: Kidney | None = None
    magnesium: SerumMagnesium | None = None
    rules: tuple[RuleOutcome, ...] = ()
    gaps: tuple[Gap, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    not_readable: tuple[NotReadable, ...] = ()
