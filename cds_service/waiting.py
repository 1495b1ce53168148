"""Limit the time to wait for a file, a database or another machine.

Some operating systems, drivers and libraries have no timeout of their own. For example, a frozen
database server still acknowledges packets. So the work runs in a thread, and the caller waits only
for a limited time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class TooSlowError(Exception):
    """The work took longer than the caller may wait, or earlier work is still blocked."""


class _Work(Generic[Result]):
    """One piece of work and its result."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: list[Result] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again, in the caller's thread
            self._error = error
        finally:
            self._done.set()

    def wait(self, seconds: float) -> Result:
        if not self._done.wait(seconds):
            raise TooSlowError("it took too long")
        if self._error is not None:
            raise self._error
        return self._result[0]

    @property
    def hangs(self) -> bool:
        return not self._done.is_set()


class Bounded:
    """Run work in separate threads, at most `most` at a time, each with a time limit.

    If all threads are blocked, further callers are refused at once. A blocked thread is abandoned.
    It ends with the operation that it waits for, or with the process.
    """

    def __init__(self, seconds: float, name: str, most: int = 1) -> None:
        self._seconds = seconds
        self._name = name
        self._most = most
        self._lock = threading.Lock()
        self._running: list[_Work[object]] = []

    def run(self, work: Callable[[], Result]) -> Result:
        """The result of the work, or its error. Raises `TooSlowError`."""
        task = _Work(work)
        with self._lock:
            self._running = [other for other in self._running if other.hangs]
            if len(self._running) >= self._most:
                raise TooSlowError("earlier work still hangs")
            self._running.append(task)  # type: ignore[arg-type]
        threading.Thread(target=task.run, name=self._name, daemon=True).start()
        return task.wait(self._seconds)
