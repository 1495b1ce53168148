"""The patient: age from a birthDate of any precision, sex, and whether alive."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cds_service.chart.patient import Person, read_person
from cds_service.chart.reading import Reader
from cds_service.fhir.prefetch import KINDS
from tests.unit.chart.reading import raw

TODAY = date(2026, 11, 22)


def person(reader: Reader | None = None, **members: Any) -> Person:
    found = KINDS["patient"].read(raw({"resourceType": "Patient", **members}))
    return read_person(found, TODAY, reader=reader or Reader("patient"))


@pytest.mark.parametrize(
    ("born", "at_least", "at_most"),
    [
        ("1980-11-22", 46, 46),
        ("1980-11-23", 45, 45),
        ("1980-11", 45, 46),  # the birthday may still come this month
        ("1980-12", 45, 45),
        ("1980", 45, 46),
        ("2008-11-22", 18, 18),
        ("2008-02-29", 18, 18),
        ("2026-11-22", 0, 0),
        ("2026-11-22T08:00:00Z", 0, 0),
        ("1980-11-22T23:30:00-05:00", 46, 46),
        ("1900", 125, 126),
    ],
)
def test_the_age_is_as_exact_as_the_birth_date(born: str, at_least: int, at_most: int) -> None:
    found = person(birthDate=born)
    assert found.age_at_least(TODAY) == at_least
    assert found.age_at_most(TODAY) == at_most


@pytest.mark.parametrize("born", [None, "", "unknown", "2026-11-23", "2027", "1980-13-01"])
def test_no_usable_birth_date_is_no_age(born: str | None) -> None:
    found = person(birthDate=born)
    assert found.born is None
    assert found.age_at_least(TODAY) is None
    assert found.age_at_most(TODAY) is None


def test_a_year_that_has_begun_may_hold_the_birth() -> None:
    assert person(birthDate="2026").age_at_most(TODAY) == 0


@pytest.mark.parametrize(
    ("gender", "sex"),
    [
        ("female", "female"),
        ("male", "male"),
        ("other", ""),
        ("unknown", ""),
        ("Female", ""),
        (None, ""),
    ],
)
def test_the_equation_knows_two_sexes(gender: str | None, sex: str) -> None:
    assert person(gender=gender).sex == sex


@pytest.mark.parametrize(
    ("gender", "listed"),
    [("female", []), ("other", []), ("unknown", []), (None, []), ("Female", ["gender"])],
)
def test_a_gender_that_is_no_code_is_listed_and_no_more(
    gender: str | None, listed: list[str]
) -> None:
    reader = Reader("patient")
    person(reader, gender=gender)
    assert [found.element for found in reader.not_readable] == listed
    assert reader.lost == ()


@pytest.mark.parametrize(
    ("members", "deceased"),
    [
        ({}, False),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2026-11-22"}, True),
        ({"deceasedDateTime": "2026-11-23"}, False),
        ({"deceasedDateTime": "2026"}, True),
        ({"deceasedDateTime": "2027"}, False),
        ({"deceasedDateTime": "2020-01-01T10:00:00Z"}, True),
        ({"deceasedDateTime": "last winter"}, True),
        ({"deceasedDateTime": 2020}, True),
        ({"deceasedBoolean": "yes"}, False),
        ({"deceasedBoolean": True, "deceasedDateTime": "2027"}, True),
    ],
)
def test_whether_the_patient_has_died(members: dict[str, Any], deceased: bool) -> None:
    assert person(**members).deceased is deceased


def test_the_resource_is_named() -> None:
    assert person(id="pat-1").resource == "Patient/pat-1"
    assert person().resource == "Patient"
    nobody = KINDS["patient"].read(None)
    assert read_person(nobody, TODAY, reader=Reader("patient")) == Person()


@pytest.mark.parametrize(
    ("members", "element"),
    [
        ({"birthDate": "unknown"}, "birthDate"),
        ({"birthDate": "2027"}, "birthDate"),
        ({"deceasedDateTime": "last winter"}, "deceasedDateTime"),
    ],
)
def test_a_date_that_cannot_be_used_is_recorded(members: dict[str, Any], element: str) -> None:
    reader = Reader("patient")
    person(reader, **members)
    assert [(lost.resource, lost.element) for lost in reader.lost] == [("Patient", element)]
