"""A small FHIR server on the loopback address, which can be told to misbehave.

A real socket and real HTTP, so that what is tested is what happens on a wire.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]


class Asked:
    """One request as it came."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        self.method = handler.command
        self.target = handler.path
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query))
        self.headers = dict(handler.headers.items())
        self.at = time.monotonic()

    @property
    def what(self) -> str:
        """The resource type, or the type and id, that is asked for."""
        return self.path.partition("/fhir/")[2]


class Reply:
    """An answer: written by `write`, which may break every rule of HTTP."""

    def __init__(self, write: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.write = write


def say(
    body: bytes | Json,
    status: int = 200,
    content_type: str | None = "application/fhir+json; charset=utf-8",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An answer that keeps to the rules."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if content_type is not None:
            handler.send_header("Content-Type", content_type)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return Reply(write)


def kill() -> Reply:
    """Close the connection before a word is said."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    return Reply(write)


def stall() -> Reply:
    """Say nothing, until the other side goes."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        _until_gone(handler)

    return Reply(write)


def stall_within(body: Json) -> Reply:
    """Begin an answer and stop in the middle of it, with the connection open."""
    data = json.dumps(body).encode()

    def write(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, len(data))
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        _until_gone(handler)

    return Reply(write)


def drip(body: Json) -> Reply:
    """A byte now and then: never silent for long, and never done."""
    data = json.dumps(body).encode()

    def write(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, len(data))
        for at in range(len(data)):
            handler.wfile.write(data[at : at + 1])
            handler.wfile.flush()
            time.sleep(0.05)

    return Reply(write)


def drip_head() -> Reply:
    """Header lines without end."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            handler.wfile.write(f"X-{number}: x\r\n".encode())
            handler.wfile.flush()
            time.sleep(0.05)

    return Reply(write)


def truncate(body: Json) -> Reply:
    """Announce a whole answer, send half of it and close."""
    data = json.dumps(body).encode()

    def write(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, len(data))
        handler.wfile.write(data[: len(data) // 2])
        handler.close_connection = True

    return Reply(write)


def chunked(body: Json, *, whole: bool = True) -> Reply:
    """An answer in chunks, with or without the last one."""
    data = json.dumps(body).encode()
    half = len(data) // 2

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/fhir+json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in (data[:half], data[half:]) if whole else (data[:half],):
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        else:
            handler.close_connection = True

    return Reply(write)


def garble_http() -> Reply:
    """Something that is not HTTP."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\x16\x03\x01 this is no HTTP at all\r\n\r\n")
        handler.close_connection = True

    return Reply(write)


def _head(handler: BaseHTTPRequestHandler, length: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/fhir+json")
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


def _until_gone(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.settimeout(10)
    while handler.connection.recv(1024):
        pass


Answering = Callable[[Asked], Reply]


class Ehr:
    """A running server: what it was asked, and what it answers."""

    def __init__(self, port: int, answering: Answering) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.base = f"{self.origin}/fhir"
        self.answering = answering
        self.asked: list[Asked] = []

    def of(self, what: str) -> list[Asked]:
        """The requests for one type, or one resource."""
        return [asked for asked in self.asked if asked.what == what]


@contextmanager
def running(answering: Answering) -> Iterator[Ehr]:
    """A server while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked = Asked(self)
            ehr.asked.append(asked)
            try:
                ehr.answering(asked).write(self)
            except OSError:  # the other side has gone, as it should
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                return

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *args: Any) -> None:
            """Broken connections are the purpose of this server."""

    server = Server(("127.0.0.1", 0), Handler)
    ehr = Ehr(server.server_address[1], answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield ehr
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
