"""How much of anything a call may be."""

from __future__ import annotations

from cds_service.hooks.errors import BadCallError, Issue

MOST_VALUES = 2_000_000
"""Objects, and lists, in a body. A chart of 10 MB has about 300 000 objects.

An ordinary chart is too short to hold as many, so that it is not counted: see `_LEAST_BYTES`."""
# "{}," - a shorter body cannot hold more.
_LEAST_BYTES = 3


def require_few_values(body: bytes) -> None:
    """Refuse a body made of so many tiny values that reading it takes seconds; raises `BadCallError` (413).

    Brackets within texts count as well, which makes no difference to any chart. The depth needs no
    count: the decoder stops at the interpreter's own bound of about a thousand levels.
    """
    if len(body) <= _LEAST_BYTES * MOST_VALUES:
        return
    if body.count(b"{") > MOST_VALUES or body.count(b"[") > MOST_VALUES:
        text = f"The body holds more than {MOST_VALUES} objects or lists."
        raise BadCallError(413, Issue("too-long", text))
