"""Who calls: the client that was authenticated for this request."""

from __future__ import annotations

from flask import g


def client() -> str:
    """The issuer of the client's token, as configured; "" where calls are not authenticated."""
    known: str = g.get("client", "")
    return known
