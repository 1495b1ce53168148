"""The store keeps what it was given, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from cds_service.store.errors import StoreRefusedError
from cds_service.store.history import CardOutcome, History, OverrideCounts, SuggestionCounts
from cds_service.store.store import Store

from .conftest import NOW, RETENTION_DAYS, Clock
from .making import accepted, card, overridden

DAY = timedelta(days=1)
LATER = NOW + 2 * DAY


def history(store: Store) -> History:
    return store.history(NOW - 1000 * DAY, LATER)


def fates(store: Store) -> dict[CardOutcome, int]:
    found: dict[CardOutcome, int] = {}
    for issues in history(store).issues:
        found[issues.outcome] = found.get(issues.outcome, 0) + issues.count
    return found


def rows(store: Store, table: str) -> int:
    with store._database.read_transaction() as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608


def test_a_store_begins_empty(store: Store) -> None:
    store.check()
    assert history(store).issues == ()
    assert history(store).unmatched == 0


def test_cards_are_there_after_closing(open_store: Callable[[], Store]) -> None:
    store = open_store()
    cards = [card() for _ in range(1234)]
    for issued in cards:
        store.remember(issued)
    store.close()
    assert fates(open_store()) == {CardOutcome.IGNORED: 1234}
    assert rows(open_store(), "issued_suggestion") == 2 * 1234


def test_cards_are_written_while_the_service_runs(store: Store) -> None:
    issued = card()
    store.remember(issued)
    for _ in range(200):
        if fates(store):
            break
        store._background._stopping.wait(0.05)
    assert fates(store) == {CardOutcome.IGNORED: 1}


def test_remembering_twice_is_remembering_once(store: Store) -> None:
    issued = card()
    store.remember(issued)
    store.remember(issued)
    store.close()
    assert fates(store) == {CardOutcome.IGNORED: 1}


def test_feedback_tells_the_fate_of_a_card(store: Store) -> None:
    taken, refused, left = card(), card(), card()
    for issued in (taken, refused, left):
        store.remember(issued)
    store.close()
    assert store.add_feedback([accepted(taken), overridden(refused, reason="s|c")]) == 2
    assert fates(store) == {
        CardOutcome.ACCEPTED: 1,
        CardOutcome.OVERRIDDEN: 1,
        CardOutcome.IGNORED: 1,
    }
    assert history(store).overrides == (OverrideCounts("mg-suggest", "s|c", 1),)
    assert sorted(history(store).taken, key=lambda t: t.kind) == [
        SuggestionCounts("mg-suggest", "labs", 3, 0),
        SuggestionCounts("mg-suggest", "plan", 3, 1),
    ]


def test_a_card_of_today_may_still_be_decided_on(store: Store) -> None:
    store.remember(card(LATER - timedelta(hours=23)))
    store.close()
    assert fates(store) == {CardOutcome.OPEN: 1}


def test_the_same_item_again_changes_nothing(store: Store) -> None:
    issued = card()
    item = accepted(issued)
    assert store.add_feedback([item, item]) == 1
    assert store.add_feedback([item]) == 0
    assert rows(store, "feedback") == 1
    assert rows(store, "accepted_suggestion") == 1
    counts = store.counting.snapshot()  # type: ignore[attr-defined]
    assert counts["feedback_stored"] == 1
    assert counts["feedback_repeated"] == 2


@pytest.mark.parametrize("turned", [False, True])
def test_a_card_of_which_something_was_taken_is_accepted(store: Store, turned: bool) -> None:
    """In whatever order it comes in, and whatever the order of the clock was."""
    first, second = card(), card()
    items = [
        accepted(first, after=timedelta(seconds=20)),
        overridden(first, after=timedelta(seconds=90)),
        overridden(second, after=timedelta(seconds=5)),
        accepted(second, after=timedelta(seconds=70)),
    ]
    for item in reversed(items) if turned else items:
        store.add_feedback([item])
    for issued in (first, second):
        store.remember(issued)
    store.close()
    assert fates(store) == {CardOutcome.ACCEPTED: 2}
    assert sorted(i.seconds or 0 for i in history(store).issues) == [20, 70]


def test_the_last_override_counts(store: Store) -> None:
    issued = card()
    store.remember(issued)
    store.close()
    store.add_feedback([overridden(issued, after=timedelta(minutes=9), reason="s|last")])
    store.add_feedback([overridden(issued, after=timedelta(minutes=2), reason="s|first")])
    assert history(store).overrides == (OverrideCounts("mg-suggest", "s|last", 1),)
    assert [i.seconds for i in history(store).issues] == [120]


def test_feedback_may_come_before_the_card_is_written(store: Store) -> None:
    issued = card()
    store.add_feedback([accepted(issued)])
    assert history(store).unmatched == 1
    store.remember(issued)
    store.close()
    assert history(store).unmatched == 0
    assert fates(store) == {CardOutcome.ACCEPTED: 1}


def test_feedback_on_an_unknown_card_is_kept_and_marked(store: Store) -> None:
    store.add_feedback([accepted(card()), overridden(card(), card="")])
    assert history(store).feedback == 2
    assert history(store).unmatched == 2


@pytest.mark.parametrize("change", [{"client": "another"}, {"service": "another"}])
def test_feedback_from_elsewhere_does_not_match(store: Store, change: dict[str, str]) -> None:
    issued = card()
    store.remember(issued)
    store.close()
    store.add_feedback([accepted(issued, **change)])
    assert history(store).unmatched == 1
    assert fates(store) == {CardOutcome.IGNORED: 1}


def test_a_decision_before_the_card_has_no_duration(store: Store) -> None:
    early, just_before = card(), card()
    for issued in (early, just_before):
        store.remember(issued)
    store.close()
    store.add_feedback([accepted(early, after=timedelta(minutes=-5))])
    store.add_feedback([accepted(just_before, after=timedelta(milliseconds=-300))])
    assert {i.seconds for i in history(store).issues} == {None, 0}


def test_what_cannot_be_written_does_not_block_what_can(store: Store) -> None:
    bad = card(uuid=None)
    good = card()
    for issued in (good, bad, card()):
        store.remember(issued)
    store.close()
    assert fates(store) == {CardOutcome.IGNORED: 2}
    counts = store.counting.snapshot()  # type: ignore[attr-defined]
    assert counts["records_lost"] == 1
    assert counts["records_written"] == 2


def test_a_refused_body_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(StoreRefusedError):
        store.add_feedback([accepted(card()), accepted(card(), service=None)])
    assert rows(store, "feedback") == 0


def test_many_writers_lose_and_double_nothing(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(3)]
    items = [accepted(card()) for _ in range(120)]

    def send(number: int) -> int:
        return stores[number % 3].add_feedback([items[number % 120]])

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(send, range(240))) == 120
    assert rows(stores[0], "feedback") == 120


def test_stores_opened_at_once_make_the_tables_once(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(Store.check, stores))
    assert rows(stores[0], "alembic_version") == 1


def test_old_records_go_and_young_ones_stay(store: Store, clock: Clock) -> None:
    old = card(NOW - timedelta(days=RETENTION_DAYS, seconds=1))
    young = card(NOW - timedelta(days=RETENTION_DAYS - 1))
    for issued in (old, young):
        store.remember(issued)
    store.close()
    clock.now = old.issued
    store.add_feedback([accepted(card(), service="unknown and old")])
    clock.now = NOW
    store.add_feedback([accepted(old), accepted(young), overridden(card())])
    # Two cards' worth: a card, two suggestions, feedback, what it took; and the old feedback.
    assert store.purge() == 5 + 2
    assert fates(store) == {CardOutcome.ACCEPTED: 1}
    assert rows(store, "issued_card") == 1
    assert rows(store, "issued_suggestion") == 2
    assert rows(store, "feedback") == 2
    assert rows(store, "accepted_suggestion") == 1
    assert store.purge() == 0


def test_more_than_one_piece_is_purged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds_service.store.retention._AT_ONCE", 3)
    for _ in range(10):
        store.remember(card(NOW - timedelta(days=RETENTION_DAYS + 1)))
    store.close()
    assert store.purge() == 30
    assert rows(store, "issued_card") == 0


def test_the_service_purges_by_itself(store: Store) -> None:
    store.remember(card(NOW - timedelta(days=RETENTION_DAYS + 1)))
    store.close()
    assert rows(store, "issued_card") == 1
    store._background._work()
    assert rows(store, "issued_card") == 0
    store.remember(card(NOW - timedelta(days=RETENTION_DAYS + 1)))
    store._background._work()
    assert rows(store, "issued_card") == 1, "not again within the hour"


def test_a_database_of_a_newer_version_is_used_as_it_is(
    open_store: Callable[[], Store], caplog: pytest.LogCaptureFixture
) -> None:
    first = open_store()
    first.check()
    with first._database.write_transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    second = open_store()
    second.add_feedback([accepted(card())])
    assert rows(second, "alembic_version") == 1
    assert "newer version" in caplog.text
