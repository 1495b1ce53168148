"""Reading the scenario files: the words a clinician writes, checked and turned into data.

A mistake in a file is reported with the file, the scenario and what was allowed instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..support.fhir import PREFETCH_KEYS

HERE = Path(__file__).parent
VOCABULARY_FILE = "vocabulary.yaml"
HOOKS = ("patient-view", "order-select", "order-sign")
INDICATORS = ("info", "warning", "critical")
KIDNEY_CLASSES = ("NORMAL", "MODERATE", "SEVERE", "UNKNOWN")


class ScenarioError(Exception):
    """A scenario file says something the runner does not understand."""


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


@dataclass(frozen=True)
class Medicine:
    code: Code
    started: int | None = 60
    ended: int | None = None
    valid_until: int | None = None
    taken: tuple[Dose, ...] = ()
    steps: tuple[Dose, ...] = ()
    status: str = "active"
    intent: str = "order"
    as_needed: bool | str = False
    route: str | None = None
    statement: bool = False
    by_reference: bool = False
    do_not_take: bool = False
    text_only: bool = False
    of: str | None = None


@dataclass(frozen=True)
class Result:
    code: Code
    value: float
    unit: str | None
    days_ago: int
    comparator: str | None = None
    status: str = "final"
    as_text: bool = False
    reference_high: float | None = None
    of: str | None = None


@dataclass(frozen=True)
class Allergy:
    code: Code
    clinical: str | None = "active"
    verification: str | None = "confirmed"
    text_only: bool = False


@dataclass(frozen=True)
class Procedure:
    code: Code
    days_ago: int
    status: str = "completed"


@dataclass(frozen=True)
class Draft:
    code: Code
    taken: tuple[Dose, ...] = ()
    steps: tuple[Dose, ...] = ()
    as_needed: bool | str = False
    route: str | None = None
    reason: Code | None = None
    reason_is_condition: Code | None = None
    selected: bool = True
    text_only: bool = False


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
    summary_says: tuple[str, ...] = ()
    detail_says: tuple[str, ...] = ()
    detail_omits: tuple[str, ...] = ()
    detail_order: tuple[str, ...] = ()
    kidney: str | None = None
    flags: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    file: str
    id: str
    title: str
    hook: str
    patient: Patient
    expect: tuple[ExpectedCard, ...]
    why: str
    conditions: tuple[Condition, ...] = ()
    medicines: tuple[Medicine, ...] = ()
    labs: tuple[Result, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    pregnancy_status: PregnancyStatus | None = None
    drafts: tuple[Draft, ...] = ()
    family_history: tuple[Code, ...] = ()
    not_sent: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    words: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.id} {self.title}"


# ------------------------------------------------------------------ the files


@cache
def load_all() -> tuple[Scenario, ...]:
    scenarios: list[Scenario] = []
    for path in sorted(HERE.glob("*.yaml")):
        if path.name != VOCABULARY_FILE:
            scenarios.extend(load_file(path, vocabulary()))
    _refuse_repeated_ids(scenarios)
    return tuple(scenarios)


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary.read(HERE / VOCABULARY_FILE)


def load_file(path: Path, words: Vocabulary) -> list[Scenario]:
    content = _yaml(path)
    page = _Page(content, f"{path.name}", words)
    page.allow("theme", "scenarios")
    page.text("theme")
    entries = page.list_of("scenarios")
    return [
        _scenario(_Page(entry, f"{path.name}, scenario {_label(entry, n)}", words), path.name)
        for n, entry in enumerate(entries, 1)
    ]


def _label(entry: Any, number: int) -> str:
    named = entry.get("id") if isinstance(entry, dict) else None
    return str(named or f"number {number}")


def _refuse_repeated_ids(scenarios: list[Scenario]) -> None:
    seen: dict[str, str] = {}
    for scenario in scenarios:
        if scenario.id in seen:
            raise ScenarioError(
                f"the id {scenario.id} is used in {seen[scenario.id]} and in {scenario.file}"
            )
        seen[scenario.id] = scenario.file


def _yaml(path: Path) -> Any:
    try:
        # A SafeLoader that only refuses more than its parent does.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path.name} is not readable YAML: {error}") from error


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key written twice: the first would silently be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


# ------------------------------------------------------------- the vocabulary


@dataclass(frozen=True)
class Vocabulary:
    """Plain names and their codes, one section a kind."""

    sections: Mapping[str, Mapping[str, Code]]

    KINDS = ("conditions", "medicines", "labs", "procedures")
    CODED = re.compile(
        r"(?P<name>.+) \((?P<system>icd-10-cm|icd-10|icd-9-cm|snomed|rxnorm|atc|loinc)"
        r" (?P<code>[A-Za-z0-9.\-]+)\)"
    )

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        content = _yaml(path)
        if set(content) != set(cls.KINDS):
            raise ScenarioError(f"{path.name} must have exactly: {', '.join(cls.KINDS)}")
        return cls({kind: dict(cls._entries(content[kind], path)) for kind in cls.KINDS})

    @classmethod
    def _entries(cls, section: Mapping[str, str], path: Path) -> Iterator[tuple[str, Code]]:
        for name, said in section.items():
            found = cls.CODED.fullmatch(f"{name} ({said})")
            if found is None:
                raise ScenarioError(f"{path.name}: {name!r} needs 'system code', not {said!r}")
            yield str(name), Code(str(name), found["system"], found["code"])

    def find(self, kind: str, said: str, where: str) -> Code:
        """A vocabulary name, or `name (system code)`."""
        known = self.sections[kind].get(said)
        if known is not None:
            return known
        found = self.CODED.fullmatch(said)
        if found is not None:
            return Code(found["name"], found["system"], found["code"])
        raise ScenarioError(
            f"{where}: {said!r} is neither in {VOCABULARY_FILE} under {kind!r} "
            "nor written as 'name (system code)'"
        )


# ---------------------------------------------------------------- one scenario


class _Page:
    """A mapping in a file, read with checks that name the place."""

    def __init__(self, content: Any, where: str, words: Vocabulary) -> None:
        if not isinstance(content, dict):
            raise ScenarioError(f"{where}: expected named values, found {content!r}")
        self.content: dict[str, Any] = content
        self.where = where
        self.words = words

    def fail(self, message: str) -> ScenarioError:
        return ScenarioError(f"{self.where}: {message}")

    def allow(self, *names: str) -> None:
        unknown = sorted(set(self.content) - set(names))
        if unknown:
            raise self.fail(f"unknown {', '.join(map(repr, unknown))}; allowed: {', '.join(names)}")

    def text(self, name: str, default: str | None = None) -> str:
        value = self.content.get(name, default)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(f"{name!r} must be a text, found {value!r}")
        return value.strip()

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self.content else None

    def one_of(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise self.fail(f"{name!r} must be one of {', '.join(allowed)}, found {value!r}")
        return value

    def flag(self, name: str) -> bool:
        value = self.content.get(name, False)
        if not isinstance(value, bool):
            raise self.fail(f"{name!r} must be true or false, found {value!r}")
        return value

    def number(self, name: str) -> float | None:
        value = self.content.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.fail(f"{name!r} must be a number, found {value!r}")
        return value

    def list_of(self, name: str) -> list[Any]:
        value = self.content.get(name, [])
        if not isinstance(value, list):
            raise self.fail(f"{name!r} must be a list, found {value!r}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.content.get(name, [])
        listed = value if isinstance(value, list) else [value]
        return tuple(str(item) for item in listed)

    def code(self, kind: str, said: str) -> Code:
        """The code of a name; `text only: true` leaves a name without a code."""
        if self.content.get("text only") is True:
            return Code(said, "text", "")
        return self.words.find(kind, said, self.where)

    def optional_code(self, kind: str, name: str) -> Code | None:
        if name not in self.content:
            return None
        return self.words.find(kind, self.text(name), self.where)

    def status(self, name: str, default: str) -> str | None:
        """A status word; `missing` leaves it out of the resource."""
        value = self.text(name, default)
        return None if value == "missing" else value

    def days(self, name: str, default: int | None = None) -> int | None:
        """`90 days ago`, `today`, `in 30 days`; `undated` leaves the date out."""
        if name not in self.content:
            return default
        said = self.text(name)
        return None if said == "undated" else _days(said, self.where)

    def doses(self, name: str) -> tuple[Dose, ...]:
        return tuple(_dose(said, self.where) for said in self.texts(name))

    def entries(self, name: str, main: str) -> Iterator[_Page]:
        """Each item of a list: a text is short for `{main: text}`."""
        for number, item in enumerate(self.list_of(name), 1):
            content = {main: item} if isinstance(item, str) else item
            yield _Page(content, f"{self.where}, {name} {number}", self.words)


def _scenario(page: _Page, file: str) -> Scenario:
    page.allow(
        *("id", "title", "hook", "patient", "conditions", "family history", "medicines", "labs"),
        *("allergies", "procedures", "pregnancy status", "drafts", "not sent", "failed"),
        *("expect", "why"),
    )
    scenario = Scenario(
        file=file,
        id=page.text("id"),
        title=page.text("title"),
        hook=page.one_of("hook", HOOKS),
        patient=_patient(_Page(page.content.get("patient"), f"{page.where}, patient", page.words)),
        conditions=tuple(_condition(p) for p in page.entries("conditions", "condition")),
        family_history=tuple(
            page.code("conditions", said) for said in page.texts("family history")
        ),
        medicines=tuple(_medicine(p) for p in page.entries("medicines", "medicine")),
        labs=tuple(_result(p) for p in page.entries("labs", "result")),
        allergies=tuple(_allergy(p) for p in page.entries("allergies", "allergy")),
        procedures=tuple(_procedure(p) for p in page.entries("procedures", "procedure")),
        pregnancy_status=_pregnancy(page),
        drafts=tuple(_draft(p) for p in page.entries("drafts", "order")),
        not_sent=_keys(page, "not sent"),
        failed=_keys(page, "failed"),
        expect=_expected(page),
        why=page.text("why"),
        words=page.content,
    )
    if bool(scenario.drafts) != (scenario.hook != "patient-view"):
        raise page.fail("'drafts' belong to order-select and order-sign, and must be given there")
    return scenario


def _patient(page: _Page) -> Patient:
    page.allow("age", "sex", "birthday today", "deceased")
    age = page.number("age")
    return Patient(
        age=None if age is None else int(age),
        sex=page.optional_text("sex"),
        birthday_today=page.flag("birthday today"),
        deceased=page.flag("deceased"),
    )


def _condition(page: _Page) -> Condition:
    page.allow(
        *("condition", "also coded", "clinical", "verification", "category", "recorded"),
        *("onset", "abated", "of", "text only"),
    )
    return Condition(
        code=page.code("conditions", page.text("condition")),
        also_coded=tuple(page.code("conditions", said) for said in page.texts("also coded")),
        clinical=page.status("clinical", "active"),
        verification=page.status("verification", "confirmed"),
        category=page.status("category", "problem-list-item"),
        recorded=page.days("recorded", 400),
        onset=page.days("onset"),
        abated=page.days("abated"),
        of=page.optional_text("of"),
        text_only=page.flag("text only"),
    )


def _medicine(page: _Page) -> Medicine:
    page.allow(
        *("medicine", "started", "ended", "valid until", "taken", "steps", "status", "intent"),
        *("as needed", "route", "statement", "by reference", "do not take", "text only", "of"),
    )
    code, taken = _named_and_taken(page, "medicine")
    return Medicine(
        code=code,
        started=page.days("started", 60),
        ended=page.days("ended"),
        valid_until=page.days("valid until"),
        taken=taken or page.doses("taken"),
        steps=page.doses("steps"),
        status=page.text("status", "active"),
        intent=page.text("intent", "order"),
        as_needed=_as_needed(page),
        route=page.optional_text("route"),
        statement=page.flag("statement"),
        by_reference=page.flag("by reference"),
        do_not_take=page.flag("do not take"),
        text_only=page.flag("text only"),
        of=page.optional_text("of"),
    )


def _draft(page: _Page) -> Draft:
    page.allow(
        *("order", "taken", "steps", "as needed", "route", "reason", "reason is the condition"),
        *("selected", "text only"),
    )
    code, taken = _named_and_taken(page, "order")
    return Draft(
        code=code,
        taken=taken or page.doses("taken"),
        steps=page.doses("steps"),
        as_needed=_as_needed(page),
        route=page.optional_text("route"),
        reason=page.optional_code("conditions", "reason"),
        reason_is_condition=page.optional_code("conditions", "reason is the condition"),
        selected=page.content.get("selected") is not False,
        text_only=page.flag("text only"),
    )


def _named_and_taken(page: _Page, name: str) -> tuple[Code, tuple[Dose, ...]]:
    """`magnesium oxide 400 mg tablet, 1 tablet once daily`, the second half optional."""
    said = page.text(name)
    head, comma, tail = said.rpartition(", ")
    if comma and _DOSE.fullmatch(tail):
        return page.code("medicines", head), (_dose(tail, page.where),)
    return page.code("medicines", said), ()


def _as_needed(page: _Page) -> bool | str:
    value = page.content.get("as needed", False)
    if not isinstance(value, bool | str):
        raise page.fail(f"'as needed' must be true, false or what for, found {value!r}")
    return value


_RESULT = re.compile(
    r"(?P<name>.+?) (?P<comparator>[<>]=?)?(?P<value>\d+(\.\d+)?)( (?P<unit>[^ ,]+))?, (?P<when>.+)"
)


def _result(page: _Page) -> Result:
    page.allow("result", "status", "as text", "reference high", "of")
    said = page.text("result")
    found = _RESULT.fullmatch(said)
    if found is None:
        raise page.fail(f"{said!r} is not like 'eGFR 59 mL/min/{{1.73_m2}}, 30 days ago'")
    return Result(
        code=page.code("labs", found["name"]),
        value=_number(found["value"]),
        unit=found["unit"],
        days_ago=_days(found["when"], page.where),
        comparator=found["comparator"],
        status=page.text("status", "final"),
        as_text=page.flag("as text"),
        reference_high=page.number("reference high"),
        of=page.optional_text("of"),
    )


def _allergy(page: _Page) -> Allergy:
    page.allow("allergy", "clinical", "verification", "text only")
    return Allergy(
        code=page.code("medicines", page.text("allergy")),
        clinical=page.status("clinical", "active"),
        verification=page.status("verification", "confirmed"),
        text_only=page.flag("text only"),
    )


def _procedure(page: _Page) -> Procedure:
    page.allow("procedure", "status")
    said, comma, when = page.text("procedure").rpartition(", ")
    if not comma:
        raise page.fail("a procedure is written 'haemodialysis, 30 days ago'")
    return Procedure(
        code=page.code("procedures", said),
        days_ago=_days(when, page.where),
        status=page.text("status", "completed"),
    )


def _pregnancy(page: _Page) -> PregnancyStatus | None:
    if "pregnancy status" not in page.content:
        return None
    inner = _Page(page.content["pregnancy status"], f"{page.where}, pregnancy status", page.words)
    inner.allow("answer", "reported")
    return PregnancyStatus(
        answer=inner.one_of("answer", ("pregnant", "not pregnant", "unknown")),
        reported=_days(inner.text("reported"), inner.where),
    )


def _keys(page: _Page, name: str) -> tuple[str, ...]:
    keys = page.texts(name)
    for key in keys:
        if key not in PREFETCH_KEYS:
            raise page.fail(f"{name!r}: no prefetch key {key!r}; known: {', '.join(PREFETCH_KEYS)}")
    return keys


def _expected(page: _Page) -> tuple[ExpectedCard, ...]:
    said = page.content.get("expect")
    if said == "silent":
        return ()
    if not isinstance(said, list) or not said:
        raise page.fail(f"'expect' must be the word silent or a list of cards, found {said!r}")
    return tuple(_expected_card(p) for p in page.entries("expect", "card"))


_OFFER = re.compile(r"labs|mg \d+|mg \d+->\d+|mg perimenstrual \d+|delete|update \d+")


def _expected_card(page: _Page) -> ExpectedCard:
    page.allow(
        *("card", "indicator", "offers", "recommended", "labs", "summary says", "detail says"),
        *("detail omits", "detail order", "kidney", "flags", "cautions", "unknown"),
    )
    for offer in (*page.texts("offers"), *page.texts("recommended")):
        if not _OFFER.fullmatch(offer):
            raise page.fail(
                f"{offer!r} is no offer: use labs, mg 200, mg 200->400, mg perimenstrual 360, "
                "delete or update 200"
            )
    kidney = page.one_of("kidney", KIDNEY_CLASSES) if "kidney" in page.content else None
    return ExpectedCard(
        card=page.text("card"),
        indicator=page.one_of("indicator", INDICATORS),
        offers=page.texts("offers"),
        recommended=page.texts("recommended") if "recommended" in page.content else None,
        labs=tuple(page.code("labs", said) for said in page.texts("labs")),
        summary_says=page.texts("summary says"),
        detail_says=page.texts("detail says"),
        detail_omits=page.texts("detail omits"),
        detail_order=page.texts("detail order"),
        kidney=kidney,
        flags=page.texts("flags"),
        cautions=page.texts("cautions"),
        unknown=page.texts("unknown"),
    )


# --------------------------------------------------------------- small phrases

_TIMES = {"once": 1, "twice": 2, "three times": 3, "four times": 4}
_DOSE = re.compile(
    r"(?P<amount>\d+(\.\d+)?) (?P<unit>mg|tablet|tablets|capsule|capsules|mL) "
    r"(?P<times>once|twice|three times|four times|(?P<count>\d+) times) daily"
)
_WHEN = re.compile(r"(?P<ago>\d+) days? ago|in (?P<ahead>\d+) days?|(?P<today>today)")


def _dose(said: str, where: str) -> Dose:
    found = _DOSE.fullmatch(said)
    if found is None:
        raise ScenarioError(f"{where}: {said!r} is not like '1 tablet three times daily'")
    times = int(found["count"]) if found["count"] else _TIMES[found["times"]]
    return Dose(_number(found["amount"]), found["unit"].removesuffix("s"), times)


def _days(said: str, where: str) -> int:
    found = _WHEN.fullmatch(said)
    if found is None:
        raise ScenarioError(f"{where}: {said!r} is not like '30 days ago', 'today', 'in 5 days'")
    if found["today"]:
        return 0
    return int(found["ago"]) if found["ago"] else -int(found["ahead"])


def _number(said: str) -> float:
    return float(said) if "." in said else int(said)
