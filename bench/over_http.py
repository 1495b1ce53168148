"""Over HTTP, under the production server: requests a second, times, and processor time a request.

The floor is a bare Flask echo of the same body under the same server with as many workers.
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
CPU_BUDGETS = {(CARD, 8): Budget(1.5, held=2.6), (SILENT, 8): Budget(1.6, held=6.0)}
"""Milliseconds of a request with a card; of a silent one, the multiple of the echo's."""
P99_BUDGETS = {(CARD, 8): Budget(25.0, held=60.0), (SILENT, 8): Budget(25.0)}
"""Milliseconds within which 99 of 100 requests are answered."""


def bodies(today: date) -> dict[str, tuple[str, bytes]]:
    """A call with a card and a silent one, of the size that is measured."""
    per_resource = len(cases(1_000, today)["patient-view, card"][1]) / 1_000
    made = cases(round(BODY_BYTES / per_resource), today)
    return {name: made[name] for name in (CARD, SILENT)}


def measure(seconds: float = SECONDS) -> list[Row]:
    """Both calls at each number of connections; the echo of each alternates with it."""
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
            call, floor = post(f"/cds-services/magnesium-migraine-{hook}", body), post("/", body)
            _check(name, once(service, call))
            for port, server, request in ((service, ours, call), (echo, bare, floor)):
                put_under_load(server, port, request, 8, 1.0)
            for number in CONNECTIONS:
                lowest = put_under_load(bare, echo, floor, number, seconds / 2)
                load = put_under_load(ours, service, call, number, seconds)
                rows += _rows(name, number, load, lowest)
    return rows


def _rows(name: str, connections: int, load: Load, floor: Load) -> Iterator[Row]:
    multiple = load.cpu_ms / floor.cpu_ms
    size = f"{connections} connections, {BODY_BYTES // 1000} KB"
    yield Row(
        what=f"{name}, HTTP: CPU a request against an echo's",
        size=size,
        measured=f"{load.cpu_ms:.2f} ms",
        floor=f"{floor.cpu_ms:.2f} ms",
        figure=load.cpu_ms if name == CARD else multiple,
        spread=f"x{multiple:.1f}",
        budget=CPU_BUDGETS.get((name, connections)),
    )
    yield Row(
        what=f"{name}, HTTP: 99 % within",
        size=size,
        measured=f"{load.ms(0.99):.1f} ms, {load.rate:,.0f}/s",
        floor=f"{floor.ms(0.99):.1f} ms, {floor.rate:,.0f}/s",
        figure=load.ms(0.99),
        spread=f"50 % within {load.ms(0.5):.1f}",
        budget=P99_BUDGETS.get((name, connections)),
    )


def _check(name: str, answer: bytes) -> None:
    if ("silent" in name) == bool(orjson.loads(answer)["cards"]):
        raise SystemExit(f"bench: a wrong answer to {name}")
