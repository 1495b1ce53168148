"""Codes that cannot be read, of all patients of an export, for the person who maps codes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from cds_service.rehearsal import mapping
from cds_service.rehearsal.errors import StoppedError
from cds_service.rehearsal.journal import Journal

from .population import (
    ICD10,
    RXNORM,
    Resource,
    condition,
    egfr,
    eligible,
    of,
    order,
    patient,
    visit,
    write_export,
)
from .running import run, summary

AS_OF = {"transactionTime": "2026-11-22T00:00:00Z"}
LOCAL = "urn:oid:1.2.3.4"


def coded(code: str, display: str = "", system: str = LOCAL) -> Resource:
    named = {"display": display} if display else {}
    return {"coding": [{"system": system, "code": code, **named}]}


def resource(kind: str, own: str, whose: str, **more: Any) -> Resource:
    member = "patient" if kind == "AllergyIntolerance" else "subject"
    return {"resourceType": kind, "id": own, member: of(whose), **more}


def not_decided(whose: str = "b") -> list[Resource]:
    """A patient without migraine and magnesium, with a local code in a resource of each type."""
    inside = {"resourceType": "Medication", "id": "m", "code": coded("IN", "In the order")}
    by_reference = resource("MedicationRequest", f"{whose}-o2", whose, contained=[inside])
    return [
        patient(whose),
        condition(whose, f"{whose}-c", ("MIGR", LOCAL), "2020-01-01"),
        resource("Observation", f"{whose}-l", whose, code=coded("CREA", "Creatinine")),
        resource("Procedure", f"{whose}-p", whose, code=coded("HD")),
        resource("AllergyIntolerance", f"{whose}-a", whose, code=coded("MG")),
        order(whose, f"{whose}-o", ("D9", LOCAL), "2020-01-01"),
        by_reference | {"medicationReference": {"reference": "#m"}},
        resource("MedicationStatement", f"{whose}-s", whose, medicationCodeableConcept=coded("S")),
        {"resourceType": "Medication", "id": f"{whose}-m", "code": coded("MED")},
    ]


EXPECTED = [
    ["AllergyIntolerance", LOCAL, "MG", "", 1],
    ["Condition", LOCAL, "MIGR", "", 1],
    ["Medication", LOCAL, "MED", "", 1],
    ["MedicationRequest", LOCAL, "D9", "", 1],
    ["MedicationRequest", LOCAL, "IN", "In the order", 1],
    ["MedicationStatement", LOCAL, "S", "", 1],
    ["Observation", LOCAL, "CREA", "Creatinine", 1],
    ["Procedure", LOCAL, "HD", "", 1],
]


def listed(folder: Path, out: Path, **options: Any) -> list[Any]:
    found: list[Any] = summary(run(folder, out, **options))["not_read"]
    return found


@pytest.mark.parametrize("history", [True, False])
def test_codes_of_patients_who_are_not_decided_are_listed(tmp_path: Path, *, history: bool) -> None:
    found = [*eligible("a"), visit("a", "v", "2026-02-01"), *not_decided()]
    folder = write_export(tmp_path / "in", found, manifest=AS_OF)
    out = run(folder, tmp_path / "out", history=history)
    assert summary(out)["patients_decided"] == 1
    assert summary(out)["not_read"] == EXPECTED
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Codes that were not read, of all patients (the 50 most frequent)" in page
    assert "Creatinine" in page


def test_codes_of_decided_patients_count_alike(tmp_path: Path) -> None:
    """A patient with migraine adds one line to each code."""
    both = [*not_decided("b"), *not_decided("a"), *eligible("a")]
    folder = write_export(tmp_path / "in", both, manifest=AS_OF)
    assert listed(folder, tmp_path / "out") == [[*row[:4], 2] for row in EXPECTED]


def test_files_of_any_type_and_bundles_give_the_same_list(tmp_path: Path) -> None:
    found = [*eligible("a"), *not_decided()]
    random.Random(2).shuffle(found)  # noqa: S311
    for name in ("lines", "bundle"):
        (tmp_path / name).mkdir()
    lines = "".join(json.dumps(r) + "\n" for r in found)
    (tmp_path / "lines" / "export.ndjson").write_text(lines)
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in found]}
    (tmp_path / "bundle" / "a.json").write_text(json.dumps(bundle))
    for name in ("lines", "bundle"):
        assert listed(tmp_path / name, tmp_path / f"{name}-out") == EXPECTED


def test_a_damaged_resource_inside_an_order_does_not_hide_the_medication(tmp_path: Path) -> None:
    inside = [{"resourceType": "Practitioner", "id": 5}, {"resourceType": "Medication", "id": "m"}]
    inside[1]["code"] = coded("IN")
    found = resource("MedicationRequest", "o", "b", contained=[7, *inside])
    found["medicationReference"] = {"reference": "#m", "display": 5}
    folder = write_export(tmp_path / "in", [patient("b"), found], manifest=AS_OF)
    assert listed(folder, tmp_path / "out") == [["MedicationRequest", LOCAL, "IN", "", 1]]


def test_deleted_resources_are_not_listed(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "in", [*eligible("a"), *not_decided()], manifest=AS_OF)
    (folder / "deleted").mkdir()
    request = {"request": {"method": "DELETE", "url": "Patient/b"}}
    (folder / "deleted" / "x.ndjson").write_text(json.dumps({"entry": [request]}))
    assert listed(folder, tmp_path / "out") == [row for row in EXPECTED if row[0] == "Medication"]


def test_a_code_that_no_rule_could_read_is_listed_whatever_its_form(tmp_path: Path) -> None:
    """A code of a wrong form in a known system, an element that is damaged, and a text alone."""
    odd = [
        patient("b"),
        condition("b", "form", ("migraine!", ICD10), "2020-01-01"),
        condition("b", "odd", ("", ""), "2020-01-01") | {"code": {"coding": "G43"}},
        condition("b", "text", ("", ""), "2020-01-01") | {"code": {"text": "Migraine of Ann"}},
        condition("b", "none", ("", ""), "2020-01-01") | {"code": {}},
        condition("b", "null", ("", ""), "2020-01-01") | {"code": None},
        condition("b", "known", ("I10", ICD10), "2020-01-01"),
    ]
    out = run(write_export(tmp_path / "in", odd, manifest=AS_OF), tmp_path / "out")
    assert summary(out)["not_read"] == [
        ["Condition", "", "", "(cannot be read)", 1],
        ["Condition", "", "", "(text alone)", 1],
        ["Condition", ICD10, "migraine!", "", 1],
    ]
    assert "Ann" not in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_the_list_does_not_depend_on_how_much_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """However many codes there are, memory is bounded: counts are put aside, what was seen forgotten."""
    found = [r for n in range(4) for r in not_decided(f"b{n}")]
    folder = write_export(tmp_path / "in", found, manifest=AS_OF, parts=2)
    monkeypatch.setattr(mapping, "_MOST_SEEN", limit)
    monkeypatch.setattr(mapping, "_MOST_COUNTED", limit)
    assert listed(folder, tmp_path / "out") == [[*row[:4], 4] for row in EXPECTED]


def test_a_piece_that_is_read_again_after_a_stop_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes after the counts were put aside, and before the piece is known as done."""
    folder = write_export(tmp_path / "in", [*eligible("a"), *not_decided()], manifest=AS_OF)
    done = Journal.done

    def stopping(self: Journal, phase: str, task: str, result: Any) -> None:
        if phase == "gather":
            raise KeyboardInterrupt
        done(self, phase, task, result)

    monkeypatch.setattr(Journal, "done", stopping)
    for resume in (False, True):
        with pytest.raises(StoppedError):
            run(folder, tmp_path / "out", resume=resume)
    monkeypatch.setattr(Journal, "done", done)
    assert listed(folder, tmp_path / "out", resume=True) == EXPECTED


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
