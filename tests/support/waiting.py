"""Waiting for a condition, never for a fixed time: quick where it is quick, patient where it is slow."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask.testing import FlaskClient

PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.02


def wait_for(
    holds: Callable[[], object],
    seconds: float = PATIENCE_SECONDS,
    given_up: Callable[[], object] = lambda: False,
) -> None:
    """Ask until it holds. A server that does not answer yet is asked again.

    Raises `AssertionError` after so many seconds, or as soon as it is given up.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until and not given_up():
        with suppress(OSError, http.client.HTTPException):
            if holds():
                return
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"the condition did not hold within {seconds:g} s")


def ready(client: FlaskClient) -> dict[str, Any]:
    """What `/ready` says once the service is ready.

    The first question makes the database. On a busy machine that takes longer than an answer may
    take, and the service says so: a load balancer asks again, and so do the tests.
    """
    wait_for(lambda: client.get("/ready").status_code == 200)
    return dict(client.get("/ready").get_json())
