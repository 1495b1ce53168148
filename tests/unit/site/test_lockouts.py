"""A suggestion that was shown stays away for the configured days, unless something has changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from cds_service.site.lockouts import LockoutKeys, locked_until, situation
from cds_service.store.records import ShownSuggestion

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SAME = situation("NORMAL", ["mg_200_400"], ["RF1"])


def _shown(days_ago: int, **changes: str) -> ShownSuggestion:
    values = {"card": "mg-suggest", "situation": SAME, "encounter": ""} | changes
    return ShownSuggestion("p", shown=NOW - timedelta(days=days_ago), card_uuid="", **values)


def _locked(
    *before: ShownSuggestion, encounter: str = "", now_situation: str = SAME
) -> date | None:
    return locked_until(before, "mg-suggest", now_situation, encounter, 90, NOW)


def test_shown_yesterday_it_stays_away_for_the_rest_of_the_days() -> None:
    assert _locked(_shown(1)) == date(2027, 2, 25)


@pytest.mark.parametrize(("days_ago", "locked"), [(89, True), (90, False), (91, False)])
def test_the_last_day_of_a_lock_out(days_ago: int, locked: bool) -> None:
    assert (_locked(_shown(days_ago)) is not None) is locked


@pytest.mark.parametrize(
    ("shown", "encounter", "now_situation"),
    [
        (_shown(0), "", SAME),
        (_shown(5, encounter="e1"), "e1", SAME),
        (_shown(5, card="mg-suggest-reduced"), "", SAME),
        (_shown(5), "", situation("MODERATE", ["mg_200_400"], ["RF1"])),
        (_shown(5), "", situation("NORMAL", ["mg_200_300"], ["RF1"])),
        (_shown(5), "", situation("NORMAL", ["mg_200_400"], ["RF1", "RF2"])),
    ],
    ids=["same day", "same encounter", "another card", "kidney class", "dose", "risk"],
)
def test_what_is_shown_again(shown: ShownSuggestion, encounter: str, now_situation: str) -> None:
    assert _locked(shown, encounter=encounter, now_situation=now_situation) is None


def test_another_encounter_is_no_repeat() -> None:
    assert _locked(_shown(5, encounter="e1"), encounter="e2") == date(2027, 2, 21)


def test_the_longest_of_two_keys_counts() -> None:
    assert _locked(_shown(80), _shown(3)) == date(2027, 2, 23)


def test_a_patient_has_a_name_for_each_key_client_and_tenant() -> None:
    keys = LockoutKeys(("k" * 32, "o" * 32))
    names = {
        *keys.patient("c", "t", "1"),
        *keys.patient("c", "t", "2"),
        *keys.patient("c", "u", "1"),
        *keys.patient("d", "t", "1"),
        *keys.patient("", "ct", "1"),
        keys.encounter("c", "t", "1"),
    }
    assert len(names) == 11
    assert all(len(name) == 32 for name in names)
    assert keys.patient("c", "t", "1")[1] == LockoutKeys(("o" * 32,)).patient("c", "t", "1")[0]


def test_without_a_key_nobody_has_a_name() -> None:
    assert LockoutKeys().patient("c", "t", "1") == ()
    assert LockoutKeys().encounter("c", "t", "1") == ""
