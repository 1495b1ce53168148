"""Writing in the background: one thread in each process, which writes the queued records.

The thread starts with the first use, so that it lives in the process that serves and not in its
parent. It is not a daemon thread. It ends after the main thread and writes the rest of the queue
first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from cds_service.store.counting import Counting, Event
from cds_service.store.errors import StoreRefusedError, StoreUnavailableError

_log = logging.getLogger(__name__)

Record = TypeVar("Record")

CAPACITY = 20_000
BATCH = 500
_EVERY_SECONDS = 0.25
# The first call should have the processor for itself.
_FIRST_AFTER_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class Background(Generic[Record]):
    """A bounded queue and the thread that empties it."""

    def __init__(
        self,
        write: Callable[[Sequence[Record]], None],
        counting: Counting,
        chore: Callable[[], None] | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self._write = write
        self._counting = counting
        self._chore = chore
        self._capacity = capacity
        self._queue: deque[Record] = deque()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._pause = 0.0
        self._not_before = 0.0

    def put(self, record: Record) -> None:
        """Queue a record. Never waits and never fails. If the queue is full, the record is lost and
        counted.
        """
        if len(self._queue) >= self._capacity:
            self._counting.add(Event.RECORD_LOST)
            return
        self._queue.append(record)
        self.start()

    def start(self) -> None:
        """Start the thread, unless it runs in this process already."""
        if self._thread is not None and self._thread.is_alive():
            return
        # A second caller need not wait, because the first one starts it.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None or not self._thread.is_alive():
                self._stopping.clear()
                self._thread = threading.Thread(target=self._run, name="store", daemon=False)
                self._thread.start()
        except RuntimeError:
            # The interpreter is ending, or no thread can be started. The next record tries again.
            self._thread = None
        finally:
            self._starting.release()

    def stop(self) -> None:
        """Write the rest of the queue, and end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        main = threading.main_thread()
        self._not_before = time.monotonic() + _FIRST_AFTER_SECONDS
        while main.is_alive() and not self._stopping.wait(_EVERY_SECONDS):
            if time.monotonic() >= self._not_before:
                self._work()
            self._counting.waiting(len(self._queue))
        self._empty()
        self._lose(len(self._queue))
        self._counting.waiting(0)

    def _work(self) -> None:
        """Write all records and run the chore. After a failure, pause for a while."""
        try:
            done = self._empty()
            if done and self._chore is not None:
                self._chore()
        except StoreUnavailableError:
            done = False
        except StoreRefusedError as error:
            _log.error("a chore of the store failed: %s", error)
        if done:
            self._pause = 0.0
        else:
            self._pause = min(max(2 * self._pause, _PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
            self._not_before = time.monotonic() + self._pause

    def _empty(self) -> bool:
        """Write batch after batch. Returns whether the store accepted them all."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            if not self._written(batch):
                self._queue.extendleft(reversed(batch))
                return False
        return True

    def _written(self, batch: Sequence[Record]) -> bool:
        try:
            self._write(batch)
        except StoreUnavailableError as error:
            if not self._pause:
                _log.warning("the store does not accept records: %s", error)
            self._counting.add(Event.STORE_FAILED)
            return False
        except StoreRefusedError as error:
            return self._one_by_one(batch, error)
        self._counting.add(Event.RECORD_WRITTEN, len(batch))
        return True

    def _one_by_one(self, batch: Sequence[Record], error: StoreRefusedError) -> bool:
        """One of the records is invalid and would always fail. Write the others."""
        if len(batch) > 1:
            return all(self._written([record]) for record in batch)
        _log.error("a record could not be written: %s", error)
        self._counting.add(Event.RECORD_LOST)
        return True

    def _lose(self, number: int) -> None:
        if number:
            _log.error("%d records are lost because the store did not accept them", number)
            self._counting.add(Event.RECORD_LOST, number)
            self._queue.clear()
