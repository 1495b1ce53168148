"""The linter: the real knowledge is clean, and each kind of problem planted in a copy is found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge import lint, numbers
from tests.support.decisions import knowledge
from tests.unit.knowledge.test_loading import Change, edit


def test_the_knowledge_is_clean() -> None:
    assert list(lint.problems()) == []


def rows(name: str | None, **changes: Any) -> Change:
    """Changes members of the first row of a table (`None`: of the file itself)."""

    def change(content: Any) -> None:
        table = content if name is None else content[name]
        table[0].update(changes)

    return change


def first_code(**changes: Any) -> Change:
    def change(content: Any) -> None:
        content["codes"].append({**content["codes"][0], **changes})

    return change


def member(**changes: Any) -> Change:
    def change(content: Any) -> None:
        content.update(changes)

    return change


def caution(text: str) -> Change:
    def change(content: Any) -> None:
        content["cautions"][0]["text"] = text

    return change


def text(id: str, value: str) -> Change:
    def change(content: Any) -> None:
        content["texts"][id] = value

    return change


def setting(parameter_id: str, **changes: Any) -> Change:
    def change(content: Any) -> None:
        next(row for row in content if row["id"] == parameter_id).update(changes)

    return change


def parameter(parameter_id: str) -> Change:
    def change(content: Any) -> None:
        content.append({**content[0], "id": parameter_id})

    return change


LOOSER = {"may_change": True, "direction": "up", "limit": 20, "why": "x"}
UNBOUND = {"may_change": True, "why": "x"}
NEVER = {"may_change": False, "direction": "up", "limit": 5, "why": "x"}
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
BOTH = {"system": "http://snomed.info/sct", "code": "161481007", "display": "x", "sources": []}


def add(code: Any) -> Change:
    def change(content: Any) -> None:
        content["codes"].append(code)

    return change


PLANTED: list[tuple[str, Change, str]] = [
    # shapes
    ("cards.json", rows("cards", indicator="urgent"), "cards.json: $.cards[0].indicator"),
    ("cards.json", rows("cards", surplus=1), "surplus"),
    ("cards.json", rows("cards", kind="odd"), "cards.json: $.cards[0].kind"),
    ("valuesets/migraine.json", member(status="odd"), "valuesets/migraine.json: $.status"),
    # what a loader finds is told too
    ("cards.json", member(hazards=[]), "cards.json: hazards: no row for"),
    # numbers
    ("parameters.json", parameter("egfr.surplus"), "unknown field `surplus`"),
    ("parameters.json", setting("magnesium.low_mmol_l", value=0.8), "one limit in two units"),
    ("parameters.json", setting("dose.max_mg", value=390), "dose.target_mg (400) is above dose.max_mg"),
    ("parameters.json", setting("dose.start_mg", value=250), "no whole number of 100 mg units"),
    ("parameters.json", setting("trial.weeks", value=13), "supply.days (84) is not the trial of 91"),
    ("parameters.json", setting("egfr.severe_below", site=LOOSER), "its limit for sites is not up"),
    ("parameters.json", setting("egfr.severe_below", site=UNBOUND), "direction or limit is missing"),
    ("parameters.json", setting("cards.max", site=NEVER), "has a limit for sites, but"),
    ("wording.json", text("plan.recheck", "Again at 12 weeks"), "12 repeats trial."),
    ("wording.json", text("plan.recheck", "With an eGFR below 30"), "30 repeats egfr.severe_below"),
    ("wording.json", text("plan.recheck", "Not under 18"), "18 repeats age.adult"),
    ("wording.json", text("plan.recheck", "At {egfr.surplus} weeks"), "no parameter egfr.surplus"),
    ("policy.json", rows("kidney", title="Within 90 days"), "90 repeats ppi.min_days or"),
    ("policy.json", caution("At most 500 mg"), "500 repeats dose.max_mg"),
    ("plans.json", rows("plans", note="At most 1,000 mg a day"), "1,000 repeats hazard."),
    ("evidence.json", rows("evidence", text="After 365 days"), "365 repeats egfr."),
    ("source_attributes.json", member(does_not=["Show more than three cards"]), "cards.max"),
    # sets
    ("valuesets/migraine.json", first_code(), "is twice in migraine"),
    ("valuesets/migraine.json", add(BOTH), "is in migraine and in migraine_exclude"),
    (
        "valuesets/renal_ckd.json",
        rows("prefixes", excluded=["X99"]),
        "renal_ckd: X99 does not begin with",
    ),
    # sources
    ("cards.json", rows("cards", source="a colleague"), "a colleague"),
    ("cards.json", rows("cards", source="R99"), "there is no reference R99"),
    ("cards.json", rows("cards", status="final"), "status 'final' is none of"),
    ("parameters.json", rows(None, source="memory"), "parameter"),
    ("plans.json", rows("plans", source="memory"), "plan mg_"),
    ("interactions.json", rows("interactions", source="memory"), "interaction "),
    ("policy.json", rows("kidney", source="memory"), "policy row dialysis"),
    ("policy.json", rows("wasting_drugs", source="memory"), "its source is not one"),
    ("cards.json", rows("suggest", source="memory"), "policy row chart"),
    ("valuesets/migraine.json", rows("codes", sources=[]), "in migraine: no source"),
    ("valuesets/migraine.json", rows("codes", sources=[99]), "migraine: source 99 is not there"),
    ("valuesets/med_ppi.json", member(sources=["WHO ATC"]), "takes from RxNorm"),
    ("valuesets/med_ppi.json", member(sources=["RxNorm"]), "takes from ATC"),
    ("valuesets/med_ppi.json", member(sources=["RxNorm", "ATC", "hearsay"]), "source 2 is not"),
    ("evidence.json", rows("evidence", references=[]), "rests on no reference"),
    ("evidence.json", rows("evidence", references=["R99"]), "there is no reference R99"),
    # wording
    ("wording.json", text("card.start.summary", "{nobody} fills this"), "nothing fills {nobody}"),
    ("policy.json", caution("in {fortnights}"), "caution C1: nothing fills {fortnights}"),
    ("wording.json", text("trial", "in {weeks"), "wording trial: a brace is not closed"),
    ("wording.json", text("trial", "in {the weeks}"), "wording trial: a brace is not closed"),
    ("wording.json", text("card.start.summary", "x" * 120), "its summary template has 120 characters"),
]  # fmt: skip


@pytest.mark.parametrize(
    "said",
    ["eGFR of stage 4", "RF5 to RF8", "within two years", "A pregnancy lasts 280 days", "30"],
)
def test_a_number_that_repeats_nothing(folder: Path, said: str) -> None:
    edit(folder, "wording.json", text("patient.take", said))
    assert list(lint.problems(folder)) == []


def test_a_parameter_that_nothing_reads(folder: Path) -> None:
    """A text is enough to read one: without it nothing does."""
    edit(folder, "wording.json", text("plan.recheck", "Creatinine and magnesium again"))
    assert list(lint.problems(folder)) == ["parameters.json: nothing reads trial.recheck_weeks"]


@pytest.mark.parametrize(("name", "change", "found"), PLANTED)
def test_a_planted_problem_is_found(folder: Path, name: str, change: Change, found: str) -> None:
    edit(folder, name, change)
    problems = list(lint.problems(folder))
    assert any(found in line for line in problems), problems
    assert all("\n" not in line for line in problems)


def test_a_summary_just_short_enough_is_fine(folder: Path) -> None:
    edit(folder, "wording.json", text("card.start.summary", "x" * 119))
    assert list(lint.problems(folder)) == []


def test_a_set_that_nothing_reads(folder: Path) -> None:
    shutil.copy(folder / "valuesets/migraine.json", folder / "valuesets/spare.json")
    edit(folder, "valuesets/spare.json", member(id="spare"))
    assert list(lint.problems(folder)) == ["valuesets/spare.json: nothing reads this set"]


@pytest.mark.parametrize("set_id", ["risk_diabetes", "risk_diabetes_exclude", "migraine_exclude"])
def test_a_set_that_a_rule_reads_but_that_is_not_there(folder: Path, set_id: str) -> None:
    (folder / f"valuesets/{set_id}.json").unlink()
    assert f"valuesets/{set_id}.json: a rule reads this set, but it is not there" in list(
        lint.problems(folder)
    )


def test_a_file_that_no_schema_names_and_one_that_is_missing(folder: Path) -> None:
    (folder / "notes.json").write_text("{}", encoding="utf-8")
    assert list(lint.problems(folder)) == ["notes.json: no schema names this file"]
    (folder / "notes.json").unlink()
    (folder / "wording.json").unlink()
    problems = list(lint.problems(folder))
    assert problems == ["wording.json: is missing", "knowledge file wording.json is missing"]


def test_the_command_prints_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lint, "problems", lambda: iter([]))
    assert lint.main() == 0
    assert capsys.readouterr().out == "knowledge: no problems\n"
    monkeypatch.setattr(lint, "problems", lambda: iter(["a problem", "another"]))
    assert lint.main() == 1
    assert capsys.readouterr().out == "a problem\nanother\n"


def test_a_sentence_of_the_code_that_repeats_a_parameter_is_named() -> None:
    texts = [("egfr.py:7", "an eGFR below 30 mL/min"), ("egfr.py:9", "an eGFR of 31 mL/min")]
    (found,) = numbers.in_code(texts, knowledge().parameter_rows)
    assert found.startswith("egfr.py:7: ")
    assert "egfr.severe_below" in found
