"""Loading: one version for all of it, and one clear line for whatever is wrong with a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge.loader import RELEASE, KnowledgeError, load
from tests.support.decisions import knowledge
from tests.unit.knowledge.conftest import DATA

Change = Callable[[Any], Any]


def edit(folder: Path, name: str, change: Change) -> None:
    path = folder / name
    content = json.loads(path.read_text(encoding="utf-8"))
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed), encoding="utf-8")


def error_of(folder: Path) -> str:
    with pytest.raises(KnowledgeError) as raised:
        load(folder)
    line = str(raised.value)
    assert "\n" not in line
    return line


def test_the_version_names_the_release_and_the_content(folder: Path) -> None:
    version = load(DATA).version
    assert version == knowledge().version == load(DATA).version
    assert version != load(folder).version
    release, _, digest = version.partition("+")
    assert release == RELEASE
    assert len(digest) == 12


@pytest.mark.parametrize(
    "name", ["cards.json", "policy.json", "valuesets/migraine.json", "rxnorm/products.json"]
)
def test_any_change_of_any_file_is_another_version(folder: Path, name: str) -> None:
    before = load(folder).version
    path = folder / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert load(folder).version != before


NAMES = sorted(
    p.relative_to(DATA).as_posix()
    for p in DATA.rglob("*.json")
    # Only a rehearsal reads the table of what was known when.
    if p.parent.name != "valuesets" and p.name != "as_it_stood.json"
)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert error_of(folder) == f"knowledge file {name} is missing"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((name, b"{") for name in [*NAMES, "valuesets/migraine.json"]),
        *((name, b"[5]") for name in NAMES),
        *(("cards.json", content) for content in (b"", b"5", b"{}", b'{"cards": 5}')),
    ],
)
def test_a_malformed_file_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert error_of(folder).startswith(f"knowledge file {name}: ")


def test_a_folder_without_value_sets_is_told(folder: Path) -> None:
    shutil.rmtree(folder / "valuesets")
    assert error_of(folder) == "knowledge folder valuesets is missing"


def test_other_files_among_the_value_sets_are_passed_over(folder: Path) -> None:
    before = load(folder).version
    (folder / "valuesets" / "notes.txt").write_text("not for the service", encoding="utf-8")
    assert load(folder).version == before


def test_an_unknown_member_is_an_error(folder: Path) -> None:
    edit(folder, "plans.json", lambda plans: {**plans, "surplus": 1})
    assert "surplus" in error_of(folder)


def test_a_gap_in_a_table_stops_the_start(folder: Path) -> None:
    def lose_a_row(policy: Any) -> None:
        policy["plans"].pop()

    edit(folder, "policy.json", lose_a_row)
    line = error_of(folder)
    assert line.startswith("knowledge file policy.json: plans: no row for")


@pytest.mark.parametrize(
    "text_id", ["card.order-dose.do", "kidney.flag.conflicting", "gap.kidneyLabs"]
)
def test_a_text_that_a_card_can_ask_for_must_be_there(folder: Path, text_id: str) -> None:
    edit(folder, "wording.json", lambda wording: wording["texts"].pop(text_id) and None)
    assert error_of(folder) == f"knowledge file wording.json: there is no text {text_id}"


# ----------------------------------------------------------------------------- parameters


def test_a_missing_parameter_is_named(folder: Path) -> None:
    edit(
        folder,
        "parameters.json",
        lambda rows: [r for r in rows if r["id"] != "egfr.severe_below"],
    )
    line = error_of(folder)
    assert line.startswith("knowledge file parameters.json: ")
    assert "severe_below" in line


def test_a_parameter_that_nothing_reads_is_named(folder: Path) -> None:
    edit(folder, "parameters.json", lambda rows: [*rows, {**rows[0], "id": "egfr.surplus"}])
    line = error_of(folder)
    assert line.startswith("knowledge file parameters.json: ")
    assert "surplus" in line


def test_a_group_that_nothing_reads_is_named(folder: Path) -> None:
    edit(folder, "parameters.json", lambda rows: [*rows, {**rows[0], "id": "new.surplus"}])
    assert "new" in error_of(folder)


def test_a_value_of_the_wrong_type_is_named(folder: Path) -> None:
    def spell_out(rows: Any) -> None:
        next(r for r in rows if r["id"] == "age.adult")["value"] = "eighteen"

    edit(folder, "parameters.json", spell_out)
    line = error_of(folder)
    assert line.startswith("knowledge file parameters.json: ")
    assert "adult" in line


def test_a_number_is_the_decimal_that_was_written(folder: Path) -> None:
    def lower(rows: Any) -> None:
        next(r for r in rows if r["id"] == "egfr.severe_below")["value"] = 29.9

    edit(folder, "parameters.json", lower)
    assert str(load(folder).parameters.egfr.severe_below) == "29.9"


def numbers(*values: Decimal | int) -> tuple[float, ...]:
    return tuple(map(float, values))


def test_the_numbers_of_the_specification() -> None:
    """Those whose slip would hurt: SPEC 2 to 5."""
    p = knowledge().parameters
    assert (p.age.adult, p.age.elderly, p.age.renal_risk) == (18, 65, 65)
    assert numbers(p.egfr.severe_below, p.egfr.moderate_below) == (30, 60)
    assert (p.egfr.normal_valid_days, p.egfr.moderate_fresh_days) == (365, 183)
    assert numbers(p.egfr.plausible_min, p.egfr.plausible_max) == (1, 250)
    assert p.egfr.normal_valid_days_at_risk == 183
    assert p.egfr.creatinine_newer_hours == 24
    assert numbers(p.egfr.conflict_percent, p.egfr.conflict_hours) == (30, 24)
    assert (p.renal.aki_days, p.renal.aki_cleared_after_days) == (90, 7)
    assert (p.renal.dialysis_procedure_days, p.renal.transplant_egfr_days) == (90, 183)
    assert numbers(p.creatinine.plausible_min_mg_dl, p.creatinine.plausible_max_mg_dl) == (0.1, 30)
    assert str(p.creatinine.umol_l_per_mg_dl) == "88.4"
    m = p.magnesium
    assert [str(x) for x in (m.severe_low_mg_dl, m.low_mg_dl, m.high_mg_dl)] == [
        "1.2",
        "1.7",
        "2.6",
    ]
    assert [float(x) for x in (m.severe_low_mmol_l, m.low_mmol_l, m.high_mmol_l)] == [
        0.5,
        0.7,
        1.07,
    ]
    assert (float(m.critical_high_mg_dl), float(m.critical_high_mmol_l)) == (4.9, 2.0)
    assert (float(m.mild_high_below_mg_dl), float(m.mild_high_below_mmol_l)) == (3.0, 1.23)
    h = p.hazard
    taken = (h.dose_moderate_above_mg, h.dose_any_above_mg, h.dose_critical_above_mg)
    assert numbers(*taken) == (200, 1000, 2500)
    assert (p.age.laxative_from_years, p.age.laxative_unknown_kidney) == (2, 75)
    assert p.age.low_severe_from_years == 1
    assert (p.medication.course_over_days, p.medication.renewal_days) == (30, 30)
    assert p.medication.stopped_within_months == 24
    assert p.labs.dated_within_days == 183
    assert (m.valid_days, str(m.mg_dl_per_mmol_l)) == (180, "2.4305")
    d = p.dose
    assert numbers(d.start_mg, d.target_mg, d.elderly_target_mg, d.max_mg) == (200, 400, 300, 500)
    assert numbers(d.moderate_ckd_max_mg, d.upper_level_mg, d.pregnancy_max_mg) == (200, 350, 350)
    limits = sorted(numbers(b.from_age, b.mg) for b in d.upper_level_child.values())
    assert limits == [(1, 65), (4, 110), (9, 350)]
    assert (p.ppi.min_days, p.risk.oncology_days, p.risk.antiinfective_days) == (90, 180, 30)
    assert (p.pregnancy.lookback_days, p.medication.authored_within_days) == (300, 730)
    assert (p.condition.recorded_within_days, p.cards.max) == (730, 3)


@pytest.mark.parametrize("missing", ["icd10", "icd10cm"])
def test_a_code_system_with_rules_of_its_own_is_missed_by_name(folder: Path, missing: str) -> None:
    def without(content: Any) -> None:
        content["systems"] = [s for s in content["systems"] if s["id"] != missing]

    edit(folder, "code_systems.json", without)
    said = error_of(folder)
    assert "code_systems.json" in said
    assert f"the code system {missing} is missing" in said


# ---------------------------------------------------------------------------------- plans


def parameter(name: str, member: str, value: Any) -> tuple[str, Change]:
    def change(rows: Any) -> None:
        next(row for row in rows if row["id"] == name)[member] = value

    return "parameters.json", change


def plan(name: str, member: str, value: Any, step: int | None = None) -> tuple[str, Change]:
    def change(content: Any) -> None:
        found = next(plan for plan in content["plans"] if plan["id"] == name)
        (found if step is None else found["steps"][step])[member] = value

    return "plans.json", change


def lower_later(content: Any) -> None:
    first, second = content["plans"][0]["steps"]
    first["daily_mg"], second["daily_mg"] = second["daily_mg"], first["daily_mg"]


FAULTY_PLANS: list[tuple[tuple[str, Change], str]] = [
    (plan("mg_200_400", "unit_mg", "dose.unit"), "there is no parameter dose.unit"),
    (plan("mg_200_400", "unit_mg", "dose.start_mg"), "100 mg are no whole number of 200 mg units"),
    (("plans.json", lower_later), "a later step has a lower dose"),
    (plan("mg_200_400", "supply_days", "dose.titrate_after_days"), "the first step lasts longer"),
    (plan("mg_200_400", "dose_mg", "dose.start_mg", 0), "a step names one of dose_mg, daily_mg"),
    (plan("mg_200_400", "text", "{amount} {nothing}", 0), "nothing fills {nothing}"),
    (plan("mg_200_400", "frequency", 3, 0), "is not a whole number above 0"),
    (plan("mg_200_300", "rest_of_mg", "dose.split_mg_per_dose", 2), "nothing is left of"),
    (plan("mg_perimenstrual", "repeat_after_days", 27), "its courses take 81 days"),
    (plan("mg_200_reduced", "daily_mg", "dose.target_mg", 0), "400 mg/day are above"),
]


@pytest.mark.parametrize(("fault", "said"), FAULTY_PLANS, ids=[said for _, said in FAULTY_PLANS])
def test_a_plan_that_cannot_be_taken_is_named(
    folder: Path, fault: tuple[str, Change], said: str
) -> None:
    edit(folder, *fault)
    assert said in error_of(folder)


UNKNOWN_PAIR = {"id": "magnesium.surplus", "times": "age.adult", "tolerance_percent": 1}
FIXED = {"may_change": False, "direction": "up", "limit": 45, "why": "w"}
FAULTY_PARAMETERS: list[tuple[tuple[str, Change], str]] = [
    (
        parameter("magnesium.low_mmol_l", "same_as", UNKNOWN_PAIR),
        "magnesium.low_mmol_l: there is no parameter magnesium.surplus",
    ),
    (
        parameter("egfr.severe_below", "site", FIXED),
        "egfr.severe_below: has a limit for sites, but may not be changed",
    ),
    (
        parameter("egfr.severe_below", "site", {"may_change": True, "direction": "up", "why": "w"}),
        "egfr.severe_below: a site may change it, but its direction or limit is missing",
    ),
    (
        parameter("egfr.severe_below", "site", {**FIXED, "may_change": True, "limit": True}),
        "egfr.severe_below: its limit for sites is of another kind than its value",
    ),
    (
        parameter("egfr.severe_below", "site", {**FIXED, "may_change": True, "limit": 30}),
        "egfr.severe_below: its limit for sites is not up from 30",
    ),
]


@pytest.mark.parametrize(
    ("fault", "said"), FAULTY_PARAMETERS, ids=[said for _, said in FAULTY_PARAMETERS]
)
def test_a_parameter_that_contradicts_itself_is_named(
    folder: Path, fault: tuple[str, Change], said: str
) -> None:
    edit(folder, *fault)
    assert said in error_of(folder)


def test_one_less_than_a_parameter_needs_a_whole_number(folder: Path) -> None:
    edit(folder, *parameter("egfr.moderate_below", "value", 60.5))
    assert error_of(folder).endswith(": egfr.moderate_below must be a whole number")
