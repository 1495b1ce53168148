"""Counters for records, so that losses are visible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from threading import Lock
from typing import Protocol


class Event(StrEnum):
    """The counted events."""

    RECORD_WRITTEN = "records_written"
    RECORD_LOST = "records_lost"
    FEEDBACK_STORED = "feedback_stored"
    FEEDBACK_REPEATED = "feedback_repeated"
    FEEDBACK_REFUSED = "feedback_refused"
    STORE_FAILED = "store_failures"
    PURGED = "rows_purged"
    LOOK_UP_FAILED = "look_ups_failed"


class Counting(Protocol):
    """The interface of a counter. A Prometheus counter can implement it."""

    def add(self, event: Event, by: int = 1) -> None:
        """Count an event a number of times."""

    def waiting(self, number: int) -> None:
        """The number of records that wait to be written."""


class Counters:
    """The counts of this process, in memory."""

    def __init__(self) -> None:
        self._counts: Counter[Event] = Counter()
        self._lock = Lock()
        self.queue = 0

    def add(self, event: Event, by: int = 1) -> None:
        """Count an event a number of times."""
        with self._lock:
            self._counts[event] += by

    def waiting(self, number: int) -> None:
        """The number of records that wait to be written."""
        self.queue = number

    def snapshot(self) -> Mapping[str, int]:
        """Every event with its count."""
        with self._lock:
            return {event.value: self._counts[event] for event in Event}
