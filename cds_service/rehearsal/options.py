"""What a rehearsal is asked to do."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import msgspec

from cds_service.chart import dates
from cds_service.chart.dates import When
from cds_service.rehearsal.errors import RehearsalError, UsageError
from cds_service.rehearsal.moments import HOOKS, PATIENT_VIEW
from cds_service.rehearsal.source import KINDS, Source

FORMAT = 2
"""Raised when the files of an interrupted run are written in another way."""


class Options(msgspec.Struct, frozen=True):
    """The command line. `history` is false for `--moments as-of`."""

    source: str
    out: Path
    as_of: date | None = None
    first: date | None = None
    last: date | None = None
    history: bool = True
    hooks: tuple[str, ...] = HOOKS
    engine: str = "local"
    master: str = "local[2]"
    workers: int = 1
    resume: bool = False
    site: Path | None = None
    against: Path | None = None


def check(options: Options) -> None:
    """Raises `UsageError` for options that cannot be carried out."""
    unknown = [hook for hook in options.hooks if hook not in HOOKS]
    if unknown:
        raise UsageError(f"--hooks: {unknown[0]} is not one of {', '.join(HOOKS)}")
    if options.first and options.last and options.first > options.last:
        raise UsageError("--from lies after --to")
    if options.history:
        return
    if options.first or options.last:
        raise UsageError("--from and --to do not apply to --moments as-of: its moment is --as-of")
    if set(options.hooks) not in ({*HOOKS}, {PATIENT_VIEW}):
        raise UsageError(f"--moments as-of has {PATIENT_VIEW} only: leave out --hooks")


def rehearsed_hooks(options: Options) -> list[str]:
    """The hooks of a run, in the order of the table. With one moment for each patient there is one."""
    hooks = options.hooks if options.history else (PATIENT_VIEW,)
    return [hook for hook in HOOKS if hook in hooks]


def gathered_kinds(options: Options) -> list[str]:
    """The types that the second pass reads. With one moment for each patient no visit is needed."""
    return [kind for kind in KINDS if options.history or kind != "Encounter"]


def fingerprint(options: Options, source: Source, knowledge: str) -> str:
    """What an interrupted run must agree in to be continued: input, options, rules."""
    rules = [p.read_bytes() for p in (options.site, options.against) if p and p.is_file()]
    files = sorted({(p.file, (source.folder / p.file).stat().st_mtime_ns) for p in source.pieces})
    same = msgspec.structs.replace(options, workers=1, resume=False, out=Path())
    text = repr((FORMAT, same, source.pieces, files, sorted(source.deleted), knowledge, rules))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def as_of_of(options: Options, source: Source, latest: str) -> When:
    """The time of the export: `--as-of`, else the manifest, else the latest date in the data."""
    asked = options.as_of.isoformat() if options.as_of is not None else ""
    for text in (asked, source.transaction_time, latest):
        when = dates.parse(text) if text else None
        if when is not None:
            return when
    raise RehearsalError("The data hold no date. Say with --as-of when they were exported.")
