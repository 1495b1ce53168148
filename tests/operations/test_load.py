"""What a caller, or many, can do to others: slow bodies, large bodies, too many calls."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ..support.serving import HOST, Running, serving
from ..support.waiting import wait_for
from .conftest import HOOK, hook_request

pytestmark = pytest.mark.server

HEAD = f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n"
UPLOAD_SECONDS = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(
        Path(tmp_path_factory.mktemp("load")),
        CDS_UPLOAD_SECONDS=str(UPLOAD_SECONDS),
        CDS_MAX_BODY_BYTES="1000000",
        CDS_MAX_UPLOADS="200",
    ) as running:
        # The first call waits for imports.
        running.ask("POST", HOOK, hook_request())
        yield running


def begun(server: Running, text: str) -> socket.socket:
    """A connection on which a request was begun and not ended."""
    connection = socket.create_connection((HOST, server.port), timeout=10)
    connection.sendall(text.encode())
    return connection


def answer_on(connection: socket.socket) -> str:
    received = b""
    while piece := connection.recv(65_536):
        received += piece
        if b"\r\n\r\n" in received:
            break
    return received.decode()


@pytest.mark.parametrize(
    "text",
    [
        f'{HEAD}Content-Length: 1000\r\n\r\n{{"hook":',
        f'{HEAD}Content-Length: 900000\r\n\r\n{{"hook":',
        f'{CHUNKED}8\r\n{{"hook":\r\n',
        HEAD,
    ],
    ids=["declared", "declared, large", "chunked", "head"],
)
def test_stalled_uploads_hold_nobody_up(server: Running, body: Any, text: str) -> None:
    with ExitStack() as stack:
        stalled = [stack.enter_context(begun(server, text)) for _ in range(60)]
        for _ in range(5):
            started = time.monotonic()
            assert server.ask("POST", HOOK, body).status == 200
            assert time.monotonic() - started < UPLOAD_SECONDS / 2
        if text != HEAD:
            assert "408 Request Timeout" in answer_on(stalled[0])
    assert server.ask("POST", HOOK, body).status == 200


def test_more_uploads_than_are_read_at_once_are_turned_away(server: Running, body: Any) -> None:
    text = f'{HEAD}Content-Length: 1000\r\n\r\n{{"hook":'
    with ExitStack() as stack:
        for _ in range(220):
            stack.enter_context(begun(server, text))
        wait_for(lambda: server.ask("POST", HOOK, body).status == 503)
        reply = server.ask("POST", HOOK, body)
        assert reply.status == 503
        assert int(reply.headers["Retry-After"]) > 0
        assert reply.json["resourceType"] == "OperationOutcome"
        assert server.ask("GET", "/health").status == 200
    wait_for(lambda: server.ask("POST", HOOK, body).status == 200)


def test_a_large_body_is_refused_unread(server: Running) -> None:
    with begun(server, f"{HEAD}Content-Length: 1000000000\r\n\r\n") as connection:
        assert "413" in answer_on(connection).split("\r\n", 1)[0]


def test_a_chunked_body_is_cut_off_with_an_answer(server: Running) -> None:
    with begun(server, CHUNKED) as connection:
        try:
            for _ in range(40):
                connection.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        except OSError:
            pass  # the answer may be there before all is sent
        assert "413" in answer_on(connection).split("\r\n", 1)[0]


def test_a_chunked_body_is_answered(server: Running, body: Any) -> None:
    data = json.dumps(body).encode()
    half = len(data) // 2
    with begun(server, f"{CHUNKED}") as connection:
        for piece in (data[:half], data[half:]):
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert "200 OK" in answer_on(connection)


def test_aborted_bodies_leave_nothing_behind(server: Running, body: Any) -> None:
    for text in (f"{HEAD}Content-Length: 900000\r\n\r\n{{", f"{CHUNKED}1\r\n{{\r\n"):
        for _ in range(100):
            begun(server, text).close()
    # Long before they would be given up as slow.
    wait_for(lambda: server.ask("POST", HOOK, body).status == 200, UPLOAD_SECONDS / 2)


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        "Content-Length: -1\r\n\r\n{}",
        "Content-Length: x\r\n\r\n{}",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        "Transfer-Encoding: gzip\r\n\r\n{}",
    ],
)
def test_malformed_framing_is_no_server_error(server: Running, body: Any, lines: str) -> None:
    with begun(server, HEAD + lines) as connection:
        connection.shutdown(socket.SHUT_WR)
        first = answer_on(connection).split("\r\n", 1)[0]
    assert first == "" or " 4" in first, first
    assert server.ask("POST", HOOK, body).status == 200


def test_more_calls_than_may_wait_are_turned_away_and_the_others_answered(
    tmp_path: Path, body: Any
) -> None:
    with (
        serving(tmp_path, CDS_THREADS="1", CDS_MAX_WAITING="2") as server,
        ThreadPoolExecutor(40) as pool,
    ):
        replies = list(pool.map(lambda _: server.ask("POST", HOOK, body), range(400)))
        by_status = {status: [r for r in replies if r.status == status] for status in (200, 503)}
        assert len(by_status[200]) + len(by_status[503]) == 400
        assert by_status[200]
        assert by_status[503], "nothing was turned away"
        for reply in by_status[503]:
            assert reply.headers["Retry-After"]
            assert reply.json["issue"][0]["code"] == "throttled"
        assert server.ask("POST", HOOK, body).status == 200


def test_an_answer_that_takes_too_long_is_given_up(tmp_path: Path, body: Any) -> None:
    with serving(tmp_path, CDS_REQUEST_SECONDS="0.0001") as server:
        reply = server.ask("POST", HOOK, body)
        assert reply.status == 503
        assert reply.json["issue"][0]["code"] == "timeout"
        assert "cards" not in reply.json


def test_head_and_options_have_no_body(server: Running) -> None:
    for method in ("HEAD", "OPTIONS"):
        reply = server.ask(method, "/cds-services")
        assert reply.status == 200
        assert reply.body == b""
