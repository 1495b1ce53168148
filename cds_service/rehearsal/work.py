"""The tasks of the local engine. Each reads one piece, or decides one partition, in any process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cds_service.chart import dates
from cds_service.knowledge.as_it_stood import AsItStood, MomentRules, load_as_it_stood
from cds_service.knowledge.loader import Knowledge
from cds_service.rehearsal import comparing, rows
from cds_service.rehearsal.blocks import blocks, line_number
from cds_service.rehearsal.gathering import Gathering
from cds_service.rehearsal.lines import (
    KEY_BYTES,
    Coded,
    Line,
    Order,
    Visit,
    patient_of,
    read_line,
)
from cds_service.rehearsal.partition import Records, Sent, decide_partition, deciders_of
from cds_service.rehearsal.products import Products, product_record, products_in
from cds_service.rehearsal.recognising import Recogniser
from cds_service.rehearsal.rules import rules_of
from cds_service.rehearsal.source import Piece
from cds_service.rehearsal.spill import Spill, lines_in, records_in
from cds_service.rehearsal.tally import RECORD_BYTES
from cds_service.rehearsal.tasks import (
    CLINICIAN_BYTES,
    CLINICIANS,
    CODES,
    LINES,
    MOMENTS,
    PEOPLE,
    PRODUCTS,
    Decided,
    Found,
    Gathered,
    Setup,
    is_deleted,
)
from cds_service.site.force import InForce

if TYPE_CHECKING:
    import pyarrow as pa

BY_LINE, BY_SIZE = (LINES, PEOPLE, CODES), (MOMENTS, CLINICIANS)
"""Records that end with their line, and records of one size."""
PATIENTS, MAGNESIUM, MEDICATIONS = "patients.json", "magnesium.json", "medications.ndjson"
PRODUCT_TABLE = "products.bin"
DECIDED, COMPARED = "decided", "compared"
_DATES = re.compile(
    rb'"(?:recordedDate|authoredOn|issued|effectiveDateTime|performedDateTime|dateAsserted|start)"'
    rb'\s*:\s*"(\d{4}-\d\d-\d\d[^"]{0,30})"'
)


def latest_date(lines: Iterable[bytes], rules: MomentRules) -> str:
    """The latest date in these lines at which something was recorded, "" where there is none.

    Of a visit that took place its end counts too. Other periods may end later, such as an order's.
    """
    texts: set[str] = set()
    for line in lines:
        visit = read_line("Encounter", line) if b'"Encounter"' in line else None
        if isinstance(visit, Visit) and visit.resourceType == "Encounter":
            texts.update(_times_of(visit, rules))
        else:
            texts.update(text.decode("ascii", "replace") for text in _DATES.findall(line))
    whens = [when for text in texts if (when := dates.parse(text))]
    newest = max(whens, key=lambda when: (when.latest, when.written), default=None)
    return newest.written if newest is not None else ""


def _times_of(visit: Visit, rules: MomentRules) -> Iterator[str]:
    """The start and the end of a visit; nothing where it is planned or did not take place."""
    if visit.status in rules.visit_status and visit.period is not None:
        yield from filter(None, (visit.period.start, visit.period.end))


class Worker:
    """Runs tasks in one process. Reads the results of earlier phases when it needs them."""

    def __init__(self, setup: Setup) -> None:
        os.umask(0o077)
        self._setup = setup
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
        lines = (line for block in blocks(self._setup.folder, piece) for line in block.lines)
        newest = latest_date(lines, self._rules)
        return Found([newest] if newest else [])

    def find_medications(self, piece: Piece) -> Found:
        """The Medication resources that hold magnesium. The products of all are put aside."""
        recogniser = Recogniser(self._knowledge)
        products = Spill(self._setup.work / PRODUCTS, self._setup.bits)
        found = set()
        for read, line in self._lines(piece):
            if isinstance(read, Coded) and read.resourceType == "Medication":
                if recogniser.is_magnesium(line):
                    found.add(read.id or "")
                if record := product_record(read):
                    products.add(record[:KEY_BYTES], record)
        products.flush()
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
        """Put aside the lines of patients who can matter, and what has to be counted of all.

        All of it is on disk when this returns.
        """
        folder, setup = self._setup.folder, self._setup
        spills = {name: Spill(setup.work / name, setup.bits) for name in (*BY_LINE, *BY_SIZE)}

        def put(name: str, key: bytes, record: bytes) -> None:
            spills[name].add(key, record + b"\n" if name in BY_LINE else record)

        terminology = self._knowledge.terminology
        gathering = Gathering(setup, self._patients, self._rules, terminology, put, part=piece.name)
        for block in blocks(folder, piece):
            gathering.block(piece.kind, block)
        met = gathering.met()
        for spill in spills.values():
            spill.flush()
        met.faults = [(line_number(folder, piece, line), why) for line, why in met.faults]
        return met

    def gather_medications(self, piece: Piece, wanted: frozenset[str]) -> list[bytes]:
        """The Medications that orders of these patients refer to."""
        return [
            line
            for read, line in self._lines(piece)
            if read.resourceType == "Medication" and read.id in wanted
        ]

    @cached_property
    def _products(self) -> Products:
        return products_in(self._setup.work / PRODUCT_TABLE)

    # -- deciding ------------------------------------------------------------------------------

    def decide(self, partition: int, departments: dict[str, str], visits: bool) -> Decided:
        """Decide the patients of a partition and count the moments of the others."""
        work = self._setup.work
        records = Records(
            lines=lines_in(work / LINES, partition),
            people=lines_in(work / PEOPLE, partition),
            moments=records_in(work / MOMENTS, partition, RECORD_BYTES),
            clinicians=records_in(work / CLINICIANS, partition, CLINICIAN_BYTES),
            codes=lines_in(work / CODES, partition),
        )
        sent = Sent(self._medications, self._products, departments)
        deciders = deciders_of(self._setup)
        found = decide_partition(self._setup, records, sent, deciders, visits=visits)
        self._write(partition, DECIDED, rows.table_of(found.rows))
        if self._setup.against is not None:
            self._write(partition, COMPARED, comparing.table_of(found.changes))
        return found.done

    def _write(self, partition: int, name: str, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        folder = self._setup.work / name
        folder.mkdir(exist_ok=True)
        pq.write_table(table, folder / f"{partition:04d}.parquet")


def _read(file: Path, shape: Any) -> Any:
    return msgspec.json.decode(file.read_bytes(), type=shape)
