"""What the `source` of a row cites: paragraphs of the specification, references and decisions.

A source is written as "SPEC 4.2 C5, 4.4, 12.4 M-18": the document, then paragraphs. A paragraph
without a number ("12.4 M-10, M-15") is one of the section before it. After a semicolon come
documents that are only named.
"""

from __future__ import annotations

from collections.abc import Iterator

SPECIFICATION = "SPEC"
DECISIONS = "docs/clinical-decisions.md"


def cited(source: str) -> tuple[str, ...]:
    """The ids of the paragraphs and references that a source names, in its order.

    A source that names neither (a file of another project) cites nothing.
    """
    if source.startswith(DECISIONS):
        return (source,)
    document, _, places = source.partition(" ")
    if document == SPECIFICATION:
        return tuple(_paragraphs(places.partition(";")[0]))
    return (source,) if source.isalnum() else ()


def _paragraphs(places: str) -> Iterator[str]:
    """The ids of paragraphs: "12.4 M-10, M-15" names "12.4 M-10" and "12.4 M-15"."""
    section = ""
    for place in places.split(","):
        words = place.split()
        if words[0][0].isdigit():
            section, *words = words
        yield " ".join([section, *words])
