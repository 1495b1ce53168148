"""The result of reasoning: the cards with reasons and offers, and rules that were not met.

Cards are rendered from these values. They contain no wording.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from cds_service.chart.conditions import UncountedResource
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
    """The kidney class and its basis.

    `rule` is the row of the kidney table that matched. `basis` is "eGFR", "creatinine" (computed),
    "diagnosis", "procedure" or "none". `value` is in mL/min/{1.73_m2} if there is one, not rounded,
    and `egfr_text` is its text (">60", "48", "29.2"). `reason` is the finding in a few words ("eGFR
    25", "dialysis", "CKD stage 4"), `None` for NORMAL and UNKNOWN. `why` is the reason for UNKNOWN.

    `flags` are among "stale", "needs_labs", "discordant", "conflicting" (two results of one day),
    "unusable_newer", "partly_known" (results or kidney conditions partly known): all of these mean
    only tests. "disagrees" means that problem list and lab differ. With "conflicting" the first of
    `others` is the other result. `gaps` are unusable data of keys that could be read.
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
    """The range of the serum magnesium (SPEC 4.1). NONE: no usable result in the time window.

    SLIGHTLY_HIGH is above the limit and certainly not far above it (SPEC 12.4 M-11).
    """

    NONE = "none"
    SEVERE_LOW = "severe_low"
    LOW = "low"
    NORMAL = "normal"
    SLIGHTLY_HIGH = "slightly_high"
    HIGH = "high"
    CRITICAL_HIGH = "critical_high"


class SerumMagnesium(msgspec.Struct, frozen=True):
    """The latest usable serum magnesium. `text` is the value with unit as reported.

    `why` is the reason if there is none although there are results, or the unknown part. `gaps` is
    not empty if a result that may be the newest cannot be used. `perhaps_low` is the reason if a low
    result may be too old to count.
    """

    state: MagnesiumState
    text: str = ""
    evidence: Evidence | None = None
    unknown: bool = False
    why: Reason | None = None
    gaps: tuple[Gap, ...] = ()
    perhaps_low: Reason | None = None


class OrderRef(msgspec.Struct, frozen=True):
    """An order of the request: its reference (`MedicationRequest/x`, "" if it has no id).

    `refill`: it is not new, but to be filled once more.
    """

    reference: str
    label: str
    resource: dict[str, Any]
    refill: bool = False


class OfferKind(StrEnum):
    """The effect of accepting an offer."""

    PLAN = "plan"
    LABS = "labs"
    DELETE = "delete"
    UPDATE = "update"


class Offer(msgspec.Struct, frozen=True):
    """One offer. `plan` names a dose plan, `labs` the tests, `order` the draft order that it
    changes.

    `daily_mg` is the elemental dose of an update. `salt` (RxCUI and name) replaces a product whose
    strength does not fit that dose. `due_weeks` is the time window of the tests if they are not due
    now.
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
    """A caution that applies: the id of its line in the knowledge, and the values for its placeholders."""

    id: str
    values: dict[str, str] = {}
    evidence: tuple[Evidence, ...] = ()


class CardDecision(msgspec.Struct, frozen=True):
    """One card to be shown.

    `card` is its id in the knowledge. `values` fill its summary. `because` are the facts that
    caused it. `advice` are ids of lines in the knowledge with the advice ("trial", "titrate" ...).
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
    """The outcome of a rule. Programs compare these codes, in every language."""

    FIRED = "fired"
    MET = "met"
    NOT_MET = "not met"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class RuleOutcome(msgspec.Struct, frozen=True):
    """One rule that was considered, its outcome, and why."""

    rule: str
    outcome: Outcome
    why: Said = ""


class Decision(msgspec.Struct):
    """All that was found, considered and concluded for one call.

    `not_readable` is every resource or element that could not be read and could have mattered.
    `silence` is the reason for no card, in one word ("" if there is a card).
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
    set_aside: tuple[UncountedResource, ...] = ()
    not_readable: tuple[NotReadable, ...] = ()
    silence: str = ""
