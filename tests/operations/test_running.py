"""Operating the service: figures over all workers, their own port, a stop, a worker that dies."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ..support.fhir import PATIENT_VIEW
from ..support.serving import HOST, Reply, serving
from ..support.waiting import wait_for
from .conftest import HOOK, Operated

pytestmark = pytest.mark.server

TIME_TO_DO_HARM = 0.5
"""A stop that does not wait has ended the workers by then. One that waits shows nothing."""

PROCESS = {
    *("process_cpu_seconds_total", "process_open_fds", "process_max_fds"),
    *("process_resident_memory_bytes", "process_virtual_memory_bytes"),
    "process_start_time_seconds",
}


def figure(reply: Reply, name: str, **labels: str) -> float:
    """The sum of a figure over all series that have these labels."""
    total = 0.0
    for line in reply.body.decode().splitlines():
        found = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
        if found:
            has = dict(re.findall(r'(\w+)="([^"]*)"', found[1] or ""))
            if labels.items() <= has.items():
                total += float(found[2])
    return total


def test_figures_are_those_of_all_workers(operated: Operated, body: Any) -> None:
    server = operated.server
    for _ in range(40):
        assert server.ask("POST", HOOK, body).status == 200
    server.ask("POST", HOOK, b"{", {"Content-Type": "application/json"})
    for port in (server.port, operated.operators):
        reply = server.ask("GET", "/metrics", port=port)
        assert reply.status == 200
        assert reply.headers["Content-Type"].startswith("text/plain")
        route = "/cds-services/<service_id>"
        assert figure(reply, "cds_requests_total", route=route, status="200") == 40
        assert figure(reply, "cds_requests_total", route=route, status="400") == 1
        assert figure(reply, "cds_request_seconds_count", route=route) == 41
        assert figure(reply, "cds_request_seconds_count", service=PATIENT_VIEW) == 41
        assert figure(reply, "cds_store_queue") >= 0
        assert set(re.findall(r"^process_\w+", reply.body.decode(), re.MULTILINE)) >= PROCESS
        # The parent, two workers and the process of the operators' port at least.
        assert figure(reply, "process_resident_memory_bytes") > 4 * 20_000_000
        assert figure(reply, "cds_cards_total", card="mg-suggest", indicator="info") == 40 or (
            figure(reply, "cds_cards_total") == 40
        )
        assert figure(reply, "cds_kidney_classes_total", kidney="NORMAL") == 40


def test_figures_survive_the_worker_that_counted(operated: Operated, body: Any) -> None:
    server = operated.server
    for _ in range(20):
        server.ask("POST", HOOK, body)
    for worker in server.workers():
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: server.ask("GET", "/health").status == 200)
    server.ask("POST", HOOK, body)
    reply = server.ask("GET", "/metrics")
    assert figure(reply, "cds_requests_total", status="200", method="") == 0
    route = "/cds-services/<service_id>"
    assert figure(reply, "cds_requests_total", route=route, status="200") == 21


def test_a_dead_worker_is_replaced_and_the_other_goes_on(operated: Operated, body: Any) -> None:
    server = operated.server
    before = server.workers()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: set(server.workers()) - set(before))
    wait_for(lambda: server.ask("GET", "/health").status == 200)
    assert server.ask("POST", HOOK, body).status == 200
    now = server.workers()
    assert len(now) == 2
    assert before[0] not in now


def test_the_operators_port_has_their_addresses_alone(operated: Operated, body: Any) -> None:
    ask, port = operated.server.ask, operated.operators
    for path in ("/health", "/ready", "/metrics", "/feedback/report"):
        assert ask("GET", path, port=port).status == 200, path
    for path in ("/cds-services", HOOK, "/sandbox", "/sandbox/patients", "/evidence", "/"):
        assert ask("GET", path, port=port).status == 404, path
    assert ask("POST", HOOK, body, port=port).status == 404


def test_the_operators_learn_when_no_worker_answers(operated: Operated) -> None:
    server = operated.server
    assert server.ask("GET", "/health", port=operated.operators).status == 200
    for worker in server.workers():
        os.kill(worker, signal.SIGSTOP)
    try:
        reply = server.ask("GET", "/health", port=operated.operators)
        assert reply.status == 503
        assert reply.json["resourceType"] == "OperationOutcome"
    finally:
        for worker in server.workers():
            os.kill(worker, signal.SIGCONT)


def test_a_stop_finishes_what_was_begun(tmp_path: Path, body: Any) -> None:
    """A body that is still arriving when the stop comes is read and answered."""
    import json

    data = json.dumps(body).encode()
    head = (
        f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    with serving(tmp_path, "--workers", "2") as server, ExitStack() as stack:
        address = HOST, server.port
        begun = [
            stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(10)
        ]
        for number, connection in enumerate(begun):
            connection.sendall(head.encode() + data[: 100 * number])
        wait_for(lambda: server.connections() == len(begun))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(TIME_TO_DO_HARM)
        for number, connection in enumerate(begun):
            connection.sendall(data[100 * number :])
        assert ["200 OK" in connection.recv(65_536).decode() for connection in begun] == [True] * 10
        server.process.wait(30)
        output = server.output
    assert server.process.returncode == 0
    assert "Traceback" not in output


def test_an_operators_address_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    from ..support.serving import started_with

    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        address = f"{HOST}:{taken.getsockname()[1]}"
        code, output = started_with(tmp_path, CDS_OPERATOR_ADDRESS=address)
    assert code == 2
    assert "CDS_OPERATOR_ADDRESS" in output.splitlines()[-1]
