"""Resident memory of a worker of the production server: idle, and after many calls."""

from __future__ import annotations

import contextlib
import socket
from datetime import UTC, datetime

from bench.bodies import cases
from bench.load import Connection, family, free_port, post, resident_mb, running
from bench.rows import Budget, Row

CALLS = 10_000
BUDGET = Budget(150.0)


def measure(calls: int = CALLS) -> list[Row]:
    """Megabytes of the one worker. Calls with a card and silent ones alternate."""
    made = cases(90, datetime.now(UTC).date())
    requests = [
        post(f"/cds-services/magnesium-migraine-{hook}", body)
        for hook, body in (made["patient-view, card"], made["patient-view, silent"])
    ]
    port = free_port()
    with running("tools.serve", "--port", str(port), "--workers", "1", port=port) as server:
        _call(port, requests[1], 1)
        worker = max(family(server.pid)[1:], key=resident_mb)
        idle = resident_mb(worker)
        for _ in range(10):
            for request in requests:
                _call(port, request, calls // 20)
        used = resident_mb(worker)
    return [_row("idle", "after one call", idle), _row("used", f"after {calls:,} calls", used)]


def _row(state: str, size: str, megabytes: float) -> Row:
    return Row(
        what=f"memory of a worker, {state}",
        size=size,
        measured=f"{megabytes:.0f} MB",
        baseline="",
        value=megabytes,
        spread="",
        budget=BUDGET,
    )


def _call(port: int, request: bytes, times: int) -> None:
    connection = Connection(port, request)
    with contextlib.closing(connection.socket), contextlib.suppress(socket.timeout):
        for _ in range(times):
            connection.send()
            while not connection.receive():
                pass
