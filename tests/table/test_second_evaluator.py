"""The second evaluator against the published vignettes: it must agree before it may judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.table.facts import Case, Egfr
from tests.table.renal import ckd_epi_2021
from tests.table.second_evaluator import evaluate
from tests.table.vignettes import REVISED, expected, from_vignette


def load(shared_dir: Path, name: str) -> Any:
    return json.loads((shared_dir / "clinical" / name).read_text(encoding="utf-8"))


def test_agrees_with_every_vignette(shared_dir: Path) -> None:
    vignettes = load(shared_dir, "vignettes.json")["vignettes"]
    differing = {}
    for vignette in vignettes:
        wanted = expected(vignette)
        got = evaluate(from_vignette(vignette["facts"])).shown
        if got != wanted:
            differing[vignette["id"]] = (wanted, got)
    assert len(vignettes) == 90
    assert not differing


def test_section_12_changes_what_it_says_it_changes(shared_dir: Path) -> None:
    text = (shared_dir / "clinical" / "SPEC.md").read_text(encoding="utf-8")
    assert f"section 12 changes {', '.join(REVISED)}" in text


def test_equation_agrees_with_the_test_vectors(shared_dir: Path) -> None:
    for vector in load(shared_dir, "rules/egfr_test_vectors.json")["vectors"]:
        value = ckd_epi_2021(vector["scr_mg_dl"], vector["age"], vector["sex"])
        assert value == pytest.approx(vector["egfr"], abs=0.01), vector


def test_a_case_says_what_it_leaves_out() -> None:
    assert evaluate(Case(missing=frozenset({"conditions"}))).status == 412
    assert (
        evaluate(Case(rf=frozenset({"diabetes"}), egfr=(Egfr(90, 10),), deceased=True)).cards == ()
    )
