"""Dates relative to the day of the call, so that the synthetic charts stay current.

A string that begins with `@` represents a FHIR date, dateTime or instant:

    @<offset>...[/<precision> | T<time>[<zone>]]

    offset     a signed whole number of y (years), mo (months), w (weeks) or d (days); several are
               added from left to right; 0d is today
    precision  /year or /month: a partial date, as some records have it
    time       hh:mm, hh:mm:ss or hh:mm:ss.fff; the date is then the calendar date in that zone
    zone       Z or +hh:mm or -hh:mm; Z when left out

With today = 2026-11-22:

    @-30d                2026-10-23
    @-3mo                2026-08-22
    @-45y-4mo            1981-07-22   (a birth date: 45 years old, whatever the day)
    @-7y/year            2019
    @-2mo/month          2026-09
    @-30dT08:15          2026-10-23T08:15:00Z
    @-30dT08:15-05:00    2026-10-23T08:15:00-05:00

A month or a year back from a day that the target month does not have gives its last day.
"""

import calendar
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

_WRITTEN: Final = re.compile(
    r"@(?P<offsets>(?:[+-]?\d+(?:y|mo|w|d))+)"
    r"(?:/(?P<precision>year|month)"
    r"|T(?P<time>\d\d:\d\d(?::\d\d(?:\.\d{3})?)?)(?P<zone>Z|[+-]\d\d:\d\d)?)?"
)
_OFFSET: Final = re.compile(r"([+-]?\d{1,6})(y|mo|w|d)")
_PRECISION: Final = {"year": 4, "month": 7, None: 10}


def _months_on(day: date, months: int) -> date:
    """The same day of the month, or the last one that the target month has."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))


_ADD: Final[dict[str, Callable[[date, int], date]]] = {
    "y": lambda day, n: _months_on(day, 12 * n),
    "mo": _months_on,
    "w": lambda day, n: day + timedelta(weeks=n),
    "d": lambda day, n: day + timedelta(days=n),
}


def resolve(written: str, today: date) -> str:
    """The FHIR text of one written date; ValueError when it does not follow the syntax."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise ValueError(f"not a relative date: {written!r}")
    day = today
    for number, unit in _OFFSET.findall(match["offsets"]):
        day = _ADD[unit](day, int(number))
    text = day.isoformat()[: _PRECISION[match["precision"]]]
    if match["time"] is None:
        return text
    seconds = "" if match["time"].count(":") == 2 else ":00"
    return f"{text}T{match['time']}{seconds}{match['zone'] or 'Z'}"


def resolve_all(value: Any, today: date) -> Any:
    """A copy of decoded JSON in which every written date is replaced."""
    match value:
        case str():
            return resolve(value, today) if value.startswith("@") else value
        case list():
            return [resolve_all(item, today) for item in value]
        case dict():
            return {key: resolve_all(item, today) for key, item in value.items()}
        case _:
            return value
