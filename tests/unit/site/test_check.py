"""Each rule for a site file, with the line that says what to correct."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.site.check import Checked, check
from cds_service.site.hashing import content_hash

from ...conftest import ROOT
from ...support.decisions import knowledge

TODAY = date(2026, 11, 28)
CHANGED = "site: {id: a, title: A}\nparameters: {egfr.severe_below: 35}\n"
SITE = "site: {id: st-mary, title: St Mary}\n"


def checked(text: str) -> Checked:
    return check(text.encode(), knowledge(), HOOKS_OF_FILES, TODAY)


def faults(text: str) -> list[str]:
    return [str(fault) for fault in checked(SITE + text).faults]


FAULTS = [
    tuple(line.split("  =>  "))
    for line in (Path(__file__).with_name("faults.txt")).read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_fault_has_a_line_a_place_and_a_reason(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert found.startswith(fault)


def test_a_file_needs_an_owner() -> None:
    assert [str(f) for f in checked("units: si\n").faults] == ["line 1: needs site"]


def test_all_faults_are_listed_in_the_order_of_the_lines() -> None:
    found = faults("units: metric\ncards: {x: {mode: off}}\nhooks: 3\n")
    assert [line.split(":")[0] for line in found] == ["line 2", "line 3", "line 4"]


@pytest.mark.parametrize(
    "text",
    [
        "cards: {mg-avoid-renal: {mode: silent, indicator: critical}, rx-mg-dose: {indicator: critical}}",
        "cards: {mg-suggest-reduced: {indicator: info, lockoutDays: 0}}",
        "hooks: {patient-view: {mode: never}, order-sign: {mode: silent}}",
        "mode: {silent: true, until: 2027-01-31}",
        "mode: {silent: false}",
        "parameters: {egfr.severe_below: 45, dose.max_mg: 380, alcohol.abuse_counts: false}",
    ],
)
def test_what_a_site_can_do(text: str) -> None:
    assert faults(text) == []


def test_a_lower_maximum_drops_the_steps_above_it() -> None:
    plans = checked(SITE + "parameters: {dose.max_mg: 380}\n").knowledge.plans.plans
    (plan,) = (plan for plan in plans if plan.id == "mg_200_400")
    assert plan.in_words == "100 mg twice daily with meals"
    assert [(s.dose_mg, s.frequency, s.duration_days) for s in plan.steps] == [(100, 2, None)]


def test_a_value_is_in_every_text_that_is_made_from_it() -> None:
    changed = checked(SITE + "parameters: {egfr.severe_below: 35}\n").knowledge
    (row,) = (row for row in changed.policy.kidney if row.id == "egfr-severe")
    assert row.title == "Latest eGFR below 35, at any age of the result"
    assert changed.parameters.egfr.severe_below == 35
    assert changed.version == knowledge().version


def test_the_hash_is_of_the_content_alone() -> None:
    texts = (
        CHANGED,
        "# a comment\nparameters:\n  egfr.severe_below: 35.0\nsite: {title: A, id: a}\n",
        CHANGED + "approvals: [{name: N, role: R, date: 2026-01-01, of: site 012345678901}]\n",
    )
    hashes = {content_hash(checked(text).content) for text in texts}
    assert len(hashes) == 1
    other = checked("site: {id: a, title: A}\nparameters: {egfr.severe_below: 36}\n")
    assert content_hash(other.content) not in hashes


def test_the_example_is_valid() -> None:
    text = (ROOT / "deploy" / "site.example.yaml").read_text(encoding="utf-8")
    assert checked(text).faults == ()
