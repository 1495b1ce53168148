"""Several calls, one commit: what waits while one transaction runs goes together into the next.

There is no thread for it. Whoever gets the turn writes for all who wait; the others find it done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from cds_service.store.errors import StoreError, StoreRefusedError, StoreUnavailableError

Item = TypeVar("Item")


class _Ticket(Generic[Item]):
    """What one caller wants written, and how that ended."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.new: int | None = None
        self.error: StoreError | None = None


class Grouping(Generic[Item]):
    """Writes lists of items. `write` takes several lists and says how many items of each were new."""

    def __init__(self, write: Callable[[Sequence[Sequence[Item]]], Sequence[int]]) -> None:
        self._write = write
        # Appending to a deque and taking from it are each one step. So a ticket is in here until
        # whoever has the turn takes it out, and keeps the turn until it is settled.
        self._waiting: deque[_Ticket[Item]] = deque()
        self._turn = Lock()

    def commit(self, items: Sequence[Item]) -> int:
        """Return when the items are committed, with how many were new; or raise `StoreError`."""
        ticket = _Ticket(items)
        self._waiting.append(ticket)
        with self._turn:
            if ticket.new is None and ticket.error is None:
                self._settle([self._waiting.popleft() for _ in range(len(self._waiting))])
        if ticket.new is None:
            raise ticket.error or StoreUnavailableError("not written")
        return ticket.new

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
        finally:
            # Whatever happened, nobody is left to wait for a second time.
            unsettled = [t for t in group if t.new is None and t.error is None]
            _refuse(unsettled, StoreUnavailableError("interrupted"))


def _refuse(group: Sequence[_Ticket[Item]], error: StoreError) -> None:
    for ticket in group:
        ticket.error = error
