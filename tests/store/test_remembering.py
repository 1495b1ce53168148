"""What was shown for a patient is found again, and a store that is slow or down delays no call."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest

from cds_service.store.errors import StoreUnavailableError
from cds_service.store.records import ShownSuggestion
from cds_service.store.remembering import MOST_SECONDS, Remembering
from cds_service.store.store import Store

from .conftest import NOW

ANN, BOB = "a" * 32, "b" * 32


def _shown(patient: str, card: str, days_ago: int, uuid: str = "1") -> ShownSuggestion:
    return ShownSuggestion(patient, card, "s" * 16, "", NOW - timedelta(days=days_ago), uuid)


def test_the_newest_showing_of_each_card_of_the_patient(store: Store) -> None:
    for record in (
        _shown(ANN, "mg-suggest", 9, "old"),
        _shown(ANN, "mg-suggest", 2, "new"),
        _shown(ANN, "mg-check-renal", 30),
        _shown(BOB, "mg-suggest", 1),
    ):
        store.remember(record)
    store.flush()
    store.remember(_shown(ANN, "mg-suggest", 5, "late"))
    store.flush()
    found = store.shown_before([ANN, "c" * 32])
    assert found is not None
    assert {(s.card, s.card_uuid) for s in found} == {
        ("mg-suggest", "new"),
        ("mg-check-renal", "1"),
    }
    assert store.shown_before(["d" * 32]) == []


def test_it_goes_with_the_retention(store: Store) -> None:
    store.remember(_shown(ANN, "mg-suggest", 200))
    store.remember(_shown(BOB, "mg-suggest", 1, "2"))
    store.flush()
    store.purge()
    assert (store.shown_before([ANN]), len(store.shown_before([BOB]) or ())) == ([], 1)


class _Asked:
    """A store that hangs until it is released, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.released = threading.Event()
        self.error = error
        self.failures = 0

    def look(self, _: Sequence[str]) -> Sequence[ShownSuggestion]:
        if self.error is not None:
            raise self.error
        self.released.wait(10)
        return []

    def fail(self) -> None:
        self.failures += 1


def test_a_store_that_hangs_delays_one_call_and_the_next_ones_not_at_all() -> None:
    asked = _Asked()
    remembering = Remembering(asked.look, asked.fail)
    asked.released.set()
    assert remembering.shown_before([ANN]) == []
    asked.released.clear()
    began = time.monotonic()
    assert remembering.shown_before([ANN]) is None
    first = time.monotonic() - began
    assert all(remembering.shown_before([ANN]) is None for _ in range(100))
    later = time.monotonic() - began - first
    asked.released.set()
    assert asked.failures == 101
    # A hundred calls that waited would take a hundred times as long as the one that did.
    assert first >= MOST_SECONDS > later / 100


def test_a_store_that_fails_is_counted_and_asked_again_later() -> None:
    for error in (StoreUnavailableError("down"), RuntimeError("a fault of ours")):
        asked = _Asked(error)
        remembering = Remembering(asked.look, asked.fail)
        assert remembering.shown_before([ANN]) is None
        assert asked.failures == 1
        asked.error = None
        asked.released.set()
        assert remembering.shown_before([ANN]) is None
        remembering._rest_until = 0.0
        assert remembering.shown_before([ANN]) == []


def test_a_call_goes_on_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    asked = _Asked()
    remembering = Remembering(asked.look, asked.fail)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        assert remembering.shown_before([ANN]) is None
    assert asked.failures == 1
    asked.released.set()
    remembering._rest_until = 0.0
    assert remembering.shown_before([ANN]) == []


def test_a_store_that_is_being_opened_is_asked_again_at_once() -> None:
    asked = _Asked()
    remembering = Remembering(asked.look, asked.fail)
    assert remembering.shown_before([ANN]) is None
    asked.released.set()
    answers = (remembering.shown_before([ANN]) for _ in range(100))
    assert next(a for a in answers if a is not None) == []
