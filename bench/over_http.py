"""Requests per second, response times and processor time over HTTP, under the production server.

The baseline is a bare Flask echo of the same body under the same server with the same number of
workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import orjson

from bench.bodies import cases
from bench.load import Load, free_port, once, post, put_under_load, running
from bench.rows import Budget, Row

BODY_BYTES = 97_000
CONNECTIONS = (1, 8, 64)
WORKERS = "2"
SECONDS = 3.0


CARD, SILENT = "patient-view, card", "patient-view, silent"
CPU_BUDGETS = {(CARD, 8): Budget(1.5, at_most=2.6), (SILENT, 8): Budget(1.6, at_most=6.0)}
"""For a request with a card, in milliseconds. For a silent one, a multiple of the echo's time."""
P99_BUDGETS = {(CARD, 8): Budget(25.0, at_most=60.0), (SILENT, 8): Budget(25.0)}
"""The milliseconds within which 99 of 100 requests get their response."""


def bodies(today: date) -> dict[str, tuple[str, bytes]]:
    """A call with a card and a silent one, both of the measured size."""
    per_resource = len(cases(1_000, today)["patient-view, card"][1]) / 1_000
    made = cases(round(BODY_BYTES / per_resource), today)
    return {name: made[name] for name in (CARD, SILENT)}


def measure(seconds: float = SECONDS) -> list[Row]:
    """Both calls with each number of connections. The echo alternates with them."""
    service, echo = free_port(), free_port()
    with (
        running("tools.serve", "--port", str(service), "--workers", WORKERS, port=service) as ours,
        running(
            "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(echo),
            "--workers", WORKERS, "bench.echo:app", port=echo,
        ) as bare,
    ):  # fmt: skip
        rows: list[Row] = []
        for name, (hook, body) in bodies(datetime.now(UTC).date()).items():
            call, baseline = post(f"/cds-services/magnesium-migraine-{hook}", body), post("/", body)
            _check(name, once(service, call))
            for port, server, request in ((service, ours, call), (echo, bare, baseline)):
                put_under_load(server, port, request, 8, 1.0)
            for number in CONNECTIONS:
                lowest = put_under_load(bare, echo, baseline, number, seconds / 2)
                load = put_under_load(ours, service, call, number, seconds)
                rows += _rows(name, number, load, lowest)
    return rows


def _rows(name: str, connections: int, load: Load, baseline: Load) -> Iterator[Row]:
    multiple = load.cpu_ms / baseline.cpu_ms
    size = f"{connections} connections, {BODY_BYTES // 1000} KB"
    yield Row(
        what=f"{name}, HTTP: CPU a request against an echo's",
        size=size,
        measured=f"{load.cpu_ms:.2f} ms",
        baseline=f"{baseline.cpu_ms:.2f} ms",
        value=load.cpu_ms if name == CARD else multiple,
        spread=f"x{multiple:.1f}",
        budget=CPU_BUDGETS.get((name, connections)),
    )
    yield Row(
        what=f"{name}, HTTP: 99 % within",
        size=size,
        measured=f"{load.ms(0.99):.1f} ms, {load.rate:,.0f}/s",
        baseline=f"{baseline.ms(0.99):.1f} ms, {baseline.rate:,.0f}/s",
        value=load.ms(0.99),
        spread=f"50 % within {load.ms(0.5):.1f}",
        budget=P99_BUDGETS.get((name, connections)),
    )


def _check(name: str, answer: bytes) -> None:
    if ("silent" in name) == bool(orjson.loads(answer)["cards"]):
        raise SystemExit(f"bench: a wrong answer to {name}")
