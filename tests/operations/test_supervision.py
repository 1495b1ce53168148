"""A worker that dies or hangs is replaced, and never ends the others."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from cds_service.web.serving.heartbeat import beat, last_beat
from tools.supervising import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Restarts,
    SupervisedServer,
)

from ..support.serving import HOST, ROOT, Running, free_port, serving
from ..support.waiting import PATIENCE_SECONDS, wait_for
from .conftest import HOOK

STALL_SECONDS = 2.0
REPLACED = "a worker died and is replaced"
_START = """
import multiprocessing, os, sys
from pathlib import Path
from granian.constants import HTTPModes, Interfaces
from cds_service.web.serving.heartbeat import HEARTBEATS
from tools.supervising import SupervisedServer
multiprocessing.set_start_method("fork", force=True)
SupervisedServer(
    sys.argv[1], address="127.0.0.1", port=int(sys.argv[2]), interface=Interfaces.RSGI,
    http=HTTPModes.http1, websockets=False, workers=2, respawn_failed_workers=True,
    workers_kill_timeout=5, heartbeats=Path(os.environ[HEARTBEATS]), stall_seconds=2.0,
).serve()
"""


class _Writes(bytearray):
    """A mapped file that keeps each state in which another process could find it."""

    def __init__(self, path: Path) -> None:
        super().__init__(8)
        self._path = path
        self.seen: list[float | None] = []

    def __setitem__(self, at: Any, value: Any) -> None:
        super().__setitem__(at, value)
        self._path.write_bytes(self)
        self.seen.append(last_beat(self._path.parent, int(self._path.name)))


def test_a_sign_of_life_is_never_read_half_written(tmp_path: Path) -> None:
    memory: Any = _Writes(tmp_path / "17")

    before = time.monotonic()
    beat(memory)

    assert len(memory.seen) == 1
    assert memory.seen[0] >= before


@pytest.mark.parametrize(
    ("name", "flag"),
    [("signal_handler_interrupt", "interrupt_signal"), ("signal_handler_reload", "reload_signal")],
)
def test_a_signal_never_waits_for_the_loop_that_it_interrupts(
    tmp_path: Path, name: str, flag: str
) -> None:
    """The handler runs in the thread of the loop, which may hold the lock of its event just then.

    A handler that waited for that lock would wait for itself, and the service would never stop.
    """
    server = SupervisedServer("app:front", heartbeats=tmp_path, stall_seconds=2.0)
    setattr(server, flag, False)
    handler = threading.Thread(
        target=getattr(server, name), args=(signal.SIGTERM, None), daemon=True
    )
    with server.main_loop_interrupt._cond:
        handler.start()
        handler.join(PATIENCE_SECONDS / 10)
        assert not handler.is_alive()
    assert getattr(server, flag)


def test_a_worker_that_had_started_is_started_again_at_once() -> None:
    restarts = Restarts()
    for _ in range(20):
        restarts.died(1, had_started=True, now=10.0)
        assert restarts.take_due(10.0) == [1]
    assert restarts.take_due(1e9) == []


def test_a_worker_that_dies_while_it_starts_waits_longer_each_time() -> None:
    restarts, now, pauses = Restarts(), 0.0, []
    for _ in range(12):
        restarts.died(0, had_started=False, now=now)
        pauses.append(next(p for p in (x / 4 for x in range(200)) if restarts.take_due(now + p)))
    assert pauses[:4] == [FIRST_PAUSE_SECONDS * 2**n for n in range(4)]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    restarts.died(0, had_started=True, now=now)
    assert restarts.take_due(now) == [0]
    restarts.died(0, had_started=False, now=now)
    assert restarts.take_due(now + FIRST_PAUSE_SECONDS) == [0]


def test_the_pause_of_one_worker_is_not_that_of_another() -> None:
    restarts = Restarts()
    restarts.died(0, had_started=False, now=0.0)
    restarts.died(1, had_started=True, now=0.0)
    assert restarts.waiting == {0, 1}
    assert restarts.take_due(0.0) == [1]
    assert restarts.waiting == {0}


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Running]:
    """Two workers of an application that can be made to die or to hang."""
    port, output = free_port(), tmp_path / "output"
    command = [sys.executable, "-c", _START, "tests.operations.hanging:front", str(port)]
    environ = os.environ | {"WORKER_HEARTBEATS": str(tmp_path)}
    with (
        output.open("wb") as written,
        subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env=environ, stdout=written, stderr=subprocess.STDOUT
        ) as process,
    ):
        server = Running(process, port, output)
        try:
            wait_for(lambda: server.ask("GET", "/").status == 200)
            yield server
        finally:
            process.terminate()
            process.wait(20)


def poison(server: Running, path: str) -> None:
    """A call that ends or hangs the worker that takes it; nobody waits for the answer."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=1.0)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        connection.getresponse()


@pytest.mark.server
def test_twenty_calls_that_kill_a_worker_leave_every_other_caller_served(fragile: Running) -> None:
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            # A connection on which the worker dies is lost; the caller sends the call again, once.
            for attempt in ("first", "second", "third"):
                try:
                    assert fragile.ask("GET", "/").status == 200
                except (OSError, http.client.HTTPException):
                    continue
                seen[attempt] += 1
                break
            else:
                seen["lost"] += 1
            stop.wait(0.01)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for number in range(20):
        poison(fragile, "/die")
        wait_for(lambda: fragile.output.count(REPLACED) > number)  # noqa: B023 - called at once
    stop.set()
    for caller in callers:
        caller.join()
    assert fragile.process.poll() is None
    assert seen["lost"] == 0, seen
    assert seen["first"] > 50, seen
    wait_for(lambda: len(fragile.workers()) == 2)


@pytest.mark.server
def test_a_worker_that_holds_the_interpreter_is_replaced_and_the_other_goes_on(
    fragile: Running,
) -> None:
    before = set(fragile.workers())
    poison(fragile, "/hang")
    # Calls that the hanging worker took are lost with it; the other answers its own meanwhile.
    started, answered = time.monotonic(), 0
    while time.monotonic() - started < STALL_SECONDS:
        with suppress(OSError, http.client.HTTPException):
            answered += fragile.ask("GET", "/", patience=0.3).status == 200
    assert answered > 0
    wait_for(lambda: len(set(fragile.workers()) - before) == 1)
    wait_for(lambda: len(fragile.workers()) == 2)
    assert "a worker hangs and is replaced" in fragile.output


@pytest.mark.server
def test_the_service_goes_on_when_one_worker_dies_twice_in_a_moment(
    tmp_path: Path, body: Any
) -> None:
    with serving(tmp_path, "--workers", "2") as server:
        wait_for(lambda: server.ask("POST", HOOK, body).status == 200)
        kept, killed = server.workers()
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: len(set(server.workers()) - {kept, killed}) == 1)
        (replacement,) = set(server.workers()) - {kept, killed}
        wait_for(lambda: len(list(Path(f"/proc/{replacement}/task").iterdir())) > 1)
        os.kill(replacement, signal.SIGKILL)
        wait_for(lambda: len(set(server.workers()) - {replacement}) == 2)
        assert kept in server.workers()
        wait_for(lambda: server.ask("POST", HOOK, body).status == 200)


@pytest.mark.server
def test_a_stopped_worker_is_replaced(tmp_path: Path, body: Any) -> None:
    with serving(tmp_path, "--workers", "1", CDS_STALL_SECONDS="2") as server:
        (stopped,) = server.workers()
        os.kill(stopped, signal.SIGSTOP)
        wait_for(lambda: stopped not in server.workers())
        wait_for(lambda: server.ask("POST", HOOK, body).status == 200)


@pytest.mark.server
def test_a_service_whose_workers_cannot_start_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _START, "tests.operations.nothing:front", str(free_port())]
    environ = os.environ | {"WORKER_HEARTBEATS": str(tmp_path)}
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=environ, capture_output=True, timeout=30, check=False
    )
    assert done.returncode != 0
