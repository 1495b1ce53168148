"""Damage to any one element of a call, and whether the service says so.

Each case takes one call (`calls.py`), one element of it, and one kind of damage that FHIR never allows there:
another JSON type, null in a list, a wrapped value, a required element removed, words in place of a date, or a
code that is none of those that FHIR fixes.
The answer must then be one of these:

- the same, in every word of the cards and in every fact behind them;
- a 4xx;
- an answer in which a card, `unknown` or `notReadable` newly names the key that the element belongs to.

And it must never be more confident (`confidence.py`), whatever it names. A removed element that FHIR does not
require makes another legal chart, and so does null or nothing in its place (JSON writes "no value" so): there
only a server error is a fault.

Case `i` of a seed is always the same case, however many run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from ..support.places import Place, below, value_at
from . import calls
from .calls import Body, Call
from .confidence import SERVER_ERROR, Answer, is_same, more_confident, newly_named
from .elements import element_of, key_of, seeded, some_place
from .service import Service

MOST_BYTES = 300_000
"""Larger calls are left out: they make damage slow, and hold the same kinds of elements."""

SOURCES: tuple[tuple[int, Callable[[], tuple[Call, ...]]], ...] = (
    (36, calls.sandbox),
    (22, calls.scenarios),
    (20, calls.cases),
    (10, calls.variants),
    (11, calls.charts),
    (1, calls.requests),
)
"""How often each source is taken, of a hundred."""

REQUIRED: dict[str, frozenset[str]] = {
    "AllergyIntolerance": frozenset({"patient"}),
    "AllergyIntolerance.reaction": frozenset({"manifestation"}),
    "Bundle": frozenset({"type"}),
    "Bundle.entry": frozenset({"resource"}),
    "Condition": frozenset({"subject"}),
    "MedicationRequest": frozenset(
        {"status", "intent", "subject", "medicationCodeableConcept", "medicationReference"}
    ),
    "MedicationStatement": frozenset(
        {"status", "subject", "medicationCodeableConcept", "medicationReference"}
    ),
    "Medication.ingredient": frozenset({"itemCodeableConcept", "itemReference"}),
    "Observation": frozenset({"status", "code"}),
    "Observation.component": frozenset({"code"}),
    "OperationOutcome": frozenset({"issue"}),
    "OperationOutcome.issue": frozenset({"severity", "code"}),
    "Procedure": frozenset({"status", "subject"}),
    "ServiceRequest": frozenset({"status", "intent", "subject"}),
}
"""What R4 requires (cardinality 1..), of the elements that are read; `resourceType` always."""


# ------------------------------------------------------------------------- what


@dataclass(frozen=True)
class Damage:
    """One element and what becomes of it."""

    what: str
    place: Place
    value: Any = None
    is_gone: bool = False
    is_legal: bool = False
    """It makes another legal chart: only a server error is a fault."""

    def apply(self, body: Body) -> Any:
        """Damage the body itself; gives back what was there, for `undo`."""
        *parents, last = self.place
        parent = value_at(body, tuple(parents))
        before = parent[last]
        if self.is_gone:
            del parent[last]
        else:
            parent[last] = self.value
        return before

    def undo(self, body: Body, before: Any, order: list[Any]) -> None:
        """Put back what was there, members in the order in which they stood."""
        *parents, last = self.place
        parent = value_at(body, tuple(parents))
        if self.is_gone and isinstance(parent, dict):
            others = dict(parent)
            parent.clear()
            parent.update({name: others.get(name, before) for name in order})
        elif self.is_gone:
            parent.insert(int(last), before)
        else:
            parent[last] = before


_WRONG: dict[type, tuple[Any, ...]] = {
    str: (7, True, {"odd": "x"}),
    int: ("x", True, {"value": 7}),
    float: ("x", True, {"value": 7}),
    bool: ("x", 7, {}),
    dict: ("x", 7, True),
    list: ("x", 7, {"odd": "x"}),
    type(None): ("x", 7, {"odd": "x"}),
}
"""Instead of a value of each JSON type, some of another: FHIR fixes the type of every element."""


_EMPTY: dict[type, Any] = {str: "", dict: {}, list: []}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?")

BOUND: frozenset[str] = frozenset(
    {
        *("AllergyIntolerance.clinicalStatus.coding.code", "AllergyIntolerance.criticality"),
        *("AllergyIntolerance.type", "AllergyIntolerance.verificationStatus.coding.code"),
        *("Condition.clinicalStatus.coding.code", "Condition.verificationStatus.coding.code"),
        *("MedicationRequest.intent", "MedicationRequest.status", "MedicationStatement.status"),
        *("Observation.status", "Observation.valueQuantity.comparator", "Patient.gender"),
        *("MedicationRequest.dosageInstruction.timing.repeat.periodUnit", "Procedure.status"),
        "MedicationRequest.dosageInstruction.timing.repeat.when",
    }
)
"""Elements whose codes FHIR fixes (required bindings), of those that are read."""

_NO_CODE = "not-a-code-of-fhir"
_NO_DATE = "last spring"


def damages(body: Body, place: Place) -> list[Damage]:
    """Every damage of an element that FHIR never allows, and its removal."""
    value, required = value_at(body, place), _is_required(body, place)
    absent = {"is_legal": not required}
    found = [Damage("another type", place, wrong) for wrong in _WRONG[type(value)]]
    found += [
        Damage("in a list", place, [value]),
        Damage("in an object", place, {"value": value}),
        Damage("empty", place, _EMPTY.get(type(value), ""), **absent),
    ]
    if isinstance(place[-1], int):
        found.append(Damage("null in a list", place))
    else:
        found.append(Damage("null", place, **absent))
    if isinstance(value, list) and value:
        found += [
            Damage("null in a list", place, items) for items in ([None, *value], [*value, None])
        ]
    if isinstance(value, list) and len(value) == 1:
        found.append(Damage("out of its list", place, value[0]))
    if element_of(body, place) in BOUND and isinstance(value, str):
        found += [Damage("another code", place, _NO_CODE)] * 3
    if isinstance(value, str) and _DATE.fullmatch(value) and key_of(place):
        found += [Damage("no date", place, _NO_DATE)] * 3
    if required:
        return [*found, *[Damage("required, removed", place, is_gone=True)] * 3]
    return [*found, Damage("optional, removed", place, is_gone=True, is_legal=True)]


def _is_required(body: Body, place: Place) -> bool:
    """Whether FHIR requires the element; of the envelope, and of whole entries, nothing is asked here."""
    name = place[-1]
    if isinstance(name, int):
        return False
    owner = element_of(body, place[:-1]) if key_of(place) else ""
    return name == "resourceType" or name in REQUIRED.get(owner, frozenset())


# ------------------------------------------------------------------- the verdict

_MEDICATIONS = ("medicationRequests", "medicationStatements")


def _keys_named(key: str | None) -> tuple[str | None, ...]:
    """Under which keys a damage may be named.

    A Medication under one key may be referred to under the other, and is named where it is used.
    """
    return _MEDICATIONS if key in _MEDICATIONS else (key,)


SAME, NAMED, REFUSED, LEGAL = "same", "named", "4xx", "legal"
VERDICTS = (SAME, NAMED, REFUSED, LEGAL)


def verdict(before: Answer, after: Answer, damage: Damage) -> str:
    """One of `VERDICTS`, or what is wrong."""
    if after.status >= SERVER_ERROR:
        return f"server error {after.status}"
    if damage.is_legal:
        return LEGAL
    if not after.is_served:
        return REFUSED
    confident = more_confident(before, after)
    if confident:
        return f"more confident: {confident}"
    if any(newly_named(before, after, key) for key in _keys_named(key_of(damage.place))):
        return NAMED
    return SAME if is_same(before, after) else "changed without a word"


def is_fault(what: str) -> bool:
    return what not in VERDICTS


@dataclass(frozen=True)
class Case:
    """What became of one case."""

    number: int
    call: str
    element: str
    damage: Damage
    verdict: str


@cache
def pool() -> tuple[tuple[int, tuple[Call, ...]], ...]:
    found = ((weight, source()) for weight, source in SOURCES)
    return tuple((weight, of_source) for weight, of_source in found if of_source)


def call_of(random: Random) -> Call:
    weights, sources = zip(*pool(), strict=True)
    (source,) = random.choices(sources, weights)
    return random.choice(source)


def body_of(call: Call) -> Body | None:
    """The body of a call; None where there is none to be had, or too large a one."""
    body = call.load()
    if body is None or len(calls.bytes_of(body)) > MOST_BYTES:
        return None
    return body


def run(
    service: Service, call: Call, seed: int, numbers: Sequence[int], kind: str = ""
) -> Iterator[Case]:
    """The cases of one call; with `kind` only damage of that kind."""
    body = body_of(call)
    if body is None:
        return
    hook, now = body["hook"], call.now
    before = service.ask(hook, body, now)
    for number in numbers:
        random = seeded(seed, number)
        call_of(random)
        damage = _some_damage(body, random, kind)
        if damage is None:
            continue
        element = element_of(body, damage.place)
        parent = value_at(body, damage.place[:-1])
        order = list(parent) if isinstance(parent, dict) else []
        was = damage.apply(body)
        try:
            after = service.ask(hook, body, now)
            what = verdict(before, after, damage)
        except AssertionError as error:
            what = str(error).splitlines()[0]
        finally:
            damage.undo(body, was, order)
        yield Case(number, call.name, element, damage, what)


def _some_damage(body: Body, random: Random, kind: str) -> Damage | None:
    if not kind:
        return random.choice(damages(body, some_place(body, random)))
    places = [place for place in below(body) if key_of(place or ("",))]
    found = [d for place in places for d in damages(body, place) if d.what == kind]
    return random.choice(found) if found else None


def planned(seed: int, numbers: Iterable[int]) -> list[tuple[Call, list[int]]]:
    """The numbers of the cases by call, so that each call is read once."""
    by_name: dict[str, tuple[Call, list[int]]] = {}
    for number in numbers:
        call = call_of(seeded(seed, number))
        by_name.setdefault(call.name, (call, []))[1].append(number)
    return list(by_name.values())
