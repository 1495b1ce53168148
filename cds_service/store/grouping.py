"""Group commits: the items that wait while one transaction runs are written in the next one.

One thread writes. Callers wait for it only a limited time, so that a blocked database does not
block them or their threads.
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
    """The items of one caller and the result. `given_up` is set when the caller stops waiting."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.new: int | None = None
        self.error: StoreError | None = None
        self.given_up = False
        self.settled = threading.Event()


class Grouping(Generic[Item]):
    """Writes lists of items. `write` takes several lists and returns how many items of each were
    new.

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
        """Return the number of new items when they are committed, or raise `StoreError`.

        If the caller times out, its items may still be committed. They were not acknowledged, and
        when they are sent again they are recognised as the same items.
        """
        ticket = _Ticket(items)
        with self._come:
            # A caller that arrives during a commit waits no longer than the first caller, because
            # the commit may be blocked.
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
        """The seconds for which a caller may wait from now on."""
        since = self._busy_since
        return self._seconds if since is None else since + self._seconds - time.monotonic()

    def _start(self) -> None:
        """Start the thread, unless it runs in this process already."""
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
        """All waiting items. If there are none for a while, the result is empty and the thread ends."""
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
            # The items of one caller are invalid. The others must not fail because of them.
            if len(group) == 1:
                _refuse(group, error)
            else:
                for ticket in group:
                    self._settle([ticket])
        except Exception as error:  # noqa: BLE001 - the thread continues, and every caller gets a result
            _log.error("feedback could not be written: %s", type(error).__name__)
            unsettled = [t for t in group if t.new is None and t.error is None]
            _refuse(unsettled, StoreUnavailableError(type(error).__name__))


def _refuse(group: Sequence[_Ticket[Item]], error: StoreError) -> None:
    for ticket in group:
        ticket.error = error
