"""FHIR dates of every precision stand for the interval in which the moment lies."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest

from cds_service.chart import dates
from cds_service.chart.dates import When
from tests.support.tables import each_row

TODAY = date(2026, 11, 22)
END = (23, 59, 59, 999999)


def utc(*parts: int) -> datetime:
    year, month, day, *rest = parts
    hour, minute, second, micro = [*rest, 0, 0, 0, 0][:4]
    return datetime(year, month, day, hour, minute, second, micro, UTC)


@pytest.mark.parametrize(
    ("written", "earliest", "latest", "first_day", "last_day"),
    [
        ("2026", utc(2026, 1, 1), utc(2026, 12, 31, *END), (2026, 1, 1), (2026, 12, 31)),
        ("2026-02", utc(2026, 2, 1), utc(2026, 2, 28, *END), (2026, 2, 1), (2026, 2, 28)),
        ("2024-02", utc(2024, 2, 1), utc(2024, 2, 29, *END), (2024, 2, 1), (2024, 2, 29)),
        ("2026-12", utc(2026, 12, 1), utc(2026, 12, 31, *END), (2026, 12, 1), (2026, 12, 31)),
        ("2024-02-29", utc(2024, 2, 29), utc(2024, 2, 29, *END), (2024, 2, 29), (2024, 2, 29)),
        ("2026-11-22", utc(2026, 11, 22), utc(2026, 11, 22, *END), (2026, 11, 22), (2026, 11, 22)),
        ("0001", utc(1, 1, 1), utc(1, 12, 31, *END), (1, 1, 1), (1, 12, 31)),
        ("0001-01-01", utc(1, 1, 1), utc(1, 1, 1, *END), (1, 1, 1), (1, 1, 1)),
        ("9999", utc(9999, 1, 1), utc(9999, 12, 31, *END), (9999, 1, 1), (9999, 12, 31)),
        ("9999-12-31", utc(9999, 12, 31), utc(9999, 12, 31, *END), (9999, 12, 31), (9999, 12, 31)),
    ],
)
def test_a_date_is_the_whole_span_that_it_names(
    written: str,
    earliest: datetime,
    latest: datetime,
    first_day: tuple[int, int, int],
    last_day: tuple[int, int, int],
) -> None:
    assert dates.parse(written) == When(
        earliest, latest, date(*first_day), date(*last_day), written
    )


@pytest.mark.parametrize(
    ("written", "instant", "day"),
    [
        ("2026-11-22T10:30:00Z", utc(2026, 11, 22, 10, 30), (2026, 11, 22)),
        ("2026-11-22T10:30:00.125Z", utc(2026, 11, 22, 10, 30, 0, 125000), (2026, 11, 22)),
        ("2026-11-22T10:30:00+00:00", utc(2026, 11, 22, 10, 30), (2026, 11, 22)),
        # The calendar day is the one that was written, wherever that day began.
        ("2026-11-22T23:30:00-05:00", utc(2026, 11, 23, 4, 30), (2026, 11, 22)),
        ("2026-11-22T00:30:00+14:00", utc(2026, 11, 21, 10, 30), (2026, 11, 22)),
        ("2024-02-29T12:00:00+01:00", utc(2024, 2, 29, 11), (2024, 2, 29)),
        # Without an offset it is taken as UTC.
        ("2026-11-22T10:30:00", utc(2026, 11, 22, 10, 30), (2026, 11, 22)),
    ],
)
def test_a_moment_is_an_instant_and_the_day_as_written(
    written: str, instant: datetime, day: tuple[int, int, int]
) -> None:
    assert dates.parse(written) == When(instant, instant, date(*day), date(*day), written)


def test_blanks_around_a_date_are_ignored() -> None:
    assert dates.parse(" 2026-11-22 ") == dates.parse("2026-11-22")


@each_row(
    "written",
    [
        None,
        "",
        " ",
        "yesterday",
        "26",
        "202",
        "20261122",
        "2026-1",
        "2026-1-2",
        "2026-13",
        "2026-00",
        "2026-02-29",
        "2026-02-30",
        "2026-11-31",
        "0000",
        "0000-01-01",
        "10000",
        "-2026",
        # ISO 8601 week and ordinal forms are no FHIR dates.
        "2026-W47",
        "2026-W47-7",
        "2026W477",
        "2026-326",
        "2026-W47-1T10:00:00Z",
        # Nor is anything with other separators, digits or a garbled time.
        "2026/11/22",
        "2026-11-22 10:30:00Z",
        "2026-11-22T25:00:00Z",
        "2026-11-22T10:61:00Z",
        "2026-11-22Tnoon",
        "2026-11-22T",
        "２０２６-11-22",
        "２０２６",
        "2026-11-22T10:30:00Z and later",
        # Beyond the calendar once it is moved to UTC.
        "9999-12-31T23:00:00-05:00",
        "0001-01-01T01:00:00+05:00",
    ],
)
def test_what_is_no_fhir_date_is_none(written: str | None) -> None:
    assert dates.parse(written) is None


@pytest.mark.parametrize("written", ["0001-01-01", "9999-12-31", "0001", "9999", "2026", "2026-11"])
def test_no_span_ends_before_it_begins(written: str) -> None:
    when = dates.parse(written)
    assert when is not None
    assert when.earliest <= when.latest
    assert when.first_day <= when.last_day


def test_an_undated_moment_may_be_any() -> None:
    when = dates.undated()
    assert when.written == ""
    for written in ("0001-01-01", "2026-11-22", "9999-12-31"):
        other = dates.parse(written)
        assert other is not None
        assert when.earliest <= other.earliest <= other.latest <= when.latest
    assert not dates.within(when, 100_000, TODAY)
    assert dates.maybe_within(when, 0, TODAY)


@pytest.mark.parametrize(
    ("written", "days", "surely", "maybe"),
    [
        ("2026-05-26", 180, True, True),  # exactly 180 days ago
        ("2026-05-25", 180, False, False),
        ("2026-11-22", 0, True, True),
        ("2026-11-21", 0, False, False),
        ("2026-11-23", 0, True, True),  # after today
        ("2026-05", 180, False, True),  # 1 May is too old, 31 May is not
        ("2026-06", 180, True, True),
        ("2026-04", 180, False, False),
        ("2026", 180, False, True),
        ("2026", 325, True, True),  # 1 January is 325 days ago
        ("2025", 326, False, True),
        ("2025", 325, False, False),
        ("2026-05-25T23:59:59-11:00", 180, False, False),  # the day as written counts
        ("2026-05-26T00:00:01+13:00", 180, True, True),
    ],
)
def test_surely_and_perhaps_within_days(written: str, days: int, surely: bool, maybe: bool) -> None:
    when = dates.parse(written)
    assert dates.within(when, days, TODAY) is surely
    assert dates.maybe_within(when, days, TODAY) is maybe


def test_no_date_is_within_nothing() -> None:
    assert not dates.within(None, 10_000, TODAY)
    assert not dates.maybe_within(None, 10_000, TODAY)


@pytest.mark.parametrize(
    ("written", "at_least", "at_most"),
    [("2026-11-12", 10, 10), ("2026-10", 22, 52), ("2025", 326, 690), ("2027", -404, -40)],
)
def test_days_ago_of_a_span(written: str, at_least: int, at_most: int) -> None:
    when = dates.parse(written)
    assert when is not None
    assert when.days_ago_at_least(TODAY) == at_least
    assert when.days_ago_at_most(TODAY) == at_most


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        (date(2008, 11, 22), date(2026, 11, 22), 18),
        (date(2008, 11, 23), date(2026, 11, 22), 17),
        (date(2008, 11, 21), date(2026, 11, 22), 18),
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2008, 2, 29), date(2028, 2, 29), 20),
        (date(2026, 11, 22), date(2026, 11, 22), 0),
        (date(2026, 11, 23), date(2026, 11, 22), -1),
    ],
)
def test_completed_years(born: date, on: date, years: int) -> None:
    assert dates.years_between(born, on) == years


def test_a_moment_without_an_offset_is_utc_wherever_the_service_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        moment = dates.parse("2026-11-22T01:00:00")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert moment is not None
    assert moment.earliest == utc(2026, 11, 22, 1)
