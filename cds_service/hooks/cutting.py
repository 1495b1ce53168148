"""A short cut for calls whose whole chart will be read: each value is decoded where it seems to begin.

To find out where the values of a large body end, the decoder has to walk over all of it, and then
once more to read them. Here the body is cut where the names of the prefetch keys stand, as they
follow each other in the discovery document. Such a cut is a guess that proves itself: if every
piece is one complete JSON value, and what lies between the pieces is no more than a comma, a name
and a colon, then this is what the body says. Otherwise nothing is said, and the body is read in the
usual way. See `docs/performance.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.fhir.prefetch import KINDS, Content, State
from cds_service.hooks.registry import HOOKS

_PREFETCH = re.compile(rb'"prefetch"\s*:\s*\{\s*')
_END = re.compile(rb"\}\s*\}\s*")
_COLON = re.compile(rb"\s*:\s*")
_COMMA = re.compile(rb"\s*,\s*")
_QUOTED = {key: b'"%s"' % key.encode() for key in KINDS}
_BEFORE = tuple(KINDS)[: tuple(KINDS).index("kidneyLabs") + 1]
_AFTER = tuple(KINDS)[len(_BEFORE) :]
"""The keys that are looked for from the beginning, and those from the end."""

_OF_CHARTS, _OF_ORDERS = b"igr", b"agnes"
"""What a body most likely speaks of where the whole chart is read: migraine in the conditions, or
magnesium in the draft orders. Whether it does makes a difference in time alone; a hook that is not
in the registry is read in the usual way."""


class Cut(msgspec.Struct, frozen=True):
    """A body in pieces: all but the prefetch values, those values, and what they hold."""

    head: bytes
    prefetch: Mapping[str, Raw]
    contents: Mapping[str, Content[Any]]


def cut(body: bytes, hook: str) -> Cut | None:
    """The pieces of a body, if all of it will most likely be read and it can be cut."""
    found = _PREFETCH.search(body)
    if found is None or not _speaks(body, found.end(), hook):
        return None
    pieces = dict(_pieces(body, found.end()))
    if len(pieces) != len(KINDS):
        return None
    contents = {}
    for key, raw in pieces.items():
        content = KINDS[key].read(raw)
        if content.state is State.UNREADABLE or (content.state is State.EMPTY and _is_odd(raw)):
            return None
        contents[key] = content
    return Cut(body[: found.start()] + b'"prefetch":{}}', pieces, contents)


def _speaks(body: bytes, start: int, hook: str) -> bool:
    if hook not in HOOKS:
        return False
    if HOOKS[hook].orders is not None:
        return _OF_ORDERS in memoryview(body)[:start].tobytes().lower()
    first = body.find(_QUOTED["conditions"], start)
    end = body.find(_QUOTED["medicationRequests"], first)
    return 0 <= first < end and body.find(_OF_CHARTS, first, end) >= 0


def _pieces(body: bytes, start: int) -> Iterator[tuple[str, Raw]]:
    """Each prefetch key with its value; fewer where the body is not of the usual form."""
    whole = memoryview(body)
    names = _names(body, start)
    if names is None:
        return
    end = _end_of_body(body, names[-1])
    for key, at, following in zip(KINDS, names, (*names[1:], None), strict=True):
        colon = _COLON.match(body, at + len(_QUOTED[key]))
        last = end if following is None else _comma_before(body, following)
        if colon is not None and last > colon.end():
            yield key, Raw(whole[colon.end() : last])


def _names(body: bytes, start: int) -> list[int] | None:
    """Where the names of the keys stand. The many results between them are not looked through."""
    places = [start] if body.startswith(_QUOTED[_BEFORE[0]], start) else [-1]
    for key in _BEFORE[1:]:
        places.append(body.find(_QUOTED[key], places[-1]) if places[-1] >= 0 else -1)
    after = [len(body)]
    for key in reversed(_AFTER):
        after.append(body.rfind(_QUOTED[key], places[-1], after[-1]) if after[-1] >= 0 else -1)
    places += reversed(after[1:])
    return None if -1 in places else places


def _comma_before(body: bytes, at: int) -> int:
    """Where the comma before a name stands; negative if there is none."""
    comma = body.rfind(b",", 0, at)
    return comma if comma >= 0 and _COMMA.fullmatch(body, comma, at) else -1


def _end_of_body(body: bytes, start: int) -> int:
    """Where the closing braces of the prefetch and of the call stand; negative if they do not."""
    outer = body.rfind(b"}", start)
    inner = body.rfind(b"}", start, max(outer, 0))
    return inner if inner >= 0 and _END.fullmatch(body, inner) else -1


def _is_odd(raw: Raw) -> bool:
    """`null` is seen by its first letters, so what follows them has not been looked at."""
    text = memoryview(raw)
    return text[0] == ord("n") and text.tobytes().strip() != b"null"
