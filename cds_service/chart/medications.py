"""What the patient takes: which MedicationRequests and MedicationStatements count (SPEC 2, 7, 11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.chart import dates
from cds_service.chart.conditions import SetAside
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of, reference_of
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject, bare_id
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import CodeableConcept, Coding, Entry, Medication, Period, Reference
from cds_service.knowledge.drugs import ATC, MAGNESIUM, RXNORM, Drug, Drugs
from cds_service.knowledge.terminology import Terminology

ORDERING_INTENTS = frozenset(
    {"order", "original-order", "instance-order", "filler-order", "reflex-order"}
)


class Dosage(msgspec.Struct, gc=False):
    """`Dosage`, as far as it is read; the structured parts stay raw until a dose is computed."""

    sequence: int | None = None
    text: str | None = None
    patientInstruction: str | None = None
    asNeededBoolean: bool | None = None
    asNeededCodeableConcept: CodeableConcept | None = None
    route: CodeableConcept | None = None
    timing: Raw = Raw()
    doseAndRate: Raw = Raw()
    doseQuantity: Raw = Raw()
    maxDosePerPeriod: Raw = Raw()


class MedicationUse(msgspec.Struct, frozen=True):
    """A medication that the patient takes now.

    `route` is the product's, or where that says "any" the order's own. `regular` is false for
    as-needed use. `dosages` is `None` where the dosage is malformed. `since` is authoredOn or the
    start of the effective period.
    """

    reference: str
    drug: Drug
    evidence: Evidence
    route: str
    regular: bool
    since: dates.When | None
    dosages: tuple[Dosage, ...] | None
    label: str
    dispense: Raw = Raw()
    contradictory: bool = False
    old: bool = False
    course_over: bool = False
    course_end: date | None = None
    status_unclear: bool = False
    ended: dates.When | None = None

    def of(self, drug_class: str) -> bool:
        """Whether the drug belongs to a class."""
        return drug_class in self.drug.classes

    @property
    def oral(self) -> bool:
        """Whether it is taken by mouth, as far as anything says."""
        return self.route in ("oral", "any", "unknown")


class Medications(msgspec.Struct):
    """The medications of one prefetch key that any rule knows.

    Of `unresolved` and `unnamed` orders nobody can tell what they order: they refer to a Medication
    that was not sent along, or give neither a name nor a code that can be looked up.
    """

    uses: list[MedicationUse] = []
    set_aside: list[SetAside] = []
    foreign: int = 0
    unresolved: list[str] = []
    unnamed: list[str] = []
    stopped: list[MedicationUse] = []
    unclear: list[MedicationUse] = []


class _Dispense(msgspec.Struct, gc=False):
    validityPeriod: Period | None = None


class _Contained(msgspec.Struct, gc=False):
    resourceType: str | None = None
    id: str | None = None
    code: CodeableConcept | None = None


_DATA_ABSENT = "data-absent-reason"
_DOSAGES = msgspec.json.Decoder(list[Dosage] | None)
_DOSAGE = msgspec.json.Decoder(Dosage)
_DISPENSE = msgspec.json.Decoder(_Dispense)
_CONTAINED = msgspec.json.Decoder(list[_Contained])


class DrugFinder:
    """Finds the drug of a medication: by code, then by text; follows references to Medications."""

    def __init__(
        self,
        drugs: Drugs,
        terminology: Terminology,
        sent: Callable[[], Iterable[Entry[Medication]]] = tuple,
    ) -> None:
        """`sent` gives the entries that may hold referenced Medications; asked for when needed."""
        self._drugs = drugs
        self._sent: Callable[[], Iterable[Entry[Medication]]] | None = sent
        self._terminology = terminology
        self._by_text: dict[str, Drug | None] = {}
        # One order is often there many times, as refills and renewals.
        self._by_coding: dict[
            tuple[str | None, str | None, str | None, str | None],
            tuple[Drug, Coding | None] | None,
        ] = {}
        self._medications: dict[str, CodeableConcept] = {}

    def add_medications(self, entries: Iterable[Entry[Medication]]) -> None:
        """Remembers the Medication resources that came along, by id and by full URL."""
        for entry in entries:
            resource = entry.resource
            if resource is None or resource.resourceType != "Medication" or resource.code is None:
                continue
            if resource.id:
                self._medications[resource.id] = resource.code
            full_url = entry.full_url
            if full_url:
                self._medications[bare_id(full_url)] = resource.code

    def concept_of(self, resource: Medication) -> tuple[CodeableConcept | None, bool]:
        """The medication's concept, and whether a reference could not be followed."""
        if resource.medicationCodeableConcept is not None:
            return resource.medicationCodeableConcept, False
        reference = resource.medicationReference
        if reference is None:
            return None, False
        found = self._referenced(reference, resource.contained)
        if found is not None:
            return found, False
        return (CodeableConcept(text=reference.display), not reference.display)

    def is_named(self, concept: CodeableConcept | None) -> bool:
        """Whether a name, or a code that can be looked up, says which drug it is."""
        if concept is None:
            return False
        named = bool(concept.text)
        for coding in concept.coding or ():
            if coding.system is not None and coding.system.endswith(_DATA_ABSENT):
                return False
            named = named or bool(coding.display) or self._can_be_looked_up(coding)
        return named

    def _can_be_looked_up(self, coding: Coding) -> bool:
        known = self._terminology.canonical(coding.system) in (RXNORM, ATC)
        return known and bool(coding.code)

    def drug_of(self, concept: CodeableConcept) -> tuple[Drug, Coding | None] | None:
        """RxNorm, then ATC, then displays and text (SPEC 7.1); `None` for drugs no rule knows."""
        codings = concept.coding or ()
        if len(codings) == 1:
            known = (codings[0].system, codings[0].code, codings[0].display, concept.text)
            if known not in self._by_coding:
                self._by_coding[known] = self._find(concept)
            drug = self._by_coding[known]
            return None if drug is None else (drug[0], codings[0] if drug[1] else None)
        return self._find(concept)

    def _find(self, concept: CodeableConcept) -> tuple[Drug, Coding | None] | None:
        codings = concept.coding or ()
        atc: list[Coding] = []
        for coding in codings:
            system = self._terminology.canonical(coding.system)
            if system == RXNORM and coding.code:
                drug = self._drugs.by_rxnorm(coding.code)
                if drug is not None:
                    return drug, coding
            elif system == ATC:
                atc.append(coding)
        for coding in atc:
            wording = " ".join(filter(None, (coding.display, concept.text)))
            drug = self._drugs.by_atc(coding.code or "", wording)
            if drug is not None:
                return drug, coding
        for text in (concept.text, *(c.display for c in codings)):
            drug = self._of_text(text)
            if drug is not None:
                return drug, None
        return None

    def route_of(self, drug: Drug, dosages: tuple[Dosage, ...] | None, text: str) -> str:
        """The product's route; where that says "any", the order's own coding or wording."""
        if drug.route not in ("any", "unknown"):
            return drug.route
        for dosage in dosages or ():
            for coding in (dosage.route.coding or ()) if dosage.route else ():
                known = self._drugs.route_of_code(
                    self._terminology.canonical(coding.system) or coding.system, coding.code
                )
                if known:
                    return known
        wording = [text]
        for dosage in dosages or ():
            wording += [label_of(dosage.route), dosage.text or "", dosage.patientInstruction or ""]
        for written in wording:
            route = self._drugs.route_in(written)
            if route != "any":
                return route
        return drug.route

    def _of_text(self, text: str | None) -> Drug | None:
        if not text:
            return None
        if text not in self._by_text:
            self._by_text[text] = self._drugs.by_text(text)
        return self._by_text[text]

    def _referenced(self, reference: Reference, contained: Raw) -> CodeableConcept | None:
        target = reference.reference or ""
        if target.startswith("#"):
            try:
                inside = _CONTAINED.decode(contained) if memoryview(contained) else []
            except (msgspec.DecodeError, RecursionError):
                return None
            named = [c for c in inside if c.id in (target, target[1:])]
            return named[0].code if named else None
        if self._sent is not None:
            sent, self._sent = self._sent, None
            self.add_medications(sent())
        return self._medications.get(bare_id(target))


def read_requests(
    content: Content[Medication],
    finder: DrugFinder,
    subject: Subject,
    today: date,
    authored_days: int,
    *,
    reader: Reader,
) -> Medications:
    """The active MedicationRequests (SPEC 2, medication test)."""

    def not_counted(resource: Medication) -> str:
        return _request_reason(resource, today, authored_days)

    return _read(content, finder, subject, "MedicationRequest", not_counted)


def read_statements(
    content: Content[Medication],
    finder: DrugFinder,
    subject: Subject,
    today: date,
    *,
    reader: Reader,
) -> Medications:
    """The MedicationStatements of what is taken now (SPEC 2, 11.11)."""

    def not_counted(resource: Medication) -> str:
        return _statement_reason(resource, today)

    return _read(content, finder, subject, "MedicationStatement", not_counted)


def _read(
    content: Content[Medication],
    finder: DrugFinder,
    subject: Subject,
    kind: str,
    not_counted: Any,
) -> Medications:
    medications = Medications()
    for position, entry in enumerate(content.entries):
        resource = entry.resource
        if resource is None or resource.resourceType != kind:
            continue
        concept, unresolved = finder.concept_of(resource)
        found = finder.drug_of(concept) if concept is not None else None
        if found is None and not unresolved and finder.is_named(concept):
            continue  # a drug that no rule knows
        if not subject.is_meant(resource.subject):
            medications.foreign += 1
            continue
        reason = not_counted(resource)
        if found is None or concept is None:
            if not reason:
                unknown = medications.unresolved if unresolved else medications.unnamed
                unknown.append(reference_of(entry, position))
            continue
        use = medication_use(resource, concept, found, reference_of(entry, position), finder)
        if reason:
            medications.set_aside.append(SetAside(use.reference, use.label, reason))
        else:
            medications.uses.append(use)
    return medications


def medication_use(
    resource: Medication,
    concept: CodeableConcept,
    found: tuple[Drug, Coding | None],
    reference: str,
    finder: DrugFinder,
) -> MedicationUse:
    """How a medication is taken, from its order or statement."""
    drug, coding = found
    dosages = _dosages(resource)
    label = label_of(concept, coding) or drug.name
    since = dates.parse(resource.authoredOn)
    if since is None and resource.effectivePeriod is not None:
        since = dates.parse(resource.effectivePeriod.start)
    since = since or dates.parse(resource.effectiveDateTime)
    return MedicationUse(
        reference=reference,
        drug=drug,
        evidence=Evidence(
            resource=reference,
            system=coding.system if coding else None,
            code=coding.code if coding else None,
            display=label,
            date=since.written if since else None,
            matched=drug.matched,
        ),
        route=finder.route_of(drug, dosages, label),
        regular=not _as_needed(dosages),
        since=since,
        dosages=dosages,
        label=label,
        dispense=resource.dispenseRequest,
    )


def _dosages(resource: Medication) -> tuple[Dosage, ...] | None:
    raw = resource.dosageInstruction if memoryview(resource.dosageInstruction) else resource.dosage
    if not memoryview(raw):
        return ()
    try:
        return tuple(_DOSAGES.decode(raw) or ())
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return (_DOSAGE.decode(raw),)
    except (msgspec.DecodeError, RecursionError):
        return None


def _as_needed(dosages: tuple[Dosage, ...] | None) -> bool:
    """Whether every instruction is as needed: one regular instruction makes the use regular."""
    return bool(dosages) and all(
        d.asNeededBoolean is True or d.asNeededCodeableConcept is not None for d in dosages or ()
    )


def _request_reason(resource: Medication, today: date, authored_days: int) -> str:
    if resource.status != "active":
        return f"status is {resource.status or 'missing'}"
    if resource.intent is not None and resource.intent not in ORDERING_INTENTS:
        return f"intent is {resource.intent}"
    if resource.doNotPerform is True:
        return "says doNotPerform"
    authored = dates.parse(resource.authoredOn)
    if authored is None or authored.days_ago_at_most(today) <= authored_days:
        return ""
    end = _validity_end(resource)
    if end is not None and end.last_day >= today:
        return ""
    return f"was ordered more than {authored_days} days ago"


def _validity_end(resource: Medication) -> dates.When | None:
    if not memoryview(resource.dispenseRequest):
        return None
    try:
        period = _DISPENSE.decode(resource.dispenseRequest).validityPeriod
    except (msgspec.DecodeError, RecursionError):
        return None
    return dates.parse(period.end) if period else None


def _statement_reason(resource: Medication, today: date) -> str:
    period = resource.effectivePeriod
    start = dates.parse(period.start) if period else None
    end = dates.parse(period.end) if period else None
    if end is not None and end.last_day < today:
        return "its effectivePeriod is over"
    if resource.status == "active":
        return ""
    covers = period is not None and (start is not None or end is not None)
    started = start is None or start.first_day <= today
    if resource.status in (None, "unknown") and covers and started:
        return ""
    return f"status is {resource.status or 'missing'}"


def magnesium_uses(uses: Iterable[MedicationUse]) -> list[MedicationUse]:
    """The uses of products that contain magnesium."""
    return [use for use in uses if MAGNESIUM in use.drug.classes]
