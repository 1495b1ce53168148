"""Prometheus metrics. Labels are names that we define. They never contain a value of a request.

With several workers, the parent process sets PROMETHEUS_MULTIPROC_DIR before it starts them. Each
worker then counts in files there, and the worker that serves `/metrics` adds them up, including
those of workers that have ended.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from cds_service.site.force import InForce
from cds_service.store.counting import Event
from cds_service.web.operate.processes import ServiceProcesses
from cds_service.web.operate.record import CallRecord

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_STATUS = re.compile(r"status_(\d)\d*")

_registry = CollectorRegistry()
Labelled = TypeVar("Labelled", Counter, Histogram)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=_registry)


_calls = _counter("cds_requests", "Requests.", "route", "service", "client", "status")
_seconds = Histogram(
    "cds_request_seconds",
    "Time from a complete request to its response.",
    ("route", "service"),
    buckets=_BUCKETS,
    registry=_registry,
)
_cards = _counter("cds_cards", "Cards issued.", "card", "indicator")
_kidney = _counter("cds_kidney_classes", "Decisions by kidney class.", "kidney")
_refused = _counter("cds_refused", "Refused requests, by reason.", "reason")
_unknown = _counter("cds_unknown_data", "Decisions in which data of a key were unknown.", "key")
_withheld = _counter(
    "cds_withheld_data", "Decisions for which a server withheld data of a key.", "key", "reason"
)
_not_shown = _counter(
    "cds_cards_not_shown", "Cards decided and not returned, by reason.", "card", "reason"
)
_silent = _counter(
    "cds_silent_calls", "Calls that returned no card, by reason.", "service", "reason"
)
_fetches = _counter("cds_fetches", "Prefetch keys that were fetched.", "key", "outcome")
_fetch_seconds = Histogram(
    "cds_fetch_seconds",
    "Time of fetching for one call.",
    buckets=_BUCKETS,
    registry=_registry,
)
_fetch_failures = _counter(
    "cds_fetch_failures", "Prefetch keys that could not be fetched, by reason.", "reason"
)
_store = _counter("cds_store_events", "Events of the store.", "event")
_queue = Gauge(
    "cds_store_queue",
    "Records that wait to be written.",
    registry=_registry,
    multiprocess_mode="livesum",
)
_key_set = Gauge(
    "cds_key_set_timestamp_seconds",
    "When a key set of a client was last fetched (Unix time). 0: never.",
    ("client", "position"),
    registry=_registry,
    multiprocess_mode="livemax",
)
_this_process = CollectorRegistry()
"""Not among the others, because with several workers these are collected from all processes."""
ProcessCollector(registry=_this_process)

_info = Gauge(
    "cds_knowledge_info",
    "What is in force: knowledge version, id and hash of the site file, and whether both are"
    " approved. 1: in force, 0: no longer.",
    ("knowledge", "site", "approved"),
    registry=_registry,
    multiprocess_mode="livemax",
)
_silent_until = Gauge(
    "cds_silent_until_timestamp_seconds",
    "When the silent mode before go-live ends (Unix time). 0 where there is none.",
    registry=_registry,
    multiprocess_mode="livemax",
)


_were_in_force: set[tuple[str, ...]] = set()


def state(force: InForce) -> None:
    """What is in force in this process."""
    now = (force.knowledge.version, force.label, str(force.review.is_approved).lower())
    for labels in _were_in_force - {now}:
        _info.labels(*labels).set(0)
    _were_in_force.add(now)
    _info.labels(*now).set(1)
    until = force.silent_mode_until
    _silent_until.set(datetime.combine(until, time(), UTC).timestamp() if until else 0)


def counts(record: CallRecord) -> Iterator[tuple[Counter, tuple[str, ...]]]:
    """The counters that one request increments, each with its labels."""
    client = record.caller.name if record.caller is not None else ""
    yield _calls, (record.route, record.service or "", client, str(record.status))
    for labels in zip(record.cards or (), record.indicators or (), strict=True):
        yield _cards, labels
    if record.kidney is not None:
        yield _kidney, (record.kidney,)
    if record.refused is not None:
        yield _refused, (record.refused,)
    for key in record.unknown or ():
        yield _unknown, (key,)
    for key, reasons in (record.withheld or {}).items():
        for reason in reasons:
            yield _withheld, (key, reason)
    for not_shown in (record.not_shown or {}).items():
        yield _not_shown, not_shown
    if record.silence is not None:
        yield _silent, (record.service or "", record.silence)
    for fetch in (record.fetched or {}).items():
        yield _fetches, fetch


@lru_cache(maxsize=1024)
def _labelled(metric: Labelled, labels: tuple[str, ...]) -> Labelled:
    """A metric with its labels, cached. The library would take a lock to find it each time."""
    return metric.labels(*labels)


def observe(record: CallRecord) -> None:
    """Count one request."""
    for counter, labels in counts(record):
        _labelled(counter, labels).inc()
    _labelled(_seconds, (record.route, record.service or "")).observe(record.seconds)


def observe_fetch(seconds: float, failures: Mapping[str, int]) -> None:
    """Count the fetching of one call: its time, and the number of failures for each reason."""
    _fetch_seconds.observe(seconds)
    for reason, number in failures.items():
        # A server chooses its status, so only the class of the status is a label.
        _fetch_failures.labels(_STATUS.sub(r"status_\1xx", reason)).inc(number)


def key_set_fetched(client: str, position: str, at: float) -> None:
    """When a client's key set was last fetched, in seconds since 1970 (0: never).

    `position` counts the client's key sets, from 1.
    """
    _key_set.labels(client, position).set(at)


class StoreCounting:
    """Counts the events of the store."""

    def waiting(self, number: int) -> None:
        """The number of records that wait to be written."""
        _queue.set(number)

    def add(self, event: Event, by: int = 1) -> None:
        """Count an event a number of times."""
        _store.labels(event.value).inc(by)


def _forget_dead_workers(directory: Path) -> None:
    """Drop the gauges of workers that have ended: what was in force in them is no longer."""
    for path in directory.glob("gauge_live*_*.db"):
        try:
            os.kill(int(path.stem.rpartition("_")[2]), 0)  # sends nothing: asks if it is there
        except OSError:  # there is none, or another user's program has its number now
            path.unlink(missing_ok=True)


def exposition() -> bytes:
    """The metrics of all workers in the format of Prometheus."""
    if MULTIPROCESS not in os.environ:
        return generate_latest(_registry) + generate_latest(_this_process)
    _forget_dead_workers(Path(os.environ[MULTIPROCESS]))
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    together.register(ServiceProcesses(os.getppid()))
    return generate_latest(together)
