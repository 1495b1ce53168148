"""Which moments there are, and what each is asked about (SPEC 13)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds_service.rehearsal.moments import HOOKS

from .population import (
    LISINOPRIL,
    MAGNESIUM_OXIDE,
    TOPIRAMATE,
    Resource,
    egfr,
    eligible,
    of,
    order,
    patient,
    visit,
    write_export,
)
from .running import rows, run, summary

AS_OF = {"transactionTime": "2026-11-22T00:00:00Z"}


def moments(tmp_path: Path, *more: Resource, **options: Any) -> list[tuple[str, str, str]]:
    """Hook, time and order or encounter of each moment of a patient with migraine."""
    folder = write_export(tmp_path / "in", [*eligible("p"), *more], manifest=AS_OF)
    found = rows(run(folder, tmp_path / "out", **options))
    return [
        (r["hook"], r["at"].strftime("%Y-%m-%dT%H:%M"), r["order"] or r["encounter"] or "")
        for r in found
    ]


@pytest.mark.parametrize("status", ["finished", "in-progress", "arrived", "triaged", "onleave"])
@pytest.mark.parametrize("kind", ["AMB", "VR"])
def test_a_visit_is_one_patient_view_at_its_start(tmp_path: Path, status: str, kind: str) -> None:
    found = visit(*("p", "v", "2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z"), status=status)
    found["class"] = {"code": kind}
    assert moments(tmp_path, found) == [("patient-view", "2026-01-05T09:00", "v")]


@pytest.mark.parametrize("status", ["planned", "cancelled", "entered-in-error", "unknown"])
def test_a_visit_that_did_not_take_place_is_none(tmp_path: Path, status: str) -> None:
    kept = visit("p", "kept", "2026-01-05T09:00:00Z")
    assert moments(tmp_path, kept, visit("p", "v", "2026-02-05", status=status)) == [
        ("patient-view", "2026-01-05T09:00", "kept")
    ]


def test_an_order_is_selected_and_signed_when_it_was_written(tmp_path: Path) -> None:
    found = order("p", "o", LISINOPRIL, "2026-01-05T09:00:00-05:00")
    seen = visit("p", "v", "2026-01-04")
    assert moments(tmp_path, found, seen)[1:] == [
        ("order-select", "2026-01-05T14:00", "o"),
        ("order-sign", "2026-01-05T14:00", "o"),
    ]


@pytest.mark.parametrize("intent", ["plan", "proposal", "option"])
def test_what_orders_nothing_is_no_moment(tmp_path: Path, intent: str) -> None:
    found = order("p", "o", LISINOPRIL, "2026-01-05", intent=intent)
    assert [m[0] for m in moments(tmp_path, found, visit("p", "v", "2026-01-04"))] == [
        "patient-view"
    ]


ORDERED = ["order-select", "order-sign"]


@pytest.mark.parametrize(
    ("status", "hooks", "hooks_of_next"),
    [
        ("draft", ["order-select"], ORDERED),
        ("entered-in-error", ORDERED, ORDERED),
        *(
            (status, ORDERED, [*ORDERED, "medication-refill"])
            for status in ("on-hold", "cancelled", "stopped", "completed", "active", "unknown")
        ),
        (None, ORDERED, [*ORDERED, "medication-refill"]),
    ],
)
@pytest.mark.parametrize("whose", ["decided", "counted"])
def test_the_status_of_an_order_decides_what_it_was_asked_about(
    tmp_path: Path, whose: str, status: str | None, hooks: list[str], hooks_of_next: list[str]
) -> None:
    """A draft was selected only. An order in error was signed, but the next one does not renew it."""
    product = MAGNESIUM_OXIDE if whose == "decided" else LISINOPRIL
    first = order(whose, "o1", product, "2026-01-05", status=status)
    second = order(whose, "o2", product, "2026-02-05", status="active")
    everybody = [patient(whose), visit(whose, "v", "2026-01-04"), first, second]
    out = run(write_export(tmp_path / "in", everybody, manifest=AS_OF), tmp_path / "out")
    found = summary(out)["by_month" if whose == "decided" else "ruled_out_by_month"]
    months = {
        month: [hook for hook in HOOKS for h, m, n in found if (h, m, n) == (hook, month, 1)]
        for month in ("2026-01", "2026-02")
    }
    assert months == {"2026-01": ["patient-view", *hooks], "2026-02": hooks_of_next}


@pytest.mark.parametrize("value", [22, 90])
@pytest.mark.parametrize("dated", [None, 90])
def test_a_result_without_a_date_is_known_from_the_beginning(
    tmp_path: Path, value: int, dated: int | None
) -> None:
    """A bad one counts, a good one proves nothing. It is counted in the report."""
    undated = egfr("p", "u", value, "")
    del undated["effectiveDateTime"]
    results = [undated, *([egfr("p", "d", dated, "2026-01-20")] if dated else [])]
    everybody = [*eligible("p"), *results, visit("p", "v", "2026-02-01")]
    out = run(write_export(tmp_path / "in", everybody, manifest=AS_OF), tmp_path / "out")
    (found,) = rows(out)
    good = "mg-suggest" if dated else "mg-check-renal"
    assert found["card"] == ("mg-avoid-renal" if value == 22 else good)
    assert summary(out)["cannot_undo"] == {"Observation without a date": 1}


def test_a_visit_whose_moments_cannot_be_read_is_counted(tmp_path: Path) -> None:
    """It gives no moment, and the report says how many there are."""
    seen, undated = visit("p", "v", "2026-02-01"), visit("p", "u", "soon")
    without = visit("p", "w", "2026-02-01") | {"class": {"code": 7}}
    del without["period"]
    away = visit("p", "a", "soon", status="cancelled")
    everybody = [*eligible("p"), seen, undated, without, away]
    folder = write_export(tmp_path / "in", everybody, manifest=AS_OF)
    out = run(folder, tmp_path / "out")
    assert [row["encounter"] for row in rows(out)] == ["v"]
    assert summary(out)["cannot_undo"] == {
        "Encounter with a class that cannot be read": 1,
        "Encounter without a readable start": 2,
    }


def test_without_visits_each_patient_is_viewed_once(tmp_path: Path) -> None:
    assert moments(tmp_path) == [("patient-view", "2026-11-22T00:00", "")]


def test_as_of_alone_is_one_patient_view(tmp_path: Path) -> None:
    more = (visit("p", "v", "2026-01-04"), order("p", "o", LISINOPRIL, "2026-01-05"))
    found = moments(tmp_path, *more, history=False, as_of=date(2026, 6, 1))
    assert found == [("patient-view", "2026-06-01T00:00", "")]


@pytest.mark.parametrize("history", [True, False])
def test_patients_who_are_only_counted_are_viewed_once_too(
    tmp_path: Path, *, history: bool
) -> None:
    """Without visits, or with one moment for each patient: they are in the rates."""
    everybody = [*eligible("p"), patient("q"), order("q", "o", LISINOPRIL, "2026-01-05")]
    everybody += [] if history else [visit("q", "v", "2026-01-04")]
    folder = write_export(tmp_path / "in", everybody, manifest=AS_OF)
    found = summary(run(folder, tmp_path / "out", history=history))
    viewed = ["patient-view", "2026-11", 1]
    assert viewed in found["by_month"]
    assert viewed in found["ruled_out_by_month"]


@pytest.mark.parametrize("name", ["everything.ndjson", "bundle.json"])
def test_an_export_whose_files_name_no_type_may_hold_no_visits(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    entries = [{"resource": r} for r in eligible("p")]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    lines = "\n".join(json.dumps(r) for r in eligible("p"))
    (folder / name).write_text(json.dumps(bundle) if name == "bundle.json" else lines)
    out = run(folder, tmp_path / "out", as_of=date(2026, 6, 1))
    assert [r["hook"] for r in rows(out)] == ["patient-view"]
    missing = summary(out)["input"]["missing_types"]
    assert "Encounter" in missing
    assert "Condition" not in missing


def test_from_and_to_name_whole_days(tmp_path: Path) -> None:
    visits = [visit("p", f"v{day}", f"2026-01-0{day}T23:00:00Z") for day in (1, 2, 3, 4)]
    found = moments(tmp_path, *visits, first=date(2026, 1, 2), last=date(2026, 1, 3))
    assert [m[2] for m in found] == ["v2", "v3"]


def test_nothing_happens_after_the_export(tmp_path: Path) -> None:
    later = visit("p", "later", "2026-11-22T00:00:01Z")
    assert moments(tmp_path, visit("p", "v", "2026-11-21"), later) == [
        ("patient-view", "2026-11-21T00:00", "v")
    ]


def test_only_the_hooks_that_were_asked_for(tmp_path: Path) -> None:
    more = (visit("p", "v", "2026-01-04"), order("p", "o", LISINOPRIL, "2026-01-05"))
    assert [m[0] for m in moments(tmp_path, *more, hooks=("order-sign",))] == ["order-sign"]


def test_moments_of_one_day_are_separate(tmp_path: Path) -> None:
    visits = [visit("p", own, f"2026-01-05T{hour}:00:00Z") for own, hour in (("a", 9), ("b", 15))]
    visits[0]["period"]["start"] = "2026-01-05T09:00:00Z"
    assert len(moments(tmp_path, *visits)) == 2


def ordering(tmp_path: Path, *orders: Resource) -> list[dict[str, Any]]:
    everybody = [patient("p"), egfr("p", "e", 22, "2026-01-01"), *orders]
    everybody.append(visit("p", "v", "2024-01-01"))
    folder = write_export(tmp_path / "in", everybody, manifest=AS_OF)
    return rows(run(folder, tmp_path / "out"))


def test_the_order_itself_is_the_draft_and_not_active_yet(tmp_path: Path) -> None:
    """The order is not a duplicate of itself, and its patient took no magnesium before."""
    found = ordering(tmp_path, order("p", "o", MAGNESIUM_OXIDE, "2026-02-01"))
    signed = [r["card"] for r in found if r["hook"] == "order-sign"]
    assert signed == ["rx-mg-renal-critical"]


def test_an_earlier_order_is_active(tmp_path: Path) -> None:
    glycinate = ("476818", MAGNESIUM_OXIDE[1])
    orders = (
        order("p", "o1", glycinate, "2025-06-01"),
        order("p", "o2", MAGNESIUM_OXIDE, "2025-12-01"),
    )
    good = egfr("p", "good", 90, "2025-11-01")
    found = ordering(tmp_path, good, *orders)
    of_second = {r["card"] for r in found if r["order"] == "o2" and r["hook"] == "order-sign"}
    assert "rx-mg-duplicate" in of_second
    of_first = {r["card"] for r in found if r["order"] == "o1" and r["hook"] == "order-sign"}
    assert "rx-mg-duplicate" not in of_first


def test_refills_are_orders_of_the_same_product_within_400_days(tmp_path: Path) -> None:
    """Also of patients who are only counted: the first pass and the deciding agree."""
    for whose, code in (("decided", MAGNESIUM_OXIDE), ("counted", LISINOPRIL)):
        days = ("2024-01-01", "2025-02-04", "2025-02-05", "2026-03-13")
        orders = [order(whose, f"o{n}", code, day) for n, day in enumerate(days)]
        orders.append(order(whose, "prior", TOPIRAMATE, "2024-01-02"))
        orders[-1]["priorPrescription"] = {"reference": "MedicationRequest/x"}
        place = visit(whose, "v", "2024-01-01", location=[{"location": {"display": "Neurology"}}])
        for one in orders:
            one["encounter"] = {"reference": "Encounter/v"}
        folder = write_export(tmp_path / whose, [patient(whose), place, *orders], manifest=AS_OF)
        found = summary(run(folder, tmp_path / f"{whose}-out"))
        prefix = "" if whose == "decided" else "ruled_out_"
        numbers = {h: n for h, p, n in found[f"{prefix}by_department"] if p == "Neurology"}
        assert numbers["order-sign"] == 5
        if "medication-refill" in found["hooks"]:
            assert numbers["medication-refill"] == 3


def medication(own: str, code: tuple[str, str], **more: Any) -> Resource:
    coded = {"coding": [{"code": code[0], "system": code[1]}]}
    return {"resourceType": "Medication", "id": own, "code": coded, **more}


def referring(whose: str, own: str, to: str, authored: str, **more: Any) -> Resource:
    found = order(whose, own, LISINOPRIL, authored, **more)
    del found["medicationCodeableConcept"]
    return found | {"medicationReference": {"reference": f"Medication/{to}"}}


def refills_of(found: dict[str, Any]) -> int:
    return sum(n for hook, _, n in found["ruled_out_by_month"] if hook == "medication-refill")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_refills_of_counted_patients_are_found_through_their_medications(
    tmp_path: Path, workers: int
) -> None:
    """EHRs that write a Medication for each order: one product by its code, however it is named."""
    other = ("197361", LISINOPRIL[1])
    found = [
        *(patient("c"), visit("c", "v", "2024-01-01")),
        *(medication("m1", LISINOPRIL), medication("m2", LISINOPRIL), medication("m3", other)),
        referring("c", "o1", "m1", "2025-01-01"),
        referring("c", "o2", "m2", "2025-02-01"),  # a refill
        order("c", "o3", LISINOPRIL, "2025-03-01"),  # a refill
        referring("c", "o4", "m3", "2025-04-01"),  # another product
        referring("c", "o5", "lost", "2025-05-01"),  # a Medication that the export does not have
        referring("c", "o6", "lost too", "2025-06-01"),
        referring("c", "o7", "lost", "2025-07-01"),  # a refill
        order("c", "o8", ("", ""), "2025-08-01"),  # its text is the id of a Medication
    ]
    found[-1]["medicationCodeableConcept"] = {"text": "lost"}
    folder = write_export(tmp_path / "in", found, manifest=AS_OF, parts=2)
    made = summary(run(folder, tmp_path / "out", workers=workers))
    assert made["patients_decided"] == 0
    assert refills_of(made) == 3


def test_no_medications_and_two_versions_of_one(tmp_path: Path) -> None:
    """A Medication that is there twice is one; an export without Medications has no table."""
    orders = [referring("c", f"o{n}", "m", f"2025-0{n}-01") for n in (1, 2)]
    found = [patient("c"), visit("c", "v", "2024-01-01"), *orders]
    twice = [medication("m", LISINOPRIL), medication("m", LISINOPRIL, status="active")]
    for name, more in (("without", []), ("twice", twice)):
        folder = write_export(tmp_path / name, [*found, *more], manifest=AS_OF)
        assert refills_of(summary(run(folder, tmp_path / f"{name}-out"))) == 1


def test_age_and_sex_are_those_of_the_moment(tmp_path: Path) -> None:
    visits = [visit("p", "a", "2026-04-30T23:00:00Z"), visit("p", "b", "2026-05-01T01:00:00Z")]
    folder = write_export(tmp_path / "in", [*eligible("p"), *visits], manifest=AS_OF)
    found = rows(run(folder, tmp_path / "out"))
    assert [(r["sex"], r["age"]) for r in found] == [("female", 49), ("female", 50)]


def test_who_and_where(tmp_path: Path) -> None:
    seen = visit(
        *("p", "v", "2026-01-05"),
        participant=[{"individual": of("p")}, {"individual": {"reference": "Practitioner/7"}}],
        serviceProvider={"display": "Clinic of neurology"},
    )
    ordered = order("p", "o", LISINOPRIL, "2026-01-06", encounter={"reference": "Encounter/v"})
    ordered["requester"] = {"reference": "Practitioner/8"}
    folder = write_export(tmp_path / "in", [*eligible("p"), seen, ordered], manifest=AS_OF)
    found = rows(run(folder, tmp_path / "out"))
    assert {(r["practitioner"], r["department"]) for r in found} == {
        ("Practitioner/7", "Clinic of neurology"),
        ("Practitioner/8", "Clinic of neurology"),
    }


def test_a_repeated_card_tells_the_days_since(tmp_path: Path) -> None:
    visits = [
        visit("p", f"v{n}", day) for n, day in enumerate(("2026-02-01", "2026-02-11", "2026-03-13"))
    ]
    everybody = [*eligible("p"), egfr("p", "e", 90, "2026-01-10"), *visits]
    folder = write_export(tmp_path / "in", everybody, manifest=AS_OF)
    found = rows(run(folder, tmp_path / "out"))
    assert [(r["card"], r["repeat_of_days"]) for r in found] == [
        ("mg-suggest", None),
        ("mg-suggest", 10),
        ("mg-suggest", 30),
    ]


def test_a_silent_moment_says_why(tmp_path: Path) -> None:
    everybody = [
        *eligible("p")[:2],
        egfr("p", "e", 90, "2026-01-10"),
        visit("p", "v", "2026-02-01"),
    ]
    folder = write_export(tmp_path / "in", everybody, manifest=AS_OF)
    (found,) = rows(run(folder, tmp_path / "out"))
    assert (found["card"], found["indicator"], found["kidney"]) == (None, None, "NORMAL")
    assert found["why_silent"] == ["indication"]
