"""How much of anything a call may be."""

from __future__ import annotations

from cds_service.hooks.errors import BadCallError, Issue

ALWAYS_ALLOWED = 20_000
"""Objects that a body may hold however short it is."""
BYTES_PER_OBJECT = 40
"""Beyond that, a body needs so many bytes for each object.

Real charts have 53 and more without any spaces, large ones 66 (of 598 charts). A body of many tiny
objects costs more memory and time to read than its size tells."""


def require_few_values(body: bytes) -> None:
    """Refuse a body made of many tiny objects, before it is decoded; raises `BadCallError` (413).

    Braces within texts count as well, which makes no difference to any chart. Lists and numbers are
    skipped quickly, members are bounded where they are read, and depth needs no count: the decoder
    stops at the interpreter's own bound of about a thousand levels.
    """
    most = ALWAYS_ALLOWED + len(body) // BYTES_PER_OBJECT
    if len(body) > 2 * ALWAYS_ALLOWED and body.count(b"{") > most:
        text = f"The body holds more than {most} objects, which is no chart of its size."
        raise BadCallError(413, Issue("too-long", text))
