"""What a scenario file can say, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Code:
    name: str
    system: str
    code: str


@dataclass(frozen=True)
class Dose:
    """How much, how often: `400 mg once daily`."""

    amount: float
    unit: str
    times_per_day: int


@dataclass(frozen=True)
class Patient:
    age: int | None = None
    sex: str | None = None
    birthday_today: bool = False
    deceased: bool = False


@dataclass(frozen=True)
class Condition:
    """`as_periods`: onset and abatement as a Period that carries an extension.

    `certainty`: the letter of ICD-10-GM (A, V, Z, G) in place of a verification status.
    """

    code: Code
    also_coded: tuple[Code, ...] = ()
    clinical: str | None = "active"
    verification: str | None = "confirmed"
    category: str | None = "problem-list-item"
    recorded: int | None = 400
    onset: int | None = None
    abated: int | None = None
    of: str | None = None
    text_only: bool = False
    as_periods: bool = False
    certainty: str | None = None


@dataclass(frozen=True)
class Dosage:
    """How a medicine or an order is taken.

    `words`: text alone, nothing structured. `at`: HL7 codes of meal times beside the frequency.
    `elemental`: whether milligrams of magnesium are said to be elemental.
    """

    taken: tuple[Dose, ...] = ()
    steps: tuple[Dose, ...] = ()
    words: str | None = None
    at: tuple[str, ...] = ()
    elemental: bool = True
    as_needed: bool | str = False
    route: str | None = None


@dataclass(frozen=True)
class Medicine:
    """`place`: where the medication stands, a key of PLACES. `words`: text beside the code."""

    code: Code
    dosage: Dosage = Dosage()
    started: int | None = 60
    ended: int | None = None
    valid_until: int | None = None
    supply: int | None = None
    repeats: int | None = None
    status: str | None = "active"
    intent: str = "order"
    reported: bool = False
    statement: bool = False
    place: str = "here"
    do_not_take: bool = False
    text_only: bool = False
    words: str | None = None
    of: str | None = None


@dataclass(frozen=True)
class Result:
    """`said`: the value as a text, as it was written."""

    code: Code
    value: float
    unit: str | None
    days_ago: int | None
    comparator: str | None = None
    status: str = "final"
    as_text: bool = False
    said: str | None = None
    reference_high: float | None = None
    of: str | None = None


@dataclass(frozen=True)
class Allergy:
    code: Code
    clinical: str | None = "active"
    verification: str | None = "confirmed"
    text_only: bool = False
    type: str = "intolerance"
    criticality: str | None = None
    reactions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Procedure:
    code: Code
    days_ago: int | None
    status: str = "completed"


@dataclass(frozen=True)
class Draft:
    code: Code
    dosage: Dosage = Dosage()
    reason: Code | None = None
    reason_is_condition: Code | None = None
    renews: bool = False
    selected: bool = True
    text_only: bool = False
    words: str | None = None
    place: str = "here"


@dataclass(frozen=True)
class PregnancyStatus:
    answer: str
    reported: int


@dataclass(frozen=True)
class ExpectedCard:
    card: str
    indicator: str
    offers: tuple[str, ...] = ()
    recommended: tuple[str, ...] | None = None
    labs: tuple[Code, ...] = ()
    doses: tuple[str, ...] = ()
    instruction_says: tuple[str, ...] = ()
    summary_says: tuple[str, ...] = ()
    summary_omits: tuple[str, ...] = ()
    detail_says: tuple[str, ...] = ()
    detail_omits: tuple[str, ...] = ()
    detail_order: tuple[str, ...] = ()
    kidney: str | None = None
    flags: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExpectedAccount:
    """What `/explain` must say, whatever the cards.

    `facts_unknown` and `undecided`: ids of facts and rules of which it says "unknown".
    """

    kidney: str | None = None
    unknown: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    not_readable: tuple[str, ...] = ()
    facts_unknown: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sent:
    """How the data came, apart from what they say. Prefetch keys throughout.

    `withheld`: key and issue code of a warning beside the data. `wrong_type`: the Bundle holds
    other resources. `lost_entry`: an entry without its resource. `unnamed_entry`: one more resource
    that does not say what it is about. `only_years`: dates are years.
    """

    missing: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)
    wrong_type: tuple[str, ...] = ()
    lost_entry: tuple[str, ...] = ()
    unnamed_entry: tuple[str, ...] = ()
    only_years: bool = False
    byte_order_mark: bool = False
    authorization: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Scenario:
    """`expect`: the cards, None where any answer will do. `refused_for`: a 412 that names these."""

    file: str
    id: str
    title: str
    hook: str
    patient: Patient
    expect: tuple[ExpectedCard, ...] | None
    why: str
    refused_for: tuple[str, ...] = ()
    account: ExpectedAccount | None = None
    conditions: tuple[Condition, ...] = ()
    medicines: tuple[Medicine, ...] = ()
    labs: tuple[Result, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    pregnancy_status: PregnancyStatus | None = None
    drafts: tuple[Draft, ...] = ()
    family_history: tuple[Code, ...] = ()
    sent: Sent = Sent()
    words: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.id} {self.title}"
