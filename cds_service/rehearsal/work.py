"""The tasks of the local engine. Each reads one piece, or decides one partition, in any process."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cds_service.chart import dates
from cds_service.knowledge.as_it_stood import AsItStood, load_as_it_stood
from cds_service.knowledge.loader import Knowledge
from cds_service.rehearsal import comparing
from cds_service.rehearsal.blocks import blocks
from cds_service.rehearsal.deciding import Decider
from cds_service.rehearsal.gathering import Gathering
from cds_service.rehearsal.lines import Coded, Line, Order, key_of, patient_of, read_line
from cds_service.rehearsal.moments import medication_of
from cds_service.rehearsal.patients import Plan, Rehearsing, Result
from cds_service.rehearsal.people import Person
from cds_service.rehearsal.recognising import Recogniser
from cds_service.rehearsal.review import Sampler
from cds_service.rehearsal.rows import Row, table_of
from cds_service.rehearsal.rules import rules_of
from cds_service.rehearsal.source import Piece
from cds_service.rehearsal.spill import guarding_disk, lines_in, records_in
from cds_service.rehearsal.tally import RECORD_BYTES, counted
from cds_service.rehearsal.tasks import (
    CLINICIAN_BYTES,
    CLINICIANS,
    LINES,
    MOMENTS,
    PEOPLE,
    Decided,
    Found,
    Gathered,
    Setup,
    is_deleted,
)
from cds_service.site.force import InForce

if TYPE_CHECKING:
    import pyarrow as pa

PATIENTS, MAGNESIUM, MEDICATIONS = "patients.json", "magnesium.json", "medications.ndjson"
DECIDED, COMPARED = "decided", "compared"
_DATES = re.compile(
    rb'"(?:recordedDate|authoredOn|issued|effectiveDateTime|performedDateTime|dateAsserted|start)"'
    rb'\s*:\s*"(\d{4}-\d\d-\d\d[^"]{0,30})"'
)


class Worker:
    """Runs tasks in one process. Reads the results of earlier phases when it needs them."""

    def __init__(self, setup: Setup) -> None:
        os.umask(0o077)
        self._setup = setup
        self._window = setup.window()
        self._rules = self._table.moments

    @cached_property
    def _table(self) -> AsItStood:
        return load_as_it_stood()

    @property
    def _force(self) -> InForce:
        return rules_of(self._setup.site)

    @property
    def _knowledge(self) -> Knowledge:
        return self._force.knowledge

    @cached_property
    def _patients(self) -> frozenset[str]:
        return frozenset(_read(self._setup.work / PATIENTS, list[str]))

    @cached_property
    def _medications(self) -> dict[str, bytes]:
        file = self._setup.work / MEDICATIONS
        found: dict[str, bytes] = {}
        for line in sorted(file.read_bytes().splitlines()) if file.exists() else ():
            read = read_line("Medication", line)
            if read is not None and read.id:
                found[read.id] = line
        return found

    @cached_property
    def _recogniser(self) -> Recogniser:
        file = self._setup.work / MAGNESIUM
        return Recogniser(self._knowledge, _read(file, list[str]) if file.exists() else ())

    def _lines(self, piece: Piece) -> Iterator[tuple[Line, bytes]]:
        """The readable lines of a piece, without those that were deleted."""
        deleted = self._setup.deleted
        for block in blocks(self._setup.folder, piece):
            for line in block.lines:
                read = read_line(piece.kind, line) if line else None
                if read is not None and not (deleted and is_deleted(read, deleted)):
                    yield read, line

    # -- the first pass ------------------------------------------------------------------------

    def latest(self, piece: Piece) -> Found:
        """The latest date that anything in a piece bears."""
        texts = {
            m
            for b in blocks(self._setup.folder, piece)
            for line in b.lines
            for m in _DATES.findall(line)
        }
        whens = [w for text in texts if (w := dates.parse(text.decode("ascii", "replace")))]
        newest = max(whens, key=lambda when: (when.latest, when.written), default=None)
        return Found([newest.written] if newest is not None else [])

    def find_medications(self, piece: Piece) -> Found:
        """The Medication resources that hold magnesium."""
        recogniser = Recogniser(self._knowledge)
        found = {
            read.id or ""
            for read, line in self._lines(piece)
            if read.resourceType == "Medication" and recogniser.is_magnesium(line)
        }
        return Found(sorted(found - {""}))

    def find_patients(self, piece: Piece) -> Found:
        """The patients who can matter."""
        found = {
            patient_of(read) or ""
            for read, line in self._lines(piece)
            if isinstance(read, Order | Coded) and self._recogniser.matters(read, line)
        }
        return Found(sorted(found - {""}))

    # -- the second pass -----------------------------------------------------------------------

    def gather(self, piece: Piece) -> Gathered:
        """Put aside the lines of patients who can matter, and what has to be counted of all."""
        return Gathering(self._setup, self._patients, self._rules, self._window).piece(piece)

    def gather_medications(self, piece: Piece, wanted: frozenset[str]) -> list[bytes]:
        """The Medications that orders of these patients refer to."""
        return [
            line
            for read, line in self._lines(piece)
            if read.resourceType == "Medication" and read.id in wanted
        ]

    # -- deciding ------------------------------------------------------------------------------

    def decide(self, partition: int, departments: dict[str, str]) -> Decided:
        """Decide the patients of a partition and count the moments of the others."""
        setup = self._setup
        sampler = Sampler()
        decider = Decider(self._force)
        other = self._setup.against
        against = Decider(rules_of(other, "--against")) if other is not None else None
        plan = Plan(self._window, setup.hooks, setup.as_of_alone, setup.visits)
        rehearsing = Rehearsing(decider, self._table, plan, sampler, against)
        done = Decided()
        rows: list[Row] = []
        totals = Result()
        for patient, lines in self._by_patient(partition):
            totals.add(rehearsing.patient(patient, lines, self._sent(lines)))
            done.patients += 1
        rows = sorted(totals.rows, key=Row.key)
        self._write(partition, DECIDED, table_of(rows))
        if against is not None:
            self._write(partition, COMPARED, comparing.table_of(totals.changes))
            done.changes = comparing.counted(totals.changes)
        names = {bytes.fromhex(key): name for key, name in departments.items()}
        records = records_in(setup.work / MOMENTS, partition, RECORD_BYTES)
        hooks = frozenset(setup.hooks).intersection(decider.hooks)
        ruled_out = counted(records, self._rules, self._window, hooks, names)
        done.rows = len(rows)
        done.moments = [(*key, n) for key, n in sorted(totals.moments.items())]
        done.ruled_out = [(*key, n) for key, n in sorted(ruled_out.items())]
        done.cannot_undo = dict(sorted(totals.cannot_undo.items()))
        done.not_read = [(*key, n) for key, n in sorted(totals.not_read.items())]
        done.samples = sampler.kept()
        done.people = self._people(partition, rows)
        days = records_in(setup.work / CLINICIANS, partition, CLINICIAN_BYTES)
        done.clinician_days = len(set(days))
        return done

    def _by_patient(self, partition: int) -> list[tuple[str, list[tuple[str, str, bytes]]]]:
        found: dict[str, list[tuple[str, str, bytes]]] = {}
        for line in lines_in(self._setup.work / LINES, partition):
            read = read_line("", line)
            patient = patient_of(read) if read is not None else None
            if read is not None and patient is not None:
                kind = read.resourceType or ""
                found.setdefault(patient, []).append((kind, read.id or "", line))
        return sorted(found.items(), key=lambda item: (key_of(item[0]), item[0]))

    def _sent(self, lines: Iterable[tuple[str, str, bytes]]) -> dict[str, bytes]:
        """The Medications that the orders of a patient refer to."""
        if not self._medications:
            return {}
        names = {
            name
            for kind, _, line in lines
            if kind in ("MedicationRequest", "MedicationStatement")
            and (name := medication_of(read_line(kind, line)))
        }
        return {name: self._medications[name] for name in names if name in self._medications}

    def _write(self, partition: int, name: str, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        folder = self._setup.work / name
        folder.mkdir(exist_ok=True)
        with guarding_disk():
            pq.write_table(table, folder / f"{partition:04d}.parquet")

    def _people(self, partition: int, rows: list[Row]) -> list[tuple[str, str, int, int]]:
        """How many patients of each subgroup there are, and how many of them got a card."""
        carded = {key_of(row.patient).hex() for row in rows if row.card is not None}
        lines = set(lines_in(self._setup.work / PEOPLE, partition))
        people = {p.key: p for p in (msgspec.json.decode(x, type=Person) for x in sorted(lines))}
        everyone: Counter[tuple[str, str]] = Counter()
        with_card: Counter[tuple[str, str]] = Counter()
        day = self._window.as_of.first_day
        for person in people.values():
            for group in person.groups(day):
                everyone[group] += 1
                with_card[group] += person.key in carded
        return [(*group, number, with_card[group]) for group, number in sorted(everyone.items())]


def _read(file: Path, shape: Any) -> Any:
    return msgspec.json.decode(file.read_bytes(), type=shape)
