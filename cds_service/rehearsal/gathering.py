"""The second pass: what belongs to patients who can matter is put aside, the rest is counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Final

import msgspec

from cds_service.fhir.reading import FAILURES
from cds_service.knowledge.as_it_stood import MomentRules
from cds_service.knowledge.terminology import Terminology
from cds_service.rehearsal.blocks import Block
from cds_service.rehearsal.lines import (
    Line,
    OfSubject,
    Order,
    TakenBySubject,
    Visit,
    key_of,
    patient_of,
    read_line,
)
from cds_service.rehearsal.mapping import UnreadCodes, concept_of
from cds_service.rehearsal.moments import (
    clinician_of,
    medication_of,
    ordered_at,
    visit_moments,
)
from cds_service.rehearsal.people import person_of
from cds_service.rehearsal.source import KINDS
from cds_service.rehearsal.tally import records_of
from cds_service.rehearsal.tasks import (
    CLINICIANS,
    CODES,
    LINES,
    MOMENTS,
    MOST_FAULTS,
    PEOPLE,
    Gathered,
    Setup,
    is_deleted,
)

PLAIN: Final = frozenset({"Condition", "MedicationStatement", "Observation", "Procedure"})
"""Types of which only the lines of patients who can matter are needed."""
MOST_KNOWN: Final = 200_000
Numbered = Iterator[tuple[int, bytes]]
_WHOSE = {
    kind: msgspec.json.Decoder(
        TakenBySubject if kind == "MedicationStatement" else OfSubject
    ).decode
    for kind in PLAIN
}


Put = Callable[[str, bytes, bytes], None]
"""Puts a record aside: what it is, the key of its partition, and its bytes."""


class Gathering:
    """The second pass over some blocks of lines. `part` names them."""

    def __init__(
        self,
        setup: Setup,
        patients: Collection[str],
        rules: MomentRules,
        terminology: Terminology,
        put: Put,
        part: str,
    ) -> None:
        self._setup = setup
        self._wanted = patients
        self._rules = rules
        self._window = setup.window()
        self._put = put
        self._codes = UnreadCodes(terminology, part, partial(put, CODES))
        self._names: dict[bytes, str] = {}
        self._met = Gathered()
        self._known: dict[str | None, bool] = {}
        self._medications: set[str] = set()

    def block(self, kind: str, block: Block) -> None:
        """Read the lines of a block of a file of one kind."""
        for number, why in block.faults:
            self._fault(number, why)
        lines: Numbered = enumerate(block.lines, block.first)
        if kind in PLAIN and not self._setup.deleted:
            lines = self._of_wanted(kind, lines)
        for number, line in lines:
            if line and not line.isspace():
                self._line(kind, number, line)

    def met(self) -> Gathered:
        """What was met. No block follows."""
        self._codes.flush()
        met = self._met
        met.medications = sorted(self._medications)
        met.departments = {key.hex(): name for key, name in sorted(self._names.items())}
        return met

    def _fault(self, number: int, why: str) -> None:
        if len(self._met.faults) < MOST_FAULTS:
            self._met.faults.append((number, why))
        else:
            self._met.more_faults += 1

    def _of_wanted(self, kind: str, lines: Numbered) -> Numbered:
        """The lines that need a closer look. Most lines are of patients who cannot matter.

        It is the innermost loop of a run: each line costs one lean decoding and two look-ups.
        """
        wanted, known, others = self._wanted, self._known, 0
        whose_of, codes, known_codes = _WHOSE[kind], self._codes, self._codes.known
        for number, line in lines:
            try:
                read = whose_of(line)
                whose = read.subject.reference
                is_wanted = known.get(whose)
            except (*FAILURES, AttributeError):
                yield number, line
                continue
            if is_wanted is None:
                patient = patient_of(read)
                is_wanted = known[whose] = patient is None or patient in wanted
                if len(known) > MOST_KNOWN:
                    known.clear()
            if is_wanted or read.resourceType != kind:
                yield number, line
            else:
                others += 1
                concept = bytes(read.code)
                if concept not in known_codes:
                    codes.count(kind, concept, line)
        self._met.lines[kind] = self._met.lines.get(kind, 0) + others

    def _line(self, kind: str, number: int, line: bytes) -> None:
        met = self._met
        read = read_line(kind, line)
        if read is None or (self._is_needed(read) and not _is_json(line)):
            self._fault(number, "is not a FHIR resource in JSON")
        elif read.resourceType not in KINDS:
            pass
        elif self._setup.deleted and is_deleted(read, self._setup.deleted):
            met.deleted += 1
        else:
            met.lines[read.resourceType] = met.lines.get(read.resourceType, 0) + 1
            self._codes.count(read.resourceType, bytes(concept_of(read)), line)
            patient = patient_of(read)
            if patient is not None:
                self._put_aside(read, patient, line)
            elif read.resourceType != "Medication":
                met.without_patient += 1

    def _is_needed(self, read: Line) -> bool:
        """Whether all of a line is read later, and not only the elements that were read here."""
        return read.resourceType == "Medication" or patient_of(read) in self._wanted

    def _put_aside(self, read: Line, patient: str, line: bytes) -> None:
        if isinstance(read, Order | Visit):
            self._clinician(read)
        elif read.resourceType == "Patient":
            key = key_of(patient)
            person = msgspec.json.encode(person_of(line, key.hex()))
            self._put(PEOPLE, key, person)
        if patient in self._wanted:
            self._put(LINES, key_of(patient), line)
            if name := medication_of(read):
                self._medications.add(name)
        elif not self._setup.as_of_alone:
            key = key_of(patient)
            own = read.id or line.decode(errors="replace")
            for record in records_of(read, key, own, self._rules, self._names):
                self._put(MOMENTS, key, record)

    def _clinician(self, read: Order | Visit) -> None:
        """One record for each clinician and day with a visit or an order."""
        if self._setup.as_of_alone or not (clinician := clinician_of(read)):
            return
        if isinstance(read, Visit):
            times = [moment.at for moment in visit_moments(read, self._rules)]
        else:
            at = ordered_at(read, self._rules)
            times = [at] if at is not None else []
        key = key_of(clinician)
        for at in times:
            if self._window.holds(at):
                day = at.first_day.toordinal().to_bytes(4, "little")
                self._put(CLINICIANS, key, key + day)


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except FAILURES:
        return False
    return True
