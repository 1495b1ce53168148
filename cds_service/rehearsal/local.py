"""The local engine: two passes over the files, then the patients who can matter are decided.

It needs no server and no Java. Each phase writes its results before the next one starts, so that a
run can be stopped and continued.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cds_service.knowledge.model import Card
from cds_service.rehearsal import comparing, rows
from cds_service.rehearsal.comparing import CHANGES
from cds_service.rehearsal.deciding import Decider
from cds_service.rehearsal.journal import Journal
from cds_service.rehearsal.options import Options, as_of_of, fingerprint, gathered_kinds
from cds_service.rehearsal.products import PRODUCT_BYTES, sorted_records
from cds_service.rehearsal.progress import phase
from cds_service.rehearsal.review import Sampled
from cds_service.rehearsal.rules import rules_of
from cds_service.rehearsal.source import KINDS, Piece, open_source
from cds_service.rehearsal.spill import partition_bits, records_in
from cds_service.rehearsal.summary import Summary, Totals
from cds_service.rehearsal.tasks import PRODUCTS, Decided, Found, Gathered, Setup, setup_of
from cds_service.rehearsal.work import (
    COMPARED,
    DECIDED,
    MAGNESIUM,
    MEDICATIONS,
    PATIENTS,
    PRODUCT_TABLE,
)
from cds_service.rehearsal.workers import Task, Workers

if TYPE_CHECKING:
    import pyarrow as pa

DECISIONS: Final = "decisions.parquet"
_RECOGNISED = ("Condition", "MedicationRequest", "MedicationStatement")
_NO_DATE_YET = "9999-12-31"


class LocalRun:
    """One run, or what is left of it."""

    def __init__(self, options: Options) -> None:
        """Open input and output; raises `RehearsalError` where either cannot be used."""
        os.umask(0o077)
        self._options = options
        self._source = open_source(Path(options.source))
        self._decider = Decider(rules_of(options.site))
        self._compared = label_of(options)
        self._knowledge = self._decider.knowledge.version
        run = fingerprint(options, self._source, self._knowledge)
        self._journal = Journal(options.out, run, resume=options.resume)
        self._totals = Totals()
        self._bits = partition_bits(sum(piece.size for piece in self._source.pieces))

    @property
    def samples(self) -> list[Sampled]:
        """What is to be reviewed, after `run`."""
        return self._totals.samples

    @property
    def cards(self) -> Mapping[str, Card]:
        """The cards of the rules."""
        return self._decider.knowledge.cards

    def run(self) -> Summary:
        """Do what is left of it."""
        as_of = self._as_of()
        with Workers(self._setup(as_of), self._options.workers) as workers:
            self._passes(workers)
        work, out = self._journal.work, self._options.out
        merge(work / DECIDED, out / DECISIONS, rows.schema())
        if self._compared:
            merge(work / COMPARED, out / CHANGES, comparing.schema())
        return self._totals.summary(
            self._options, self._source, as_of, self._decider, self._compared
        )

    def close(self) -> None:
        """The run is over and all its files are written."""
        self._journal.close()

    def _setup(self, as_of: str) -> Setup:
        work, bits = self._journal.work, self._bits
        return setup_of(self._options, self._source, work=work, bits=bits, as_of=as_of)

    def _as_of(self) -> str:
        options, source = self._options, self._source
        latest = ""
        if options.as_of is None and not source.transaction_time:
            with Workers(self._setup(_NO_DATE_YET), options.workers) as workers:
                found = self._ids(workers, "Looking for the latest date", "latest", KINDS)
            latest = max(found, default="")
        return as_of_of(options, source, latest).written

    def _passes(self, workers: Workers) -> None:
        medications = self._ids(
            workers,
            "Looking for magnesium among the medications",
            "find_medications",
            ["Medication"],
        )
        self._keep(MAGNESIUM, medications)
        self._write_products()
        patients = self._ids(
            workers, "Looking for the patients who can matter", "find_patients", _RECOGNISED
        )
        self._keep(PATIENTS, patients)
        pieces = self._source.pieces_of(gathered_kinds(self._options))
        gathered = self._pieces(workers, "Gathering their data", "gather", pieces, Gathered)
        files = {piece.name: piece.file for piece in pieces}
        for name, met in gathered.items():
            self._totals.gathered(files[name], met)
        self._gather_medications(workers, {m for met in gathered.values() for m in met.medications})
        departments = {k: v for met in gathered.values() for k, v in met.departments.items()}
        self._decide(workers, departments)

    def _write_products(self) -> None:
        """One sorted table of the products of Medications: the partitions follow each other."""
        work = self._journal.work
        with (work / PRODUCT_TABLE).open("wb") as table:
            for partition in range(2**self._bits):
                records = records_in(work / PRODUCTS, partition, PRODUCT_BYTES)
                table.write(sorted_records(records))

    def _ids(self, workers: Workers, title: str, method: str, kinds: Iterable[str]) -> list[str]:
        found = self._pieces(workers, title, method, self._source.pieces_of(kinds), Found)
        return sorted({one for result in found.values() for one in result.ids})

    def _pieces(
        self, workers: Workers, title: str, method: str, pieces: Sequence[Piece], shape: Any
    ) -> dict[str, Any]:
        tasks = [Task(piece.name, method, (piece,), piece.size) for piece in pieces]
        return self._run(workers, title, tasks, shape)

    def _gather_medications(self, workers: Workers, wanted: set[str]) -> None:
        pieces = self._source.pieces_of(["Medication"]) if wanted else []
        tasks = [Task(p.name, "gather_medications", (p, frozenset(wanted)), p.size) for p in pieces]
        found = self._run(workers, "Gathering their medications", tasks, list[bytes])
        lines = sorted({line for result in found.values() for line in result})
        (self._journal.work / MEDICATIONS).write_bytes(b"".join(x + b"\n" for x in lines))

    def _decide(self, workers: Workers, departments: dict[str, str]) -> None:
        tasks = [
            Task(str(p), "decide", (p, departments, self._totals.visits), 1)
            for p in range(2**self._bits)
        ]
        found = self._run(workers, "Deciding", tasks, Decided, unit="parts")
        for partition in sorted(found, key=int):
            self._totals.decided(found[partition])

    def _run(
        self, workers: Workers, title: str, tasks: list[Task], shape: Any, unit: str = "bytes"
    ) -> dict[str, Any]:
        """The results of tasks by their names; those that are done already are not done again."""
        if not tasks:
            return {}
        method = tasks[0].method
        results = {}
        with phase(title, sum(task.size for task in tasks), unit=unit) as bar:
            left = []
            for task in tasks:
                known = self._journal.result(method, task.name, shape)
                if known is None:
                    left.append(task)
                else:
                    results[task.name] = known
                    bar.advance(task.size)
            for task, result in workers.run(left):
                self._journal.done(method, task.name, result)
                results[task.name] = result
                bar.advance(task.size)
        return results

    def _keep(self, name: str, ids: list[str]) -> None:
        (self._journal.work / name).write_bytes(msgspec.json.encode(ids))


def label_of(options: Options) -> str:
    """What the report calls the rules that are compared with."""
    if options.against is None:
        return ""
    other = Decider(rules_of(options.against, "--against"))
    return " ".join(filter(None, (other.knowledge.version, other.site)))


def merge(folder: Path, target: Path, schema: pa.Schema) -> None:
    """One file out of those of the partitions, in their order."""
    import pyarrow.parquet as pq

    unfinished = target.with_suffix(".unfinished")
    with pq.ParquetWriter(unfinished, schema) as writer:
        for part in sorted(folder.glob("*.parquet")):
            table = pq.read_table(part, schema=schema)
            if table.num_rows:
                writer.write_table(table)
    unfinished.replace(target)
