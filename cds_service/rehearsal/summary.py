"""The numbers of a whole run, as `summary.json` holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from cds_service.rehearsal.comparing import Comparison
from cds_service.rehearsal.deciding import Decider
from cds_service.rehearsal.mapping import MOST_CODES
from cds_service.rehearsal.options import Options, gathered_kinds, rehearsed_hooks
from cds_service.rehearsal.review import Sampled, lowest
from cds_service.rehearsal.source import KINDS, Fault, Source
from cds_service.rehearsal.tasks import MOST_FAULTS, Decided, Gathered

Counts = list[list[Any]]


class Input(msgspec.Struct, frozen=True):
    """What was read. `malformed` are the first of `malformed_lines` by file and line."""

    lines: dict[str, int]
    missing_types: list[str]
    missing_files: list[str]
    malformed_lines: int
    malformed: list[Fault]
    without_patient: int
    deleted: int
    notes: list[str]


class Summary(msgspec.Struct, frozen=True):
    """The numbers of a run.

    `by_month` and `by_department` are [hook, month or department, moments] of the patients who were
    decided, `ruled_out_by_...` of those who were not. `people` is [dimension, group, patients,
    patients with a card]. `not_read` is [type, system, code, display, lines] of all patients.
    """

    knowledge: str
    site: str
    as_of: str
    first: str
    last: str
    history: bool
    hooks: list[str]
    input: Input
    patients: int
    patients_decided: int
    rows: int
    clinician_days: int
    by_month: Counts
    by_department: Counts
    ruled_out_by_month: Counts
    ruled_out_by_department: Counts
    cannot_undo: dict[str, int]
    not_read: Counts
    people: Counts
    compared: Comparison | None = None


class Totals:
    """Adds up what the tasks of a run resulted in. Their order changes nothing."""

    def __init__(self) -> None:
        self._lines: Counter[str] = Counter()
        self._faults: list[Fault] = []
        self._more_faults = 0
        self._without_patient = 0
        self._deleted = 0
        self._decided: list[Decided] = []
        self.samples: list[Sampled] = []

    @property
    def visits(self) -> bool:
        """Whether the second pass met an Encounter."""
        return bool(self._lines["Encounter"])

    def gathered(self, file: str, met: Gathered) -> None:
        """Add what the second pass met in a piece of a file."""
        self._lines.update(met.lines)
        self._faults += (Fault(file, line, why) for line, why in met.faults)
        self._more_faults += met.more_faults
        self._without_patient += met.without_patient
        self._deleted += met.deleted

    def decided(self, done: Decided) -> None:
        """Add what became of a partition."""
        self.samples = lowest((*self.samples, *done.samples))
        self._decided.append(msgspec.structs.replace(done, samples=[]))

    def summary(
        self, options: Options, source: Source, as_of: str, decider: Decider, compared: str
    ) -> Summary:
        """All of it. `compared` names the rules that were compared with, "" where there are none."""
        knowledge, site = decider.knowledge.version, decider.site
        done = self._decided
        people = _added((*g, n, c) for d in done for *g, n, c in d.people)
        not_read = _summed(row for d in done for row in d.not_read)
        undo: Counter[str] = Counter()
        for decided in done:
            undo.update(decided.cannot_undo)
        return Summary(
            knowledge=knowledge,
            site=site,
            as_of=as_of,
            first=options.first.isoformat() if options.first else "",
            last=options.last.isoformat() if options.last else "",
            history=options.history,
            hooks=[h for h in rehearsed_hooks(options) if h in decider.hooks],
            input=self._input(source, gathered_kinds(options)),
            patients=sum(row[2] for row in people if row[0] == "sex"),
            patients_decided=sum(d.patients for d in done),
            rows=sum(d.rows for d in done),
            clinician_days=sum(d.clinician_days for d in done),
            by_month=_summed((h, m, n) for d in done for h, m, _, n in d.moments),
            by_department=_summed((h, p, n) for d in done for h, _, p, n in d.moments),
            ruled_out_by_month=_summed((h, m, n) for d in done for h, m, _, n in d.ruled_out),
            ruled_out_by_department=_summed((h, p, n) for d in done for h, _, p, n in d.ruled_out),
            cannot_undo=dict(sorted(undo.items())),
            not_read=sorted(not_read, key=lambda row: (-row[-1], row))[:MOST_CODES],
            people=people,
            compared=self._compared(compared),
        )

    def _compared(self, label: str) -> Comparison | None:
        """The changes against other rules, whose name is not "" where there are any."""
        if not label:
            return None
        rows = _summed(row for done in self._decided for row in done.changes)
        return Comparison(label, [(card, kind, number) for card, kind, number in rows])

    def _input(self, source: Source, kinds: Collection[str]) -> Input:
        faults = sorted((*source.faults, *self._faults))
        return Input(
            lines={kind: self._lines[kind] for kind in KINDS if self._lines[kind]},
            missing_types=[
                kind
                for kind in KINDS
                if kind not in source.kinds or (kind in kinds and not self._lines[kind])
            ],
            missing_files=list(source.missing),
            malformed_lines=len(faults) + self._more_faults,
            malformed=faults[:MOST_FAULTS],
            without_patient=self._without_patient,
            deleted=self._deleted,
            notes=list(source.notes),
        )


def _summed(rows: Iterable[tuple[Any, ...]]) -> Counts:
    """Rows whose last member is a number, added up by what stands before it."""
    totals: Counter[tuple[Any, ...]] = Counter()
    for *key, number in rows:
        totals[tuple(key)] += number
    return [[*key, number] for key, number in sorted(totals.items())]


def _added(rows: Iterable[tuple[Any, ...]]) -> Counts:
    """Rows whose last two members are numbers, added up by what stands before them."""
    totals: dict[tuple[Any, ...], tuple[int, int]] = {}
    for *key, number, part in rows:
        before = totals.get(tuple(key), (0, 0))
        totals[tuple(key)] = (before[0] + number, before[1] + part)
    return [[*key, *numbers] for key, numbers in sorted(totals.items())]


SUMMARY: Final = "summary.json"


def write_summary(out: Path, summary: Summary) -> None:
    """Write the file."""
    text = msgspec.json.format(msgspec.json.encode(summary), indent=1)
    (out / SUMMARY).write_bytes(text + b"\n")


def read_summary(out: Path) -> Summary:
    """Read the file; raises `OSError` or `msgspec.DecodeError`."""
    return msgspec.json.decode((out / SUMMARY).read_bytes(), type=Summary)
