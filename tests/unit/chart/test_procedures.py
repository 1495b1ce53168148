"""Dialysis procedures: recent ones, and those in progress (SPEC 3.2, 11.15)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.procedures import DIALYSIS, RISK, Procedures, read_procedures
from cds_service.chart.procedures import TRANSPLANT as TRANSPLANT_SET
from cds_service.chart.reading import Reader
from cds_service.fhir.prefetch import Content
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import SUBJECT, TODAY, content, day

RENAL_DIALYSIS = "265764009"
PERITONEAL = "71192002"
TRANSPLANT = "70536003"
EXAMINATION_AFTER = "428645009"
DAYS = 90


def of(found: Content[Any], reader: Reader | None = None) -> Procedures:
    return read_procedures(
        found,
        knowledge().terminology,
        SUBJECT,
        TODAY,
        DAYS,
        reader=reader or Reader("kidneyProcedures"),
        safety_words=knowledge().safety_words,
    )


def dialysis(*procedures: Resource) -> Procedures:
    return of(content("kidneyProcedures", procedures))


def noted(*procedures: Resource) -> list[tuple[str, str]]:
    """What was recorded as not readable and leaves the key partly known."""
    reader = Reader("kidneyProcedures")
    of(content("kidneyProcedures", procedures), reader)
    return [(lost.resource, lost.element) for lost in reader.lost]


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
    assert (len(found.of(DIALYSIS)), len(found.set_aside)) == ((1, 0) if counts else (0, 1))


def test_why_one_does_not_count() -> None:
    assert in_words(dialysis(procedure(performedDateTime=day(91))).set_aside[0].why) == (
        "was more than 90 days ago"
    )
    assert in_words(dialysis(procedure(status="not-done")).set_aside[0].why) == "status is not-done"


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
    assert bool(found.of(DIALYSIS)) is counts
    assert not found.set_aside


def test_another_patients_procedure_is_counted_but_not_read() -> None:
    found = dialysis(procedure(subject={"reference": "Patient/other"}))
    assert (found.by_set, found.foreign) == ({}, 1)


def test_the_evidence() -> None:
    (evidence,) = dialysis(procedure()).of(DIALYSIS)
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
    assert [(s.resource, in_words(s.what)) for s in found.set_aside] == [
        ("Procedure/p", "Renal dialysis")
    ]
    assert [e.display for e in found.of(DIALYSIS)] == ["Renal dialysis"]


def test_a_dialysis_without_a_display_is_called_by_its_text() -> None:
    code = fhir.concept(RENAL_DIALYSIS, text="HD")
    found = dialysis(procedure(code=code), procedure(code=code, status="not-done"))
    assert [e.display for e in found.of(DIALYSIS)] == ["HD"]
    assert [in_words(s.what) for s in found.set_aside] == ["HD"]


def test_a_dialysis_without_an_id_is_named_by_its_place() -> None:
    entries = [{"resource": procedure(code=None)}, {"resource": procedure(id=None)}]
    found = content("kidneyProcedures", [], entry=entries)
    (evidence,) = of(found).of(DIALYSIS)
    assert evidence.resource == "Procedure (entry 1, without id)"


def test_a_dialysis_of_which_only_the_beginning_is_known_is_as_old_as_that() -> None:
    begun = procedure(performedDateTime=None, performedPeriod={"start": day(400)})
    assert [in_words(s.why) for s in dialysis(begun).set_aside] == ["was more than 90 days ago"]


@pytest.mark.parametrize(
    "members",
    [
        {"performedDateTime": "often"},
        {"performedDateTime": 2020},
        {"performedDateTime": None, "performedPeriod": {"end": "often", "start": day(400)}},
        {"performedDateTime": None, "performedPeriod": {"end": 5, "start": day(400)}},
        {"performedDateTime": None, "performedPeriod": "often"},
    ],
)
def test_a_date_that_cannot_be_read_may_be_a_recent_one(members: dict[str, Any]) -> None:
    (evidence,) = dialysis(procedure(**members)).of(DIALYSIS)
    assert evidence.date is None
    read = content("kidneyProcedures", [procedure(**members)])
    assert noted(procedure(**members)) or read.unread


@pytest.mark.parametrize(
    ("status", "lost"), [(None, True), ("unknown", True), ("finished", True), ("on-hold", False)]
)
def test_a_status_that_says_nothing_is_recorded_and_dialysis_counts(
    status: str | None, lost: bool
) -> None:
    asked = procedure(status=status)
    assert len(dialysis(asked).of(DIALYSIS)) == 1
    assert noted(asked) == ([("Procedure/p", "status")] if lost else [])


def test_a_status_of_no_fhir_type_is_recorded_once() -> None:
    asked = procedure(status=5)
    assert len(dialysis(asked).of(DIALYSIS)) == 1
    assert noted(asked) == []
    assert [lost.element for lost in content("kidneyProcedures", [asked]).unread] == ["status"]


# ------------------------------------------------------------------------------- transplant


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        (TRANSPLANT, True),
        (EXAMINATION_AFTER, True),
        ("175899003", False),  # of the patient's own kidney
        ("265550007", False),  # taken out again
        ("429496005", False),  # of a donor
        ("80146002", False),
    ],
)
def test_a_transplant_counts_by_its_grade(code: str, counts: bool) -> None:
    found = dialysis(procedure(code=fhir.concept(code)))
    assert bool(found.of(TRANSPLANT_SET)) is counts


@pytest.mark.parametrize(
    "members",
    [
        {"performedDateTime": day(9000)},
        {"performedDateTime": None},
        {"performedDateTime": "long ago"},
        {"status": "in-progress"},
    ],
)
def test_a_transplant_counts_at_any_age(members: dict[str, Any]) -> None:
    found = dialysis(procedure(code=fhir.concept(TRANSPLANT), **members))
    assert len(found.of(TRANSPLANT_SET)) == 1


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("not-done", "status is not-done"),
        ("entered-in-error", "status is entered-in-error"),
        ("stopped", "status is stopped"),
        ("on-hold", "status is on-hold"),
        (None, "has a status that cannot be read"),
        ("unknown", "has a status that cannot be read"),
        (5, "has a status that cannot be read"),
    ],
)
def test_a_transplant_that_was_not_done_or_may_not_have_been(status: Any, why: str) -> None:
    found = dialysis(procedure(code=fhir.concept(TRANSPLANT), status=status))
    assert found.of(TRANSPLANT_SET) == ()
    assert [in_words(s.why) for s in found.set_aside] == [why]


@pytest.mark.parametrize(
    "code", ["116033007", "12976005", RENAL_DIALYSIS, TRANSPLANT, "175899003", "429496005"]
)
def test_what_is_done_to_a_kidney_is_a_renal_risk_at_any_age(code: str) -> None:
    found = dialysis(procedure(code=fhir.concept(code), performedDateTime=day(9000)))
    assert [e.code for e in found.of(RISK)] == [code]


def test_procedures_stand_newest_first() -> None:
    old = procedure(id="old", performedDateTime=day(50))
    new = procedure(id="new", performedDateTime=day(5))
    assert [e.resource for e in dialysis(old, new).of(DIALYSIS)] == [
        "Procedure/new",
        "Procedure/old",
    ]


# ------------------------------------------------------------------- codes that are not read


@pytest.mark.parametrize(
    ("code", "lost"),
    [
        (fhir.concept("80146002"), False),
        (fhir.concept("1", "urn:house", display="Appendectomy"), False),
        (fhir.concept("1", "urn:house", display="Haemodialysis"), True),
        (fhir.concept("1", "urn:house", text="Kidney transplant"), True),
        ({"text": "Dialyse"}, True),
        ({}, True),
        ({"value": fhir.concept(RENAL_DIALYSIS)}, True),
        (None, True),
    ],
)
def test_a_code_that_is_not_read_may_be_dialysis_by_its_words(code: Any, lost: bool) -> None:
    assert noted(procedure(code=code)) == ([("Procedure/p", "code")] if lost else [])


def test_a_code_that_is_not_read_is_named_with_its_system() -> None:
    reader = Reader("kidneyProcedures")
    asked = [procedure(code=fhir.concept("1", "urn:house")), procedure(code=None, id="q")]
    of(content("kidneyProcedures", asked), reader)
    assert [in_words(n.why) for n in reader.not_readable] == [
        "its code is of urn:house, which is not read",
        "has no code",
    ]
