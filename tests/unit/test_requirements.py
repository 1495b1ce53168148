"""Every requirement of the standard has its tests, and a run of the whole suite says if one did not run."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from ..support.requirements import (
    FAILED,
    FILE,
    PASSED,
    Requirement,
    Verdict,
    judged,
    named_tests,
    read_requirements,
)
from ..support.tables import each_row

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = read_requirements()
# How many there are of each family, so that a lost row is noticed without the list itself.
FAMILIES = dict(J=9, D=17, P=9, C=16, F=10, R=5, K=15, S=5, A=6, L=5, B=9, T=18, H=9, O=11)  # noqa: C408
ROW = re.compile(r"\| ([A-Z]-\d+) \| ([^|]+) \| ([^|]+) \|(?:.* \|)? ([^|]+) \|$", re.MULTILINE)


# -------------------------------------------------------------------------- the file


@pytest.mark.shared
def test_every_requirement_of_the_list_is_a_row(shared_dir: Path) -> None:
    listed = ROW.findall((shared_dir / "conformance" / "CHECKLIST.md").read_text("utf-8"))
    assert len(listed) == sum(FAMILIES.values())
    assert [(r.id, r.level, r.section) for r in REQUIREMENTS] == [
        (id, level.strip(), section.strip()) for id, level, section, _ in listed
    ]
    said = " ".join(r.reason for r in REQUIREMENTS)
    assert [text for *_, text in listed if text.strip() in said] == [], "words of the list itself"


def test_no_row_is_lost() -> None:
    ids = [r.id for r in REQUIREMENTS]
    assert len(ids) == len(set(ids))
    assert Counter(id.partition("-")[0] for id in ids) == FAMILIES
    for family, count in FAMILIES.items():
        assert {f"{family}-{n}" for n in range(1, count + 1)} <= set(ids)


@each_row("row", REQUIREMENTS, ids=lambda row: row.id)
def test_a_row_has_tests_or_a_reason(row: Requirement) -> None:
    assert row.tests or row.reason
    assert len(row.reason) < 120
    assert len(row.tests) == len(set(row.tests))
    assert row.reason == row.reason.strip()


def test_what_must_be_has_tests_unless_it_is_the_sites() -> None:
    bare = {r.id for r in REQUIREMENTS if not r.tests}
    assert bare == {"J-2", "D-3", "T-18"}


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@each_row("name", named_tests(REQUIREMENTS))
def test_a_named_test_exists(name: str) -> None:
    file, _, rest = name.partition("::")
    assert (ROOT / file).is_file(), file
    assert rest.partition("[")[0] in functions_of(file)


def test_documents_that_reasons_name_are_there() -> None:
    named = {p for r in REQUIREMENTS for p in re.findall(r"docs/[\w/-]+\.md", r.reason)}
    assert named
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_another_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("id,tests\nJ-1,x\n")
    with pytest.raises(ValueError, match="columns"):
        read_requirements(file)
    assert read_requirements(FILE) == REQUIREMENTS


# ----------------------------------------------------------------------- what ran

NO_BROWSER = "Skipped: chromium is not on this machine"


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ({"f.py::a": PASSED}, Verdict([], [])),
        ({"f.py::a": FAILED}, Verdict([], [])),
        ({"f.py::a[1]": PASSED, "f.py::a[2]": PASSED}, Verdict([], [])),
        ({"f.py::a[1]": PASSED, "f.py::a[2]": NO_BROWSER}, Verdict([], [])),
        ({}, Verdict(["f.py::a: was not run"], [])),
        ({"f.py::ab": PASSED, "g.py::a": PASSED}, Verdict(["f.py::a: was not run"], [])),
        ({"f.py::a": "Skipped: slow"}, Verdict(["f.py::a: was skipped (Skipped: slow)"], [])),
        (
            {"f.py::a[1]": PASSED, "f.py::a[2]": "Skipped: slow"},
            Verdict(["f.py::a: was skipped (Skipped: slow)"], []),
        ),
        ({"f.py::a": NO_BROWSER}, Verdict([], [f"f.py::a: was skipped ({NO_BROWSER})"])),
        ({"f.py::a": "xfail"}, Verdict(["f.py::a: was skipped (xfail)"], [])),
    ],
)
def test_a_name_stands_for_all_its_parameters(outcomes: dict[str, str], verdict: Verdict) -> None:
    assert judged(["f.py::a"], outcomes) == verdict


def test_a_name_with_a_parameter_stands_for_that_one() -> None:
    assert judged(["f.py::a[1]"], {"f.py::a[1]": PASSED, "f.py::a[2]": "why"}) == Verdict([], [])
    assert judged(["f.py::a[3]"], {"f.py::a[1]": PASSED}).missing == ["f.py::a[3]: was not run"]


CONFTEST = """
from pathlib import Path
from tests.support.requirements import RequirementsRan

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        here = Path(__file__).parent
        config.pluginmanager.register(RequirementsRan(config, here / "names.csv", here))
"""
SUITE = """
import pytest

def test_good(): pass

@pytest.mark.parametrize("number", [1, 2])
def test_some(number): pass

@pytest.mark.skip(reason="no time")
def test_lazy(): pass

@pytest.mark.skip(reason="a harp is not on this machine")
def test_harp(): pass

def test_bad(): assert not {bad}
"""


def environment() -> dict[str, str]:
    """Without what the outer run tells its own pytest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


class Suite:
    """A small suite of its own, run as a whole or in part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\ntestpaths = suite\n")
        (folder / "suite").mkdir()
        (folder / "suite" / "conftest.py").write_text(CONFTEST)

    def run(self, names: list[str], *arguments: str, bad: bool = False) -> tuple[int, str]:
        nodes = ";".join(f"suite/test_it.py::{name}" for name in names)
        table = f"id,level,section,tests,reason\nX-1,SHALL,any,{nodes},\n"
        (self.folder / "suite" / "names.csv").write_text(table)
        (self.folder / "suite" / "test_it.py").write_text(SUITE.format(bad=bad))
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", *arguments],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


@pytest.mark.parametrize(
    "how",
    [(), ("-p", "xdist", "-n", "2", "--dist", "worksteal")],
    ids=["alone", "workers"],
)
def test_a_whole_run_fails_for_a_test_that_did_not_run(suite: Suite, how: tuple[str, ...]) -> None:
    code, said = suite.run(["test_good", "test_some", "test_some[2]", "test_harp"], *how)
    assert code == 0, said
    assert "test_harp: was skipped (Skipped: a harp is not on this machine)" in said
    code, said = suite.run(["test_good", "test_gone", "test_lazy"], *how)
    assert code == 1
    assert "ERROR suite/test_it.py::test_gone: was not run" in said
    assert "ERROR suite/test_it.py::test_lazy: was skipped (Skipped: no time)" in said


@pytest.mark.parametrize(
    "part",
    [
        ("-k", "good"),
        ("-m", "not x"),
        ("suite/test_it.py",),
        ("suite/test_it.py::test_good",),
        ("--deselect", "suite/test_it.py::test_bad"),
        ("--maxfail", "1"),
    ],
    ids=" ".join,
)
def test_a_part_says_nothing_about_the_rest(suite: Suite, part: tuple[str, ...]) -> None:
    code, said = suite.run(["test_gone"], *part, bad="--maxfail" in part)
    assert code == (1 if "--maxfail" in part else 0)
    assert "test_gone" not in said


@pytest.mark.parametrize("whole", [(), ("suite",), (".",), ("--verbose",)], ids=" ".join)
def test_the_whole_may_be_asked_for_in_several_ways(suite: Suite, whole: tuple[str, ...]) -> None:
    assert suite.run(["test_gone"], *whole)[0] == 1


def test_running_the_failed_again_does_not_wash_it_away(suite: Suite) -> None:
    """CI runs what failed once more: then a test that never ran must not be forgotten."""
    assert suite.run(["test_gone"], bad=True)[0] == 1
    code, said = suite.run(["test_gone"], "--last-failed")
    assert code == 1
    assert "test_gone: was not run" in said
    assert suite.run(["test_good"])[0] == 0
    assert suite.run(["test_good"], bad=True)[0] == 1
    assert suite.run(["test_good"], "--last-failed")[0] == 0
