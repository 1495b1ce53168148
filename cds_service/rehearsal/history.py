"""A resource as it stood at a past moment, by the table of the knowledge (SPEC 13).

From an export only the last state of a resource is known. Each resource gets at most two forms: one
that holds until it ended, and the one that was exported. Nothing dated after a moment is in the form
that the moment sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

import msgspec

from cds_service.chart import dates
from cds_service.chart.dates import When
from cds_service.knowledge.as_it_stood import ResourceRow

UNDATED: Final = "without a date"
UNREADABLE_DATE: Final = "with a date that cannot be read"
AMENDED: Final = "amended result taken as known in its last form"
ALLERGY_STATUS: Final = "allergy with the status it has today"
DEATH_UNDATED: Final = "death without a date"
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_MOST_DAYS = 36_500
_UNITS = (
    (Decimal(1) / 24, ("h", "hour", "hours")),
    (Decimal(1), ("d", "day", "days")),
    (Decimal(7), ("wk", "week", "weeks")),
    (Decimal(30), ("mo", "month", "months")),
    (Decimal(365), ("a", "year", "years")),
)
_DAYS_OF_UNIT = {name: days for days, names in _UNITS for name in names}
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
Resource = dict[str, Any]


class Item(NamedTuple):
    """A resource with its two forms. `since` is `None` where it was known from the beginning.

    `before` is the form until `changed`; without `changed` there is one form alone.
    """

    kind: str
    id: str
    since: When | None
    changed: When | None
    before: bytes
    after: bytes

    def at(self, moment: When) -> bytes | None:
        """The form that a moment sees; `None` where it does not know the resource yet."""
        if self.since is not None and not is_known(self.since, moment):
            return None
        if self.changed is None or is_known(self.changed, moment):
            return self.after
        return self.before


def is_known(when: When, moment: When) -> bool:
    """Whether something of this date is known at a moment.

    With a time it must lie before the moment. Without one it is known from the start of its day.
    """
    if "T" in when.written:
        return when.latest < moment.earliest
    return when.first_day <= moment.first_day


def item_of(line: bytes, row: ResourceRow, counts: Counter[str]) -> Item | None:
    """A resource with its forms; `None` where nothing tells since when it is known.

    `counts` is raised for what an export cannot tell. Raises `msgspec.DecodeError`.
    """
    resource = _DECODER.decode(line)
    dated = _Dated(resource, row, counts)
    since = dated.first(row.known_from)
    if since is None and row.known_from:
        counts[f"{row.type} {UNDATED}"] += 1
        if row.undated == "never":
            return None
    _count_status(resource, row.type, counts)
    changed = _changed(dated, since, counts)
    name = resource.get("id")
    own = name if isinstance(name, str) else ""
    if changed is None:
        gone = [element for element in row.never if element in resource]
        if gone:
            counts[f"{row.type} {DEATH_UNDATED}"] += 1
            line = _ENCODER.encode({k: v for k, v in resource.items() if k not in gone})
        return Item(row.type, own, since, None, line, line)
    return Item(row.type, own, since, changed, _ENCODER.encode(_earlier(resource, row)), line)


def _changed(dated: _Dated, since: When | None, counts: Counter[str]) -> When | None:
    """When it ended; `None` where it holds to this day, or nothing tells when it ended."""
    row = dated.row
    over = _status(dated.resource, row.status) in row.over
    if over or not row.only_if_over:
        ends = [end for path in row.ends if (end := dated.end(path, since)) is not None]
        if ends:
            return min(ends, key=lambda end: (end.earliest, end.written))
    if not over or not row.count:
        return None
    counts[f"{row.type} {row.count}"] += 1
    if row.ended_after_days is not None:
        return _later(since, Decimal(row.ended_after_days)) if since is not None else None
    return dated.first(row.ended_without_date)


def _count_status(resource: Resource, kind: str, counts: Counter[str]) -> None:
    if kind == "Observation" and resource.get("status") in ("amended", "corrected"):
        counts[f"{kind} {AMENDED}"] += 1
    if kind == "AllergyIntolerance" and _status(resource, "clinicalStatus") != "active":
        counts[f"{kind} {ALLERGY_STATUS}"] += 1


def _earlier(resource: Resource, row: ResourceRow) -> Resource:
    """The form of a resource before it ended."""
    earlier = {k: v for k, v in resource.items() if k not in row.without}
    for path in row.without:
        outer, _, inner = path.partition(".")
        if inner and isinstance(earlier.get(outer), dict):
            earlier[outer] = {
                k: v for k, v in earlier[outer].items() if k not in (inner, f"_{inner}")
            }
    if row.status and _status(resource, row.status) in row.over:
        held = row.while_it_holds
        coded = {"coding": [{"system": _CLINICAL, "code": held}]}
        earlier[row.status] = coded if row.status == "clinicalStatus" else held
    return earlier


def _status(resource: Resource, element: str) -> str:
    """The code of a status: a code, or a CodeableConcept."""
    status = resource.get(element)
    if isinstance(status, dict):
        codes = [c for c in _values(status, "coding.code") if isinstance(c, str)]
        status = codes[0] if codes else status.get("text")
    return status.strip().lower() if isinstance(status, str) else ""


class _Dated(NamedTuple):
    """The dates of a resource."""

    resource: Resource
    row: ResourceRow
    counts: Counter[str]

    def first(self, paths: tuple[str, ...]) -> When | None:
        """The first of these dates that is there and can be read."""
        return next((when for path in paths if (when := self._date(path)) is not None), None)

    def end(self, path: str, since: When | None) -> When | None:
        """One of the dates that end it."""
        if path == "bounds":
            return self._bounds(since)
        if path == "supply":
            return self._supply(since)
        when = self._date(path)
        return _behind(when) if when is not None and path.endswith(".end") else when

    def _date(self, path: str) -> When | None:
        for value in _values(self.resource, path):
            when = dates.parse(value) if isinstance(value, str) else None
            if when is not None:
                return when
            self.counts[f"{self.row.type} {UNREADABLE_DATE}"] += 1
        return None

    def _bounds(self, since: When | None) -> When | None:
        """The end of the last of the instructions, where each of them has an end."""
        instructions = self.resource.get("dosageInstruction")
        ends = []
        for instruction in instructions if isinstance(instructions, list) else ():
            repeat = next(_values(instruction, "timing.repeat"), None)
            end = _end_of(repeat, since) if isinstance(repeat, dict) else None
            if end is None:
                return None
            ends.append(end)
        return max(ends, key=lambda end: (end.earliest, end.written)) if ends else None

    def _supply(self, since: When | None) -> When | None:
        """The days of supply, with all repeats."""
        dispense = self.resource.get("dispenseRequest")
        if since is None or not isinstance(dispense, dict):
            return None
        days = _days(dispense.get("expectedSupplyDuration"))
        repeats = dispense.get("numberOfRepeatsAllowed", 0)
        if days is None or not isinstance(repeats, int) or repeats < 0:
            return None
        return _later(since, days * (1 + repeats))


def _end_of(repeat: Mapping[str, Any], since: When | None) -> When | None:
    end = next(_values(repeat, "boundsPeriod.end"), None)
    if isinstance(end, str):
        when = dates.parse(end)
        return _behind(when) if when is not None else None
    days = _days(repeat.get("boundsDuration"))
    return _later(since, days) if days is not None and since is not None else None


def _behind(end: When) -> When:
    """When a period is over. A date without a time still belongs to the period (FHIR `Period.end`)."""
    if "T" in end.written or end.last_day == date.max:
        return end
    return start_of(end.last_day + timedelta(days=1))


def _values(value: Any, path: str) -> Iterator[Any]:
    """The values at a path; `extension(NAME)` are the extensions whose URL ends in a name."""
    step, _, rest = path.partition(".")
    if step.startswith("extension(") and isinstance(value, dict):
        name = step.removeprefix("extension(").removesuffix(")")
        found = [e for e in _listed(value.get("extension")) if _has_url(e, name)]
    else:
        found = _listed(value.get(step)) if isinstance(value, dict) else []
    for one in found:
        if rest:
            yield from _values(one, rest)
        elif one is not None:
            yield one


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _has_url(extension: Any, name: str) -> bool:
    url = extension.get("url") if isinstance(extension, dict) else None
    return isinstance(url, str) and url.rstrip("/").endswith(name)


def _days(duration: Any) -> Decimal | None:
    """A Duration in days; `None` where it has no unit of time or is beyond all bounds."""
    if not isinstance(duration, dict):
        return None
    units = [duration.get("code"), duration.get("unit")]
    unit = next((u for u in units if isinstance(u, str) and u.lower() in _DAYS_OF_UNIT), None)
    try:
        value = Decimal(str(duration.get("value")))
    except InvalidOperation:
        return None
    if unit is None or not value.is_finite() or not 0 <= value <= _MOST_DAYS:
        return None
    return value * _DAYS_OF_UNIT[unit.lower()]


def _later(since: When, days: Decimal) -> When | None:
    """So many days later, with a time where the beginning has one."""
    if days > _MOST_DAYS:
        return None
    try:
        if "T" in since.written:
            return dates.parse((since.earliest + timedelta(days=float(days))).isoformat())
        return dates.parse((since.first_day + timedelta(days=int(days))).isoformat())
    except OverflowError:
        return None


def start_of(day: date) -> When:
    """The moment at the start of a day."""
    when = dates.parse(day.isoformat())
    if when is None:  # a date is always a FHIR date
        raise ValueError(day.isoformat())
    return when
