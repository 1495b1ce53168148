"""Codes of an export that the rules cannot read: a list for the person who maps codes.

They are counted for all patients while the files are read. The counts of a piece are put aside by
code like other records, so that memory stays small however many codes there are. All counts of one
code are in one partition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from cds_service.chart.reading import is_there
from cds_service.fhir.reading import FAILURES
from cds_service.fhir.wire import NOTHING
from cds_service.knowledge.terminology import Terminology
from cds_service.rehearsal.lines import Coded, Line, Order, key_of
from cds_service.rehearsal.moments import contained_medication

MOST_CODES: Final = 50
"""How many codes the report lists."""
TEXT_ALONE: Final = "(text alone)"
UNREADABLE: Final = "(cannot be read)"
_LABORATORY = "laboratory"
_LONGEST = 80
_MOST_SEEN = 50_000
_MOST_COUNTED = 20_000

Coding = tuple[str, str, str]
"""System, code and display."""
Code = tuple[str, str, str, str]
"""Resource type, system, code and display."""
PutCount = Callable[[bytes, bytes], None]
"""Puts a record aside: the key of its partition, and its bytes."""


class _Coding(msgspec.Struct):
    system: Any = None
    code: Any = None
    display: Any = None


class _Concept(msgspec.Struct):
    coding: list[_Coding] | None = None
    text: Any = None


class _Category(msgspec.Struct):
    category: Any = None


class _Counted(msgspec.Struct, array_like=True):
    """How often a code was met in a part of the input. `number` tells two counts of a part apart."""

    part: str
    number: int
    code: Code
    lines: int


_CONCEPT = msgspec.json.Decoder(_Concept | None)
_CATEGORY = msgspec.json.Decoder(_Category)
_COUNTED = msgspec.json.Decoder(_Counted)


def concept_of(read: Line) -> Raw:
    """The element with the code of a line, also that of a Medication inside an order."""
    if isinstance(read, Order):
        if is_there(read.medicationCodeableConcept):
            return read.medicationCodeableConcept
        inside = contained_medication(read)
        return inside.code if inside is not None else NOTHING
    return read.code if isinstance(read, Coded) else NOTHING


class UnreadCodes:
    """Counts the lines whose code cannot be read, in a part of the input.

    Of observations only those of the laboratory count. Texts are not listed: they may name a person.
    """

    def __init__(self, terminology: Terminology, part: str, put: PutCount) -> None:
        """`part` names what is counted: it is read again after a stop, and must not count twice."""
        self._terminology = terminology
        self._part = part
        self._put = put
        self._number = 0
        self._lines: dict[tuple[str, bytes], int] = {}
        self._unread: set[bytes] = set()
        self.known: set[bytes] = set()
        """Elements that need not be passed to `count`: a code of theirs can be read."""

    def count(self, kind: str, concept: bytes, line: bytes) -> None:
        """Count a line of a resource type, whose code is in an element.

        What is found for an element is remembered: an export repeats few elements many times.
        """
        if not concept or concept in self.known:
            return
        if concept not in self._unread:
            if len(self._unread) + len(self.known) > _MOST_SEEN:
                self._unread.clear()
                self.known.clear()
            if _unread(concept, self._terminology) is None:
                self.known.add(concept)
                return
            self._unread.add(concept)
        if kind != "Observation" or _is_laboratory(line):
            key = (kind, concept)
            self._lines[key] = self._lines.get(key, 0) + 1
            if len(self._lines) > _MOST_COUNTED:
                self.flush()

    def flush(self) -> None:
        """Put aside what was counted so far."""
        self._number += 1
        codes: Counter[Code] = Counter()
        for (kind, concept), lines in self._lines.items():
            if (coding := _unread(concept, self._terminology)) is not None:
                codes[kind, *coding] += lines
        for code, lines in sorted(codes.items()):
            record = _Counted(self._part, self._number, code, lines)
            self._put(key_of("\0".join(code)), msgspec.json.encode(record))
        self._lines.clear()


def most_frequent(records: Iterable[bytes]) -> list[tuple[str, str, str, str, int]]:
    """The most frequent codes of a partition, of records that may be there twice."""
    lines: Counter[Code] = Counter()
    for record in set(records):
        counted = _COUNTED.decode(record)
        lines[counted.code] += counted.lines
    rows = sorted(lines.items(), key=lambda item: (-item[1], item[0]))
    return [(*code, number) for code, number in rows[:MOST_CODES]]


def _unread(concept: bytes, terminology: Terminology) -> Coding | None:
    """The first coding of an element if none of its codings can be read. `None` if one can be read,
    or if the element is empty.
    """
    try:
        read = _CONCEPT.decode(concept)
    except FAILURES:
        return "", "", UNREADABLE
    if read is None:
        return None
    codings = [c for c in read.coding or () if isinstance(c.code, str) and c.code]
    if any(isinstance(c.system, str) and terminology.reads(c.system, c.code) for c in codings):
        return None
    if codings:
        first = codings[0]
        return _text(first.system), _text(first.code), _text(first.display)
    return ("", "", TEXT_ALONE) if read.text else None


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _is_laboratory(line: bytes) -> bool:
    """Whether an observation is a laboratory result, or says no category."""
    try:
        category = _CATEGORY.decode(line).category
    except FAILURES:
        return True
    if not isinstance(category, list) or not category:
        return True
    codings = [
        coding
        for concept in category
        if isinstance(concept, dict) and isinstance(concept.get("coding"), list)
        for coding in concept["coding"]
    ]
    return any(isinstance(c, dict) and c.get("code") == _LABORATORY for c in codings)
