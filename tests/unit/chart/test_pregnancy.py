"""The recorded pregnancy status: the latest one within its window decides."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.evidence import Evidence
from cds_service.chart.pregnancy import PregnancyStatus, read_pregnancy_status
from cds_service.chart.reading import Reader
from cds_service.fhir.prefetch import Content
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import SUBJECT, TODAY, content, day

DAYS = 300
PREGNANT = fhir.concept("77386006", "snomed", display="Pregnant")
LOINC_PREGNANT = fhir.concept("LA15173-0", "loinc")
NOT = fhir.concept("60001007", "snomed", display="Not pregnant")
UNKNOWN = fhir.concept("261665006", "snomed")


def status(answer: Any = PREGNANT, written: str | None = day(10), **changes: Any) -> Resource:
    usual = fhir.observation(fhir.PREGNANCY_STATUS, value_concept=answer, today=TODAY)
    usual["id"] = f"s-{written}"
    usual["effectiveDateTime"] = written
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def of(found: Content[Any], reader: Reader | None = None) -> PregnancyStatus:
    return read_pregnancy_status(
        found,
        knowledge().terminology,
        SUBJECT,
        TODAY,
        DAYS,
        reader=reader or Reader("pregnancyStatus"),
        safety_words=knowledge().safety_words,
    )


def read(*statuses: Resource) -> Evidence | None:
    return of(content("pregnancyStatus", statuses)).pregnant


def noted(*statuses: Resource) -> list[tuple[str, str]]:
    """What was recorded as not readable and leaves the key partly known."""
    reader = Reader("pregnancyStatus")
    of(content("pregnancyStatus", statuses), reader)
    return [(lost.resource, lost.element) for lost in reader.lost]


@pytest.mark.parametrize(
    ("answer", "pregnant"),
    [
        (PREGNANT, True),
        (LOINC_PREGNANT, True),
        ({"text": "Pregnant"}, True),
        ({"text": " pregnant "}, True),
        (NOT, False),
        (UNKNOWN, False),
        ({"text": "Not pregnant"}, False),
        # The coding is what is said, whatever the text beside it.
        ({**NOT, "text": "pregnant"}, False),
        ({}, False),
        ("pregnant", False),
        ([PREGNANT], False),
        # One odd coding does not hide the others.
        ({"coding": [{"code": 5}, *PREGNANT["coding"]]}, True),
        ({"coding": [{"code": "x"}, *PREGNANT["coding"]]}, True),
        ({"coding": [None, *NOT["coding"]]}, False),
    ],
)
def test_what_says_pregnant(answer: Any, pregnant: bool) -> None:
    assert (read(status(answer)) is not None) is pregnant


def test_without_a_value_it_says_nothing() -> None:
    assert read(status(None)) is None
    assert read() is None


@pytest.mark.parametrize("text", ["Pregnant", "not pregnant"])
def test_a_text_may_say_it(text: str) -> None:
    assert (read(status(None, valueString=text)) is not None) is (text == "Pregnant")
    assert noted(status(None, valueString=text)) == []


@pytest.mark.parametrize("answer", [PREGNANT, NOT, {"coding": [None, *NOT["coding"]]}])
def test_an_answer_that_is_read_leaves_the_key_known(answer: Any) -> None:
    assert noted(status(answer)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"valueCodeableConcept": UNKNOWN},
        {"valueCodeableConcept": {"coding": [{"code": 5}]}},
        {"valueCodeableConcept": "pregnant"},
        {"valueCodeableConcept": {}},
        {"valueCodeableConcept": None},
        {"valueCodeableConcept": None, "valueBoolean": True},
        {"valueCodeableConcept": None, "valueString": 5},
        {"valueCodeableConcept": {"text": "perhaps"}},
        {"status": None},
        {"status": "unknown"},
    ],
)
def test_a_latest_status_that_cannot_be_read_leaves_it_open(changes: dict[str, Any]) -> None:
    newest = status(written=day(5), **changes)
    older = status(written=day(50))
    assert read(newest, older) is None
    assert noted(newest, older) == [(f"Observation/s-{day(5)}", "value")]


def test_an_older_status_that_cannot_be_read_does_not_matter() -> None:
    assert noted(status(NOT, day(5)), status(UNKNOWN, day(50))) == []
    assert noted(status(PREGNANT, day(5)), status(UNKNOWN, day(5))) == []


@pytest.mark.parametrize(
    ("code", "lost"),
    [
        (fhir.concept("8867-4", "loinc"), False),
        (fhir.concept("1", "urn:house", display="Heart rate"), False),
        (fhir.concept("1", "urn:house", display="Pregnancy status"), True),
        (fhir.concept("1", "urn:house", text="Schwangerschaft"), True),
        ({"text": "Pregnant?"}, True),
        ({}, True),
        (None, True),
    ],
)
def test_a_code_that_is_not_read_may_be_the_status_by_its_words(code: Any, lost: bool) -> None:
    asked = status(code=code, id="s")
    assert noted(asked) == ([("Observation/s", "code")] if lost else [])


def test_a_code_that_is_not_read_is_named_with_its_system() -> None:
    reader = Reader("pregnancyStatus")
    of(content("pregnancyStatus", [status(code=fhir.concept("1", "urn:house"))]), reader)
    assert [in_words(n.why) for n in reader.not_readable] == [
        "its code is of urn:house, which is not read"
    ]


def test_a_status_may_stand_among_other_results() -> None:
    egfr = fhir.observation(fhir.EGFR, 90, today=TODAY)
    nameless = {"resourceType": "Observation", "id": "n"}
    results = content("kidneyLabs", [egfr, nameless, {**nameless, "code": {}}, status()])
    found = read_pregnancy_status(
        content("pregnancyStatus", [status(NOT, day(20))]),
        knowledge().terminology,
        SUBJECT,
        TODAY,
        DAYS,
        reader=Reader("pregnancyStatus"),
        safety_words=knowledge().safety_words,
        elsewhere=[results],
    )
    assert found.pregnant is not None


@pytest.mark.parametrize(
    ("days", "newest_first"),
    [((5, 50), True), ((50, 5), False), ((5,), True), ((), False)],
)
def test_whether_the_statuses_came_newest_first(days: tuple[int, ...], newest_first: bool) -> None:
    found = of(content("pregnancyStatus", [status(written=day(d)) for d in days]))
    assert found.newest_first is newest_first


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"status": "amended"}, True),
        ({"status": "corrected"}, True),
        ({"status": "preliminary"}, False),
        ({"status": "entered-in-error"}, False),
        ({"status": None}, False),
        ({"subject": {"reference": "Patient/other"}}, False),
        ({"code": fhir.concept("8867-4", "loinc")}, False),
        ({"code": None}, False),
        ({"code": {"text": "pregnancy status"}}, False),
    ],
)
def test_which_observations_count(changes: dict[str, Any], counts: bool) -> None:
    assert (read(status(**changes)) is not None) is counts


@pytest.mark.parametrize(
    ("written", "counts"),
    [
        (day(0), True),
        (day(300), True),
        (day(301), False),
        ("2026", True),
        ("2025", False),
        (None, True),  # undated: it may be now
    ],
)
def test_the_window(written: str | None, counts: bool) -> None:
    assert (read(status(written=written)) is not None) is counts


@pytest.mark.parametrize(
    ("older", "newer", "pregnant"),
    [
        ((PREGNANT, day(100)), (NOT, day(10)), False),
        ((NOT, day(100)), (PREGNANT, day(10)), True),
        # The dates leave open which is newer: pregnant is the safer reading.
        ((PREGNANT, "2026"), (NOT, day(10)), True),
        ((PREGNANT, None), (NOT, day(10)), True),
        ((NOT, "2026"), (PREGNANT, day(10)), True),
        ((PREGNANT, day(10)), (NOT, day(10)), True),
    ],
)
def test_the_latest_decides(older: Any, newer: Any, pregnant: bool) -> None:
    assert (read(status(*older), status(*newer)) is not None) is pregnant
    assert (read(status(*newer), status(*older)) is not None) is pregnant


def test_the_evidence() -> None:
    evidence = read(status())
    assert evidence is not None
    assert evidence.resource == f"Observation/s-{day(10)}"
    assert (evidence.code, evidence.value, evidence.date) == ("82810-3", "pregnant", day(10))


def test_what_does_not_count_hides_no_status_behind_it() -> None:
    found = read(
        status(status="preliminary"),
        status(subject={"reference": "Patient/other"}),
        status(code=None),
        status(),
    )
    assert found == Evidence(
        resource=f"Observation/s-{day(10)}",
        system="http://loinc.org",
        code=fhir.PREGNANCY_STATUS,
        display="Pregnancy status",
        date=day(10),
        value="pregnant",
        matched="value",
    )


def test_a_status_without_an_id_is_named_by_its_place() -> None:
    entries = [{"resource": status(NOT, day(20))}, {"resource": status(id=None)}]
    found = content("pregnancyStatus", [], entry=entries)
    evidence = of(found).pregnant
    assert evidence is not None
    assert evidence.resource == "Observation (entry 1, without id)"
