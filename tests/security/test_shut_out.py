"""Callers who are not let in cannot shut out those who are."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from cds_service.web.serving.front import CallRefusedError, Capacity

from ..support.fhir import PATIENT_VIEW
from ..support.serving import HOST, Running, serving
from ..support.waiting import wait_for
from .conftest import PUBLIC, Ehr, hook_request

HOOK = f"/cds-services/{PATIENT_VIEW}"
HEAD = f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
MANY_UPLOADS = 2_200
MANY_SOCKETS = 10_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, clients: dict[str, Any]) -> Iterator[Running]:
    """One worker with few places for bodies, and trusted clients."""
    directory = Path(tmp_path_factory.mktemp("shut-out"))
    file = directory / "clients.json"
    file.write_text(json.dumps(clients))
    with serving(
        directory,
        CDS_CLIENTS_FILE=str(file),
        CDS_PUBLIC_URL=PUBLIC,
        CDS_MAX_UPLOADS="20",
        CDS_UPLOAD_SECONDS="20",
    ) as running:
        yield running


@pytest.fixture
def at_small(small: Running, north: Ehr) -> Ehr:
    return Ehr(small, north.iss, north.key, north.kid, north.algorithm, north.origin, north.tenant)


def connected(server: Running) -> socket.socket:
    return socket.create_connection((HOST, server.port), timeout=20)


def received(connection: socket.socket) -> bytes:
    answer = b""
    with suppress(OSError):
        while piece := connection.recv(65_536):
            answer += piece
    return answer


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MANY_SOCKETS + 500:
        pytest.skip(f"this machine allows a process {hard} open files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.server
def test_uploads_without_a_token_take_no_place(at_small: Ehr) -> None:
    begun = f"{HEAD}Content-Length: 1000\r\n\r\n{{".encode()
    with ExitStack() as stack:
        for number in range(MANY_UPLOADS):
            connection = stack.enter_context(connected(at_small.server))
            connection.sendall(begun)
            if number % 200 == 0:
                assert at_small.send(HOOK, at_small.token(HOOK)).status == 200
        assert at_small.send(HOOK, at_small.token(HOOK)).status == 200
        assert b"401 Unauthorized" in received(connection)


@pytest.mark.server
def test_uploads_with_a_bad_token_take_no_place(at_small: Ehr) -> None:
    token = at_small.token(HOOK, aud="https://elsewhere.example/")
    begun = f"{HEAD}Authorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{{".encode()
    with ExitStack() as stack:
        for _ in range(60):
            connection = stack.enter_context(connected(at_small.server))
            connection.sendall(begun)
        assert at_small.send(HOOK, at_small.token(HOOK)).status == 200
        assert b"aud is not the expected value" in received(connection)


@pytest.mark.server
def test_one_client_cannot_take_the_places_of_another(at_small: Ehr, south: Ehr) -> None:
    other = Ehr(at_small.server, south.iss, south.key, south.kid, south.algorithm, south.origin)
    with ExitStack() as stack:
        for _ in range(40):
            token = at_small.token(HOOK)
            connection = stack.enter_context(connected(at_small.server))
            connection.sendall(
                f"{HEAD}Authorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{{".encode()
            )
        wait_for(lambda: at_small.send(HOOK, at_small.token(HOOK)).status == 503)
        assert other.send(HOOK, other.token(HOOK)).status == 200


@pytest.mark.server
def test_a_token_is_used_up_only_by_a_call_that_arrived(at_small: Ehr) -> None:
    token = at_small.token(HOOK)
    with connected(at_small.server) as connection:
        connection.sendall(
            f"{HEAD}Authorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{{".encode()
        )
        connection.shutdown(socket.SHUT_WR)
        assert b"400 Bad Request" in received(connection)
    assert at_small.send(HOOK, token).status == 200
    assert at_small.send(HOOK, token).status == 401


@pytest.mark.usefixtures("many_files")
@pytest.mark.slow
@pytest.mark.server
def test_with_ten_thousand_silent_connections_clients_are_answered(at_small: Ehr) -> None:
    with ExitStack() as stack:
        for _ in range(MANY_SOCKETS):
            stack.enter_context(connected(at_small.server))
        for _ in range(5):
            assert at_small.send(HOOK, at_small.token(HOOK)).status == 200


@pytest.mark.server
def test_a_silent_connection_is_closed(small: Running) -> None:
    with connected(small) as connection:
        started = time.monotonic()
        assert received(connection) == b"" or time.monotonic() - started < 15
        assert time.monotonic() - started < 15


@pytest.mark.server
def test_http_2_in_clear_text_is_not_spoken(small: Running) -> None:
    with connected(small) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        assert b"200" not in received(connection)[:20]


@pytest.mark.server
def test_a_body_that_ends_early_is_answered_with_400(at_small: Ehr) -> None:
    for length in (1000, 900_000):
        token = at_small.token(HOOK)
        with connected(at_small.server) as connection:
            head = f"{HEAD}Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode() + b'{"hook":')
            connection.shutdown(socket.SHUT_WR)
            answer = received(connection)
        assert b"400 Bad Request" in answer
        assert b"OperationOutcome" in answer


@pytest.mark.server
@pytest.mark.parametrize("megabytes", [11, 20])
def test_a_client_that_is_still_sending_sees_the_413(at_small: Ehr, megabytes: int) -> None:
    connection = http.client.HTTPConnection(HOST, at_small.server.port, timeout=20)
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {at_small.token(HOOK)}",
    }
    with closing(connection):
        connection.request("POST", HOOK, b" " * (megabytes * 1_000_000), headers)
        reply = connection.getresponse()
        assert reply.status == 413
        assert json.loads(reply.read())["resourceType"] == "OperationOutcome"


@pytest.mark.server
def test_a_refused_client_that_is_still_sending_sees_the_401(at_small: Ehr) -> None:
    body = json.dumps(hook_request()).encode() + b" " * 2_000_000
    reply = at_small.server.ask("POST", HOOK, body, {"Content-Type": "application/json"})
    assert reply.status == 401
    assert reply.json["resourceType"] == "OperationOutcome"


def test_places_are_bounded_in_all_and_for_each_client() -> None:
    places = Capacity(total=3, share=2)
    places.acquire("a")
    places.acquire("a")
    with pytest.raises(CallRefusedError):
        places.acquire("a")
    places.acquire("b")
    with pytest.raises(CallRefusedError):
        places.acquire("c")
    places.release("a")
    places.acquire("c")
