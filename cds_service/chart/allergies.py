"""Allergies and intolerances to magnesium products (SPEC 4.2 B6)."""

from __future__ import annotations

import contextlib

import msgspec

from cds_service.chart.conditions import SetAside, code_of
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of, reference_of
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import AllergyIntolerance, CodeableConcept
from cds_service.knowledge.drugs import MAGNESIUM, RXNORM, Drug, Drugs
from cds_service.knowledge.terminology import Terminology

OVER = frozenset({"inactive", "resolved"})
WRONG = frozenset({"refuted", "entered-in-error"})


class Allergies(msgspec.Struct):
    """Recorded allergies or intolerances to magnesium, and those set aside."""

    magnesium: list[Evidence] = []
    gut: list[Evidence] = []
    set_aside: list[SetAside] = []
    foreign: int = 0


class _Reaction(msgspec.Struct, gc=False):
    substance: CodeableConcept | None = None


_REACTIONS = msgspec.json.Decoder(list[_Reaction])


def read_allergies(
    content: Content[AllergyIntolerance],
    drugs: Drugs,
    terminology: Terminology,
    subject: Subject,
    *,
    reader: Reader,
) -> Allergies:
    """Active, not refuted records whose code, text or reaction substance is magnesium."""
    allergies = Allergies()
    for position, entry in enumerate(content.entries):
        record = entry.resource
        if record is None:
            continue
        match = _magnesium(record, drugs, terminology)
        if match is None:
            continue
        if not subject.is_meant(record.patient):
            allergies.foreign += 1
            continue
        name = reference_of(entry, position)
        reason = _not_counted(record)
        drug, concept = match
        if reason:
            allergies.set_aside.append(SetAside(name, drug.name, reason))
            continue
        coding = next((c for c in concept.coding or () if c.code), None)
        allergies.magnesium.append(
            Evidence(
                resource=name,
                system=coding.system if coding else None,
                code=coding.code if coding else None,
                display=label_of(concept, coding) or drug.name,
                date=record.recordedDate or record.onsetDateTime,
                matched=drug.matched,
            )
        )
    return allergies


def _not_counted(record: AllergyIntolerance) -> str:
    clinical, verification = code_of(record.clinicalStatus), code_of(record.verificationStatus)
    if verification in WRONG:
        return f"is {verification}"
    return f"is {clinical}" if clinical in OVER else ""


def _magnesium(
    record: AllergyIntolerance, drugs: Drugs, terminology: Terminology
) -> tuple[Drug, CodeableConcept] | None:
    concepts = [record.code] if record.code else []
    if memoryview(record.reaction):
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            concepts += [r.substance for r in _REACTIONS.decode(record.reaction) if r.substance]
    for concept in concepts:
        for drug in _drugs_of(concept, drugs, terminology):
            if drug is not None and MAGNESIUM in drug.classes:
                return drug, concept
    return None


def _drugs_of(
    concept: CodeableConcept, drugs: Drugs, terminology: Terminology
) -> list[Drug | None]:
    coded = [
        drugs.by_rxnorm(c.code)
        for c in concept.coding or ()
        if c.code and terminology.canonical(c.system) == RXNORM
    ]
    texts = [concept.text, *(c.display for c in concept.coding or ())]
    return coded + [drugs.by_text(text) for text in texts if text]
