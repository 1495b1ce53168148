"""The linter: the real knowledge is clean, and each kind of problem planted in a copy is found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge import lint
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
