"""The facts of an abstract case and the outcome that the second evaluator gives for it.

Nothing here knows FHIR, HTTP or the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Egfr:
    """A reported eGFR. `minute` is the minute of the day (UTC); None means a date without time."""

    value: float
    days: int
    minute: int | None = None
    preference: int = 1
    status: str = "final"
    comparator: str | None = None
    unit: str | None = "mL/min/{1.73_m2}"


@dataclass(frozen=True)
class Creatinine:
    """A serum creatinine. `use=False` is for the codes that must not feed the equation."""

    value: float
    days: int
    minute: int | None = None
    unit: str | None = "mg/dL"
    molar: bool = False
    status: str = "final"
    use: bool = True


@dataclass(frozen=True)
class Magnesium:
    """A serum magnesium. `molar`: substance code; `secondary`: whole blood; `rbc`: red cells."""

    value: float
    days: int = 20
    unit: str | None = "mg/dL"
    molar: bool = False
    secondary: bool = False
    rbc: bool = False
    status: str = "final"
    reference_high: float | None = None


@dataclass(frozen=True)
class Taking:
    """Magnesium that the patient takes. `daily_mg` None: no dose is stated.

    `up_to`: the milligrams of a salt whose label may or may not state elemental magnesium.
    `recorded`: how, a key of RECORDED_AS.
    """

    subtype: str = "supplement"
    salt: str = "glycinate"
    daily_mg: float | None = None
    as_needed: bool = False
    days: int | None = 60  # since it was ordered
    course_ended: bool = False
    up_to: bool = False
    recorded: str = "order"


@dataclass(frozen=True)
class Draft:
    """One draft order. `kind` is a key of TRIGGERS, `mg`, `ksparing`, `combo` or `drug:<name>`.

    `unread_dose`: words that say a dose and that nobody can turn into milligrams.
    `renews`: the order names the magnesium order (the first one taken) that it renews.
    """

    kind: str
    elemental: float | None = None
    subtype: str = "supplement"
    salt: str = "glycinate"
    reason: str | None = None
    selected: bool = True
    up_to: bool = False
    unread_dose: bool = False
    renews: bool = False


@dataclass(frozen=True)
class Case:
    hook: str = "patient-view"
    age: int | None = 45
    birthday_days: int = 100  # days since the last birthday
    sex: str | None = "female"
    deceased: bool = False
    migraine: str | None = "plain"
    rf: frozenset[str] = frozenset()
    egfr: tuple[Egfr, ...] = ()
    creatinine: tuple[Creatinine, ...] = ()
    ckd: str | None = None
    aki_days: int | None = None
    aki: str | None = None  # None: no AKI, or active when aki_days is given; undated, resolved
    dialysis: str | None = None
    procedures: frozenset[str] = frozenset()  # kidney operations, keys of PROCEDURES
    magnesium: tuple[Magnesium, ...] = ()
    blocks: frozenset[str] = frozenset()
    taking: tuple[Taking, ...] = ()
    stopped: str | None = None  # magnesium taken before, a key of STOPPED
    drugs: frozenset[str] = frozenset()  # active drugs that interact with magnesium
    drug_days: int = 10  # since these were ordered
    drafts: tuple[Draft, ...] = ()
    missing: frozenset[str] = frozenset()  # prefetch keys that were not sent
    partly: frozenset[str] = frozenset()  # prefetch keys from which some data were withheld
    unread: frozenset[str] = frozenset()  # entries that cannot be read, keys of UNREAD


class Card(NamedTuple):
    id: str
    indicator: str
    suggestions: tuple[str, ...] = ()
    recommended: tuple[str, ...] | None = None  # None: the specification says nothing


@dataclass(frozen=True)
class Outcome:
    cards: tuple[Card, ...] = ()
    kidney: str | None = None
    flags: frozenset[str] = frozenset()
    status: int = 200

    @property
    def shown(self) -> list[tuple[str, str, tuple[str, ...]]]:
        return [(card.id, card.indicator, card.suggestions) for card in self.cards]
