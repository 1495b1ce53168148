"""The name of a resource in evidence: its reference, otherwise its full URL, otherwise its position."""

from __future__ import annotations

from cds_service import reasons
from cds_service.fhir.reading import says_nothing
from cds_service.fhir.wire import CodeableConcept, Coding
from cds_service.fhir.wire import name_of as reference_of
from cds_service.reasons import Reason, Said

__all__ = ["label_of", "names_nothing", "reference_of", "why_not_read"]


def label_of(concept: CodeableConcept | None, coding: Coding | None = None) -> str:
    """The name of a concept: the display of the matching coding, otherwise the text, otherwise any
    display.
    """
    if coding is not None and coding.display:
        return coding.display
    if concept is None:
        return ""
    if concept.text:
        return concept.text
    return next((c.display for c in concept.coding or () if c.display), "")


def names_nothing(concept: CodeableConcept | None) -> bool:
    """Whether a concept is missing, has neither a code nor words, or has a part without content. It
    may then mean anything.
    """
    if concept is None or says_nothing(concept):
        return True
    return not (concept.text or any(c.code or c.display for c in concept.coding or ()))


def why_not_read(code: CodeableConcept | None) -> Reason:
    """The reason why none of the codings of a concept is read."""
    if code is not None and says_nothing(code):
        return reasons.HOLDS_NOTHING_READ
    codings = (code.coding if code is not None else None) or ()
    systems: dict[Said, None] = {c.system or reasons.NO_SYSTEM: None for c in codings if c.code}
    return reasons.code_not_read(tuple(systems)) if systems else reasons.NO_CODE
