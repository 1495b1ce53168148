"""What the tasks of a run are given, and what they result in."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from cds_service.chart import dates
from cds_service.rehearsal.lines import Line, patient_of
from cds_service.rehearsal.moments import Window
from cds_service.rehearsal.options import Options
from cds_service.rehearsal.review import Sampled
from cds_service.rehearsal.source import Source

MOST_FAULTS: Final = 100
"""How many malformed lines of a piece are listed; all are counted."""
LINES, MOMENTS, PEOPLE, CLINICIANS, CODES = "lines", "moments", "people", "clinicians", "codes"
"""Folders of records that are put aside."""
PRODUCTS: Final = "products"
"""The folder of the products of Medications."""
CLINICIAN_BYTES: Final = 12


class Setup(msgspec.Struct, frozen=True):
    """What every process of a run has to know."""

    folder: Path
    work: Path
    bits: int
    as_of: str
    first: date | None
    last: date | None
    hooks: tuple[str, ...]
    as_of_alone: bool
    deleted: frozenset[str]
    site: Path | None = None
    against: Path | None = None

    def window(self) -> Window:
        """The moments that are rehearsed."""
        as_of = dates.parse(self.as_of)
        if as_of is None:
            raise ValueError("as_of is not a FHIR date")
        return Window(as_of, self.first, self.last)


def setup_of(options: Options, source: Source, *, work: Path, bits: int, as_of: str) -> Setup:
    """What the processes of a run have to know of its options and its input."""
    return Setup(
        folder=source.folder,
        work=work,
        bits=bits,
        as_of=as_of,
        first=options.first,
        last=options.last,
        hooks=options.hooks,
        as_of_alone=not options.history,
        deleted=source.deleted,
        site=options.site,
        against=options.against,
    )


class Found(msgspec.Struct):
    """Ids that the first pass found in a piece: patients who can matter, or Medications."""

    ids: list[str] = []


class Gathered(msgspec.Struct):
    """What the second pass met in a piece."""

    lines: dict[str, int] = {}
    faults: list[tuple[int, str]] = []
    more_faults: int = 0
    without_patient: int = 0
    deleted: int = 0
    medications: list[str] = []
    departments: dict[str, str] = {}


class Decided(msgspec.Struct):
    """What became of a partition. Keys of counters are lists, because JSON has no other."""

    patients: int = 0
    rows: int = 0
    moments: list[tuple[str, str, str, int]] = []
    ruled_out: list[tuple[str, str, str, int]] = []
    cannot_undo: dict[str, int] = {}
    not_read: list[tuple[str, str, str, str, int]] = []
    people: list[tuple[str, str, int, int]] = []
    samples: list[Sampled] = []
    changes: list[tuple[str, str, int]] = []
    clinician_days: int = 0


def is_deleted(read: Line, deleted: frozenset[str]) -> bool:
    """Whether a deleted-files list names a resource, or its patient."""
    patient = patient_of(read)
    return f"{read.resourceType}/{read.id}" in deleted or f"Patient/{patient}" in deleted
