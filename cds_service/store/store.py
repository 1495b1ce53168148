"""The interface of the store. Creating it costs nothing. It is opened on demand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from cds_service.store.background import Background
from cds_service.store.counting import Counters, Counting, Event
from cds_service.store.errors import StoreOpeningError, StoreUnavailableError
from cds_service.store.glance import is_in_order
from cds_service.store.grouping import Grouping
from cds_service.store.records import Feedback, Record, ShownSuggestion
from cds_service.store.remembering import Remembering
from cds_service.waiting import Bounded, TooSlowError

if TYPE_CHECKING:
    from cds_service.store.database import Database
    from cds_service.store.history import Comment, History

_PURGE_EVERY_SECONDS = 3600.0
_CHECK_SECONDS = 1.5
_OPENING_SECONDS = 15.0
# A report reads a long time span.
_REPORT_SECONDS = 20.0


class Store:
    """Issued cards and feedback, stored for `retention_days`."""

    def __init__(
        self,
        url: str,
        retention_days: int,
        now: Callable[[], datetime] | None = None,
        counting: Counting | None = None,
    ) -> None:
        self._url = url
        self._retention = timedelta(days=retention_days)
        self._now = now or (lambda: datetime.now(UTC))
        self.counting = counting if counting is not None else Counters()
        self._opening = Lock()
        self._opened: Database | None = None
        self._opening_until = 0.0
        self._next_purge = 0.0
        self._feedback = Grouping(self._write_feedback)
        self._checking = Bounded(_CHECK_SECONDS, "store-check")
        self._reporting = Bounded(_REPORT_SECONDS, "store-report", most=2)
        self._remembering = Remembering(self._look_up, self._not_looked_up)
        self._background: Background[Record] = Background(
            self._write_records, self.counting, self._purge_when_due
        )

    def start(self) -> None:
        """Open the store and start its background work in a thread. Does little if already done."""
        self._background.start()

    def flush(self) -> None:
        """Wait until all queued records are written or lost."""
        self._background.stop()

    def close(self) -> None:
        """Write the rest of the queue and close the connections."""
        self.flush()
        if self._opened is not None:
            self._opened.close()

    def remember(self, record: Record) -> None:
        """Queue a record for writing. Never waits and never fails. Lost records are counted."""
        self._background.put(record)

    def shown_before(self, patients: Sequence[str]) -> Sequence[ShownSuggestion] | None:
        """What was shown under these names of a patient; `None` if the store did not respond in time."""
        return self._remembering.shown_before(patients)

    def add_feedback(self, items: Sequence[Feedback]) -> int:
        """Commit feedback, all items or none. Returns how many items were new.

        Raises `StoreUnavailableError` if nothing was stored.
        """
        try:
            new = self._feedback.commit(items)
        except StoreUnavailableError:
            self.counting.add(Event.FEEDBACK_REFUSED, len(items))
            raise
        self.counting.add(Event.FEEDBACK_STORED, new)
        self.counting.add(Event.FEEDBACK_REPEATED, len(items) - new)
        return new

    def check(self) -> None:
        """Raise `StoreUnavailableError` if the store cannot be reached.

        Raises `StoreOpeningError` instead while the first opening may still succeed: it imports
        SQLAlchemy and creates the tables, which takes longer than a check on a busy machine.
        """
        if self._opened is None and is_in_order(self._url):
            return
        try:
            self._checking.run(self._check)
        except TooSlowError as error:
            if time.monotonic() < self._opening_until:
                raise StoreOpeningError(str(error)) from None
            raise StoreUnavailableError(str(error)) from None

    def history(self, since: datetime, until: datetime) -> History:
        """The issued cards of a time span and their outcomes."""
        from cds_service.store.querying import read_history

        def read() -> History:
            with self._database.read_transaction() as connection:
                return read_history(connection, since, until)

        try:
            return self._reporting.run(read)
        except TooSlowError as error:
            raise StoreUnavailableError(str(error)) from None

    def comments(self, since: datetime) -> Sequence[Comment]:
        """The comments received since a time. They may contain patient data."""
        from cds_service.store.querying import read_comments

        with self._database.read_transaction() as connection:
            return read_comments(connection, since)

    def purge(self, before: datetime | None = None) -> int:
        """Delete data older than a time, by default the retention time. Returns the number of rows."""
        from cds_service.store.retention import purge

        removed = purge(self._database, before or self._now() - self._retention)
        self.counting.add(Event.PURGED, removed)
        return removed

    def _check(self) -> None:
        self._database.check()
        self._opening_until = 0.0

    @property
    def _database(self) -> Database:
        # Imported here, because SQLAlchemy takes as long as all the rest of the start.
        with self._opening:
            if self._opened is None:
                self._opening_until = time.monotonic() + _OPENING_SECONDS
                from cds_service.store.database import Database

                self._opened = Database(self._url)
            return self._opened

    def _look_up(self, patients: Sequence[str]) -> Sequence[ShownSuggestion]:
        from cds_service.store.querying import read_shown

        return read_shown(self._database, patients)

    def _not_looked_up(self) -> None:
        self.counting.add(Event.LOOK_UP_FAILED)

    def _write_feedback(self, calls: Sequence[Sequence[Feedback]]) -> Sequence[int]:
        from cds_service.store.writing import write_feedback

        with self._database.write_transaction() as connection:
            return [write_feedback(connection, items, self._now()) for items in calls]

    def _write_records(self, records: Sequence[Record]) -> None:
        from cds_service.store.writing import write_records

        with self._database.write_transaction() as connection:
            write_records(connection, records)

    def _purge_when_due(self) -> None:
        if time.monotonic() >= self._next_purge:
            self.purge()
            self._next_purge = time.monotonic() + _PURGE_EVERY_SECONDS
