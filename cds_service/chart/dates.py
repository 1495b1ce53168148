"""FHIR dates of every precision: a year alone is a whole year, not 1 January.

Whole days are counted on the calendar date as it was written; moments are compared as instants.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

_FHIR_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})(?:T(?P<time>.+))?)?)?", re.ASCII
)
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_LAST = datetime(9999, 12, 30, tzinfo=UTC)


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
    """A FHIR `date`, `dateTime` or `instant` as the interval it stands for; `None` if it is none."""
    if text is None:
        return None
    match = _FHIR_DATE.fullmatch(text.strip())
    if match is None:
        return None
    try:
        return _interval(match, text.strip())
    except (ValueError, OverflowError):
        return None


def _interval(match: re.Match[str], written: str) -> When:
    year, month, day = match["year"], match["month"], match["day"]
    first = date(int(year), int(month or 1), int(day or 1))
    last_month = int(month or 12)
    last = date(int(year), last_month, int(day or monthrange(int(year), last_month)[1]))
    if match["time"]:
        instant = _instant(written)
        return When(instant, instant, first, first, written)
    return When(
        max(datetime.combine(first, time.min, UTC), _FIRST),
        min(datetime.combine(last, time.max, UTC), _LAST),
        first,
        last,
        written,
    )


def _instant(written: str) -> datetime:
    moment = datetime.fromisoformat(written)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC)


def undated() -> When:
    """A moment about which nothing is known: it may be the newest, and it is never fresh."""
    return When(_FIRST, _LAST, _FIRST.date(), _LAST.date(), "")


def within(when: When | None, days: int, today: date) -> bool:
    """Whether it surely happened no more than `days` whole days before `today`."""
    return when is not None and when.days_ago_at_most(today) <= days


def maybe_within(when: When | None, days: int, today: date) -> bool:
    """Whether it can have happened no more than `days` whole days before `today`."""
    return when is not None and when.days_ago_at_least(today) <= days


def years_between(born: date, day: date) -> int:
    """Age in completed years; who is born on 29 February has the birthday on 1 March."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def days_before(today: date, days: int) -> date:
    """The calendar date `days` before `today`."""
    return today - timedelta(days=days)
