"""What was shown for a patient before: the one question that a hook call may ask the store.

It is asked only where a suggestion was decided and lock-outs are configured. The call waits for a
bounded time, and without an answer the card is shown.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from cds_service.store.errors import StoreError
from cds_service.store.records import ShownSuggestion

_log = logging.getLogger(__name__)

MOST_SECONDS = 0.05
"""How long a call waits for the store."""
_REST_SECONDS = 2.0
"""After a failure, calls do not wait for so long."""
_MOST_WAITING = 16

Look = Callable[[Sequence[str]], Sequence[ShownSuggestion]]


class _Question(msgspec.Struct, eq=False):
    """One look-up, on its way to the thread that makes it."""

    patients: Sequence[str]
    done: threading.Event
    found: Sequence[ShownSuggestion] | None = None


class Remembering:
    """Asks the store in one thread, so that a store that hangs delays no call for long."""

    def __init__(self, look: Look, on_failure: Callable[[], None]) -> None:
        self._look = look
        self._on_failure = on_failure
        self._questions: queue.SimpleQueue[_Question] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._rest_until = 0.0
        self._has_answered = False

    def shown_before(self, patients: Sequence[str]) -> Sequence[ShownSuggestion] | None:
        """What was shown under these names of a patient; `None` if the store did not respond in time."""
        if time.monotonic() < self._rest_until or self._questions.qsize() >= _MOST_WAITING:
            self._on_failure()
            return None
        try:
            self._start()
        except RuntimeError:  # no thread can be started: the next call tries again
            self._on_failure()
            return None
        question = _Question(patients, threading.Event())
        self._questions.put(question)
        answered_in_time = question.done.wait(MOST_SECONDS)
        if answered_in_time and question.found is not None:
            return question.found
        # While the store is being opened for the first time it is slow, but not down.
        if answered_in_time or self._has_answered:
            self._rest_until = time.monotonic() + _REST_SECONDS
        self._on_failure()
        return None

    def _start(self) -> None:
        """In the process that serves: a thread does not survive a fork."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(
                    target=self._answer, name="store-remembering", daemon=True
                )
                thread.start()
                self._thread = thread

    def _answer(self) -> None:
        while True:
            question = self._questions.get()
            try:
                question.found = self._look(question.patients)
                self._has_answered = True
            except StoreError as error:
                _log.warning("what was shown before could not be read: %s", error)
            except Exception as error:  # noqa: BLE001 - the thread must live: the next call asks again
                _log.error("what was shown before could not be read: %s", type(error).__name__)
            finally:
                question.done.set()
