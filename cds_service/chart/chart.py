"""The chart of one call. Each part is read on first use, so that a call that is settled early does
not decode the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any

from msgspec import Raw

from cds_service import reasons
from cds_service.chart.allergies import Allergies, read_allergies
from cds_service.chart.conditions import Problems, UncountedResource, read_problems
from cds_service.chart.contents import OWNERS, Contents
from cds_service.chart.evidence import Evidence, Gap, in_order
from cds_service.chart.identity import DrugFinder, Identity
from cds_service.chart.labs import ASKED, Labs, read_labs, results_of
from cds_service.chart.medications import Medications, MedicationUse, UseReader
from cds_service.chart.patient import Person, read_person
from cds_service.chart.pregnancy import PregnancyStatus, read_pregnancy_status
from cds_service.chart.procedures import Procedures, read_procedures
from cds_service.chart.reading import NotReadable, Reader
from cds_service.chart.subject import Subject, bare_id
from cds_service.fhir import wire
from cds_service.fhir.drafts import DraftEntry
from cds_service.fhir.prefetch import KINDS, REQUIRED, Content, State
from cds_service.fhir.wire import CodeableConcept
from cds_service.knowledge.loader import Knowledge
from cds_service.reasons import Reason

DRAFTS = "draftOrders"


class Chart:
    """The data of the patient of one call, read from its prefetch."""

    def __init__(
        self,
        prefetch: Mapping[str, Raw],
        patient_id: str,
        today: date,
        knowledge: Knowledge,
    ) -> None:
        self.today = today
        self.knowledge = knowledge
        self._patient_id = bare_id(patient_id)
        self._prefetch = prefetch
        self._contents = Contents(prefetch, {})
        self._asked: dict[str, None] = {}
        self._noted: set[str] = set()
        self._medications_beside: tuple[wire.Entry[wire.Medication], ...] = ()
        self._conditions_beside: dict[str, CodeableConcept | None] = {}
        self._readers: dict[str, Reader] = {}
        self._results: dict[str, Labs] = {}
        self._gaps: dict[str, tuple[int, Gap | None]] = {}
        self._noted_gaps: dict[Gap, None] = {}
        self.answers: dict[Callable[[Chart], Any], Any] = {}
        """The answers to questions of the rules, each under the function that computes it."""

    def add_fetched(self, contents: Mapping[str, Content[Any]]) -> None:
        """Add fetched contents to the ones that were sent.

        Raises ValueError if anything except draft orders was read before, because the facts would
        then come from two states of the data.
        """
        if self._noted or self.answers:
            raise ValueError("the chart has been read already")
        self._contents = Contents(self._prefetch, {**self._contents, **contents})
        self.__dict__.pop("_finder", None)  # it has looked for Medications in what was sent

    def content(self, key: str) -> Content[Any]:
        """The content of one prefetch key. Unreadable data are recorded."""
        content = self._contents[key]
        if key not in self._noted:
            first = not self._noted
            self._noted.add(key)
            if first:
                self._note_strays()
            for lost in (*content.unreadable, *content.unread):
                self.reader(key).record_unreadable(*lost)
            for other in self._contents.misplaced(key):
                why = reasons.under_other_key(other.kind)
                self.reader(key).record_unreadable(other.name, "", why)
        return content

    def _note_strays(self) -> None:
        """Resources under keys that were not requested make their own keys partly known."""
        for key, other in self._contents.misplaced_unrequested(self.knowledge.terminology):
            why = reasons.under_unasked_key(key)
            for owner in OWNERS[other.kind]:
                self.reader(owner).record_unreadable(other.name, "", why)

    def reader(self, key: str) -> Reader:
        """Reads the elements of one prefetch key, or of "draftOrders"."""
        if key not in self._readers:
            self._readers[key] = Reader(key)
        return self._readers[key]

    def not_readable(self) -> tuple[NotReadable, ...]:
        """Everything that could not be read so far, by key, in the order it was met."""
        return tuple(n for reader in self._readers.values() for n in reader.not_readable)

    def gaps(self, *keys: str) -> tuple[Gap, ...]:
        """The gaps of these keys: data that are missing or could not be read."""
        found = []
        for key in keys:
            self._asked[key] = None
            gap = self._gap_of(key)
            if gap is not None:
                found.append(gap)
        return tuple(found)

    def gaps_met(self) -> tuple[Gap, ...]:
        """The gaps in the data that were read so far. Reads no further key."""
        read = [key for key in KINDS if key in self._noted and key not in self._asked]
        lossy = [key for key in read if self._contents[key].withheld or self.reader(key).lost]
        keys = (*self._asked, *lossy)
        return tuple(gap for key in keys if (gap := self._gap_of(key)) is not None)

    def note_gaps(self, gaps: Iterable[Gap]) -> tuple[Gap, ...]:
        """Record gaps of a question in addition to whole keys. Returns the same gaps."""
        found = tuple(gaps)
        if found:
            self._noted_gaps.update(dict.fromkeys(found))
        return found

    @property
    def noted_gaps(self) -> tuple[Gap, ...]:
        """The gaps that were recorded so far, each once."""
        return tuple(self._noted_gaps)

    def missing_required(self) -> tuple[Gap, ...]:
        """The required keys that are unknown or partly known."""
        missing = []
        for key in REQUIRED:
            content = self.content(key)
            if not content.known:
                missing.append(_unknown(key, content))
            elif content.partial and not content.entries:
                missing.append(Gap(key, _fetched(reasons.IN_PART, content)))
        if not missing and self._is_another_patient():
            missing.append(Gap("patient", reasons.OTHER_PATIENT))
        return tuple(missing)

    def _gap_of(self, key: str) -> Gap | None:
        """The gap of a key, remembered until more of the key is noted as not readable."""
        reader = self.reader(key)
        known = self._gaps.get(key)
        if known is not None and known[0] == reader.noted:
            return known[1]
        gap = self._gap(key)
        self._gaps[key] = reader.noted, gap
        return gap

    def _gap(self, key: str) -> Gap | None:
        if key == DRAFTS:
            whys = dict.fromkeys(
                lost.why if not lost.element else reasons.ELEMENTS_NOT_READABLE
                for lost in self.reader(key).lost
            )
            return Gap(key, reasons.combined(whys)) if whys else None
        content = self.content(key)
        if not content.known:
            return _unknown(key, content)
        if key in _PARTS:
            getattr(self, _PARTS[key])  # unreadable elements are found when it is read
        if content.withheld:
            codes = content.withheld
            return Gap(key, reasons.answered_in_part(codes), codes)
        if lost := self.reader(key).lost:
            return Gap(key, _how_much(lost))
        if content.partial and not self._newest_first(key):
            return Gap(key, _fetched(reasons.IN_PART, content))
        return self._unidentified_gap(key, content)

    def _unidentified_gap(self, key: str, content: Content[Any]) -> Gap | None:
        if key not in ("medicationRequests", "medicationStatements"):
            return None
        medications = self.requests if key == "medicationRequests" else self.statements
        if medications.unresolved:
            return Gap(key, _fetched(reasons.MEDICATION_NOT_SENT, content))
        return Gap(key, reasons.MEDICATION_UNNAMED) if medications.unnamed else None

    def _newest_first(self, key: str) -> bool:
        if key == "kidneyLabs":
            return self.kidney_labs.complete
        if key == "magnesiumLabs":
            return self.magnesium_labs.complete
        return key == "pregnancyStatus" and self.pregnancy.newest_first

    def _is_another_patient(self) -> bool:
        patient = self._patient
        return patient is not None and patient.id is not None and patient.id != self._patient_id

    @cached_property
    def _patient(self) -> wire.Patient | None:
        entries = self.content("patient").entries
        return entries[0].resource if entries else None

    @cached_property
    def _subject(self) -> Subject:
        entries = self.content("patient").entries
        full_url = entries[0].full_url if entries else None
        return Subject(self._patient_id, self._patient.id if self._patient else None, full_url)

    @cached_property
    def person(self) -> Person:
        """The patient."""
        return read_person(self.content("patient"), self.today, reader=self.reader("patient"))

    @cached_property
    def problems(self) -> Problems:
        """Conditions that any rule knows."""
        return read_problems(
            self.content("conditions"),
            self.knowledge.terminology,
            self._subject,
            self.today,
            self.knowledge.parameters.condition.recorded_within_days,
            reader=self.reader("conditions"),
            safety_words=self.knowledge.safety_words,
        )

    @cached_property
    def _finder(self) -> DrugFinder:
        finder = DrugFinder(
            self.knowledge.drugs, self.knowledge.terminology, self._contents.medications
        )
        finder.add_medications(self._medications_beside)
        return finder

    @cached_property
    def requests(self) -> Medications:
        """MedicationRequests that count."""
        return self._uses("medicationRequests").requests(
            self.content("medicationRequests"), self._subject
        )

    @cached_property
    def statements(self) -> Medications:
        """MedicationStatements that count."""
        return self._uses("medicationStatements").statements(
            self.content("medicationStatements"), self._subject
        )

    def _uses(self, key: str) -> UseReader:
        return UseReader(
            self._finder,
            self.knowledge.dosage,
            self.today,
            self.knowledge.parameters.medication,
            self.reader(key),
        )

    @cached_property
    def medications(self) -> list[MedicationUse]:
        """All current medicines that any rule uses: newest first, each resource once."""
        uses = {use.evidence: use for use in (*self.requests.uses, *self.statements.uses)}
        return [uses[evidence] for evidence in in_order(uses)]

    @cached_property
    def kidney_labs(self) -> Labs:
        """eGFR and creatinine results."""
        return self._labs("kidneyLabs")

    @cached_property
    def magnesium_labs(self) -> Labs:
        """Serum magnesium results."""
        return self._labs("magnesiumLabs")

    def _labs(self, key: str) -> Labs:
        others = (k for k in ASKED if k != key and self.content(k).entries)
        return results_of(ASKED[key], self._labs_under(key), map(self._labs_under, others))

    def _labs_under(self, key: str) -> Labs:
        if key not in self._results:
            self._results[key] = read_labs(
                self.content(key),
                self.knowledge.terminology,
                self.knowledge.safety_words,
                self._subject,
                reader=self.reader(key),
            )
        return self._results[key]

    @cached_property
    def pregnancy(self) -> PregnancyStatus:
        """The latest recorded pregnancy status."""
        return read_pregnancy_status(
            self.content("pregnancyStatus"),
            self.knowledge.terminology,
            self._subject,
            self.today,
            self.knowledge.parameters.pregnancy.lookback_days,
            reader=self.reader("pregnancyStatus"),
            safety_words=self.knowledge.safety_words,
            elsewhere=[self.content(key) for key in ASKED if key != "pregnancyStatus"],
        )

    @property
    def pregnancy_status(self) -> Evidence | None:
        """The latest recorded status, if it is pregnant."""
        return self.pregnancy.pregnant

    @cached_property
    def allergies(self) -> Allergies:
        """Allergies and intolerances to magnesium."""
        return read_allergies(
            self.content("allergies"),
            self.knowledge.drugs,
            self.knowledge.terminology,
            self._subject,
            reader=self.reader("allergies"),
        )

    @cached_property
    def procedures(self) -> Procedures:
        """Procedures on the kidneys that count."""
        return read_procedures(
            self.content("kidneyProcedures"),
            self.knowledge.terminology,
            self._subject,
            self.today,
            self.knowledge.parameters.renal.dialysis_procedure_days,
            reader=self.reader("kidneyProcedures"),
            safety_words=self.knowledge.safety_words,
        )

    @property
    def subject(self) -> Subject:
        """Selects the resources of this patient."""
        return self._subject

    def draft(self, order: wire.DraftOrder, reference: str) -> MedicationUse | None:
        """A draft order as a medication, or `None` if it names no drug that any rule uses."""
        return self._uses(DRAFTS).draft(order, reference)

    def _identity(self, order: wire.DraftOrder) -> Identity:
        name = f"MedicationRequest/{order.id}" if order.id else "MedicationRequest (draft)"
        return self._finder.identify(order, lambda: name, self.reader(DRAFTS))

    def unidentified(self, order: wire.DraftOrder) -> Reason | None:
        """The reason why the drug of a draft order, or one of its ingredients, cannot be identified.
        `None` if it can, or if the order is empty.
        """
        identity = self._identity(order)
        concept, reference = order.medicationCodeableConcept, order.medicationReference
        chosen = (
            bool(concept.coding) if concept is not None else bool(reference and reference.reference)
        )
        known = identity.named and not identity.incomplete
        return identity.missing if chosen and not known else None

    def is_named(self, order: wire.DraftOrder) -> bool:
        """Whether the drug of a draft order has a name or a known code."""
        return self._identity(order).named

    def add_drafts(self, entries: Sequence[DraftEntry]) -> None:
        """Resources that came with the draft orders and may be referenced by orders."""
        self._medications_beside = tuple(
            wire.Entry(fullUrl=entry.full_url, resource=entry.order)
            for entry in entries
            if entry.order is not None and entry.kind == "Medication"
        )
        self.__dict__.pop("_finder", None)
        self._conditions_beside = {
            bare_id(name): entry.order.code
            for entry in entries
            if entry.order is not None and entry.kind == "Condition"
            for name in (entry.order.id, entry.full_url)
            if name
        }

    def condition_code(self, reference: str) -> CodeableConcept | None:
        """The code of a Condition of the call, by a reference in any form."""
        wanted = bare_id(reference)
        if wanted in self._conditions_beside:
            return self._conditions_beside[wanted]
        return self._condition_codes.get(wanted)

    @cached_property
    def _condition_codes(self) -> dict[str, CodeableConcept | None]:
        resources = [(e.resource, e.full_url) for e in self.content("conditions").entries]
        for key in self._contents:
            for other in self._contents[key].others:
                if other.kind == "Condition":
                    condition, _ = KINDS["conditions"].resource(other.resource)
                    resources.append((condition, other.full_url))
        return {
            bare_id(name): condition.code
            for condition, full_url in resources
            if condition is not None
            for name in (condition.id, full_url)
            if name
        }

    def set_aside(self) -> tuple[UncountedResource, ...]:
        """Everything that matched a rule's codes but was not counted, and why."""
        found = [
            *self.problems.set_aside,
            *self.requests.set_aside,
            *self.statements.set_aside,
            *self.allergies.set_aside,
            *self.procedures.set_aside,
        ]
        for labs in (self.kidney_labs, self.magnesium_labs):
            found += [UncountedResource(*row) for row in labs.set_aside]
        return (*found, *self._foreign())

    def _foreign(self) -> list[UncountedResource]:
        parts = {
            "conditions": self.problems.foreign,
            "medicationRequests": self.requests.foreign,
            "medicationStatements": self.statements.foreign,
            "kidneyLabs": self.kidney_labs.foreign,
            "magnesiumLabs": self.magnesium_labs.foreign,
            "allergies": self.allergies.foreign,
            "kidneyProcedures": self.procedures.foreign,
        }
        return [
            UncountedResource(key, reasons.resources(count), reasons.OF_ANOTHER_PATIENT)
            for key, count in parts.items()
            if count
        ]


_PARTS: Mapping[str, str] = {
    "conditions": "problems",
    "medicationRequests": "requests",
    "medicationStatements": "statements",
    "allergies": "allergies",
    "kidneyLabs": "kidney_labs",
    "magnesiumLabs": "magnesium_labs",
    "pregnancyStatus": "pregnancy",
    "kidneyProcedures": "procedures",
}
"""The reader for the resources of a key."""


def _unknown(key: str, content: Content[Any]) -> Gap:
    """The gap of a key that is not known."""
    return Gap(key, content.why or reasons.NOT_SENT, content.withheld)


def _fetched(why: Reason, content: Content[Any]) -> Reason:
    """The reason for missing data, with the reason why they were not fetched if a server was used."""
    return why if content.beside is None else reasons.with_failure(why, content.beside)


def _how_much(lost: Sequence[NotReadable]) -> Reason:
    """How much of a key cannot be read."""
    entries = sum(1 for one in lost if not one.element)
    elements = len(lost) - entries
    malformed = reasons.malformed_entry if entries == 1 else reasons.malformed_entries
    unread = reasons.unread_element if elements == 1 else reasons.unread_elements
    if entries and elements:
        return reasons.has_lost_both(malformed(entries), unread(elements))
    return reasons.has_lost(malformed(entries) if entries else unread(elements))


def open_chart(
    prefetch: Mapping[str, Raw],
    patient_id: str,
    today: date,
    knowledge: Knowledge,
) -> Chart:
    """The chart of a call. Nothing is read yet."""
    return Chart(prefetch, patient_id, today, knowledge)


__all__ = ["Chart", "State", "open_chart"]
