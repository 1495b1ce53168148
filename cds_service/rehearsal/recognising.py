"""Which patients can matter: those with migraine or with magnesium, at any time and in any status.

Every card needs one of the two. The codes are looked up by the terminology and the drug finder that
hook calls use, so that both agree on what a code means.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec
from msgspec import Raw

from cds_service.chart.identity import DrugFinder
from cds_service.chart.reading import Reader, is_there
from cds_service.chart.subject import bare_id
from cds_service.fhir import wire
from cds_service.fhir.reading import Shape
from cds_service.knowledge.drugs import MAGNESIUM
from cds_service.knowledge.loader import Knowledge
from cds_service.rehearsal.lines import Coded, Line, Order

_MOST_SEEN = 200_000
_MEDICATION: Shape[wire.Medication] = Shape(wire.Medication)
_DIAGNOSIS: Shape[wire.Diagnosis] = Shape(wire.Diagnosis)
_REFERENCE: Shape[wire.Reference] = Shape(wire.Reference)


class Recogniser:
    """Tells whether a line makes its patient one of those who can matter.

    What is decided for one code is remembered by the bytes of the element: an export repeats few
    concepts many times.
    """

    def __init__(self, knowledge: Knowledge, medications: Collection[str] = ()) -> None:
        """`medications` are the ids of Medication resources that hold magnesium."""
        self._terminology = knowledge.terminology
        self._finder = DrugFinder(knowledge.drugs, knowledge.terminology)
        self._medications = frozenset(medications)
        self._seen: dict[bytes, bool] = {}

    def matters(self, read: Line, line: bytes) -> bool:
        """Whether a Condition is migraine, or an order or statement is of magnesium."""
        if isinstance(read, Order):
            return self._is_magnesium_order(read, line)
        if isinstance(read, Coded) and read.resourceType == "Condition":
            return self._is_migraine(read.code)
        return False

    def is_magnesium(self, line: bytes) -> bool:
        """Whether a Medication resource holds magnesium, or an ingredient that cannot be read."""
        order = msgspec.json.encode(
            {
                "resourceType": "MedicationRequest",
                "medicationReference": {"reference": "#it"},
                "contained": [{**msgspec.json.decode(line, type=dict[str, Raw]), "id": "it"}],
            }
        )
        return self._is_magnesium(order, unread=True)

    def _is_magnesium_order(self, read: Order, line: bytes) -> bool:
        if is_there(read.medicationReference):
            reference, _ = _REFERENCE.read(read.medicationReference)
            named = reference.reference if reference is not None else None
            if named and not named.startswith("#") and bare_id(named) in self._medications:
                return True
        key = b"".join(
            bytes(memoryview(raw))
            for raw in (read.medicationCodeableConcept, read.medicationReference, read.contained)
        )
        return self._known(key, lambda: self._is_magnesium(line))

    def _is_migraine(self, code: Raw) -> bool:
        return self._known(bytes(memoryview(code)), lambda: self._is_migraine_code(code))

    def _known(self, key: bytes, find: Callable[[], bool]) -> bool:
        known = self._seen.get(key)
        if known is None:
            known = find()
            if len(self._seen) < _MOST_SEEN:
                self._seen[key] = known
        return known

    def _is_migraine_code(self, code: Raw) -> bool:
        read, _ = _DIAGNOSIS.read(code) if is_there(code) else (None, ())
        return any(
            hit.set_id == "migraine" and hit.entry.qualifies
            for coding in (read.coding or () if read is not None else ())
            for hit in self._terminology.hits(coding.system, coding.code)
        )

    def _is_magnesium(self, line: bytes, *, unread: bool = False) -> bool:
        order, _ = _MEDICATION.read(line)
        if order is None:
            return False
        identity = self._finder.identify(order, lambda: "", Reader(""))
        if identity.drug is not None and MAGNESIUM in identity.drug.classes:
            return True
        return unread and bool(identity.missing)
