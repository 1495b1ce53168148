"""From body bytes to response bytes in one process, against `orjson.loads` of the same body."""

from __future__ import annotations

import gc
import io
import logging
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from bench.bodies import cases
from cds_service import create_app

SIZES = (100, 1_000, 5_000)
BUDGETS = {
    ("patient-view, card", 1_000): 0.7,
    ("patient-view, card", 5_000): 0.7,
    ("patient-view, silent", 1_000): 0.7,
    ("patient-view, silent", 5_000): 0.7,
    ("order-select, silent", 1_000): 0.35,
    ("order-select, silent", 5_000): 0.35,
}
"""Upper limits of the ratio, from the project's issues. Noise margin: see `NOISE`."""
NOISE = 1.15


class Row(msgspec.Struct, frozen=True):
    """One measured case. Milliseconds are medians; the ratio is the median of paired ratios."""

    case: str
    resources: int
    body_kb: float
    service_ms: float
    floor_ms: float
    ratio: float
    low: float
    high: float
    budget: float | None


def measure(rounds: int = 15) -> list[Row]:
    """All cases of all sizes; service and floor alternate, so that both meet the same noise."""
    logging.disable(logging.CRITICAL)
    app = create_app()
    today = datetime.now(UTC).date()
    rows = []
    for size in SIZES:
        for name, (hook, body) in cases(size, today).items():
            answer = caller(app, f"/cds-services/magnesium-migraine-{hook}", body)
            _check(name, answer())
            rows.append(_row(name, size, body, answer, rounds))
    logging.disable(logging.NOTSET)
    return rows


def _row(name: str, size: int, body: bytes, answer: Callable[[], bytes], rounds: int) -> Row:
    pairs = [(_seconds(answer), _seconds(lambda: orjson.loads(body))) for _ in range(rounds)]
    ratios = sorted(service / floor for service, floor in pairs)
    return Row(
        case=name,
        resources=size,
        body_kb=len(body) / 1024,
        service_ms=statistics.median(s for s, _ in pairs) * 1000,
        floor_ms=statistics.median(f for _, f in pairs) * 1000,
        ratio=statistics.median(ratios),
        low=ratios[len(ratios) // 4],
        high=ratios[len(ratios) * 3 // 4],
        budget=BUDGETS.get((name, size)),
    )


def _seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of a call that follows another of its kind, as on a server.

    What came before, the floor's many new objects or the collector's walk over all of them, has
    pushed everything else out of the processor's caches.
    """
    gc.collect()
    gc.disable()
    try:
        call()
        start = time.thread_time()
        call()
        return time.thread_time() - start
    finally:
        gc.enable()


def caller(app: Any, path: str, body: bytes) -> Callable[[], bytes]:
    """A call of the WSGI application itself, without an HTTP server."""

    def call() -> bytes:
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        return b"".join(app(environ, lambda *_: None))

    return call


def _check(name: str, answer: bytes) -> None:
    """A fast wrong answer is no result."""
    cards = orjson.loads(answer)["cards"]
    if ("silent" in name) == bool(cards):
        raise SystemExit(f"bench: {name} answered {len(cards)} cards")
