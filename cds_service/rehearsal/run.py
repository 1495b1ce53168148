"""A whole rehearsal: from the command line to the files in DIR."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cds_service.rehearsal.errors import (
    RehearsalError,
    StoppedError,
    UsageError,
    files_in_one_line,
)
from cds_service.rehearsal.options import Options, check

if TYPE_CHECKING:
    from cds_service.rehearsal.local import LocalRun
    from cds_service.rehearsal.spark import SparkRun

_NEEDS = ("pyarrow", "matplotlib")


def rehearse(options: Options) -> None:
    """Write all files of a rehearsal; raises `RehearsalError` with one line that says why not."""
    check(options)
    _require_packages()
    from cds_service.rehearsal.progress import phase
    from cds_service.rehearsal.report import write_report
    from cds_service.rehearsal.review import write_review
    from cds_service.rehearsal.summary import write_summary

    try:
        with files_in_one_line("with --resume"):
            run = _engine(options)
            summary = run.run()
            with phase("Writing the report", 0):
                write_summary(options.out, summary)
                write_review(options.out, run.samples)
                write_report(options.out, summary, run.cards)
            run.close()
    except KeyboardInterrupt:
        text = "Stopped. Run the same command with --resume to continue."
        raise StoppedError(text) from None


def _engine(options: Options) -> LocalRun | SparkRun:
    if options.engine == "local":
        from cds_service.rehearsal.local import LocalRun

        return LocalRun(options)
    if find_spec("pyspark") is None:
        raise UsageError("pyspark is not installed. make install-spark installs it.")
    from cds_service.rehearsal.spark import SparkRun

    return SparkRun(options)


def take_marks(file: Path, out: Path) -> None:
    """Read the marks of a chart review, and write the report of a finished rehearsal again."""
    _require_packages()
    from cds_service.rehearsal.marks import MARKS, read_marks
    from cds_service.rehearsal.report import write_report
    from cds_service.rehearsal.rules import rules_of
    from cds_service.rehearsal.summary import read_summary

    marks = read_marks(file)
    try:
        summary = read_summary(out)
    except (OSError, msgspec.DecodeError):
        raise RehearsalError(f"{out} holds no finished rehearsal") from None
    with files_in_one_line("again"):
        (out / MARKS).write_bytes(msgspec.json.encode(marks) + b"\n")
        write_report(out, summary, rules_of(None).knowledge.cards, marks)


def _require_packages() -> None:
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise UsageError(f"{missing[0]} is not installed. make install-rehearsal installs it.")
