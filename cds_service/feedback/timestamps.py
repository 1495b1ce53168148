"""RFC 3339 date-times (section 5.6), the form of `outcomeTimestamp`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_LEAP_SECOND = 60
_HOURS, _MINUTES = 24, 60


def read_timestamp(text: str) -> datetime:
    """The time in UTC, to the microsecond. Raises `ValueError` if the text has another form."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    microsecond = int((found[7] or "0")[:6].ljust(6, "0"))
    leap = second == _LEAP_SECOND
    try:
        local = datetime(
            year, month, day, hour, minute, second - leap, microsecond, tzinfo=UTC
        ) + timedelta(seconds=leap)
        return local - _offset(found[8], found[9], found[10])
    except OverflowError:  # the first or last hours of the calendar
        raise ValueError from None


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> timedelta:
    if not sign or not hours or not minutes:
        return timedelta()
    if int(hours) >= _HOURS or int(minutes) >= _MINUTES:
        raise ValueError
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset
