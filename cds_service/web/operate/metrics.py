"""Prometheus metrics. Labels are names that we define. They never contain a value of a request.

With several workers, the parent process sets PROMETHEUS_MULTIPROC_DIR before it starts them. Each
worker then counts in files there, and the worker that serves `/metrics` adds them up, including
those of workers that have ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, time
from functools import lru_cache
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from cds_service.site.force import InForce
from cds_service.store.counting import Event
from cds_service.web.operate.record import CallRecord

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_registry = CollectorRegistry()


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=_registry)


_calls = _counter("cds_requests", "Requests.", "route", "service", "client", "status")
_seconds = Histogram(
    "cds_request_seconds",
    "Time from a complete request to its response.",
    ("route",),
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
_fetches = _counter("cds_fetches", "Prefetch keys that were fetched.", "key", "outcome")
_store = _counter("cds_store_events", "Events of the store.", "event")


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
    for fetch in (record.fetched or {}).items():
        yield _fetches, fetch


@lru_cache(maxsize=1024)
def _labelled(counter: Counter, labels: tuple[str, ...]) -> Counter:
    """A counter with its labels, cached. The library would take a lock to find it each time."""
    return counter.labels(*labels)


def observe(record: CallRecord) -> None:
    """Count one request."""
    for counter, labels in counts(record):
        _labelled(counter, labels).inc()
    _seconds.labels(record.route).observe(record.seconds)


class StoreCounting:
    """Counts the events of the store."""

    def add(self, event: Event, by: int = 1) -> None:
        """Count an event a number of times."""
        _store.labels(event.value).inc(by)


def _forget_dead_workers(directory: Path) -> None:
    """Drop the gauges of workers that have ended: what was in force in them is no longer."""
    for path in directory.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)


def exposition() -> bytes:
    """The metrics of all workers in the format of Prometheus."""
    if MULTIPROCESS not in os.environ:
        return generate_latest(_registry)
    _forget_dead_workers(Path(os.environ[MULTIPROCESS]))
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
