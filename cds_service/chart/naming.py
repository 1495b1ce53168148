"""How a resource is named in evidence: by its reference, else its full URL, else its position."""

from __future__ import annotations

from cds_service.fhir.reading import says_nothing
from cds_service.fhir.wire import CodeableConcept, Coding
from cds_service.fhir.wire import name_of as reference_of

__all__ = ["NOTHING_SAID", "label_of", "reference_of", "why_not_read"]

NOTHING_SAID = "holds nothing that is read"


def label_of(concept: CodeableConcept | None, coding: Coding | None = None) -> str:
    """What a concept is called: the display of the coding meant, else the text, else a display."""
    if coding is not None and coding.display:
        return coding.display
    if concept is None:
        return ""
    if concept.text:
        return concept.text
    return next((c.display for c in concept.coding or () if c.display), "")


def why_not_read(code: CodeableConcept | None) -> str:
    """Why none of the codings of a concept is read, as the end of a sentence."""
    if code is not None and says_nothing(code):
        return NOTHING_SAID
    systems = {c.system or "no system": None for c in (code.coding if code else ()) or () if c.code}
    return f"its code is of {', '.join(systems)}, which is not read" if systems else "has no code"
