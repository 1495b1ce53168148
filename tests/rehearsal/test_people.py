"""Subgroups of patients, and the codes that nobody can read."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds_service.rehearsal.people import NOT_RECORDED, Person, person_of

from .population import (
    ICD10,
    RXNORM,
    Resource,
    condition,
    egfr,
    eligible,
    order,
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


def test_the_codes_that_are_not_read_are_listed_the_most_frequent_first(tmp_path: Path) -> None:
    local = "urn:oid:1.2.3.4"
    found = [*eligible("a"), visit("a", "v", "2026-02-01")]
    found += [condition("a", f"x{n}", ("K1", local), "2020-01-01") for n in range(3)]
    both = condition("a", "both", ("K2", local), "2020-01-01")
    both["code"]["coding"].append({"system": ICD10, "code": "I10"})
    found += [both, order("a", "o", ("D9", local), "2020-01-01")]
    found += [order("a", "known", ("314076", RXNORM), "2020-01-01")]
    vital = egfr("a", "vital", 60, "2020-01-01") | {
        "code": {"coding": [{"system": local, "code": "HR"}]},
        "category": [{"coding": [{"code": "vital-signs"}]}],
    }
    alone = condition("a", "text", ("", ""), "2020-01-01") | {"code": {"text": "Migraine of Ann"}}
    found += [vital, alone]
    out = run(write_export(tmp_path / "in", found, manifest=AS_OF), tmp_path / "out")
    assert summary(out)["not_read"] == [
        ["Condition", local, "K1", "", 3],
        ["Condition", "", "", "(text alone)", 1],
        ["MedicationRequest", local, "D9", "", 1],
    ]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert local in page
    assert "Ann" not in page


def test_fifty_codes_that_are_not_read_are_kept(tmp_path: Path) -> None:
    found = eligible("a")
    found += [condition("a", f"x{n}", (f"K{n}", "urn:oid:1.2"), "2020-01-01") for n in range(60)]
    out = run(write_export(tmp_path / "in", found, manifest=AS_OF), tmp_path / "out")
    assert len(summary(out)["not_read"]) == 50
