"""The few elements of a line that say what it is, whose it is, and when something happened.

A line is decoded strictly into a lean struct. Where that fails it is read element by element, so
that one odd element does not lose the rest; only a line of which nothing can be told is malformed.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from cds_service.chart.subject import bare_id
from cds_service.fhir.reading import FAILURES, Shape
from cds_service.fhir.wire import NOTHING, Coding, Period, Reference

KEY_BYTES: Final = 8


class Whose(msgspec.Struct, gc=False):
    """A reference to the patient. Nothing else of the element is read."""

    reference: str | None = None


class Line(msgspec.Struct, gc=False):
    """Any resource: its type, its id, and its patient."""

    resourceType: str | None = None
    id: str | None = None
    subject: Whose | None = None
    patient: Whose | None = None


class OfSubject(msgspec.Struct, gc=False):
    """A resource of a `subject`: the quickest way to see whose a line is, and what it is about."""

    subject: Whose
    resourceType: str = ""
    code: Raw = NOTHING

    @property
    def patient(self) -> None:
        """Such a resource has no other reference to its patient."""
        return

    @property
    def id(self) -> None:
        """Not read."""
        return


class TakenBySubject(OfSubject, gc=False):
    """The same of a `MedicationStatement`."""

    code: Raw = msgspec.field(name="medicationCodeableConcept", default=NOTHING)


class Place(msgspec.Struct, gc=False):
    """`Encounter.location`."""

    location: Reference | None = None


class ServiceType(msgspec.Struct, gc=False):
    """`Encounter.serviceType`."""

    text: str | None = None
    coding: list[Coding] | None = None


class Participant(msgspec.Struct, gc=False):
    """`Encounter.participant`."""

    individual: Reference | None = None


class Visit(Line, gc=False):
    """`Encounter`, as far as a moment needs it."""

    status: str | None = None
    class_: Raw = msgspec.field(name="class", default=NOTHING)
    period: Period | None = None
    location: list[Place] | None = None
    serviceProvider: Reference | None = None
    serviceType: ServiceType | None = None
    participant: list[Participant] | None = None


class Order(Line, gc=False):
    """`MedicationRequest`, and `MedicationStatement`, as far as recognising and moments need it."""

    status: str | None = None
    intent: str | None = None
    authoredOn: str | None = None
    encounter: Whose | None = None
    requester: Reference | None = None
    priorPrescription: Reference | None = None
    medicationCodeableConcept: Raw = NOTHING
    medicationReference: Raw = NOTHING
    contained: Raw = NOTHING


class Coded(Line, gc=False):
    """A resource with its code."""

    code: Raw = NOTHING


STRUCTS: Final[dict[str, type[Line]]] = {
    "Encounter": Visit,
    "MedicationRequest": Order,
    "MedicationStatement": Order,
    **dict.fromkeys(
        ("Condition", "Medication", "Observation", "Procedure", "AllergyIntolerance"), Coded
    ),
}
_STRICT: dict[str, Any] = {kind: msgspec.json.Decoder(s).decode for kind, s in STRUCTS.items()}
_TOLERANT: dict[str, Shape[Any]] = {kind: Shape(s) for kind, s in STRUCTS.items()}
_LINE = msgspec.json.Decoder(Line).decode
_LINE_TOLERANT: Shape[Line] = Shape(Line)


def read_line(kind: str, line: bytes) -> Line | None:
    """A line of a file of one kind; `None` where it is not a resource.

    With an unknown kind (""), or where the line is of another type, it is read by its own type.
    """
    read = _read(kind, line)
    if read is not None and read.resourceType != kind and read.resourceType in STRUCTS:
        return _read(read.resourceType, line)
    return read


def _read(kind: str, line: bytes) -> Line | None:
    try:
        read: Line = _STRICT.get(kind, _LINE)(line)
    except FAILURES:
        tolerant, _ = _TOLERANT.get(kind, _LINE_TOLERANT).read(line)
        if tolerant is None:
            return None
        read = tolerant
    return read if read.resourceType else None


def patient_of(line: Line | OfSubject) -> str | None:
    """The id of the patient a line belongs to; `None` where it names none."""
    if line.resourceType == "Patient":
        return line.id
    whose = line.subject or line.patient
    reference = whose.reference if whose is not None else None
    if reference is None:
        return None
    if reference.startswith("Patient/") and "/" not in reference[8:]:
        return reference[8:]
    if "/" in reference and "Patient/" not in reference:
        return None  # a Group or a Device
    return bare_id(reference) or None


@lru_cache(maxsize=65_536)
def key_of(text: str) -> bytes:
    """Eight bytes that stand for a text: they order patients and spread them over partitions."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
