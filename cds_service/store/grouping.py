"""Several calls, one commit: what waits while one transaction runs goes together into the next.

One thread writes. Callers wait for it, for a limited time: a database that hangs must hold neither
them nor the threads that they run on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from cds_service.store.errors import StoreError, StoreRefusedError, StoreUnavailableError

_log = logging.getLogger(__name__)

Item = TypeVar("Item")

PATIENCE_SECONDS = 2.0
_IDLE_SECONDS = 5.0


class _Ticket(Generic[Item]):
    """What one caller wants written, and how that ended. `given_up` once nobody waits for it."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.new: int | None = None
        self.error: StoreError | None = None
        self.given_up = False
        self.settled = threading.Event()


class Grouping(Generic[Item]):
    """Writes lists of items. `write` takes several lists and says how many items of each were new.

    `seconds` is how long a caller waits.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Sequence[Item]]], Sequence[int]],
        seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._write = write
        self._seconds = seconds
        self._waiting: deque[_Ticket[Item]] = deque()
        self._come = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None

    def commit(self, items: Sequence[Item]) -> int:
        """Return when the items are committed, with how many were new; or raise `StoreError`.

        An item whose caller gave up may have been committed all the same: it was not acknowledged,
        and if it is sent again it is the same item.
        """
        ticket = _Ticket(items)
        with self._come:
            # Who comes while a commit runs waits no longer than its first caller: it may hang.
            patience = self._patience()
            if patience <= 0:
                raise StoreUnavailableError("an earlier commit hangs")
            self._waiting.append(ticket)
            self._start()
            self._come.notify()
        if not ticket.settled.wait(patience):
            ticket.given_up = True
            raise StoreUnavailableError("the commit took too long")
        if ticket.new is None:
            raise ticket.error or StoreUnavailableError("not written")
        return ticket.new

    def _patience(self) -> float:
        """Seconds that a caller may wait from now on."""
        since = self._busy_since
        return self._seconds if since is None else since + self._seconds - time.monotonic()

    def _start(self) -> None:
        """Start the thread, unless it runs in this very process."""
        if self._thread is None or not self._thread.is_alive():
            self._busy_since = None
            self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while group := self._next_group():
            self._busy_since = time.monotonic()
            try:
                self._settle(group)
            finally:
                self._busy_since = None
                for ticket in group:
                    ticket.settled.set()

    def _next_group(self) -> list[_Ticket[Item]]:
        """All that wait; none after a while without any, which ends the thread."""
        with self._come:
            while True:
                group = [self._waiting.popleft() for _ in range(len(self._waiting))]
                group = [ticket for ticket in group if not ticket.given_up]
                if group:
                    return group
                if not self._come.wait(_IDLE_SECONDS) and not self._waiting:
                    self._thread = None
                    return []

    def _settle(self, group: Sequence[_Ticket[Item]]) -> None:
        try:
            for ticket, new in zip(group, self._write([t.items for t in group]), strict=True):
                ticket.new = new
        except StoreUnavailableError as error:
            _refuse(group, error)
        except StoreRefusedError as error:
            # One caller's items are at fault: the others must not suffer for it.
            if len(group) == 1:
                _refuse(group, error)
            else:
                for ticket in group:
                    self._settle([ticket])
        except Exception as error:  # noqa: BLE001 - the thread goes on, and no caller is left waiting
            _log.error("feedback could not be written: %s", type(error).__name__)
            unsettled = [t for t in group if t.new is None and t.error is None]
            _refuse(unsettled, StoreUnavailableError(type(error).__name__))


def _refuse(group: Sequence[_Ticket[Item]], error: StoreError) -> None:
    for ticket in group:
        ticket.error = error
