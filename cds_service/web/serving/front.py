"""The front of the application reads bodies without blocking a thread, and limits the load.

A WSGI server assigns a call to a thread before its body has arrived, so a few stalled uploads block
a worker. This is an RSGI application for granian. One event loop checks the head of each call
first, so a caller without access never uses capacity. Then it reads the body as it arrives, with
limits on size and time. A call gets a thread only when it is complete. If too many calls wait, in
total or of one client, further ones are refused at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Protocol

import msgspec
from granian.rsgi import (  # type: ignore[attr-defined]
    ProtocolClosed,
    ProtocolError,
)

from cds_service.settings import Settings
from cds_service.web.calls.auth import ADMISSION, Guard, Refused
from cds_service.web.calls.refusals import REFUSAL, Refusal
from cds_service.web.serving import heartbeat

_log = logging.getLogger(__name__)

# A body up to this size is read in one step and not counted in the meantime. By default, the
# maximum number of these bodies (`max_uploads`) needs no more memory than the limit for all bodies.
_SMALL_BYTES = 256 * 1024
_MOST_BUFFERED_BYTES = 256 * 1024 * 1024
"""For all bodies in one worker that are being read or waiting."""

_ADMITTING_THREADS = 4
_STORE_THREADS = 4
_STORE_WAITING = 32
_DRAIN_SECONDS = 1.0
_DRAINED_BYTES = 32 * 1024 * 1024

_CUT_OFF = (ProtocolClosed, ProtocolError, ConnectionError)
"""The exceptions when the caller ends a body early."""

Environ = dict[str, Any]


class Scope(Protocol):
    """The data that granian passes for a request."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None
    headers: Any


class Http(Protocol):
    """The operations that granian offers for a request."""

    async def __call__(self) -> bytes:
        """The whole body."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send a response."""


class BufferedResponse(msgspec.Struct):
    """The response of the application."""

    status: int = 500
    headers: list[tuple[str, str]] = msgspec.field(default_factory=list)
    body: bytes = b""


class CallRefusedError(Exception):
    """The call is refused."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why)
        self.why = why


class Capacity:
    """A limited number of places. One client can use only a part of them."""

    def __init__(self, total: int, share: int) -> None:
        self._total = total
        self._share = share
        self._taken: Counter[str] = Counter()
        self._lock = Lock()

    def acquire(self, client: str) -> None:
        """Take a place. Raises `CallRefusedError` if there is none for this client."""
        with self._lock:
            if self._taken.total() >= self._total or self._taken[client] >= self._share:
                raise CallRefusedError(Refusal.BUSY)
            self._taken[client] += 1

    def release(self, client: str) -> None:
        """Release a place."""
        with self._lock:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


class Front:
    """The application in the form that granian calls (`--interface rsgi app:front`)."""

    def __init__(self, app: Any, settings: Settings, guard: Guard) -> None:
        self._app = app
        self._settings = settings
        self._guard = guard
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="call")
        # Feedback and reports may wait for a database. They have separate threads and places, so
        # that hook calls never wait for them.
        self._store_pool = ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="store-call")
        self._store_calls = self._places(_STORE_THREADS + _STORE_WAITING)
        self._admitting = ThreadPoolExecutor(_ADMITTING_THREADS, thread_name_prefix="admit")
        self._uploads = self._places(settings.max_uploads)
        self._calls = self._places(settings.threads + settings.max_waiting)
        self._buffered = 0

    def _places(self, total: int) -> Capacity:
        """With clients, one client can use at most half of the places."""
        return Capacity(total, max(1, total // 2) if self._guard.has_clients else total)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called when a worker starts. Begins the heartbeat of its event loop."""
        self._heartbeat = heartbeat.start(loop)

    async def __rsgi__(self, scope: Scope, proto: Http) -> None:
        """Handle one request. Never raises, because the server would print the exception with its data."""
        if scope.proto != "http":
            return
        headers = scope.headers.items()
        environ = _environ(scope, headers)
        try:
            answer = await self._answer(environ, proto)
        except CallRefusedError as turned:
            answer = await self._refused(turned.why, environ, proto)
        except ConnectionError:
            return  # the caller has disconnected
        proto.response_bytes(answer.status, answer.headers, answer.body)

    async def _answer(self, environ: Environ, proto: Http) -> BufferedResponse:
        client = await self._admit(environ)
        if client is None:
            raise CallRefusedError(Refusal.NOT_ADMITTED)
        body = await self._body(environ, proto, client)
        self._buffered += len(body)
        try:
            return await self._in_a_thread(environ, body, client)
        finally:
            self._buffered -= len(body)

    async def _refused(self, why: Refusal, environ: Environ, proto: Http) -> BufferedResponse:
        """The response to a call that is refused."""
        if why.closes:
            await _drain(proto)
        # The guard's refusal is already in the environment, and the application creates the
        # response.
        if why is not Refusal.NOT_ADMITTED:
            environ[REFUSAL] = why
        answer = self._call(environ, b"")
        if why.closes:
            answer.headers.append(("Connection", "close"))
        return answer

    async def _admit(self, environ: Environ) -> str | None:
        """The client of an allowed call ("" for any caller), or `None` if the call is refused.

        It checks only the head and stores the result of the guard for the application. With trusted
        clients, fetching keys may take time, so this has separate threads.
        """
        if _declared(environ) == 0:
            return ""  # without a body no place is needed, and the application calls the guard
        if self._guard.has_clients:
            known = await asyncio.wrap_future(
                self._admitting.submit(self._guard.admission, environ)
            )
        else:
            known = self._guard.admission(environ)  # it only compares addresses and names
        environ[ADMISSION] = known
        if isinstance(known, Refused):
            return None
        return "" if known is None else known.client.iss

    async def _in_a_thread(self, environ: Environ, body: bytes, client: str) -> BufferedResponse:
        of_store = _waits_for_the_store(environ["PATH_INFO"])
        pool, places = (
            (self._store_pool, self._store_calls) if of_store else (self._pool, self._calls)
        )
        places.acquire(client)
        task = pool.submit(self._call, dict(environ), body)
        # The place is released when the thread has finished, even if the caller has stopped
        # waiting.
        task.add_done_callback(lambda _: places.release(client))
        try:
            async with asyncio.timeout(self._settings.request_seconds):
                return await asyncio.wrap_future(task)
        except TimeoutError:
            raise CallRefusedError(Refusal.SLOW_ANSWER) from None

    def _call(self, environ: Environ, body: bytes) -> BufferedResponse:
        answer = BufferedResponse()

        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            answer.status = int(status[:3])
            answer.headers = list(headers)

        environ["wsgi.input"] = io.BytesIO(body)
        try:
            pieces: Iterable[bytes] = self._app(environ, start)
            answer.body = b"".join(pieces)
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        except Exception as error:  # noqa: BLE001 - the last place where the error can be kept from the log
            _log.error("failed", extra={"fields": {"error": type(error).__name__}})
            return BufferedResponse()
        return answer

    async def _body(self, environ: Environ, proto: Http, client: str) -> bytes:
        """The complete body. Raises `CallRefusedError`, or `ConnectionError` if the caller disconnected."""
        declared = _declared(environ)
        if declared == 0:
            return b""
        if (declared or 0) > self._settings.max_body_bytes:
            raise CallRefusedError(Refusal.LARGE)
        self._uploads.acquire(client)
        try:
            async with asyncio.timeout(self._settings.upload_seconds):
                small = declared is not None and declared <= _SMALL_BYTES
                body = await proto() if small else await self._pieces(proto)
        except TimeoutError:
            raise CallRefusedError(Refusal.SLOW_BODY) from None
        except _CUT_OFF:
            raise CallRefusedError(Refusal.SHORT_BODY) from None
        finally:
            self._uploads.release(client)
        if declared is not None and len(body) != declared:
            raise CallRefusedError(Refusal.SHORT_BODY)
        environ["CONTENT_LENGTH"] = str(len(body))
        return body

    async def _pieces(self, proto: Http) -> bytes:
        body = bytearray()
        try:
            async for piece in proto:
                body += piece
                self._buffered += len(piece)
                if len(body) > self._settings.max_body_bytes:
                    raise CallRefusedError(Refusal.LARGE)
                if self._buffered > _MOST_BUFFERED_BYTES:
                    raise CallRefusedError(Refusal.BUSY)
        finally:
            self._buffered -= len(body)
        return bytes(body)


def _waits_for_the_store(path: str) -> bool:
    """Whether a call may wait: for the database (feedback, its report, readiness) or for a PDF."""
    return path.rstrip("/").endswith(("/feedback", "/feedback/report", "/ready", "/evidence.pdf"))


async def _drain(proto: Http) -> None:
    """Read a little more of an unwanted body and discard it.

    If a connection is closed with unread bytes, it is reset, and many clients never see the
    response. Callers get a short time to send the data that they have started, without using a
    place.
    """
    left = _DRAINED_BYTES
    with contextlib.suppress(TimeoutError, *_CUT_OFF):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for piece in proto:
                left -= len(piece)
                if left < 0:
                    return


def _declared(environ: Mapping[str, Any]) -> int | None:
    """The announced length, or `None` for a chunked body."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    text = environ.get("CONTENT_LENGTH", "0")
    return int(text) if text.isascii() and text.isdigit() else None


def _environ(scope: Scope, headers: Iterable[tuple[str, str]]) -> Environ:
    host, _, port = scope.server.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    if scope.authority:
        environ["HTTP_HOST"] = scope.authority
    for name, value in headers:
        # With an underscore it could pass for another header.
        if "_" in name:
            continue
        key = _CGI.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ and key != "HTTP_HOST" else value
    return environ


_CGI = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
