"""Access control: every address is protected except those listed here.

With trusted clients, a protected call needs a token of one of them. Without clients, only callers
on this machine are served, unless `CDS_OPEN` is set. Then a call costs only a check of the caller's
address.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from flask import Request, Response

from cds_service.fetching.servers import Server, entries
from cds_service.hooks.errors import Issue
from cds_service.settings import Settings, SettingsError
from cds_service.web.answers import json_answer, outcome
from cds_service.web.calls.cors import allowed_by
from cds_service.web.operate import metrics
from cds_service.web.operate.record import CallRecord

if TYPE_CHECKING:
    from cds_service.trust.clients import Clients
    from cds_service.trust.tokens import Checked, RefusedError, Verifier

_log = logging.getLogger(__name__)

ADMISSION = "cds.admission"
"""Set in the WSGI environment by the front, which calls the guard before it reads a body."""
OPERATOR = "cds.operator"
"""Set in the WSGI environment by the server of the operators' port."""

# Used by load balancers, by people who open a link on a card in a browser, and by integrators who
# have no token yet.
_PUBLIC = ("/health", "/ready", "/evidence", "/openapi.json", "/static/", "/sandbox")
# Metrics and reports are for the operators' port, and without clients also for callers on this
# machine.
OPERATOR_PATHS = ("/metrics", "/feedback/report")
# Used by probes, under any host name of this machine.
_PROBED = ("/health", "/ready")
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")
_REALM = 'Bearer realm="cds-hooks"'
_SCHEME = "bearer "

_NOT_LOCAL = Issue(
    "forbidden",
    "No trusted clients are configured, so only callers on the same machine are served."
    " Set CDS_CLIENTS_FILE to serve others, or CDS_OPEN=true for trials and in a container.",
)
_OTHER_HOST = Issue(
    "forbidden",
    "The Host header names another machine. Without trusted clients only a loopback name and the"
    " host of CDS_PUBLIC_URL are served. Set CDS_PUBLIC_URL, or CDS_OPEN=true for a container.",
)
_OTHER_ORIGIN = Issue(
    "forbidden",
    "Pages of this origin may not call the service. Add the origin to CDS_ORIGINS.",
)
_NOTHING_HERE = Issue("not-found", "This address does not exist.")
_NO_LEDGER = Issue(
    "transient", "Tokens cannot be checked at the moment. Send the call again later."
)


_NO_PLACE_FOR_TOKENS = {
    False: "CDS_DATA_DIR must be a writable directory, because used tokens are stored there.",
    True: "CDS_DATABASE_URL must name a writable database, because used tokens are stored there.",
}


def verifier_of(settings: Settings) -> Verifier | None:
    """The verifier of tokens, or `None` if no clients are configured. Raises `SettingsError`."""
    if not settings.clients_file:
        return None
    # PyJWT and cryptography are imported only if there are clients.
    from cds_service.trust.clients import ClientsError, read_clients
    from cds_service.trust.key_sets import KeySets
    from cds_service.trust.ledger import LedgerError, ledger_of
    from cds_service.trust.tokens import Verifier

    if not settings.public_url:
        raise SettingsError(
            "CDS_PUBLIC_URL must be set, because the tokens of trusted clients contain it."
        )
    ledger = ledger_of(settings.database_url, settings.data_dir)
    try:
        clients = read_clients(Path(settings.clients_file))
        ledger.check()
    except ClientsError as error:
        raise SettingsError(f"CDS_CLIENTS_FILE: {error}") from None
    except LedgerError:
        raise SettingsError(
            _NO_PLACE_FOR_TOKENS[settings.database_url.startswith("postgres")]
        ) from None
    finally:
        ledger.close()
    key_sets = KeySets(ledger, watch=_key_set_metrics(clients))
    return Verifier(clients, key_sets, ledger, time.time)


def _key_set_metrics(clients: Clients) -> Callable[[str, float], None]:
    """Sets the metric of a key set with this address, for each client that uses it."""
    users = [(url, c.name, str(n)) for c in clients.values() for n, url in enumerate(c.jku, 1)]

    def watch(address: str, at: float) -> None:
        for url, client, position in users:
            if url == address:
                metrics.key_set_fetched(client, position, at)

    return watch


def servers_of(verifier: Verifier | None) -> tuple[Server, ...]:
    """FHIR servers that only calls of certain clients may use. Raises `SettingsError`."""
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
        text = f"CDS_CLIENTS_FILE: a member of fhirServers of {name} is not a safe address."
        raise SettingsError(text) from None


class Refused(msgspec.Struct, frozen=True):
    """A call is refused: the response, and the reason for our log."""

    status: int
    issue: Issue
    reason: str
    headers: Mapping[str, str] = {}


_OPERATORS_ONLY = Refused(404, _NOTHING_HERE, "operators")
_LEDGER_AWAY = Refused(503, _NO_LEDGER, "ledger", {"Retry-After": "2"})


class Guard:
    """Decide from the head of a call (path and headers) whether it is allowed.

    `settings` and `verifier` are as configured. Without a `verifier` there are no trusted clients.
    """

    def __init__(self, settings: Settings, verifier: Verifier | None) -> None:
        self._settings = settings
        self._verifier = verifier
        self._public_host = urlsplit(settings.public_url).hostname or None
        self.allowed = allowed_by(settings, verifier)
        """The origins from which browsers may call."""
        _log.log(*_said_at_start(settings, verifier))

    @property
    def has_clients(self) -> bool:
        """Whether calls need a token."""
        return self._verifier is not None

    def admission(self, environ: Mapping[str, Any]) -> Refused | Checked | None:
        """Whether a call with this WSGI environment is allowed. Reads no body and never raises."""
        if OPERATOR in environ:
            return None
        path = environ["PATH_INFO"]
        operators = path.startswith(OPERATOR_PATHS)
        if self._verifier is None:
            refused = self._without_clients(environ, operators)
            return _OPERATORS_ONLY if refused is not None and operators else refused
        if operators:
            return _OPERATORS_ONLY
        # A preflight request has no token. It gets a response and has no effect.
        if path.startswith(_PUBLIC) or environ["REQUEST_METHOD"] == "OPTIONS":
            return None
        return self._of_token(environ, self._verifier)

    def _without_clients(self, environ: Mapping[str, Any], operators: bool) -> Refused | None:
        """Allow only this machine (unless opened), and refuse pages that use a browser to call it.

        A page of another origin can make a browser call this machine. With DNS rebinding it could
        even read the response. Therefore the host name and origin are checked too.
        """
        opened = self._settings.open and not operators
        if not opened and not is_local(environ):
            return Refused(403, _NOT_LOCAL, "not local")
        if environ["PATH_INFO"] in _PROBED:
            return None
        if not opened and not self._is_own_host(environ.get("HTTP_HOST")):
            return Refused(403, _OTHER_HOST, "host")
        origin = environ.get("HTTP_ORIGIN")
        if environ["REQUEST_METHOD"] == "POST" and origin is not None:
            own = origin == f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST')}"
            if not own and not self.allowed(origin):
                return Refused(403, _OTHER_ORIGIN, "origin")
        return None

    def _is_own_host(self, host: str | None) -> bool:
        """Whether a Host header names this machine. A call without one does not come from a browser."""
        if host is None:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name == "localhost" or _is_loopback(name) or name == self._public_host

    def _of_token(self, environ: Mapping[str, Any], verifier: Verifier) -> Refused | Checked:
        from cds_service.trust.ledger import LedgerError
        from cds_service.trust.tokens import RefusedError

        url = self._settings.public_url + environ["PATH_INFO"]
        try:
            return verifier.check(_token(environ.get("HTTP_AUTHORIZATION", "")), url)
        except RefusedError as error:
            return _unauthorized(error)
        except LedgerError:
            return _LEDGER_AWAY

    def use_up(self, checked: Checked) -> Refused | None:
        """Use up the token of a complete call. Returns the reason if it is refused."""
        from cds_service.trust.ledger import LedgerError
        from cds_service.trust.tokens import RefusedError

        if self._verifier is None:
            return _LEDGER_AWAY  # the token cannot have been checked, so the call is refused
        try:
            self._verifier.use_up(checked)
        except RefusedError as error:
            return _unauthorized(error)
        except LedgerError:
            return _LEDGER_AWAY
        return None


def admit(request: Request, guard: Guard, record: CallRecord) -> Response | None:
    """The response to a call that is refused, or `None`.

    The front may have called the guard already, before it read the body.
    """
    if request.url_rule is None and guard.has_clients:
        return None  # the address does not exist, which is no secret
    environ = request.environ
    known = environ[ADMISSION] if ADMISSION in environ else guard.admission(environ)
    if known is None:
        return None
    if isinstance(known, Refused):
        return _refusal(known, record)
    record.caller, record.tenant = known.client, known.tenant
    used = guard.use_up(known)
    return None if used is None else _refusal(used, record)


def _said_at_start(settings: Settings, verifier: Verifier | None) -> tuple[int, str]:
    if verifier is not None:
        return logging.INFO, f"{len(verifier.clients)} trusted clients are configured"
    if settings.open:
        return logging.WARNING, "CDS_OPEN is set: anybody who reaches the service may call it"
    return logging.INFO, "no trusted clients are configured: only this machine is served"


def _token(authorization: str) -> str | None:
    """The text after "Bearer", independent of case."""
    scheme, rest = authorization[: len(_SCHEME)], authorization[len(_SCHEME) :]
    return rest.strip() if scheme.lower() == _SCHEME else None


def _unauthorized(refused: RefusedError) -> Refused:
    refusal, text = refused.refusal, refused.text
    # RFC 6750: a caller without a token gets no error code.
    error = f', error="invalid_token", error_description="{text}"'
    challenge = _REALM + ("" if refusal == "missing" else error)
    return Refused(401, Issue("login", text), str(refusal), {"WWW-Authenticate": challenge})


def _refusal(refused: Refused, record: CallRecord) -> Response:
    record.refused = refused.reason
    return json_answer(outcome([refused.issue]), refused.status, refused.headers)


def is_local(environ: Mapping[str, Any]) -> bool:
    """Whether the caller is on this machine and not behind a proxy on it."""
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
