"""Browsers: from which origins pages may call, and what they may read of the answer.

Only origins on a list are named in an answer. Never with credentials: there are none but the token,
which a page adds itself.
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
_HEADERS = "Authorization, Content-Type"
_EXPOSED = "WWW-Authenticate, Retry-After"
_SECONDS = "600"
_VARY_OF_PREFLIGHT = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
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


def share(request: Request, response: Response, allowed: Allowed, caller: Client | None) -> None:
    """Add the headers. `allowed` holds for all clients together: a preflight does not say whose it is.

    `caller` is the client whose token came with the call: a page of another one may not read it.
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
