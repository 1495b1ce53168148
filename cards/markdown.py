"""Make text from a chart safe: as one plain line, or as Markdown that stays text.

EHRs render card details as GitHub-flavoured Markdown, some of them with raw HTML enabled. A problem
title must not become a link, an image or a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST_TEXT = 240
ELLIPSIS = "…"
_LONGEST_LOOKED_AT = 20 * LONGEST_TEXT
"""The maximum number of characters that are used of a text, far more than any card shows."""
_TAG_OPENING = re.compile(r"<(?=[<A-Za-z/!?])")
_ENTITIES = {"&": "&amp;", "<": "&lt;"}
# A backslash keeps these text. "://" and "@" would make a link by themselves, and in many renderers
# "evil.example" would become a link too: a full stop directly followed by a letter.
_SPECIAL = re.compile(r"[\\`*_\[\]~|$@<]|&(?=#?\w{1,32};)|:(?=//)|\.(?=[^\W\d_])")
# Digits with a full stop, or one of these signs, would begin a list, a heading or a quotation.
_BLOCK_OPENING = re.compile(r"^(?:\d{1,9}(?=[.)](?:\s|$))|(?=[#+=>-]))")
_URL_UNSAFE = {" ": "%20", "<": "%3C", ">": "%3E", "(": "%28", ")": "%29", "\\": "%5C"}


def plain(text: str, limit: int = LONGEST_TEXT) -> str:
    """One line of printable text: no control, format or bidirectional characters, no tags."""
    text = text[:_LONGEST_LOOKED_AT]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(text.split())
    return shorten(_TAG_OPENING.sub("", line) if "<" in line else line, limit)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, cut at a word, the cut shown by an ellipsis."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    if not text[limit - 1].isspace():
        head = head.rpartition(" ")[0] or head
    return head.rstrip(" ,;:-") + ELLIPSIS


def escape(text: str) -> str:
    """A text of the chart as Markdown that shows just this text."""
    return _SPECIAL.sub(lambda m: _ENTITIES.get(m[0], "\\" + m[0]), plain(text))


def bullets(lines: Iterable[str]) -> str:
    """A list, one item a line; an item that begins like a list, a heading or a quotation is text."""
    return "\n".join("- " + _BLOCK_OPENING.sub(r"\g<0>\\", line) for line in lines)


def link(label: str, url: str) -> str:
    """A link to one of the service's own pages."""
    return f"[{label}]({''.join(_URL_UNSAFE.get(c, c) for c in url)})"
