"""Browsers: from which origins pages may call, and what they may read of the answer.

Only origins on a list are named in an answer. Never with credentials: there are none but the token,
which a page adds itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from cds_service.settings import Settings

if TYPE_CHECKING:
    from cds_service.trust.tokens import Verifier

_OPEN_TO_BROWSERS = ("/cds-services", "/explain/")
_LOOPBACK = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.ASCII)
_METHODS = "GET, POST, OPTIONS"
_HEADERS = "Authorization, Content-Type"
_EXPOSED = "WWW-Authenticate, Retry-After"
_SECONDS = "600"
LOOPBACK = "loopback"
"""In a list of origins: every page that this machine serves itself."""

Allowed = Callable[[str], bool]


def allowing(origins: Iterable[str]) -> Allowed:
    """Whether an origin is on a list."""
    listed = frozenset(origins)
    any_port = LOOPBACK in listed

    def allowed(origin: str) -> bool:
        return origin in listed or (any_port and _LOOPBACK.fullmatch(origin) is not None)

    return allowed


def allowed_by(settings: Settings, verifier: Verifier | None) -> Allowed:
    """The origins of all clients; without clients, those in the settings."""
    if verifier is None:
        return allowing(settings.origins.split())
    return allowing(origin for client in verifier.clients.values() for origin in client.origins)


def register(app: Flask, allowed: Allowed) -> None:
    """Add the headers. `allowed` holds for all clients together: a preflight does not say whose it is."""

    @app.after_request
    def share(response: Response) -> Response:
        if not request.path.startswith(_OPEN_TO_BROWSERS):
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is None or not allowed(origin) or not _of_this_client(origin):
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response.vary.update(
                ["Access-Control-Request-Method", "Access-Control-Request-Headers"]
            )
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _HEADERS
            response.headers["Access-Control-Max-Age"] = _SECONDS
        else:
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        return response


def _of_this_client(origin: str) -> bool:
    """Whether the client whose token came with the call works from this origin."""
    client = g.get("trusted")
    return client is None or origin in client.origins
