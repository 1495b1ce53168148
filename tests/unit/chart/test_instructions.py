"""Dosage instructions: as needed in words, courses that are over, and what cannot be read."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cds_service.chart.chart import Chart
from cds_service.chart.medications import MedicationUse
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.unit.chart.reading import TODAY, chart, day

FUROSEMIDE = "4603"
OXIDE = "198741"


def order(code: str = FUROSEMIDE, *dosages: Any, **members: Any) -> Resource:
    found = fhir.medication_request(code, text="a drug", id="r", today=TODAY)
    if dosages:
        found["dosageInstruction"] = list(dosages)
    return {k: v for k, v in {**found, **members}.items() if v is not None}


def ordered(resource: Resource) -> Chart:
    return chart({"medicationRequests": [resource]})


def one(resource: Resource) -> MedicationUse:
    (use,) = ordered(resource).medications
    return use


def unread(resource: Resource) -> list[str]:
    found = ordered(resource)
    assert found.medications
    return [n.element for n in found.not_readable()]


# ------------------------------------------------------------------------------- as needed (N-8)


@pytest.mark.parametrize(
    "dosage",
    [
        {"text": "1 tablet as needed"},
        {"text": "1 tablet PRN swelling"},
        {"text": "1 tablet p.r.n."},
        {"text": "bei Bedarf 1 Tablette"},
        {"patientInstruction": "take one if needed"},
        {"text": "one when required"},
        {"timing": {"code": {"text": "Every 6 hours PRN"}}},
        {"timing": {"code": {"coding": [{"code": "x", "display": "as needed"}]}}},
        {"additionalInstruction": [{"text": "with food"}, {"text": "as needed"}]},
        {"text": "1 tablet as needed", "asNeededBoolean": False},
    ],
)
def test_words_make_an_order_as_needed(dosage: Resource) -> None:
    assert not one(order(FUROSEMIDE, dosage)).regular
    assert one(order(FUROSEMIDE, dosage, {"text": "1 tablet daily"})).regular


@pytest.mark.parametrize(
    "dosage",
    [
        {"text": "1 tablet daily for constipation"},
        {"text": "needed: 30 tablets"},
        {"text": "as directed"},
        {"additionalInstruction": "as needed"},
    ],
)
def test_words_that_do_not(dosage: Resource) -> None:
    assert one(order(FUROSEMIDE, dosage)).regular


def test_a_name_may_hold_the_dosage_where_there_is_no_other() -> None:
    named = {"medicationCodeableConcept": {"text": "Furosemide 40 mg as needed"}}
    assert not one(order(**named)).regular
    assert one(order(FUROSEMIDE, {"text": "1 daily"}, **named)).regular
    assert one(order(**named)).dosages != ()
    plain = {"medicationCodeableConcept": {"text": "Furosemide 40 mg"}}
    assert one(order(**plain)).dosages == ()


# ----------------------------------------------------------------- a course that is over (N-8)


def repeat(**members: Any) -> Resource:
    return {"timing": {"repeat": members}}


def quantity(value: Any, unit: str = "d") -> Resource:
    return {"value": value, "unit": unit}


def supply(days: Any, unit: str = "d", repeats: Any = None) -> Resource:
    found: Resource = {"expectedSupplyDuration": quantity(days, unit)}
    return found | ({"numberOfRepeatsAllowed": repeats} if repeats is not None else {})


AUTHORED = 100
"""Days ago that the orders of this part were written."""


def course(*dosages: Any, **members: Any) -> MedicationUse:
    return one(order(FUROSEMIDE, *dosages, authoredOn=day(AUTHORED), **members))


@each_row(
    ("dosages", "members", "ended"),
    [
        ([], {}, None),
        # Bounds of the dosage.
        ([repeat(boundsPeriod={"end": day(40)})], {}, 40),
        ([repeat(boundsPeriod={"start": day(90)})], {}, None),
        ([repeat(boundsDuration=quantity(60))], {}, 40),
        ([repeat(boundsDuration=quantity(8, "wk"))], {}, 44),
        ([repeat(boundsRange={"low": quantity(30), "high": quantity(60)})], {}, 70),
        ([repeat(boundsRange={"high": quantity(60)})], {}, 40),
        ([repeat(boundsRange={})], {}, None),
        # The course is over when all instructions are.
        ([repeat(boundsPeriod={"end": day(90)}), repeat(boundsPeriod={"end": day(40)})], {}, 40),
        ([repeat(boundsPeriod={"end": day(90)}), {}], {}, None),
        # Validity, and supply with its repeats.
        ([], {"dispenseRequest": {"validityPeriod": {"end": day(60)}}}, 60),
        ([], {"dispenseRequest": {"validityPeriod": {"start": day(60)}}}, None),
        ([], {"dispenseRequest": supply(30)}, 70),
        ([], {"dispenseRequest": supply(30, repeats=2)}, 10),
        ([], {"dispenseRequest": supply(4, "weeks", repeats=1)}, 44),
        ([], {"dispenseRequest": supply(30, repeats=-1)}, None),
        ([], {"dispenseRequest": supply(30, repeats="NaN")}, None),
        ([], {"dispenseRequest": supply(30, repeats=1e6)}, None),
        ([], {"dispenseRequest": supply(0)}, None),
        ([], {"dispenseRequest": supply("1e-999999")}, None),
        ([], {"dispenseRequest": supply("NaN")}, None),
        ([], {"dispenseRequest": supply(30, "moons")}, None),
        ([], {"dispenseRequest": supply(1e9)}, None),
        ([], {"dispenseRequest": {}}, None),
        # The first end that is proven counts.
        ([repeat(boundsDuration=quantity(60))], {"dispenseRequest": supply(30)}, 70),
        ([], {"dispenseRequest": supply(30) | {"validityPeriod": {"end": day(-200)}}}, 70),
        # An end that is a month or a year may be its first day.
        ([], {"dispenseRequest": {"validityPeriod": {"end": "2026-09"}}}, 82),
        ([], {"dispenseRequest": {"validityPeriod": {"end": "soon"}}}, None),
    ],
)
def test_when_a_course_may_be_over(
    dosages: list[Resource], members: Resource, ended: int | None
) -> None:
    use = course(*dosages, **members)
    assert use.course_end == (None if ended is None else TODAY - timedelta(days=ended))
    assert use.course_over is (ended is not None and ended > 30)


@pytest.mark.parametrize(("ended", "over"), [(30, False), (31, True)])
def test_a_course_is_over_a_month_after_its_end(ended: int, over: bool) -> None:
    assert course(repeat(boundsPeriod={"end": day(ended)})).course_over is over


def test_a_course_without_a_beginning_has_no_computed_end() -> None:
    undated = order(FUROSEMIDE, authoredOn=None, dispenseRequest=supply(30))
    assert one(undated).course_end is None


def test_an_end_beyond_all_dates_is_none() -> None:
    late = order(FUROSEMIDE, authoredOn="9999-12-01", dispenseRequest=supply(100))
    assert one(late).course_end is None


def test_an_order_of_a_year_may_have_ended_early_in_it() -> None:
    """A date that is cut never makes the use more certain."""
    exact = one(order(FUROSEMIDE, authoredOn=day(20), dispenseRequest=supply(30)))
    cut = one(order(FUROSEMIDE, authoredOn=day(20)[:4], dispenseRequest=supply(30)))
    assert (exact.course_over, cut.course_over) == (False, True)


# --------------------------------------------------------------------- what cannot be read (U-4)


def test_elements_with_ids_and_extensions_are_read_as_others() -> None:
    extra = {"id": "x", "extension": [{"url": "u", "valueString": "v"}]}
    dosage = {
        **extra,
        "_text": extra,
        "text": "1 tablet daily",
        "timing": {**extra, "repeat": {**extra, "_frequency": extra, "frequency": 2, "period": 1,
                                       "periodUnit": "d"}},
        "doseAndRate": [{**extra, "doseQuantity": {**extra, "value": 1, "unit": "tablet"}}],
    }  # fmt: skip
    (read,) = one(order(OXIDE, dosage)).dosages or ()
    assert read.repeat is not None
    assert read.repeat.frequency == 2
    assert [q.value for q in read.quantities] == [Decimal(1)]
    assert unread(order(OXIDE, dosage)) == []


@pytest.mark.parametrize(
    ("dosages", "elements"),
    [
        ("twice", ["dosageInstruction"]),
        ([{"text": "1 daily"}, "twice"], ["dosageInstruction[1]"]),
        ([None], ["dosageInstruction[0]"]),
    ],
)
def test_an_instruction_that_is_lost_leaves_the_whole_dosage_unread(
    dosages: Any, elements: list[str]
) -> None:
    use = one(order(OXIDE, dosageInstruction=dosages))
    assert use.dosages is None
    assert use.regular
    assert unread(order(OXIDE, dosageInstruction=dosages)) == elements


def test_a_lost_instruction_may_be_regular_beside_one_that_is_as_needed() -> None:
    assert one(order(OXIDE, dosageInstruction=[{"asNeededBoolean": True}, "twice"])).regular


@pytest.mark.parametrize(
    ("dosage", "element"),
    [
        ({"text": 5}, "dosageInstruction[0].text"),
        ({"route": {"coding": [{"code": 5}]}}, "dosageInstruction[0].route.coding[0].code"),
        ({"asNeededBoolean": "true"}, "dosageInstruction[0].asNeededBoolean"),
        ({"timing": "daily"}, "dosageInstruction[0].timing"),
        ({"timing": {"repeat": {"frequency": []}}}, "dosageInstruction[0].timing.repeat.frequency"),
        ({"timing": {"code": "BID"}}, "dosageInstruction[0].timing.code"),
        ({"doseAndRate": "1"}, "dosageInstruction[0].doseAndRate"),
        ({"doseAndRate": [{"doseQuantity": {"value": {}}}]},
         "dosageInstruction[0].doseAndRate[0].doseQuantity.value"),
        ({"doseQuantity": [1]}, "dosageInstruction[0].doseQuantity"),
        ({"additionalInstruction": "x"}, "dosageInstruction[0].additionalInstruction"),
        ({"timing": {"repeat": {"boundsPeriod": "x"}}},
         "dosageInstruction[0].timing.repeat.boundsPeriod"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_the_rest_is_kept(dosage: Resource, element: str) -> None:
    whole = {"patientInstruction": "1 tablet daily", **dosage}
    assert unread(order(OXIDE, whole)) == [element]
    (read,) = one(order(OXIDE, whole)).dosages or ()
    assert read.texts[-1] == "1 tablet daily"


def test_a_dose_is_not_read_from_the_rest_of_damaged_doses() -> None:
    rates = [{"doseQuantity": {"value": 1, "unit": "tablet"}}, {"doseQuantity": {"value": []}}]
    (read,) = one(order(OXIDE, {"doseAndRate": rates})).dosages or ()
    assert read.quantities == ()
    damaged = repeat(frequency=1, frequencyMax="x", period=1, periodUnit="d")
    (read,) = one(order(OXIDE, damaged)).dosages or ()
    assert read.repeat is None


def test_how_much_of_another_drug_is_not_looked_at() -> None:
    dosage = {"doseAndRate": "1", "timing": {"repeat": {"frequency": []}}}
    assert unread(order(FUROSEMIDE, dosage)) == []


@pytest.mark.parametrize(
    ("dispense", "element"),
    [
        ("odd", "dispenseRequest"),
        ({"quantity": 5}, "dispenseRequest.quantity"),
        ({"validityPeriod": {"end": "soon"}}, "dispenseRequest.validityPeriod.end"),
        ({"numberOfRepeatsAllowed": []}, "dispenseRequest.numberOfRepeatsAllowed"),
    ],
)
def test_a_supply_that_cannot_be_read_is_named(dispense: Any, element: str) -> None:
    assert unread(order(dispenseRequest=dispense)) == [element]


@pytest.mark.parametrize(
    ("unit", "named"),
    [
        ("d", []),
        ("day", []),
        ("", []),
        (None, []),
        ("moon", ["dosageInstruction[0].timing.repeat.periodUnit"]),
    ],
)
def test_a_unit_of_time_that_nobody_knows_is_named(unit: str | None, named: list[str]) -> None:
    repeat = {"frequency": 1, "period": 1, "periodUnit": unit}
    assert unread(order(OXIDE, {"timing": {"repeat": repeat}})) == named


@pytest.mark.parametrize(
    ("when", "named"),
    [
        (["MORN", "PCV"], []),
        ([], []),
        (["MORN", "whenever"], ["dosageInstruction[0].timing.repeat.when"]),
    ],
)
def test_a_time_of_the_day_that_nobody_knows_is_named(when: list[str], named: list[str]) -> None:
    assert unread(order(OXIDE, {"timing": {"repeat": {"when": when}}})) == named


@pytest.mark.parametrize(
    ("dosage", "named"),
    [
        ({"odd": 1}, ["dosageInstruction[0]"]),
        ({"method": {"text": "swallow"}}, []),
        ({"timing": {"odd": 1}}, ["dosageInstruction[0].timing"]),
        ({"timing": {"event": ["2026-11-22"]}}, []),
        ({"timing": {"repeat": {"odd": 1}}}, ["dosageInstruction[0].timing.repeat"]),
        ({"timing": {"repeat": {"count": 1, "boundsDuration": {"value": 1, "code": "d"}}}}, []),
        ({"timing": {"repeat": {"when": ["MORN"], "boundsDuration": {"odd": 1}}}},
         ["dosageInstruction[0].timing.repeat.boundsDuration"]),
        ({"doseAndRate": [{"odd": 1}]}, ["dosageInstruction[0].doseAndRate[0]"]),
        ({"doseAndRate": {"odd": 1}}, ["dosageInstruction[0].doseAndRate"]),
        ({"doseAndRate": [{"rateQuantity": {"value": 1, "unit": "mg/h"}}]}, []),
    ],
)  # fmt: skip
def test_an_object_that_holds_nothing_of_its_element_is_named(
    dosage: Resource, named: list[str]
) -> None:
    assert unread(order(OXIDE, dosage)) == named


def test_a_supply_that_holds_nothing_of_its_element_is_named() -> None:
    assert unread(order(OXIDE, dispenseRequest={"odd": 1})) == ["dispenseRequest"]
    assert unread(order(OXIDE, dispenseRequest={"performer": {"display": "x"}})) == []
