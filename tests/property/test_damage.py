"""Damage to any one element is never a silent loss: a thousand cases of a fixed seed.

`make damage` runs more, of other seeds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import pytest

from ..support import charts
from ..support.places import Place, value_at
from . import calls
from .calls import Body
from .confidence import OK, Answer, is_same, more_confident
from .damage import table
from .damages import Case, Damage, damages, is_fault, planned, run, verdict
from .elements import element_of, key_of, seeded, some_place
from .service import Service

pytestmark = pytest.mark.slow

SEED = 20_261_128
CASES = 1_000
PARTS = 8


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


def _cases(service: Service, numbers: Sequence[int]) -> list[Case]:
    return [c for call, some in planned(SEED, numbers) for c in run(service, call, SEED, some)]


@pytest.mark.parametrize("part", range(PARTS))
def test_damage_is_never_a_silent_loss(service: Service, part: int) -> None:
    found = _cases(service, range(part, CASES, PARTS))
    faults = [
        f"{case.number}: {case.call} {case.element}, {case.damage.what}: {case.verdict}"
        for case in found
        if is_fault(case.verdict)
    ]
    assert not faults, "\n".join([*faults, "python -m tests.property.damage describes them"])
    assert len(found) > CASES / PARTS / 2


@pytest.mark.parametrize("call", calls.sandbox()[::4], ids=lambda call: call.name)
def test_a_lost_entry_is_named_or_changes_nothing(service: Service, call: calls.Call) -> None:
    """What was worst: an entry without its resource, in every Bundle of a call."""
    body = call.load()
    assert body is not None
    before = service.ask(body["hook"], body, call.now)
    for key, value in body["prefetch"].items():
        for number in range(len(value.get("entry") or ())):
            place = ("prefetch", key, "entry", number, "resource")
            damage = Damage("required, removed", place, is_gone=True)
            damaged = copy.deepcopy(body)
            damage.apply(damaged)
            what = verdict(before, service.ask(body["hook"], damaged, call.now), damage)
            assert not is_fault(what), f"{place}: {what}"


def _forms_of_absence(body: Body, place: Place) -> Iterator[Body]:
    """The call without an element: left out, null, and only said to be absent."""
    *above, name = place
    for form in ({}, {name: None}, {f"_{name}": {"extension": [ABSENT]}}):
        absent = copy.deepcopy(body)
        parent = value_at(absent, tuple(above))
        del parent[name]
        parent.update(form)
        yield absent


ABSENT = {
    "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    "valueCode": "unknown",
}


@pytest.mark.parametrize("part", range(2))
def test_an_optional_element_is_absent_in_every_form(service: Service, part: int) -> None:
    """Without it the chart is another one, and legal: how its absence is written makes no difference."""
    wrong = []
    for call in [*calls.sandbox()[part::16], *calls.scenarios()[part::90]]:
        body, _ = service.usual(call)
        assert body is not None
        random = seeded(call.name)
        for _ in range(4):
            place = some_place(body, random)
            if key_of(place) is None or not _is_optional_member(body, place):
                continue
            answers = [
                service.ask(body["hook"], each, call.now) for each in _forms_of_absence(body, place)
            ]
            if answers[0].is_served and not all(is_same(answers[0], a) for a in answers):
                wrong.append(f"{call.name}: {place}")
    assert not wrong


def _is_optional_member(body: Body, place: Place) -> bool:
    gone = [damage for damage in damages(body, place) if damage.is_gone]
    return isinstance(place[-1], str) and len(place) > 2 and all(d.is_legal for d in gone)


# ------------------------------------------------------------------- the tool itself


def test_a_damage_that_is_undone_leaves_the_call_as_it_was() -> None:
    body = calls.sandbox()[0].load()
    assert body is not None
    written = calls.bytes_of(body)
    for place in (
        ("prefetch", "patient", "birthDate"),
        ("prefetch", "conditions", "entry"),
        ("prefetch", "conditions", "entry", 0),
        ("prefetch", "conditions", "entry", 0, "resource"),
    ):
        for damage in damages(body, place):
            parent = value_at(body, place[:-1])
            order = list(parent) if isinstance(parent, dict) else []
            was = damage.apply(body)
            assert calls.bytes_of(body) != written, damage
            damage.undo(body, was, order)
            assert calls.bytes_of(body) == written, damage


def test_what_is_required_is_removed_and_what_is_not_makes_another_legal_chart() -> None:
    body = charts.patient_view(calls.DAY)
    entry = ("prefetch", "conditions", "entry", 0)
    legal = {
        name: [d.is_legal for d in damages(body, (*entry, *place)) if d.is_gone]
        for name, place in {
            "resource": ("resource",),
            "subject": ("resource", "subject"),
            "clinicalStatus": ("resource", "clinicalStatus"),
        }.items()
    }
    assert legal == {"resource": [False] * 3, "subject": [False] * 3, "clinicalStatus": [True]}
    assert element_of(body, (*entry, "resource", "code", "coding", 0)) == "Condition.code.coding"


def test_a_call_has_the_same_cases_however_many_are_asked_for() -> None:
    few, many = planned(1, range(5)), planned(1, range(50))
    names = {number: call.name for call, numbers in many for number in numbers}
    for call, numbers in few:
        for number in numbers:
            assert names[number] == call.name


# ------------------------------------------------------------------- more confident


def _card(
    card: str, indicator: str, dose: int = 0, *, best: bool = False, unknown: bool = False
) -> dict:
    order = {
        "resourceType": "MedicationRequest",
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": dose, "code": "mg"}}],
            }
        ],
    }
    actions = [{"type": "create", "resource": order}]
    why = {"card": card} | ({"unknown": ["allergies"]} if unknown else {})
    return {
        "indicator": indicator,
        "suggestions": [{"isRecommended": best, "actions": actions}] if dose else [],
        "extension": {"org.magnesium-migraine.decision": why},
    }


def _answer(*shown: dict, unknown: Sequence[tuple[str, str]] = ()) -> Answer:
    return Answer(OK, shown, frozenset(unknown))


SILENT = _answer()
OFFERED = _answer(_card("mg-suggest", "info", 200))
OFFERED_UNSURE = _answer(_card("mg-suggest", "info", 200, unknown=True))
RECOMMENDED = _answer(_card("mg-suggest", "info", 200, best=True))
RECOMMENDED_UNSURE = _answer(_card("mg-suggest", "info", 200, best=True, unknown=True))
MORE = _answer(_card("mg-suggest", "info", 400, best=True))
HAZARD = _answer(_card("mg-hazard-renal", "critical"))
CRITICAL = _answer(_card("rx-mg-renal-critical", "critical"))
WARNED = _answer(_card("rx-mg-not-checked", "warning", unknown=True))
GAP = _answer(unknown=[("kidneyLabs", "has an entry that cannot be read")])
NO_ORDER = _answer(unknown=[("draftOrders", "one order cannot be identified")])


@pytest.mark.parametrize(
    ("before", "after", "is_more"),
    [
        (SILENT, RECOMMENDED, True),
        (SILENT, RECOMMENDED_UNSURE, True),
        (SILENT, OFFERED, True),
        (SILENT, OFFERED_UNSURE, False),
        (OFFERED, RECOMMENDED, True),
        (RECOMMENDED, MORE, True),
        (RECOMMENDED, OFFERED, False),
        (RECOMMENDED, SILENT, False),
        (HAZARD, SILENT, True),
        (HAZARD, GAP, False),
        (CRITICAL, GAP, True),
        (CRITICAL, NO_ORDER, False),
        (CRITICAL, WARNED, False),
        (RECOMMENDED, Answer(412), False),
    ],
)
def test_what_is_more_confident(before: Answer, after: Answer, is_more: bool) -> None:
    assert (more_confident(before, after) is not None) is is_more


def test_the_table_counts_by_element() -> None:
    damage = Damage("null", ("prefetch", "patient", "gender"))
    case = Case(1, "a call", "Patient.gender", damage, "named")
    fault = Case(2, "a call", "Patient.gender.more", damage, "changed without a word")
    assert table([case, fault]).splitlines()[1].split() == ["Patient.gender", "1", "1"]
