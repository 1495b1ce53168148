"""Find a drug or a diagnosis by some letters of its name, for writing an order or a chart.

Only names that the rules use are found: the products and ingredients of the knowledge, and the
codes for conditions in its value sets. The names are prepared once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

import msgspec

from cds_service.knowledge.drugs import RXNORM, words
from cds_service.knowledge.loader import Knowledge

LIMIT: Final = 20
# The usual form of an order comes first: a product, then a branded one, then the ingredient.
_TERM_TYPES: Final = ("SCD", "IN", "SBD", "PIN", "MIN")
_CONDITION_SYSTEMS: Final = ("http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm")


class Found(msgspec.Struct, frozen=True):
    """A name with its code; `groups` are the drug classes or value sets it belongs to."""

    system: str
    code: str
    display: str
    kind: str
    groups: tuple[str, ...]


class Names:
    """Names that can be searched. Every searched word must begin a word of the name."""

    def __init__(self, found: Iterable[Found]) -> None:
        rows = sorted(found, key=attrgetter("display"))
        self._rows = [(row, words(row.display)) for row in rows]

    def search(self, text: str, limit: int = LIMIT) -> list[Found]:
        """The best matches, those that begin with the text first, then the shorter ones."""
        asked = words(text)
        if not asked:
            return []
        hits = [(row, held) for row, held in self._rows if _holds(held, asked)]
        hits.sort(key=lambda hit: _rank(hit[0], hit[1], asked))
        return [row for row, _ in hits[:limit]]


def drugs_of(knowledge: Knowledge) -> Names:
    """Every product and ingredient of the knowledge that one can order."""
    titles = {s.id.removeprefix("med_"): s.title for s in knowledge.sets.values()}
    return Names(
        Found(RXNORM, code, name, kind, tuple(titles.get(c, c) for c in classes))
        for code, name, kind, classes in knowledge.drugs.every_name()
        if kind in _TERM_TYPES
    )


def diagnoses_of(knowledge: Knowledge) -> Names:
    """Every code with a name for a condition in the value sets."""
    return Names(_diagnoses(knowledge))


def _diagnoses(knowledge: Knowledge) -> Iterator[Found]:
    groups: dict[tuple[str, str], list[str]] = {}
    names: dict[tuple[str, str], str] = {}
    for value_set in knowledge.sets.values():
        for row in value_set.codes:
            if row.system in _CONDITION_SYSTEMS and row.resource == "Condition" and row.display:
                groups.setdefault((row.system, row.code), []).append(value_set.title)
                names.setdefault((row.system, row.code), row.display)
    for (system, code), titles in groups.items():
        yield Found(system, code, names[system, code], "Condition", tuple(titles))


def _holds(held: list[str], asked: list[str]) -> bool:
    return all(any(word.startswith(part) for word in held) for part in asked)


def _rank(row: Found, held: list[str], asked: list[str]) -> tuple[bool, int, int]:
    kind = _TERM_TYPES.index(row.kind) if row.kind in _TERM_TYPES else 0
    return not held[0].startswith(asked[0]), kind, len(row.display)
