"""Allergies and intolerances to magnesium products (SPEC 4.2 B6, 12.1 U-12, 12.4 M-12)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from cds_service import reasons
from cds_service.chart.conditions import UncountedResource, code_of
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.reading import Shape
from cds_service.fhir.wire import AllergyIntolerance, CodeableConcept, Reaction, Text
from cds_service.knowledge.drugs import MAGNESIUM, RXNORM, Drug, Drugs
from cds_service.knowledge.terminology import Terminology
from cds_service.knowledge.words import fold
from cds_service.reasons import Reason

OVER = frozenset({"inactive", "resolved"})
WRONG = frozenset({"refuted", "entered-in-error"})
KNOWN = frozenset({"active", "unconfirmed", "presumed", "confirmed", "unknown"})
"""Other codes of the two statuses, in any version of FHIR. Records with these codes count."""

SNOMED = "http://snomed.info/sct"
NO_ALLERGY = frozenset(
    """
    716186003 160244002 409137002 716184000 716185004 428607008 429625007 428197003
    """.split()  # noqa: SIM905
)
"""SNOMED CT: no known allergy, of any kind, to drugs, latex, the environment, food, or insects."""

_NEGATION = re.compile(r"\s*(?:no|denies|negative\s+for)\s+\w", re.IGNORECASE)
"""How a record begins that denies an allergy. "No, it causes a rash" does not."""
_ABOUT_ALLERGIES = ("allerg", "intoleran", "sensitiv", "magnes", "known", "reaction to")

GUT = frozenset(
    """
    62315008 267060006 398032003 409966000 422587007 51197009 43364001 9991008 21522001 116289008
    248490000 271835004 249504006 162059005
    """.split()  # noqa: SIM905
)
"""SNOMED CT: diarrhoea, loose stools, nausea, cramps and pain of the abdomen, bloating, flatulence.

Vomiting is not among them: it is a sign of anaphylaxis too.
"""
_GUT_WORDS = frozenset(
    """
    diarrhea diarrhoea diarrheal diarrhoeal durchfall diarree diarrhee diarrea loose stool stools
    watery bowel movements nausea nauseous nauseated ubelkeit nausee nausees nauseas misselijkheid
    cramp cramps cramping crampy abdominal abdomen stomach tummy belly gut gastrointestinal gi pain
    ache discomfort upset bloating bloated distension flatulence gas bauchschmerzen bauchkrampfe
    """.split()  # noqa: SIM905
)
_WORDS_BESIDE = frozenset(
    """
    and or with mild moderate severe some finding disorder symptom symptoms intolerance only after
    dose doses high higher large of the
    """.split()  # noqa: SIM905
)


class Allergies(msgspec.Struct):
    """Recorded allergies or intolerances to magnesium, and uncounted records.

    `gut` are those of `magnesium` that are limited to the gut, or intolerances of low criticality.
    """

    magnesium: list[Evidence] = []
    gut: list[Evidence] = []
    set_aside: list[UncountedResource] = []
    foreign: int = 0


class _Record(NamedTuple):
    """A record being read, and its reactions; `whole` is whether all of them can be read."""

    resource: AllergyIntolerance
    name: str
    reactions: list[Reaction]
    whole: bool
    reader: Reader


_REACTIONS: Shape[list[Reaction]] = Shape(list[Reaction])
_CONCEPTS: Shape[list[CodeableConcept]] = Shape(list[CodeableConcept])
_TEXT: Shape[str] = Shape(Text)


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
    named = _Named(drugs)
    damaged = {(lost.resource, lost.element.partition(".")[0]) for lost in content.unread}
    for resource, name in content.resources():
        reactions, lost = reader.read_parts(_REACTIONS, resource.reaction, name, "reaction")
        record = _Record(resource, name, reactions or [], not lost, reader)
        match = _magnesium(record, named, terminology)
        if not subject.is_meant(resource.patient):
            allergies.foreign += match is not None
            continue
        if match is None:
            if (name, "code") not in damaged:
                _note_unnamed(record, terminology)
            continue
        drug, concept = match
        reason = _not_counted(record, damaged)
        if reason is not None:
            allergies.set_aside.append(UncountedResource(name, drug.name, reason))
            continue
        evidence = _evidence(record, drug, concept)
        allergies.magnesium.append(evidence)
        if _is_of_the_gut(record, terminology):
            allergies.gut.append(evidence)
    return allergies


def _evidence(record: _Record, drug: Drug, concept: CodeableConcept) -> Evidence:
    resource, reader = record.resource, record.reader
    coding = next((c for c in concept.coding or () if c.code), None)
    when = reader.date(resource.recordedDate, record.name, "recordedDate")
    when = when or reader.date(resource.onsetDateTime, record.name, "onsetDateTime")
    return Evidence(
        resource=record.name,
        system=coding.system if coding else None,
        code=coding.code if coding else None,
        display=label_of(concept, coding) or drug.name,
        date=when.written if when else None,
        matched=drug.matched,
    )


def _not_counted(record: _Record, damaged: set[tuple[str, str]]) -> Reason | None:
    """Why a record does not count. A status that cannot be read leaves the key partly known."""
    statuses = {
        "verificationStatus": record.resource.verificationStatus,
        "clinicalStatus": record.resource.clinicalStatus,
    }
    codes = {element: code_of(status) for element, status in statuses.items()}
    for said in codes.values():
        if said in OVER | WRONG:
            return reasons.has_status(said)
    for element, said in codes.items():
        lost = (record.name, element) in damaged
        if said not in KNOWN and statuses[element] is not None and not lost:
            record.reader.record_unreadable(record.name, element, reasons.SAYS_NO_FHIR_CODE)
        if said not in KNOWN and (lost or statuses[element] is not None):
            return reasons.STATUS_NOT_READABLE
    return None


class _Named(dict[str, Drug | None]):
    """The drugs in texts. One substance may be recorded thousands of times."""

    def __init__(self, drugs: Drugs) -> None:
        super().__init__()
        self.drugs = drugs

    def __missing__(self, text: str) -> Drug | None:
        drug = self[text] = self.drugs.by_text(text)
        return drug


def _magnesium(
    record: _Record, named: _Named, terminology: Terminology
) -> tuple[Drug, CodeableConcept] | None:
    code = record.resource.code
    concepts = [code] if code and not _denies(code, terminology) else []
    concepts += [r.substance for r in record.reactions if r.substance]
    for concept in concepts:
        for drug in _drugs_of(concept, named, terminology):
            if drug is not None and MAGNESIUM in drug.classes:
                return drug, concept
    return None


def _drugs_of(
    concept: CodeableConcept, named: _Named, terminology: Terminology
) -> list[Drug | None]:
    coded = [
        named.drugs.by_rxnorm(c.code)
        for c in concept.coding or ()
        if c.code and terminology.canonical(c.system) == RXNORM
    ]
    return coded + [named[text] for text in _words_of(concept)]


def _words_of(concept: CodeableConcept) -> list[str]:
    return [w for w in (concept.text, *(c.display for c in concept.coding or ())) if w]


def _denies(code: CodeableConcept, terminology: Terminology) -> bool:
    """Whether a record states that there is no allergy (SPEC 12.1 U-12)."""
    if any(
        c.code in NO_ALLERGY and terminology.canonical(c.system) == SNOMED
        for c in code.coding or ()
    ):
        return True
    denials = [fold(text) for text in _words_of(code) if _NEGATION.match(text)]
    return any(f" {word}" in denial for denial in denials for word in _ABOUT_ALLERGIES)


def _note_unnamed(record: _Record, terminology: Terminology) -> None:
    """A record without a readable name or code of its substance may be about any substance."""
    resource, reader = record.resource, record.reader
    concepts = [c for c in (resource.code, *(r.substance for r in record.reactions)) if c]
    if any(_names_a_substance(concept, terminology) for concept in concepts):
        return
    statuses = (resource.verificationStatus, resource.clinicalStatus)
    is_over = any(code_of(status) in OVER | WRONG for status in statuses)
    note = reader.record_unsupported if is_over else reader.record_unreadable
    note(record.name, "code", reasons.SUBSTANCE_NOT_NAMED)


def _names_a_substance(concept: CodeableConcept, terminology: Terminology) -> bool:
    """Whether a concept names a substance, in words or by a readable code. A statement that there
    is no allergy counts too.
    """
    coded = (c.code and terminology.canonical(c.system) == RXNORM for c in concept.coding or ())
    return bool(_words_of(concept)) or any(coded) or _denies(concept, terminology)


_FIXED: Mapping[str, tuple[str | None, ...]] = {
    "type": (None, "allergy", "intolerance"),
    "criticality": (None, "low", "high", "unable-to-assess"),
}
"""The codes of FHIR, and nothing."""


def _is_of_the_gut(record: _Record, terminology: Terminology) -> bool:
    """M-12: every reaction is a gut reaction, or there is none and it is a mild intolerance."""
    resource, name, reader = record.resource, record.name, record.reader
    shown: list[CodeableConcept] = []
    unread: list[object] = []
    for reaction in record.reactions:
        found, lost = reader.read_parts(
            _CONCEPTS, reaction.manifestation, name, "reaction.manifestation"
        )
        told, garbled = reader.read_parts(_TEXT, reaction.description, name, "reaction.description")
        shown += [*(found or ()), *((CodeableConcept(text=told),) if told else ())]
        unread += [*lost, *garbled]
    kind, odd_kind = reader.read_parts(_TEXT, resource.type, name, "type")
    danger, odd_danger = reader.read_parts(_TEXT, resource.criticality, name, "criticality")
    odd = [e for e, said in (("type", kind), ("criticality", danger)) if said not in _FIXED[e]]
    for element in odd:
        reader.record_unsupported(name, element, reasons.NO_FHIR_CODE)
    if not record.whole or unread or odd_kind or odd_danger or odd or danger == "high":
        return False
    if shown:
        return all(_is_gut(concept, terminology) for concept in shown)
    return kind == "intolerance" and danger == "low"


def _is_gut(concept: CodeableConcept, terminology: Terminology) -> bool:
    """Whether a manifestation, by each of its codes and by all of its words, is one of the gut."""
    codes = [
        c.code for c in concept.coding or () if c.code and terminology.canonical(c.system) == SNOMED
    ]
    words = [set(fold(text).split()) for text in _words_of(concept)]
    return (
        all(code in GUT for code in codes)
        and all(_are_of_the_gut(said, sure=bool(codes)) for said in words)
        and bool(codes or words)
    )


def _are_of_the_gut(words: Iterable[str], *, sure: bool) -> bool:
    """Whether words name only the gut. Next to a code for a gut reaction, any other word is accepted."""
    said = set(words)
    return said <= _GUT_WORDS | _WORDS_BESIDE and (sure or bool(said & _GUT_WORDS))


__all__ = ["Allergies", "read_allergies"]
