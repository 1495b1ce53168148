"""FHIR dates of every precision: a year alone is a whole year, not 1 January.

Whole days are counted on the calendar date as written. Times are compared as instants.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

_YEAR_OR_MONTH = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{2}))?", re.ASCII)
_DAY_LENGTH = len("2026-01-31")
_WHOLE_DAY = timedelta(days=1) - timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


class When(NamedTuple):
    """A moment known to lie between two instants, and its calendar dates as written."""

    earliest: datetime
    latest: datetime
    first_day: date
    last_day: date
    written: str

    def days_ago_at_least(self, today: date) -> int:
        """Whole days before `today` if it was as late as it can have been."""
        return (today - self.last_day).days

    def days_ago_at_most(self, today: date) -> int:
        """Whole days before `today` if it was as early as it can have been."""
        return (today - self.first_day).days


def parse(text: str | None) -> When | None:
    """A FHIR `date`, `dateTime` or `instant` as the interval that it covers, or `None` if it is invalid."""
    if text is None:
        return None
    text = text.strip()
    try:
        if text[4:5] == text[7:8] == "-" and text.isascii():
            if len(text) == _DAY_LENGTH:
                return _whole_day(text)
            if text[_DAY_LENGTH : _DAY_LENGTH + 1] == "T":
                return _moment(text)
        match = _YEAR_OR_MONTH.fullmatch(text)
        return _interval(match, text) if match else None
    except (ValueError, OverflowError):
        return None


def _whole_day(text: str) -> When:
    day = date.fromisoformat(text)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return When(start, start + _WHOLE_DAY, day, day, text)


def _moment(text: str) -> When:
    """An instant; its day is the calendar date as written. Without an offset it is taken as UTC."""
    moment = datetime.fromisoformat(text)
    day = moment.date()
    if moment.tzinfo is not UTC:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = aware.astimezone(UTC)
    return When(moment, moment, day, day, text)


def _interval(match: re.Match[str], written: str) -> When:
    year, month = int(match["year"]), match["month"]
    first = date(year, int(month or 1), 1)
    last_month = int(month or 12)
    last = date(year, last_month, monthrange(year, last_month)[1])
    return When(
        datetime.combine(first, time.min, UTC),
        datetime.combine(last, time.max, UTC),
        first,
        last,
        written,
    )


def spanning(start: When | None, end: When | None) -> When | None:
    """Some moment of a period: between its start and its end, or the one of them that is known."""
    if start is None or end is None or end.latest < start.latest:
        return start or end
    return When(start.earliest, end.latest, start.first_day, end.last_day, start.written)


def undated() -> When:
    """An unknown time: it may be the newest, and it is never fresh."""
    return When(_FIRST, _LAST, _FIRST.date(), _LAST.date(), "")


def within(when: When | None, days: int, today: date) -> bool:
    """Whether it certainly happened no more than `days` whole days before `today`."""
    return when is not None and when.days_ago_at_most(today) <= days


def maybe_within(when: When | None, days: int, today: date) -> bool:
    """Whether it can have happened no more than `days` whole days before `today`."""
    return when is not None and when.days_ago_at_least(today) <= days


def years_between(born: date, day: date) -> int:
    """Age in completed years; who is born on 29 February has the birthday on 1 March."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
