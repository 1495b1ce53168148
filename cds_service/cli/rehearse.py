"""`rehearse`: the cards that the rules would have given to the patients of an export."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from cds_service.rehearsal.errors import RehearsalError


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], day: Callable[[str], date]
) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "rehearse", help="show what the rules would have done to the patients of an export"
    )
    parser.add_argument("source", metavar="SOURCE", help="a Bulk Data folder, or one of Bundles")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="an empty folder")
    parser.add_argument("--as-of", type=day, metavar="DATE", help="the day of the export")
    parser.add_argument("--from", dest="first", type=day, metavar="DATE", help="the first day")
    parser.add_argument("--to", dest="last", type=day, metavar="DATE", help="the last day")
    parser.add_argument("--moments", choices=("history", "as-of"), default="history")
    parser.add_argument("--hooks", metavar="HOOKS", help="names with commas (default: all)")
    parser.add_argument("--engine", choices=("local", "spark"), default="local")
    parser.add_argument("--master", default="local[2]", metavar="URL", help="of Spark")
    parser.add_argument("--site", type=Path, metavar="FILE", help="a site file")
    parser.add_argument("--against", type=Path, metavar="FILE", help="what it is compared with")
    parser.add_argument(
        "--workers", type=_number, default=os.cpu_count() or 1, metavar="N", help="processes"
    )
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.set_defaults(run=run)

    marks = commands.add_parser(
        "rehearse-marks", help="read the marks of a chart review into the report of a rehearsal"
    )
    marks.add_argument("file", type=Path, metavar="REVIEW.csv", help="the reviewed sample")
    marks.add_argument("--out", required=True, type=Path, metavar="DIR", help="of the rehearsal")
    marks.set_defaults(run=run_marks)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes")
    return int(text)


def run(chosen: argparse.Namespace) -> None:
    """Run it. The exit code shows whether it can be resumed (130), or why it cannot run."""
    from cds_service.rehearsal.moments import HOOKS
    from cds_service.rehearsal.options import Options
    from cds_service.rehearsal.run import rehearse

    options = Options(
        source=chosen.source,
        out=chosen.out,
        as_of=chosen.as_of,
        first=chosen.first,
        last=chosen.last,
        history=chosen.moments == "history",
        hooks=tuple(chosen.hooks.split(",")) if chosen.hooks else HOOKS,
        engine=chosen.engine,
        master=chosen.master,
        workers=chosen.workers,
        resume=chosen.resume,
        site=chosen.site,
        against=chosen.against,
    )
    _ending(lambda: rehearse(options))


def run_marks(chosen: argparse.Namespace) -> None:
    """Read the marks and write the report again."""
    from cds_service.rehearsal.run import take_marks

    _ending(lambda: take_marks(chosen.file, chosen.out))


def _ending(task: Callable[[], None]) -> None:
    try:
        task()
    except RehearsalError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.code) from None
