"""Over HTTP, under the production server: requests a second, times, and processor time a request.

The floor is a bare Flask echo of the same body under the same server with as many workers.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import orjson

from bench.bodies import cases
from bench.load import free_port, once, post, put_under_load, running

BODY_BYTES = 97_000
CONNECTIONS = (1, 8, 64)
WORKERS = "2"
SECONDS = 3.0


class Row(msgspec.Struct, frozen=True):
    """One load. Times in milliseconds; `cpu_ms` is processor time of the server for a request."""

    case: str
    connections: int
    rate: float
    p50: float
    p99: float
    cpu_ms: float
    floor_cpu_ms: float

    @property
    def ratio(self) -> float:
        """Processor time as a multiple of the echo's."""
        return self.cpu_ms / self.floor_cpu_ms


def bodies(today: date) -> dict[str, tuple[str, bytes]]:
    """A call with a card and a silent one, of the size that is measured."""
    per_resource = len(cases(1_000, today)["patient-view, card"][1]) / 1_000
    made = cases(round(BODY_BYTES / per_resource), today)
    return {name: made[name] for name in ("patient-view, card", "patient-view, silent")}


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
        rows = []
        for name, (hook, body) in bodies(datetime.now(UTC).date()).items():
            call, floor = post(f"/cds-services/magnesium-migraine-{hook}", body), post("/", body)
            _check(name, once(service, call))
            for port, server, request in ((service, ours, call), (echo, bare, floor)):
                put_under_load(server, port, request, 8, 1.0)
            for number in CONNECTIONS:
                lowest = put_under_load(bare, echo, floor, number, seconds / 2)
                load = put_under_load(ours, service, call, number, seconds)
                rows.append(
                    Row(
                        name, number, load.rate, load.ms(0.5), load.ms(0.99),
                        load.cpu_ms, lowest.cpu_ms,
                    )
                )  # fmt: skip
    return rows


def _check(name: str, answer: bytes) -> None:
    if ("silent" in name) == bool(orjson.loads(answer)["cards"]):
        raise SystemExit(f"bench: a wrong answer to {name}")


if __name__ == "__main__":
    for row in measure():
        print(row, f"{row.ratio:.2f}")
