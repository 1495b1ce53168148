"""How much of anything a call may be."""

from __future__ import annotations

from cds_service.hooks.errors import BadCallError, Issue

ALWAYS_ALLOWED = 20_000
"""Objects and lists that a body may hold however short it is."""
BYTES_PER_VALUE = 28
"""Beyond that, a body needs so many bytes for each object or list.

Real charts have 35 and more without any spaces (the shortest of 598 charts; large ones have 48). A body
of many tiny values costs more memory and time to read than its size tells."""
BYTES_PER_NAME = 12
"""The same for names of members; real charts have 18 and more."""


def require_few_values(body: bytes) -> None:
    """Refuse a body made of many tiny values, before it is decoded; raises `BadCallError` (413).

    Brackets and colons within texts count as well, which makes no difference to any chart. The depth
    needs no count: the decoder stops at the interpreter's own bound of about a thousand levels.
    """
    if len(body) <= ALWAYS_ALLOWED:
        return
    values = ALWAYS_ALLOWED + len(body) // BYTES_PER_VALUE
    if body.count(b"{") + body.count(b"[") > values:
        text = (
            f"The body holds more than {values} objects and lists, which is no chart of its size."
        )
        raise BadCallError(413, Issue("too-long", text))
    names = ALWAYS_ALLOWED + len(body) // BYTES_PER_NAME
    if body.count(b":") > names:
        text = f"The body holds more than {names} members, which is no chart of its size."
        raise BadCallError(413, Issue("too-long", text))
