"""In front of the application: bodies are read here, without holding a thread, and load is bounded.

A WSGI server hands a call to a thread before its body is there, so a few stalled uploads stop a
worker. This is an RSGI application for granian: one event loop reads all bodies as they come, each
with a limit in size and time; a call gets a thread only when it is complete. Where too many wait,
further ones are turned away at once.
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Protocol

import msgspec

from cds_service.settings import Settings
from cds_service.web import heartbeat
from cds_service.web.refusals import REFUSAL, Turned

_log = logging.getLogger(__name__)

# A body up to this size is read in one step. It is not counted meanwhile: as many as may be read at
# the same time (`max_uploads`) take no more, by default, than what is allowed for all bodies.
_SMALL_BYTES = 256 * 1024
_MOST_BUFFERED_BYTES = 256 * 1024 * 1024
"""Of all bodies that are being read, or wait, in one worker."""

Environ = dict[str, Any]


class Scope(Protocol):
    """What granian tells of a request."""

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
    """What granian lets us do with a request."""

    async def __call__(self) -> bytes:
        """The whole body."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body piece by piece."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""


class Answer(msgspec.Struct):
    """What the application answered."""

    status: int = 500
    headers: list[tuple[str, str]] = msgspec.field(default_factory=list)
    body: bytes = b""


class TurnedAwayError(Exception):
    """The call does not get in."""

    def __init__(self, why: Turned) -> None:
        super().__init__(why)
        self.why = why


class Front:
    """The application as granian calls it (`--interface rsgi app:front`)."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="call")
        self._uploads = 0
        self._calls = 0
        self._counting = Lock()
        self._buffered = 0

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """A worker begins: show the supervisor that its event loop turns."""
        self._heartbeat = heartbeat.start(loop)

    async def __rsgi__(self, scope: Scope, proto: Http) -> None:
        """Answer one request. Nothing is raised: the server would print it, with what it holds."""
        if scope.proto != "http":
            return
        headers = scope.headers.items()
        environ = _environ(scope, headers)
        try:
            answer = await self._answer(environ, proto)
        except TurnedAwayError as turned:
            environ[REFUSAL] = turned.why
            answer = self._call(environ, b"")
            if turned.why.closes:
                answer.headers.append(("Connection", "close"))
        except ConnectionError:
            return  # nobody is there to be answered
        proto.response_bytes(answer.status, answer.headers, answer.body)

    async def _answer(self, environ: Environ, proto: Http) -> Answer:
        body = await self._body(environ, proto)
        self._buffered += len(body)
        try:
            return await self._in_a_thread(environ, body)
        finally:
            self._buffered -= len(body)

    async def _in_a_thread(self, environ: Environ, body: bytes) -> Answer:
        with self._counting:
            if self._calls >= self._settings.threads + self._settings.max_waiting:
                raise TurnedAwayError(Turned.BUSY)
            self._calls += 1
        task = self._pool.submit(self._call, dict(environ), body)
        # The place is taken until the thread is done with it, also where nobody waits any more.
        task.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._settings.request_seconds):
                return await asyncio.wrap_future(task)
        except TimeoutError:
            raise TurnedAwayError(Turned.SLOW_ANSWER) from None

    def _done(self, _: Future[Answer]) -> None:
        with self._counting:
            self._calls -= 1

    def _call(self, environ: Environ, body: bytes) -> Answer:
        answer = Answer()

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
        except Exception as error:  # noqa: BLE001 - the last place where it can be kept from the log
            _log.error("failed", extra={"fields": {"error": type(error).__name__}})
            return Answer()
        return answer

    async def _body(self, environ: Environ, proto: Http) -> bytes:
        """The body, complete; raises `TurnedAwayError`, or `ConnectionError` if the caller went."""
        declared = _declared(environ)
        if declared == 0:
            return b""
        if (declared or 0) > self._settings.max_body_bytes:
            raise TurnedAwayError(Turned.LARGE)
        if self._uploads >= self._settings.max_uploads:
            raise TurnedAwayError(Turned.BUSY)
        self._uploads += 1
        try:
            async with asyncio.timeout(self._settings.upload_seconds):
                small = declared is not None and declared <= _SMALL_BYTES
                body = await proto() if small else await self._pieces(proto)
        except TimeoutError:
            raise TurnedAwayError(Turned.SLOW_BODY) from None
        finally:
            self._uploads -= 1
        if declared is not None and len(body) != declared:
            raise ConnectionAbortedError
        environ["CONTENT_LENGTH"] = str(len(body))
        return body

    async def _pieces(self, proto: Http) -> bytes:
        body = bytearray()
        try:
            async for piece in proto:
                body += piece
                self._buffered += len(piece)
                if len(body) > self._settings.max_body_bytes:
                    raise TurnedAwayError(Turned.LARGE)
                if self._buffered > _MOST_BUFFERED_BYTES:
                    raise TurnedAwayError(Turned.BUSY)
        finally:
            self._buffered -= len(body)
        return bytes(body)


def _declared(environ: Mapping[str, Any]) -> int | None:
    """The length that the caller announced; `None` for a chunked body."""
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
        # With an underscore it would pass for another header.
        if "_" in name:
            continue
        key = _CGI.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ and key != "HTTP_HOST" else value
    return environ


_CGI = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
