"""Dialysis procedures: recent ones, and those in progress (SPEC 3.2, 11.15)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.procedures import Dialysis, read_dialysis
from cds_service.chart.reading import Reader
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.unit.chart.reading import SUBJECT, TODAY, content, day

RENAL_DIALYSIS = "265764009"
PERITONEAL = "71192002"
DAYS = 90


def dialysis(*procedures: Resource) -> Dialysis:
    found = content("kidneyProcedures", procedures)
    return read_dialysis(
        found, knowledge().terminology, SUBJECT, TODAY, DAYS, reader=Reader("kidneyProcedures")
    )


def procedure(**changes: Any) -> Resource:
    usual = fhir.procedure(RENAL_DIALYSIS, 10, id="p", today=TODAY)
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("members", "counts"),
    [
        ({"performedDateTime": day(0)}, True),
        ({"performedDateTime": day(90)}, True),
        ({"performedDateTime": day(91)}, False),
        ({"performedDateTime": "2026-08"}, True),  # may be within 90 days
        ({"performedDateTime": "2026-07"}, False),
        ({"performedDateTime": None}, True),  # undated: it may be recent
        ({"performedDateTime": "often"}, True),
        ({"performedDateTime": None, "performedPeriod": {"start": day(400), "end": day(50)}}, True),
        (
            {"performedDateTime": None, "performedPeriod": {"start": day(400), "end": day(91)}},
            False,
        ),
        ({"performedDateTime": None, "performedPeriod": {"start": day(50)}}, True),
        ({"performedDateTime": None, "performedPeriod": {}}, True),
        # In progress counts at any age.
        ({"performedDateTime": day(2000), "status": "in-progress"}, True),
        ({"performedDateTime": day(2000), "status": "completed"}, False),
        ({"performedDateTime": day(10), "status": "stopped"}, True),
        ({"performedDateTime": day(10), "status": None}, True),
        ({"status": "not-done"}, False),
        ({"status": "preparation"}, False),
        ({"status": "entered-in-error"}, False),
    ],
)
def test_which_count(members: dict[str, Any], counts: bool) -> None:
    found = dialysis(procedure(**members))
    assert (len(found.procedures), len(found.set_aside)) == ((1, 0) if counts else (0, 1))


def test_why_one_does_not_count() -> None:
    assert dialysis(procedure(performedDateTime=day(91))).set_aside[0].why == (
        "was more than 90 days ago"
    )
    assert dialysis(procedure(status="not-done")).set_aside[0].why == "status is not-done"


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        (fhir.concept(RENAL_DIALYSIS), True),
        (fhir.concept(PERITONEAL), True),
        (
            {
                "coding": [
                    {"system": "urn:local", "code": "1"},
                    fhir.coding(RENAL_DIALYSIS, "snomed"),
                ]
            },
            True,
        ),
        (fhir.concept("80146002"), False),  # appendectomy
        ({"text": "haemodialysis"}, False),
        (fhir.concept(RENAL_DIALYSIS, "loinc"), False),
        ({}, False),
        (None, False),
    ],
)
def test_by_code_alone(code: Any, counts: bool) -> None:
    found = dialysis(procedure(code=code))
    assert bool(found.procedures) is counts
    assert not found.set_aside


def test_another_patients_procedure_is_counted_but_not_read() -> None:
    found = dialysis(procedure(subject={"reference": "Patient/other"}))
    assert (found.procedures, found.foreign) == ([], 1)


def test_the_evidence() -> None:
    (evidence,) = dialysis(procedure()).procedures
    assert (evidence.resource, evidence.code) == ("Procedure/p", RENAL_DIALYSIS)
    assert evidence.date == fhir.moment(10, TODAY)


def test_what_does_not_count_hides_no_dialysis_behind_it() -> None:
    others = procedure(subject={"reference": "Patient/other"})
    code = fhir.concept(RENAL_DIALYSIS, text="HD", display="Renal dialysis")
    found = dialysis(
        procedure(code=None),
        procedure(code=fhir.concept("80146002")),
        others,
        others,
        procedure(status="not-done", code=code),
        procedure(code=code),
    )
    assert found.foreign == 2
    assert [(s.resource, s.what) for s in found.set_aside] == [("Procedure/p", "Renal dialysis")]
    assert [e.display for e in found.procedures] == ["Renal dialysis"]


def test_a_dialysis_without_a_display_is_called_by_its_text() -> None:
    code = fhir.concept(RENAL_DIALYSIS, text="HD")
    found = dialysis(procedure(code=code), procedure(code=code, status="not-done"))
    assert [e.display for e in found.procedures] == ["HD"]
    assert [s.what for s in found.set_aside] == ["HD"]


def test_a_dialysis_without_an_id_is_named_by_its_place() -> None:
    entries = [{"resource": procedure(code=None)}, {"resource": procedure(id=None)}]
    found = content("kidneyProcedures", [], entry=entries)
    (evidence,) = read_dialysis(
        found, knowledge().terminology, SUBJECT, TODAY, DAYS, reader=Reader("kidneyProcedures")
    ).procedures
    assert evidence.resource == "Procedure (entry 1, without id)"


def test_a_dialysis_of_which_only_the_beginning_is_known_is_as_old_as_that() -> None:
    begun = procedure(performedDateTime=None, performedPeriod={"start": day(400)})
    assert [s.why for s in dialysis(begun).set_aside] == ["was more than 90 days ago"]
