"""Subgroups of patients."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds_service.rehearsal.people import NOT_RECORDED, Person, person_of

from .population import (
    Resource,
    egfr,
    eligible,
    patient,
    visit,
    write_export,
)
from .running import run, summary

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
BCP47 = "urn:ietf:bcp:47"
AS_OF = {"transactionTime": "2026-11-22T00:00:00Z"}
DAY = date(2026, 11, 22)


def us_core(name: str, *parts: Resource) -> Resource:
    return {"url": f"{US_CORE}{name}", "extension": list(parts)}


def category(display: str) -> Resource:
    return {"url": "ombCategory", "valueCoding": {"code": "x", "display": display}}


def text(words: str) -> Resource:
    return {"url": "text", "valueString": words}


def spoken(code: str, **more: Any) -> Resource:
    return {"language": {"coding": [{"system": BCP47, "code": code}]}} | more


def groups(**more: Any) -> dict[str, str]:
    found = person_of(json.dumps(patient("p", **more)).encode(), "00")
    return dict(found.groups(DAY))


@pytest.mark.parametrize(
    ("more", "dimension", "group"),
    [
        ({"extension": [us_core("race", text("Asian"))]}, "race", "Asian"),
        ({"extension": [us_core("race", text("x"), category("White"))]}, "race", "White"),
        (
            {"extension": [us_core("ethnicity", category("Hispanic or Latino"))]},
            "ethnicity",
            "Hispanic or Latino",
        ),
        ({"communication": [spoken("en")]}, "language", "en"),
        ({"communication": [spoken("en"), spoken("es", preferred=True)]}, "language", "es"),
        ({"communication": [{"language": {"text": "Somali"}}]}, "language", "Somali"),
        ({"gender": "male"}, "sex", "male"),
        ({"birthDate": "1961-11-22"}, "age", "65-79"),
        ({"birthDate": "1961-11-23"}, "age", "40-64"),
        ({"birthDate": "1920"}, "age", "80 and over"),
    ],
)
def test_a_subgroup(more: Resource, dimension: str, group: str) -> None:
    assert groups(**more)[dimension] == group


@pytest.mark.parametrize(
    "odd", [{"gender": 1, "birthDate": "x", "extension": "x", "communication": [1]}, {}]
)
def test_what_is_not_recorded_is_a_group_of_its_own(odd: Resource) -> None:
    found = person_of(json.dumps(odd).encode(), "00")
    assert {group for _, group in found.groups(DAY)} == {NOT_RECORDED}
    assert person_of(b"[", "00") == Person("00")


def test_subgroups_are_counted_over_all_patients(tmp_path: Path) -> None:
    """Also those who are not decided: they are the denominator."""
    found = [*eligible("a"), egfr("a", "e", 90, "2026-01-10"), visit("a", "v", "2026-02-01")]
    found[0]["communication"] = [spoken("es")]
    found += [patient("b", communication=[spoken("es")]), patient("c")]
    out = run(write_export(tmp_path / "in", found, manifest=AS_OF), tmp_path / "out")
    people = [row for row in summary(out)["people"] if row[0] == "language"]
    assert people == [["language", "es", 2, 1], ["language", NOT_RECORDED, 1, 0]]
