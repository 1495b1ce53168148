"""The time from the start of the production server to its first responses."""

from __future__ import annotations

import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bench.bodies import cases
from bench.load import HOST, free_port
from bench.rows import Budget, Row, spread

ROUNDS = 5
_PATIENCE_SECONDS = 60.0
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""With this variable, each start compiles the whole project."""


BUDGET = Budget(2.0, at_most=3.0)
"""As a multiple of the baseline, which takes 0.26 s in docs/performance.md: 2.0 is half a second."""


def measure(rounds: int = ROUNDS) -> list[Row]:
    """Start the server repeatedly with an existing store, once for each of the two responses.

    The baseline is an interpreter that only imports Flask. Both start from bytecode, as an installed
    service does.
    """
    hook, body = cases(100, datetime.now(UTC).date())["patient-view, card"]
    call = ("POST", f"/cds-services/magnesium-migraine-{hook}", body)
    ready = ("GET", "/ready", None)
    with tempfile.TemporaryDirectory() as directory:
        _start(directory, *ready)
        found = [
            (_start(directory, *call), _start(directory, *ready), _bare()) for _ in range(rounds)
        ]
    first, usable, baseline = zip(*found, strict=True)
    return [_row("first card", first, baseline, None), _row("ready", usable, baseline, BUDGET)]


def _row(
    until: str, times: Sequence[float], baseline: Sequence[float], budget: Budget | None
) -> Row:
    return Row(
        what=f"cold start of the server: {until}",
        size="one worker",
        measured=f"{statistics.median(times):.2f} s",
        baseline=f"{statistics.median(baseline):.2f} s",
        value=statistics.median(times) / statistics.median(baseline),
        spread=spread(times),
        budget=budget,
    )


def _bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import flask"], check=True)
    return time.perf_counter() - began


def _start(directory: str, method: str, path: str, body: bytes | None) -> float:
    port = free_port()
    command = [sys.executable, "-m", "tools.serve", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "CDS_DATA_DIR": directory, "CDS_LOG_LEVEL": "ERROR"}
    environment.pop(_NO_BYTECODE, None)
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            return _until(lambda: _status(port, method, path, body), began)
        finally:
            process.terminate()
            process.wait(60)


def _until(status: Callable[[], int], began: float) -> float:
    while time.perf_counter() - began < _PATIENCE_SECONDS:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if status() == 200:
                return time.perf_counter() - began
        time.sleep(0.005)
    raise SystemExit("bench: the server did not start")


def _status(port: int, method: str, path: str, body: bytes | None) -> int:
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
