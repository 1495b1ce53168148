"""What several processes keep together, and what is left when they are killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from cds_service.store.history import History
from cds_service.store.store import Store

from ..store.conftest import postgresql, url
from ..support import charts
from ..support.fhir import PATIENT_VIEW
from ..support.waiting import wait_for
from .calling import overridden

__all__ = ["postgresql", "url"]

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 30.0
SERVERS = {
    "granian": (
        *("granian", "--interface", "wsgi", "--no-ws", "--workers", "2"),
        *("--blocking-threads", "4", "--respawn-failed-workers", "--port", "{port}", "app:app"),
    ),
    "gunicorn": (
        *("gunicorn", "--workers", "2", "--threads", "4", "--bind", "127.0.0.1:{port}", "app:app"),
    ),
    # Loaded before the workers are forked.
    "gunicorn --preload": (
        *("gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:{port}", "app:app"),
    ),
}


class Server:
    """A running service."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self._base = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> int:
        with urlopen(self._base + path, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
            return int(response.status)

    def post(self, path: str, body: Any) -> Any:
        """The answer. Who is told with 503 to come again comes again, as an EHR does."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._post(path, body)
            except HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
                    raise
                time.sleep(float(error.headers["Retry-After"]))

    def _post(self, path: str, body: Any) -> Any:
        request = Request(  # noqa: S310
            self._base + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
            return json.load(response)

    def stop(self) -> str:
        """Gracefully; all that was printed."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=PATIENCE_SECONDS)[0]

    def kill(self) -> None:
        """All of its processes, at once, with no time to do anything."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)


@contextmanager
def serving(name: str, url: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *(part.format(port=port) for part in SERVERS[name])],
        cwd=ROOT,
        env={**os.environ, "CDS_DATABASE_URL": url, "CDS_LOG_LEVEL": "WARNING"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        server = Server(process, port)
        try:
            _wait(server)
            yield server
        finally:
            if process.poll() is None:
                server.kill()


def _wait(server: Server) -> None:
    wait_for(
        lambda: server.get("/ready"),
        PATIENCE_SECONDS,
        given_up=lambda: server.process.poll() is not None,
    )


def learned(url: str) -> History:
    store = Store(url, 365)
    try:
        now = datetime.now(UTC)
        return store.history(now - timedelta(days=1), now + timedelta(days=1))
    finally:
        store.close()


def feedback() -> dict[str, Any]:
    return {"feedback": [overridden({"uuid": str(uuid4())})]}


ADDRESS = f"/cds-services/{PATIENT_VIEW}"


@pytest.mark.server
def test_a_kill_after_the_answer_loses_nothing(url: str) -> None:
    with serving("granian", url) as server:
        for _ in range(5):
            assert server.post(f"{ADDRESS}/feedback", feedback()) == {"received": 1}
        server.kill()
    assert learned(url).feedback == 5


@pytest.mark.server
@pytest.mark.parametrize("name", SERVERS)
def test_workers_write_side_by_side_and_finish_when_stopped(
    name: str, url: str, today: date
) -> None:
    call = charts.patient_view(today)
    bodies = [feedback() for _ in range(40)]
    with serving(name, url) as server, ThreadPoolExecutor(8) as pool:
        feedbacks = pool.map(
            lambda n: server.post(f"{ADDRESS}/feedback", bodies[n % 40]), range(80)
        )
        calls = pool.map(lambda _: server.post(ADDRESS, call), range(60))
        assert all(answer == {"received": 1} for answer in feedbacks)
        issued = sum(len(answer["cards"]) for answer in calls)
        output = server.stop()
    assert "Traceback" not in output, output
    history = learned(url)
    assert history.feedback == 40
    assert sum(issues.count for issues in history.issues) == issued == 60
