"""How a resource is named in evidence: by its reference, else its full URL, else its position."""

from __future__ import annotations

from typing import Any

from cds_service.fhir.wire import CodeableConcept, Coding, Entry


def reference_of(entry: Entry[Any], position: int) -> str:
    """`Condition/12`; where the EHR gave no id, the full URL or the position of the entry."""
    resource: Any = entry.resource
    if resource.id:
        return f"{resource.resourceType}/{resource.id}"
    return entry.full_url or f"{resource.resourceType} (entry {position}, without id)"


def label_of(concept: CodeableConcept | None, coding: Coding | None = None) -> str:
    """What a concept is called: the display of the coding meant, else the text, else a display."""
    if coding is not None and coding.display:
        return coding.display
    if concept is None:
        return ""
    if concept.text:
        return concept.text
    return next((c.display for c in concept.coding or () if c.display), "")
