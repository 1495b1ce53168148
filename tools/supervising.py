"""Supervise the workers: replace one that died, and one whose event loop blocks.

Granian ends the whole service, including healthy workers, when one worker dies twice within 5.5
seconds. Here a worker that had started is replaced at once. A worker that dies during its start is
restarted after a pause that doubles each time. A worker whose event loop blocks is killed by this
process and then replaced. No thread inside the worker could do that, because a slow regular
expression holds the interpreter's lock.

All workers accept from one listening socket. While one worker is replaced, another takes its calls,
or they wait until the new one accepts.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from granian.net import SocketSpec  # type: ignore[attr-defined]
from granian.server import Server

from cds_service.web.operate.lines import say
from cds_service.web.serving.heartbeat import last_beat

LOOK_SECONDS = 0.25
START_LOOK_SECONDS = 0.02
"""The same until all workers have started, so that the end of the start is noticed at once."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
START_SECONDS = 60.0
"""A worker without a heartbeat for this time after its start is blocked in its start."""


class Restarts:
    """When each worker is restarted: at once if it had started, otherwise after a growing pause."""

    def __init__(self) -> None:
        self._pauses: dict[int, float] = {}
        self._due: dict[int, float] = {}

    def died(self, worker: int, had_started: bool, now: float) -> None:
        """Plan the replacement of a worker."""
        if had_started:
            self._pauses.pop(worker, None)
        pause = 0.0 if had_started else self._pauses.get(worker, FIRST_PAUSE_SECONDS)
        if not had_started:
            self._pauses[worker] = min(pause * 2, LONGEST_PAUSE_SECONDS)
        self._due[worker] = now + pause

    def take_due(self, now: float) -> list[int]:
        """The workers that are due for a restart."""
        due = sorted(worker for worker, at in self._due.items() if at <= now)
        for worker in due:
            del self._due[worker]
        return due

    @property
    def waiting(self) -> frozenset[int]:
        """The workers that are not running at the moment."""
        return frozenset(self._due)


class SupervisedServer(Server):  # type: ignore[misc, valid-type]
    """Granian with the supervision of workers that this module describes."""

    def __init__(
        self,
        *given: Any,
        heartbeats: Path,
        stall_seconds: float,
        reload_files: Callable[[], bool] = lambda: False,
        on_ready: Callable[[], None] = lambda: None,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self._heartbeats = heartbeats
        self._stall_seconds = stall_seconds
        self._reload_files = reload_files
        self._on_ready = on_ready
        self._is_ready = False
        self._restarts = Restarts()
        self._any_started = False

    def signal_handler_interrupt(self, *_: Any) -> None:
        """SIGTERM and SIGINT. The loop looks at the flag within LOOK_SECONDS.

        Granian also sets its event here. The handler runs in the main thread. If that is just
        waiting for the event or clearing it, it holds the event's lock, and `set` would wait for
        that lock forever: the service would never stop.
        """
        self.interrupt_signal = True

    def signal_handler_reload(self, *_: Any) -> None:
        """SIGHUP, without the event for the same reason."""
        self.reload_signal = True

    def _init_shared_socket(self) -> None:
        """Open one socket for all workers, inherited by fork. On Linux, granian opens one in each worker."""
        self._ssp = None
        self._shd = SocketSpec(self.bind_addr, self.bind_port, self.backlog).build()
        self._sfd = self._shd.get_fd()
        self._sso = socket.socket(fileno=self._sfd)
        self._sso.set_inheritable(True)

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        looked = time.monotonic()
        while not self._has_to_stop():
            self.main_loop_interrupt.wait(LOOK_SECONDS if self._is_ready else START_LOOK_SECONDS)
            self.main_loop_interrupt.clear()
            now = time.monotonic()
            # If this process itself was suspended (with the machine), so were the workers.
            was_late, looked = now - looked > self._stall_seconds / 2, now
            if self._has_to_stop() or not self._replace_dead_workers(now):
                return
            for worker in self._restarts.take_due(now):
                self._respawn_workers([worker], spawn_target, target_loader)
            if self.reload_signal:
                self._reload_all(spawn_target, target_loader)
            if not was_late:
                self._end_hanging(now)
            self._notice_ready()

    def _has_to_stop(self) -> bool:
        """Whether a signal to stop has come, which can happen between any two lines."""
        return self.interrupt_signal

    def _notice_ready(self) -> None:
        """Call `on_ready` once, when all workers have started."""
        if not self._is_ready and all(self._last_heartbeat(w) is not None for w in self.wrks):
            self._is_ready = True
            self._on_ready()

    def _reload_all(self, spawn_target: Any, target_loader: Any) -> None:
        """Replace the workers one by one, unless they can go on with the reloaded files."""
        self.reload_signal = False
        if not self._reload_files():
            self._reload(spawn_target, target_loader)

    def _replace_dead_workers(self, now: float) -> bool:
        """Record the workers that died. Returns false if the service could not start at all."""
        while self.interrupt_children:
            index = self.interrupt_children.pop(0)
            had_started = self._last_heartbeat(self.wrks[index]) is not None
            self._any_started = self._any_started or had_started
            if not self._any_started and not self._has_other_worker(index):
                return self._give_up(index)
            say(
                "a worker died and is replaced",
                level="warning",
                worker=index + 1,
                started=had_started,
            )
            self._restarts.died(index, had_started, now)
        return True

    def _give_up(self, index: int) -> bool:
        """No worker has ever started, so the configuration is wrong. The worker has reported it."""
        self.interrupt_children.append(index)  # granian then ends with an exit code
        return False

    def _has_other_worker(self, index: int) -> bool:
        return any(w.idx != index and w.is_alive() for w in self.wrks)

    def _end_hanging(self, now: float) -> None:
        for worker in self.wrks:
            if worker.idx in self._restarts.waiting or not worker.is_alive():
                continue
            beat = self._last_heartbeat(worker)
            self._any_started = self._any_started or beat is not None
            silent = now - (beat if beat is not None else worker.birth)
            if silent > (self._stall_seconds if beat is not None else START_SECONDS):
                say(
                    "a worker hangs and is replaced",
                    level="warning",
                    worker=worker.idx + 1,
                    seconds=round(silent),
                )
                os.kill(worker.inner.pid, signal.SIGKILL)

    def _last_heartbeat(self, worker: Any) -> float | None:
        return last_beat(self._heartbeats, worker.inner.pid)
