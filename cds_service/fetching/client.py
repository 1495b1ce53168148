"""The only module that opens connections to FHIR servers: GET of FHIR JSON from listed servers.

Each listed server has a connection pool, and there is no other pool, so no other host can be
reached: no proxy, no redirect. The IP address of a host name is checked when the connection is
made, so the name cannot resolve to another address in between.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from threading import Event, Lock, local
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.connection import create_connection

from cds_service.fetching.failures import UnavailableError, Why
from cds_service.fetching.servers import Server, Token

_TYPES = frozenset(
    {"application/fhir+json", "application/json", "application/json+fhir", "text/json"}
)
_ENCODINGS = frozenset({"identity", "gzip", "x-gzip"})
_ACCEPT = "application/fhir+json"
_PIECE = 65_536
_KEPT_OPEN = 32
_OK = 200
_REDIRECTS = range(300, 400)
_BUSY = frozenset({429, 503})
NO_IDS: Mapping[str, str] = MappingProxyType({})

# urllib3 logs URLs, and the URL of a search contains the patient's id.
for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(lambda _: False)


class Limits:
    """The limits of one hook call in time and bytes, shared by all its requests."""

    def __init__(self, seconds: float, request_seconds: float, max_bytes: int) -> None:
        self._end = time.monotonic() + seconds
        self._request_seconds = request_seconds
        self._left = max_bytes
        self._lock = Lock()
        self._over = Event()
        self._sockets: set[socket.socket] = set()

    def remaining(self) -> float:
        """Seconds until a response is no longer useful, or 0."""
        return 0.0 if self._over.is_set() else max(0.0, self._end - time.monotonic())

    def of_one_request(self) -> float:
        """The deadline for a request that starts now."""
        return time.monotonic() + min(self._request_seconds, self.remaining())

    def count_bytes(self, size: int) -> None:
        """Count received bytes. Raises `UnavailableError` if there are too many."""
        with self._lock:
            self._left -= size
            if self._left < 0:
                raise UnavailableError(Why.TOO_LARGE)

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the call."""
        self._over.wait(seconds)

    def track(self, sock: socket.socket) -> None:
        """Remember an open connection, to close it when the time is up."""
        with self._lock:
            self._sockets.add(sock)
        if self._over.is_set():
            _shut_down(sock)

    def release(self, sock: socket.socket) -> None:
        """Forget a connection whose request has ended."""
        with self._lock:
            self._sockets.discard(sock)

    def end(self) -> None:
        """The time is up: close all connections, so that no thread waits for a server that does not
        respond.
        """
        self._over.set()
        with self._lock:
            sockets = tuple(self._sockets)
        for sock in sockets:
            _shut_down(sock)


def _shut_down(sock: socket.socket) -> None:
    """Shut down the socket of a connection, below the TLS layer, while another thread reads from it."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Request(local):
    """The current request of this thread."""

    limits: Limits | None = None
    sock: socket.socket | None = None


_request = _Request()


class _AddressRefusedError(exceptions.HTTPError):
    """The host name resolves to no allowed address."""


class _Checked(HTTPConnection):
    """A connection to an address that was checked."""

    server: Server

    def _new_conn(self) -> socket.socket:
        return _connected(self, self.server)

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request on a connection that can be closed by another thread."""
        if self.sock is None:
            self.connect()
        _track(self.sock)
        super().request(*args, **kwargs)


class _CheckedTls(HTTPSConnection):
    """The same with TLS. The certificate is checked against the host name as usual."""

    server: Server

    def _new_conn(self) -> socket.socket:
        return _connected(self, self.server)

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request on a connection that can be closed by another thread."""
        if self.sock is None:
            self.connect()
        _track(self.sock)
        super().request(*args, **kwargs)


def _track(sock: Any) -> None:
    if _request.limits is not None:
        _request.sock = sock
        _request.limits.track(sock)


def _connected(connection: HTTPConnection, server: Server) -> socket.socket:
    """A socket to an allowed address of the server: exactly the address that was checked."""
    found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(row[4][0]) for row in found)
    allowed = [address for address in addresses if server.may_be_at(address)]
    if not allowed:
        raise _AddressRefusedError
    for address in allowed[:-1]:
        with suppress(OSError):
            return _connection_to(address, connection)
    return _connection_to(allowed[-1], connection)


def _connection_to(address: str, connection: HTTPConnection) -> socket.socket:
    timeout = connection.timeout
    return create_connection(
        (address, connection.port), timeout, socket_options=connection.socket_options
    )


class _AgainError(Exception):
    """A second try may succeed after some seconds."""

    def __init__(self, after: float, failure: UnavailableError) -> None:
        super().__init__()
        self.after = after
        self.failure = failure


class Client:
    """A client for listed servers that keeps connections open. Safe for many threads."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl = ssl_context
        self._pools: dict[Server, HTTPConnectionPool] = {}
        self._lock = Lock()

    def get(
        self,
        server: Server,
        target: str,
        token: Token | None,
        limits: Limits,
        ids: Mapping[str, str] = NO_IDS,
    ) -> bytes:
        """The JSON at a path of a server. Raises `UnavailableError`. Retries once if that may help.

        `ids` are the headers with the ids of the call.
        """
        headers = {**_headers(token), **ids}
        try:
            return self._try(server, target, headers, limits)
        except _AgainError as again:
            if again.after >= limits.remaining():
                raise again.failure from None
            limits.wait(again.after)
        try:
            return self._try(server, target, headers, limits)
        except _AgainError as again:
            raise again.failure from None

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _try(
        self, server: Server, target: str, headers: Mapping[str, str], limits: Limits
    ) -> bytes:
        end = limits.of_one_request()
        if end <= time.monotonic():
            raise UnavailableError(Why.TIMEOUT)
        _request.limits = limits
        try:
            return self._exchange(server, target, headers, limits, end)
        except (_AgainError, UnavailableError):
            if not limits.remaining():
                raise UnavailableError(Why.TIMEOUT) from None
            raise
        except Exception as error:  # noqa: BLE001 - a closed connection fails in many ways
            if not limits.remaining():
                raise UnavailableError(Why.TIMEOUT) from None
            raise _failure(error) from None
        finally:
            if _request.sock is not None:
                limits.release(_request.sock)
            _request.limits = _request.sock = None

    def _exchange(
        self, server: Server, target: str, headers: Mapping[str, str], limits: Limits, end: float
    ) -> bytes:
        seconds = end - time.monotonic()
        response = self._pool(server).urlopen(
            "GET",
            target,
            headers=headers,
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(connect=seconds, read=seconds),
            preload_content=False,
            decode_content=False,
        )
        try:
            _require_answer(response.status, response.headers)
            body = _read(response, limits, end)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return body

    def _pool(self, server: Server) -> HTTPConnectionPool:
        with self._lock:
            if server not in self._pools:
                self._pools[server] = _new_pool(server, self._ssl)
            return self._pools[server]


def _new_pool(server: Server, ssl_context: ssl.SSLContext | None) -> HTTPConnectionPool:
    parts = urlsplit(server.base)
    host = parts.hostname or ""
    if parts.scheme == "https":
        tls = HTTPSConnectionPool(host, parts.port, maxsize=_KEPT_OPEN, ssl_context=ssl_context)
        tls.ConnectionCls = type("_Tls", (_CheckedTls,), {"server": server})
        return tls
    plain = HTTPConnectionPool(host, parts.port, maxsize=_KEPT_OPEN)
    plain.ConnectionCls = type("_Plain", (_Checked,), {"server": server})
    return plain


def _headers(token: Token | None) -> dict[str, str]:
    # Some servers compress anyway. gzip is unpacked, and the limit applies to the unpacked size.
    headers = {
        "Accept": _ACCEPT,
        "Accept-Encoding": "identity",
        "User-Agent": "magnesium-migraine-cds",
    }
    return headers if token is None else headers | {"Authorization": token.header()}


def _require_answer(status: int, headers: Mapping[str, str]) -> None:
    if status in _REDIRECTS:
        raise UnavailableError(Why.REDIRECT)
    if status in _BUSY:
        failure = UnavailableError(Why.STATUS, status)
        after = _seconds(headers.get("Retry-After", ""))
        raise failure if after is None else _AgainError(after, failure)
    if status != _OK:
        raise UnavailableError(Why.STATUS, status)
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES or _encoding(headers) not in _ENCODINGS:
        raise UnavailableError(Why.NOT_JSON)


def _encoding(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Encoding", "identity").strip().lower()


def _seconds(retry_after: str) -> float | None:
    """The pause that a server asks for: a number of seconds, or a date."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _read(response: urllib3.BaseHTTPResponse, limits: Limits, end: float) -> bytes:
    """Read the body in pieces until the time is up or it is too large."""
    pieces = _pieces(response, end)
    if _encoding(response.headers) != "identity":
        pieces = _unpacked(pieces)
    body = bytearray()
    for piece in pieces:
        limits.count_bytes(len(piece))
        body += piece
    return bytes(body)


def _pieces(response: urllib3.BaseHTTPResponse, end: float) -> Iterator[bytes]:
    while piece := response.read1(_PIECE):
        yield piece
        if time.monotonic() >= end:
            raise UnavailableError(Why.TIMEOUT)


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The unpacked content of gzip, in small pieces however much it grows."""
    gzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                yield gzip.decompress(rest, _PIECE)
                rest = gzip.unconsumed_tail
    except zlib.error:
        raise UnavailableError(Why.NOT_JSON) from None
    if not gzip.eof:
        raise UnavailableError(Why.BROKEN)


_FAILURES: tuple[tuple[type[Exception], Callable[[], Exception]], ...] = (
    (_AddressRefusedError, lambda: UnavailableError(Why.ADDRESS)),
    (exceptions.SSLError, lambda: UnavailableError(Why.TLS)),
    (ssl.SSLError, lambda: UnavailableError(Why.TLS)),
    (exceptions.TimeoutError, lambda: UnavailableError(Why.TIMEOUT)),
    (TimeoutError, lambda: UnavailableError(Why.TIMEOUT)),
    (socket.gaierror, lambda: UnavailableError(Why.NAME)),
    (exceptions.ProtocolError, lambda: _AgainError(0.0, UnavailableError(Why.BROKEN))),
    (OSError, lambda: _AgainError(0.0, UnavailableError(Why.CONNECTION))),
)


def _failure(error: Exception) -> Exception:
    """Convert an error of a lower layer. Its text may contain the URL, so it is dropped here."""
    cause = error.args[-1] if isinstance(error, exceptions.ProtocolError) and error.args else None
    refused = isinstance(cause, ConnectionRefusedError)
    if refused:
        return _AgainError(0.0, UnavailableError(Why.CONNECTION))
    made = (make() for kind, make in _FAILURES if isinstance(error, kind))
    return next(made, UnavailableError(Why.BROKEN))
