"""Draft orders that name their drug by a reference to a Medication, which may be elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def medication_references(context: Mapping[str, Any]) -> Iterator[str]:
    """The references of the draft orders in a hook's context, but for those into the order itself.

    A draft that is malformed refers to nothing.
    """
    entries = _member(context.get("draftOrders"), "entry")
    for entry in entries if isinstance(entries, list) else ():
        named = _member(_member(entry, "resource"), "medicationReference")
        reference = _member(named, "reference")
        if isinstance(reference, str) and reference and not reference.startswith("#"):
            yield reference


def medications_sent(context: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the Medications that stand among the draft orders."""
    entries = _member(context.get("draftOrders"), "entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = _member(entry, "resource")
        id = _member(resource, "id")
        if _member(resource, "resourceType") == "Medication" and isinstance(id, str):
            yield id


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
