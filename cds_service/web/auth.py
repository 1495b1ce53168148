"""Who may call what: every address is guarded but for those named here.

With trusted clients, a guarded call needs a token of one of them. Without, only callers on this
machine are served, unless the service was opened on purpose. Without clients this costs a look at
the caller's address.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Flask, Response, g, request

from cds_service.fhir.servers import Server, entries
from cds_service.hooks.errors import Issue
from cds_service.settings import Settings, SettingsError
from cds_service.web.logs import note
from cds_service.web.outcomes import json_answer, outcome

if TYPE_CHECKING:
    from cds_service.trust.clients import Client
    from cds_service.trust.tokens import Verifier

_log = logging.getLogger(__name__)

OPERATOR = "cds.operator"
"""Set in the WSGI environment by whoever serves the operators' port."""

# What a load balancer asks, and what people open in a browser from a card.
_PUBLIC = ("/health", "/ready", "/evidence", "/static/", "/sandbox")
# Figures about the service: for callers on this machine, or on the operators' port.
OPERATOR_PATHS = ("/metrics", "/feedback/report")
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")
_REALM = 'Bearer realm="cds-hooks"'
_SCHEME = "bearer "

_NOT_LOCAL = Issue(
    "forbidden",
    "No trusted clients are configured, so only callers on the same machine are served.",
)
_OPERATORS_ONLY = Issue(
    "forbidden", "This address is for operators: on the same machine, or on their own port."
)
_NO_LEDGER = Issue(
    "transient", "Tokens cannot be checked at the moment. Send the call again later."
)


def verifier_of(settings: Settings) -> Verifier | None:
    """What checks tokens; `None` where no clients are configured. Raises `SettingsError`."""
    if not settings.clients_file:
        return None
    # PyJWT and cryptography: only where there are clients.
    from cds_service.trust.clients import ClientsError, read_clients
    from cds_service.trust.key_sets import KeySets
    from cds_service.trust.ledger import Ledger, LedgerError
    from cds_service.trust.tokens import Verifier

    if not settings.public_url:
        raise SettingsError("CDS_PUBLIC_URL must be set: the tokens of trusted clients name it.")
    ledger = Ledger(Path(settings.data_dir) / "trust.sqlite3")
    try:
        clients = read_clients(Path(settings.clients_file))
        ledger.check()
    except ClientsError as error:
        raise SettingsError(f"CDS_CLIENTS_FILE: {error}") from None
    except LedgerError:
        text = (
            "CDS_DATA_DIR must be a directory that can be written to: used tokens are noted there."
        )
        raise SettingsError(text) from None
    finally:
        ledger.close()
    return Verifier(clients, KeySets(ledger), ledger, time.time)


def servers_of(verifier: Verifier | None) -> tuple[Server, ...]:
    """The FHIR servers that the calls of single clients may have asked. Raises `SettingsError`."""
    clients = verifier.clients.values() if verifier is not None else ()
    return tuple(
        _server(entry | {"clients": [client.iss]}, client.name)
        for client in clients
        for text in client.fhir_servers
        for entry in entries(text)
    )


def _server(entry: Mapping[str, Any], name: str) -> Server:
    try:
        return msgspec.convert(entry, Server)
    except msgspec.ValidationError:
        text = f"CDS_CLIENTS_FILE: a member of fhirServers of {name} cannot be asked safely."
        raise SettingsError(text) from None


def register(app: Flask, settings: Settings, verifier: Verifier | None) -> None:
    """Guard the addresses."""
    check = _check(settings, verifier)
    _log.log(*_said_at_start(settings, verifier))

    @app.before_request
    def guard() -> Response | None:
        rule = request.url_rule.rule if request.url_rule else ""
        if OPERATOR in request.environ:
            return None
        if rule.startswith(OPERATOR_PATHS):
            return None if _is_local() else _refused(403, _OPERATORS_ONLY, "operators")
        if verifier is not None and rule.startswith(_PUBLIC):
            return None
        # A preflight carries no token; it is answered, and nothing is done.
        if request.method == "OPTIONS" and verifier is not None:
            return None
        return check() if rule or verifier is None else None


def _said_at_start(settings: Settings, verifier: Verifier | None) -> tuple[int, str]:
    if verifier is not None:
        return logging.INFO, f"{len(verifier.clients)} trusted clients are configured"
    if settings.open:
        return logging.WARNING, "CDS_OPEN is set: anybody who reaches the service may call it"
    return logging.INFO, "no trusted clients are configured: only this machine is served"


def _check(settings: Settings, verifier: Verifier | None) -> Callable[[], Response | None]:
    """What every guarded call must pass. Opening the service never lifts the need for a token."""
    if verifier is not None:
        return _with_token(verifier, settings)
    return _open if settings.open else _local_only


def _open() -> Response | None:
    return None


def _local_only() -> Response | None:
    return None if _is_local() else _refused(403, _NOT_LOCAL, "not local")


def _with_token(verifier: Verifier, settings: Settings) -> Callable[[], Response | None]:
    from cds_service.trust.ledger import LedgerError
    from cds_service.trust.tokens import TEXTS, RefusedError

    def check() -> Response | None:
        try:
            known = verifier.verify(_token(), settings.public_url + request.path)
        except RefusedError as error:
            return _unauthorized(error.refusal, TEXTS[error.refusal])
        except LedgerError:
            answer = _refused(503, _NO_LEDGER, "ledger")
            answer.headers["Retry-After"] = "5"
            return answer
        _remember(known)
        return None

    return check


def _remember(known: Client) -> None:
    g.client = known.iss
    g.trusted = known
    note(client=known.name)


def _token() -> str | None:
    """What stands after "Bearer", in whatever case that is written."""
    value = request.headers.get("Authorization", "")
    return value[len(_SCHEME) :].strip() if value[: len(_SCHEME)].lower() == _SCHEME else None


def _unauthorized(refusal: str, text: str) -> Response:
    answer = _refused(401, Issue("login", text), refusal)
    # RFC 6750: who sent no token is not told of an error.
    error = f', error="invalid_token", error_description="{text}"'
    answer.headers["WWW-Authenticate"] = _REALM + ("" if refusal == "missing" else error)
    return answer


def _refused(status: int, issue: Issue, reason: str) -> Response:
    note(refused=str(reason))
    return json_answer(outcome([issue]), status, {"Cache-Control": "no-store"})


def _is_local() -> bool:
    """Whether the caller is on this machine, and not somebody for whom a proxy here calls."""
    environ = request.environ
    if any(name in environ for name in _FORWARDED):
        return False
    return _is_loopback(environ.get("REMOTE_ADDR") or "")


def _is_loopback(address: str) -> bool:
    # No address: a Unix socket, or no network at all.
    if address in {"", "127.0.0.1", "::1"}:
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
