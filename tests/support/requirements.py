"""The requirements of the standard, the tests that verify them, and whether those tests ran.

A run of the whole suite fails when a test that `tests/requirements.csv` names was not run, or was
skipped for another reason than that a part of the machine is missing. A run of some tests says
nothing about it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).resolve().parent.parent
FILE = TESTS / "requirements.csv"
COLUMNS = ("id", "level", "section", "tests", "reason")

PASSED, FAILED = "passed", "failed"
# What the reasons of skips say where a machine lacks something: a browser, a database, a folder.
LACKING = ("is not on this machine", "is not beside this checkout", "is not installed")
_PENDING = "requirements/not-run"
_NARROWING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "collectonly")


class Requirement(NamedTuple):
    """A row: a requirement, the tests that verify it, and why there are none or what they leave."""

    id: str
    level: str
    section: str
    tests: tuple[str, ...]
    reason: str


class Verdict(NamedTuple):
    """What a whole run says of the named tests: `missing` fails it, `lacking` is told."""

    missing: list[str]
    lacking: list[str]


def read_requirements(file: Path = FILE) -> list[Requirement]:
    """The rows of the file, in its order."""
    with file.open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text, strict=True)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"the columns of {file.name} are not {', '.join(COLUMNS)}")
        return [
            Requirement(
                row["id"],
                row["level"],
                row["section"],
                tuple(filter(None, row["tests"].split(";"))),
                row["reason"],
            )
            for row in rows
        ]


def named_tests(requirements: Iterable[Requirement]) -> list[str]:
    """Every test that is named, once."""
    return list(dict.fromkeys(test for row in requirements for test in row.tests))


def judged(named: Iterable[str], outcomes: Mapping[str, str]) -> Verdict:
    """Which of the named tests did not run. `outcomes`: by node id, else the reason of a skip.

    A name without brackets stands for all its parameters: one must have passed. What failed is not
    repeated here, for the run has failed with it.
    """
    verdict = Verdict([], [])
    by_function: dict[str, list[str]] = {}
    for node, outcome in outcomes.items():
        by_function.setdefault(node.partition("[")[0], []).append(outcome)
    for name in named:
        found = [outcomes[name]] if name in outcomes else by_function.get(name, [])
        reasons = sorted(set(found) - {PASSED, FAILED})
        unfounded = [r for r in reasons if not any(words in r for words in LACKING)]
        if not found:
            verdict.missing.append(f"{name}: was not run")
        elif unfounded:
            verdict.missing.append(f"{name}: was skipped ({unfounded[0]})")
        elif reasons and set(found) == set(reasons):
            verdict.lacking.append(f"{name}: was skipped ({reasons[0]})")
    return verdict


def is_whole(config: pytest.Config, tests: Path) -> bool:
    """Whether a run was asked for everything: nothing left out by option or by path."""
    if any(config.getoption(name, None) for name in _NARROWING):
        return False
    return all(
        Path(config.invocation_params.dir, argument).resolve() in {tests, config.rootpath}
        for argument in config.args
    )


class RequirementsRan:
    """Watches a run. To be registered where reports arrive: not in a worker of pytest-xdist."""

    def __init__(self, config: pytest.Config, file: Path = FILE, tests: Path = TESTS) -> None:
        self._config = config
        self._named = named_tests(read_requirements(file))
        self._whole = is_whole(config, tests)
        self._outcomes: dict[str, str] = {}
        self._verdict = Verdict([], [])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep how each test came out; a failure at any stage outweighs."""
        if report.failed:
            self._outcomes[report.nodeid] = FAILED
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, (tuple, list)) else "xfail"
            self._outcomes[report.nodeid] = str(reason)
        elif report.when == "call":
            self._outcomes.setdefault(report.nodeid, PASSED)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail the run, now or when only what failed is run again, if a named test did not run."""
        cache = getattr(self._config, "cache", None)
        if self._whole and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            if session.shouldfail or session.shouldstop:
                return
            self._verdict = judged(self._named, self._outcomes)
            if cache is not None:
                cache.set(_PENDING, self._verdict.missing)
        elif self._config.getoption("lf", False) and cache is not None:
            self._verdict = Verdict(cache.get(_PENDING, []), [])
        if self._verdict.missing and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which, under a heading of their own."""
        missing, lacking = self._verdict
        if missing:
            terminalreporter.section("requirements that were not verified", red=True)
        for line in missing:
            terminalreporter.write_line(f"ERROR {line}", red=True)
        for line in lacking:
            terminalreporter.write_line(f"not verified on this machine: {line}")
