"""Reading the scenario files: the words a clinician writes, checked and turned into data.

A mistake in a file is reported with the file, the scenario and what was allowed instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ..support.fhir import ORDERS_AT, PREFETCH_KEYS, SERVICES, hook_of
from .phrases import (
    DOSE,
    RESULT,
    VOCABULARY_FILE,
    ScenarioError,
    Vocabulary,
    days,
    dose,
    number,
    read_yaml,
)
from .story import (
    Allergy,
    Code,
    Condition,
    Dosage,
    Dose,
    Draft,
    ExpectedAccount,
    ExpectedCard,
    Medicine,
    Patient,
    PregnancyStatus,
    Procedure,
    Result,
    Scenario,
    Sent,
)

HERE = Path(__file__).parent
HOOKS = tuple(map(hook_of, SERVICES))
INDICATORS = ("info", "warning", "critical")
KIDNEY_CLASSES = ("NORMAL", "MODERATE", "SEVERE", "UNKNOWN")
# Where the medication of an order stands: in it by code, contained by code or by ingredient, or as
# an entry of the same Bundle, named by type and id or by a urn:uuid.
UNNAMED_BESIDE = "with an unnamed ingredient"
PLACES = ("here", "contained", "ingredient", UNNAMED_BESIDE, "entry", "urn", "older FHIR")


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
    page = _Page(read_yaml(path), f"{path.name}", words)
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

    def whole_number(self, name: str) -> int | None:
        value = self.number(name)
        return None if value is None else int(value)

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
        return None if said == "undated" else days(said, self.where)

    def doses(self, name: str) -> tuple[Dose, ...]:
        return tuple(dose(said, self.where) for said in self.texts(name))

    def inner(self, name: str) -> _Page:
        return _Page(self.content[name], f"{self.where}, {name}", self.words)

    def entries(self, name: str, main: str) -> Iterator[_Page]:
        """Each item of a list: a text is short for `{main: text}`."""
        for place, item in enumerate(self.list_of(name), 1):
            content = {main: item} if isinstance(item, str) else item
            yield _Page(content, f"{self.where}, {name} {place}", self.words)


def _scenario(page: _Page, file: str) -> Scenario:
    page.allow(
        *("id", "title", "hook", "patient", "conditions", "family history", "medicines", "labs"),
        *("allergies", "procedures", "pregnancy status", "drafts", "not sent", "failed"),
        *("withheld", "wrong type", "lost entry", "unnamed entry", "only years", "byte order mark"),
        *("authorization", "expect", "refused for", "account", "why"),
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
        sent=_sent(page),
        refused_for=_keys(page, "refused for"),
        expect=_expected(page),
        account=_account(page),
        why=page.text("why"),
        words=page.content,
    )
    if bool(scenario.drafts) != (scenario.hook in ORDERS_AT):
        raise page.fail(f"'drafts' belong to {', '.join(ORDERS_AT)}, and must be given there")
    return scenario


def _patient(page: _Page) -> Patient:
    page.allow("age", "sex", "birthday today", "deceased")
    return Patient(
        age=page.whole_number("age"),
        sex=page.optional_text("sex"),
        birthday_today=page.flag("birthday today"),
        deceased=page.flag("deceased"),
    )


def _condition(page: _Page) -> Condition:
    page.allow(
        *("condition", "also coded", "clinical", "verification", "category", "recorded"),
        *("onset", "abated", "of", "text only", "as periods", "certainty"),
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
        as_periods=page.flag("as periods"),
        certainty=page.optional_text("certainty"),
    )


_DOSAGE = ("taken", "steps", "dosage", "at", "elemental", "as needed", "route")


def _dosage(page: _Page, taken: tuple[Dose, ...]) -> Dosage:
    return Dosage(
        taken=taken or page.doses("taken"),
        steps=page.doses("steps"),
        words=page.optional_text("dosage"),
        at=page.texts("at"),
        elemental=page.content.get("elemental") is not False,
        as_needed=_as_needed(page),
        route=page.optional_text("route"),
    )


def _medicine(page: _Page) -> Medicine:
    page.allow(
        *("medicine", "started", "ended", "valid until", "supply", "repeats", "status", "intent"),
        *("reported", "statement", "place", "do not take", "text only", "words", "of"),
        *_DOSAGE,
    )
    code, taken = _named_and_taken(page, "medicine")
    return Medicine(
        code=code,
        dosage=_dosage(page, taken),
        started=page.days("started", 60),
        ended=page.days("ended"),
        valid_until=page.days("valid until"),
        supply=page.whole_number("supply"),
        repeats=page.whole_number("repeats"),
        status=page.status("status", "active"),
        intent=page.text("intent", "order"),
        reported=page.flag("reported"),
        statement=page.flag("statement"),
        place=page.one_of("place", PLACES, "here"),
        do_not_take=page.flag("do not take"),
        text_only=page.flag("text only"),
        words=page.optional_text("words"),
        of=page.optional_text("of"),
    )


def _draft(page: _Page) -> Draft:
    page.allow(
        *("order", "reason", "reason is the condition", "renews", "selected", "text only"),
        *("words", "place"),
        *_DOSAGE,
    )
    code, taken = _named_and_taken(page, "order")
    return Draft(
        code=code,
        dosage=_dosage(page, taken),
        reason=page.optional_code("conditions", "reason"),
        reason_is_condition=page.optional_code("conditions", "reason is the condition"),
        renews=page.flag("renews"),
        selected=page.content.get("selected") is not False,
        text_only=page.flag("text only"),
        words=page.optional_text("words"),
        place=page.one_of("place", PLACES, "here"),
    )


def _named_and_taken(page: _Page, name: str) -> tuple[Code, tuple[Dose, ...]]:
    """`magnesium oxide 400 mg tablet, 1 tablet once daily`, the second half optional."""
    said = page.text(name)
    head, comma, tail = said.rpartition(", ")
    if comma and DOSE.fullmatch(tail):
        return page.code("medicines", head), (dose(tail, page.where),)
    return page.code("medicines", said), ()


def _as_needed(page: _Page) -> bool | str:
    value = page.content.get("as needed", False)
    if not isinstance(value, bool | str):
        raise page.fail(f"'as needed' must be true, false or what for, found {value!r}")
    return value


def _result(page: _Page) -> Result:
    page.allow("result", "unit", "status", "as text", "said", "reference high", "of")
    said = page.text("result")
    found = RESULT.fullmatch(said)
    if found is None:
        raise page.fail(f"{said!r} is not like 'eGFR 59 mL/min/{{1.73_m2}}, 30 days ago'")
    return Result(
        code=page.code("labs", found["name"]),
        value=number(found["value"]),
        unit=page.optional_text("unit") or found["unit"],
        days_ago=None if found["when"] == "undated" else days(found["when"], page.where),
        comparator=found["comparator"],
        status=page.text("status", "final"),
        as_text=page.flag("as text"),
        said=page.optional_text("said"),
        reference_high=page.number("reference high"),
        of=page.optional_text("of"),
    )


def _allergy(page: _Page) -> Allergy:
    page.allow(
        *("allergy", "clinical", "verification", "text only", "type", "criticality", "reactions"),
    )
    return Allergy(
        code=page.code("medicines", page.text("allergy")),
        clinical=page.status("clinical", "active"),
        verification=page.status("verification", "confirmed"),
        text_only=page.flag("text only"),
        type=page.one_of("type", ("allergy", "intolerance"), "intolerance"),
        criticality=page.optional_text("criticality"),
        reactions=page.texts("reactions"),
    )


def _procedure(page: _Page) -> Procedure:
    page.allow("procedure", "status")
    said, comma, when = page.text("procedure").rpartition(", ")
    if not comma:
        raise page.fail("a procedure is written 'haemodialysis, 30 days ago' or '..., undated'")
    return Procedure(
        code=page.code("procedures", said),
        days_ago=None if when == "undated" else days(when, page.where),
        status=page.text("status", "completed"),
    )


def _pregnancy(page: _Page) -> PregnancyStatus | None:
    if "pregnancy status" not in page.content:
        return None
    inner = page.inner("pregnancy status")
    inner.allow("answer", "reported")
    return PregnancyStatus(
        answer=inner.one_of("answer", ("pregnant", "not pregnant", "unknown")),
        reported=days(inner.text("reported"), inner.where),
    )


def _sent(page: _Page) -> Sent:
    return Sent(
        missing=_keys(page, "not sent"),
        failed=_keys(page, "failed"),
        withheld=_withheld(page),
        wrong_type=_keys(page, "wrong type"),
        lost_entry=_keys(page, "lost entry"),
        unnamed_entry=_keys(page, "unnamed entry"),
        only_years=page.flag("only years"),
        byte_order_mark=page.flag("byte order mark"),
        authorization=page.inner("authorization").content
        if "authorization" in page.content
        else None,
    )


def _withheld(page: _Page) -> dict[str, str]:
    """`[allergies]` for a warning with the code `suppressed`, or `{allergies: throttled}`."""
    said = page.content.get("withheld", [])
    codes = said if isinstance(said, dict) else dict.fromkeys(said, "suppressed")
    _check_keys(page, "withheld", tuple(codes))
    return {str(key): str(code) for key, code in codes.items()}


def _keys(page: _Page, name: str) -> tuple[str, ...]:
    keys = page.texts(name)
    _check_keys(page, name, keys)
    return keys


def _check_keys(page: _Page, name: str, keys: tuple[str, ...]) -> None:
    for key in keys:
        if key not in PREFETCH_KEYS:
            raise page.fail(f"{name!r}: no prefetch key {key!r}; known: {', '.join(PREFETCH_KEYS)}")


def _account(page: _Page) -> ExpectedAccount | None:
    if "account" not in page.content:
        return None
    inner = page.inner("account")
    inner.allow("kidney", "unknown", "known", "not readable", "facts unknown", "undecided")
    return ExpectedAccount(
        kidney=inner.one_of("kidney", KIDNEY_CLASSES) if "kidney" in inner.content else None,
        unknown=inner.texts("unknown"),
        known=inner.texts("known"),
        not_readable=inner.texts("not readable"),
        facts_unknown=inner.texts("facts unknown"),
        undecided=inner.texts("undecided"),
    )


def _expected(page: _Page) -> tuple[ExpectedCard, ...] | None:
    said = page.content.get("expect")
    if said == "any answer" or "refused for" in page.content:
        return None
    if said == "silent":
        return ()
    if not isinstance(said, list) or not said:
        raise page.fail(
            f"'expect' must be the word silent, 'any answer' or a list of cards, found {said!r}"
        )
    return tuple(_expected_card(p) for p in page.entries("expect", "card"))


_OFFER = re.compile(r"labs|mg \d+|mg \d+->\d+|mg perimenstrual \d+|delete|update \d+")


def _expected_card(page: _Page) -> ExpectedCard:
    page.allow(
        *("card", "indicator", "offers", "recommended", "labs", "doses", "instruction says"),
        *("summary says", "summary omits", "detail says", "detail omits", "detail order"),
        *("kidney", "flags", "cautions", "unknown"),
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
        doses=page.texts("doses"),
        instruction_says=page.texts("instruction says"),
        summary_says=page.texts("summary says"),
        summary_omits=page.texts("summary omits"),
        detail_says=page.texts("detail says"),
        detail_omits=page.texts("detail omits"),
        detail_order=page.texts("detail order"),
        kidney=kidney,
        flags=page.texts("flags"),
        cautions=page.texts("cautions"),
        unknown=page.texts("unknown"),
    )
