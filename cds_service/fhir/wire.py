"""The few FHIR R4 elements that the rules use, decoded directly from JSON bytes.

There is one small struct for each resource type. Each element is optional, and all other JSON is
skipped. Elements that only few resources need stay `msgspec.Raw` until they are used (see
`docs/performance.md`).

FHIR numbers are `Decimal`: 59.9999999999999999 is not 60.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw

NOTHING = Raw()
LONGEST_TEXT = 10_000
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
"""Any string of a resource. A longer one is not readable: no pattern and no loop ever sees it, and
it is never cut and then read."""


class Coding(msgspec.Struct, gc=False):
    """`Coding`: one code of one code system."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset({"version", "userSelected"})

    system: Text | None = None
    code: Text | None = None
    display: Text | None = None


class CodeableConcept(msgspec.Struct, gc=False):
    """`CodeableConcept`: codings with the same meaning, and its text."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset()

    coding: list[Coding] | None = None
    text: Text | None = None


class Reference(msgspec.Struct, gc=False):
    """`Reference`: relative, absolute, `urn:uuid:` or `#contained`. It may have only a display."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset({"type", "identifier"})

    reference: Text | None = None
    display: Text | None = None


class Period(msgspec.Struct, gc=False):
    """`Period`."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset()

    start: Text | None = None
    end: Text | None = None


class Quantity(msgspec.Struct, gc=False):
    """`Quantity`; a number sent as a JSON string ("13.2") is read as the number."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset()

    value: Decimal | None = None
    comparator: Text | None = None
    unit: Text | None = None
    system: Text | None = None
    code: Text | None = None


class ReferenceRange(msgspec.Struct, gc=False):
    """`Observation.referenceRange`."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset({"low", "appliesTo", "age", "text"})

    high: Quantity | None = None
    type: CodeableConcept | None = None


class Patient(msgspec.Struct, gc=False):
    """`Patient`."""

    resourceType: Text | None = None
    id: Text | None = None
    birthDate: Text | None = None
    gender: Text | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: Text | None = None


class Extension(msgspec.Struct, gc=False):
    """`Extension`. Its value is read if the rules use its URL."""

    url: Text | None = None
    valueCoding: Raw = NOTHING
    valueCode: Raw = NOTHING
    valueDateTime: Raw = NOTHING


class DiagnosisCoding(Coding, gc=False):
    """The `Coding` of a diagnosis. Its certainty may be in an extension (ICD-10-GM)."""

    extension: Raw = NOTHING


class Diagnosis(CodeableConcept, gc=False):
    """`Condition.code`."""

    coding: list[DiagnosisCoding] | None = None  # type: ignore[assignment]
    extension: Raw = NOTHING


class Condition(msgspec.Struct, gc=False):
    """`Condition`; a status sent as a bare string (STU3 style) is read as its code."""

    resourceType: Text | None = None
    id: Text | None = None
    code: Diagnosis | None = None
    subject: Reference | None = None
    clinicalStatus: CodeableConcept | Text | None = None
    verificationStatus: CodeableConcept | Text | None = None
    category: Raw = NOTHING
    recordedDate: Text | None = None
    onsetDateTime: Text | None = None
    onsetPeriod: Raw = NOTHING
    abatementDateTime: Text | None = None
    abatementPeriod: Raw = NOTHING
    abatementString: Raw = NOTHING
    abatementAge: Raw = NOTHING
    abatementRange: Raw = NOTHING
    extension: Raw = NOTHING


class Medication(msgspec.Struct, gc=False):
    """`MedicationRequest`, `MedicationStatement` and `Medication` (its `code`)."""

    resourceType: Text | None = None
    id: Text | None = None
    status: Text | None = None
    intent: Text | None = None
    doNotPerform: bool | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    authoredOn: Text | None = None
    effectiveDateTime: Text | None = None
    effectivePeriod: Period | None = None
    dosageInstruction: Raw = NOTHING
    dosage: Raw = NOTHING
    dispenseRequest: Raw = NOTHING
    contained: Raw = NOTHING
    ingredient: Raw = NOTHING
    form: Raw = NOTHING
    reportedBoolean: bool | None = None
    reportedReference: Raw = NOTHING


class Ingredient(msgspec.Struct, gc=False):
    """`Medication.ingredient`, as far as it refers to another Medication."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset({"isActive", "strength"})

    itemCodeableConcept: CodeableConcept | None = None
    itemReference: Reference | None = None


class Coded(msgspec.Struct, gc=False):
    """Any resource by its code."""

    code: CodeableConcept | None = None


class Contained(msgspec.Struct, gc=False):
    """A contained resource; its code is read when something refers to it."""

    resourceType: Text | None = None
    id: Text | None = None
    code: Raw = NOTHING


class DraftOrder(Medication, gc=False):
    """An order in `draftOrders`: of a medication, or of tests (its `code`)."""

    reasonCode: list[CodeableConcept] | None = None
    reasonReference: list[Reference] | None = None
    priorPrescription: Reference | None = None


class Observation(msgspec.Struct, gc=False):
    """`Observation`. Its code decides whether the rest is read."""

    resourceType: Text | None = None
    id: Text | None = None
    status: Text | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    effectiveDateTime: Raw = NOTHING
    effectivePeriod: Raw = NOTHING
    effectiveInstant: Raw = NOTHING
    issued: Raw = NOTHING
    valueQuantity: Raw = NOTHING
    valueString: Raw = NOTHING
    valueCodeableConcept: Raw = NOTHING
    valueInteger: Raw = NOTHING
    valueBoolean: Raw = NOTHING
    valueRange: Raw = NOTHING
    valueRatio: Raw = NOTHING
    dataAbsentReason: Raw = NOTHING
    referenceRange: Raw = NOTHING
    component: Raw = NOTHING
    modifierExtension: Raw = NOTHING


class AllergyIntolerance(msgspec.Struct, gc=False):
    """`AllergyIntolerance`."""

    resourceType: Text | None = None
    id: Text | None = None
    code: CodeableConcept | None = None
    patient: Reference | None = None
    clinicalStatus: CodeableConcept | Text | None = None
    verificationStatus: CodeableConcept | Text | None = None
    recordedDate: Text | None = None
    onsetDateTime: Text | None = None
    type: Raw = NOTHING
    criticality: Raw = NOTHING
    reaction: Raw = NOTHING


class Reaction(msgspec.Struct, gc=False):
    """`AllergyIntolerance.reaction`. The manifestation is read if the substance is relevant."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset({"onset", "severity", "exposureRoute", "note"})

    substance: CodeableConcept | None = None
    manifestation: Raw = NOTHING
    description: Raw = NOTHING


class Procedure(msgspec.Struct, gc=False):
    """`Procedure`."""

    resourceType: Text | None = None
    id: Text | None = None
    status: Text | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    performedDateTime: Text | None = None
    performedPeriod: Period | None = None


class EntrySearch(msgspec.Struct, gc=False):
    """`Bundle.entry.search`."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset({"score"})

    mode: Text | None = None


class Link(msgspec.Struct, gc=False):
    """`Bundle.link`."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset()

    relation: Text | None = None
    url: Text | None = None


R = TypeVar("R")


class Entry(msgspec.Struct, Generic[R], gc=False):
    """`Bundle.entry`."""

    fullUrl: Text | None = None
    resource: R | None = None
    search: EntrySearch | None = None

    @property
    def full_url(self) -> str | None:
        """The full URL."""
        return self.fullUrl

    @property
    def mode(self) -> str | None:
        """`search.mode`: "match", "include", "outcome", or `None` if missing."""
        return None if self.search is None else self.search.mode


class Bundle(msgspec.Struct, Generic[R], gc=False):
    """A `Bundle` whose resources are of one type."""

    resourceType: Text | None = None
    total: int | None = None
    link: list[Link] | None = None
    entry: list[Entry[R]] | None = None


class Part(msgspec.Struct, gc=False):
    """`Bundle.entry` whose resource has not been read."""

    fullUrl: Text | None = None
    resource: Raw = NOTHING
    search: EntrySearch | None = None

    @property
    def mode(self) -> str | None:
        """`search.mode`, as in `Entry`."""
        return None if self.search is None else self.search.mode


class Parts(msgspec.Struct, gc=False):
    """A `Bundle` to be read entry by entry."""

    resourceType: Text | None = None
    total: int | None = None
    link: list[Link] | None = None
    entry: list[Raw] | None = None


class WholeParts(msgspec.Struct, gc=False):
    """A `Bundle` whose entries are valid, except for their resources."""

    entry: list[Part] | None = None


class Head(msgspec.Struct, gc=False):
    """The elements that identify a resource."""

    resourceType: Text | None = None
    id: Text | None = None


class Issue(msgspec.Struct, gc=False):
    """`OperationOutcome.issue`."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset(
        {"details", "diagnostics", "location", "expression"}
    )

    severity: Text | None = None
    code: Text | None = None


class Outcome(msgspec.Struct, gc=False):
    """`OperationOutcome`."""

    resourceType: Text | None = None
    issue: list[Issue] | None = None


def name_of(entry: Entry[Any], position: int) -> str:
    """The reference (`Condition/12`). Without an id, the full URL, otherwise the position."""
    resource: Any = entry.resource
    if resource.id:
        return f"{resource.resourceType}/{resource.id}"
    return entry.fullUrl or f"{resource.resourceType} (entry {position}, without id)"
