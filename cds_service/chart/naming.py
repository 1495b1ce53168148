"""How a resource is named in evidence: by its reference, else its full URL, else its position."""

from __future__ import annotations

from cds_service.fhir.wire import CodeableConcept, Coding
from cds_service.fhir.wire import name_of as reference_of

__all__ = ["label_of", "reference_of"]


def label_of(concept: CodeableConcept | None, coding: Coding | None = None) -> str:
    """What a concept is called: the display of the coding meant, else the text, else a display."""
    if coding is not None and coding.display:
        return coding.display
    if concept is None:
        return ""
    if concept.text:
        return concept.text
    return next((c.display for c in concept.coding or () if c.display), "")
