"""Codes of an export that the rules cannot read: a list for the person who maps codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from cds_service.knowledge.terminology import Terminology

KINDS: Final = {
    "Condition": "code",
    "Observation": "code",
    "AllergyIntolerance": "code",
    "Procedure": "code",
    "MedicationRequest": "medicationCodeableConcept",
    "MedicationStatement": "medicationCodeableConcept",
}
TEXT_ALONE: Final = "(text alone)"
_LABORATORY = "laboratory"
_LONGEST = 80


class _Coding(msgspec.Struct):
    system: Any = None
    code: Any = None
    display: Any = None


class _Concept(msgspec.Struct):
    coding: list[_Coding] | None = None
    text: Any = None


class _Resource(msgspec.Struct):
    code: _Concept | None = None
    medicationCodeableConcept: _Concept | None = None
    category: Any = None


_RESOURCE = msgspec.json.Decoder(_Resource)


def unread_codes(
    lines: Iterable[tuple[str, bytes]], terminology: Terminology
) -> Counter[tuple[str, str, str, str]]:
    """How often each coding (type, system, code, display) stands alone and cannot be read.

    Of observations only those of the laboratory. Texts are not listed: they may name a person.
    """
    found: Counter[tuple[str, str, str, str]] = Counter()
    for kind, line in lines:
        if kind not in KINDS:
            continue
        try:
            resource = _RESOURCE.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
        concept: _Concept | None = getattr(resource, KINDS[kind])
        if concept is None or (kind == "Observation" and not _is_laboratory(resource.category)):
            continue
        for coding in _unread(concept, terminology):
            found[kind, *coding] += 1
    return found


def _unread(concept: _Concept, terminology: Terminology) -> Iterator[tuple[str, str, str]]:
    codings = [c for c in concept.coding or () if isinstance(c.code, str)]
    if any(terminology.canonical(_text(c.system)) is not None for c in codings):
        return
    for coding in codings[:1]:
        yield _text(coding.system), _text(coding.code), _text(coding.display)
    if not codings and concept.text:
        yield "", "", TEXT_ALONE


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _is_laboratory(category: Any) -> bool:
    """Whether an observation is a laboratory result, or says no category."""
    if not isinstance(category, list) or not category:
        return True
    codings = [
        coding
        for concept in category
        if isinstance(concept, dict) and isinstance(concept.get("coding"), list)
        for coding in concept["coding"]
    ]
    return any(isinstance(c, dict) and c.get("code") == _LABORATORY for c in codings)
