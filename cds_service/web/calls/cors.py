"""CORS: the origins from which pages may call, and the headers that they may read.

Only listed origins are named in a response. Credentials are never allowed, because the only one is
the token, which the page adds itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from flask import Request, Response

from cds_service.settings import Settings

if TYPE_CHECKING:
    from cds_service.trust.clients import Client
    from cds_service.trust.tokens import Verifier

_OPEN_TO_BROWSERS = ("/cds-services", "/explain/")
_LOOPBACK = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.ASCII)
_METHODS = "GET, POST, OPTIONS"
_HEADERS = "Authorization, Content-Type, X-Request-ID, traceparent"
_EXPOSED = "WWW-Authenticate, Retry-After, X-Request-ID, traceparent"
_SECONDS = "600"
_VARY_OF_PREFLIGHT = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
LOOPBACK = "loopback"
"""In a list of origins: every page that is served by this machine."""

Allowed = Callable[[str], bool]


def allowing(origins: Iterable[str]) -> Allowed:
    """Whether an origin is on a list."""
    listed = frozenset(origins)
    any_port = LOOPBACK in listed

    def allowed(origin: str) -> bool:
        return origin in listed or (any_port and _LOOPBACK.fullmatch(origin) is not None)

    return allowed


def allowed_by(settings: Settings, verifier: Verifier | None) -> Allowed:
    """The origins of all clients. Without clients, those in the settings."""
    if verifier is None:
        return allowing(settings.origins.split())
    return allowing(origin for client in verifier.clients.values() for origin in client.origins)


def share(request: Request, response: Response, allowed: Allowed, caller: Client | None) -> None:
    """Add the headers. `allowed` contains the origins of all clients, because a preflight has no
    client.

    `caller` is the client whose token came with the call. A page of another client may not read the
    response.
    """
    if not request.path.startswith(_OPEN_TO_BROWSERS):
        return
    headers = response.headers
    headers["Vary"] = "Origin"
    origin = request.headers.get("Origin")
    if origin is None or not allowed(origin):
        return
    if caller is not None and origin not in caller.origins:
        return
    headers["Access-Control-Allow-Origin"] = origin
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        headers["Vary"] = _VARY_OF_PREFLIGHT
        headers["Access-Control-Allow-Methods"] = _METHODS
        headers["Access-Control-Allow-Headers"] = _HEADERS
        headers["Access-Control-Max-Age"] = _SECONDS
    else:
        headers["Access-Control-Expose-Headers"] = _EXPOSED
