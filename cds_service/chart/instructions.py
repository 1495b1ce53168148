"""The dosage instructions and the supply of an order, as far as rules use them.

Each instruction and each part of it is read separately. Unreadable parts are recorded. If a part is
lost, the dose of the instruction is never calculated from the rest of that part.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import ClassVar, Final, NamedTuple

import msgspec
from msgspec import Raw

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.naming import label_of
from cds_service.chart.reading import Reader
from cds_service.fhir.reading import Shape, may_hold
from cds_service.fhir.wire import NOTHING, CodeableConcept, Period, Quantity, Text
from cds_service.knowledge.dosage import Dosing, plain_text

_BOUNDS_MEMBER = b'"bounds'
LARGEST = Decimal(100000)
"""The maximum amount and number of days. A larger number is a typing error."""
SMALLEST = 1 / LARGEST
"""No period or duration is shorter, in any unit."""


class Range(msgspec.Struct, gc=False):
    """`Range`."""

    low: Quantity | None = None
    high: Quantity | None = None


_LIMITS = ("boundsPeriod", "boundsDuration", "boundsRange")
_OFTEN = ("frequency", "frequencyMax", "period", "periodMax", "periodUnit")
_SLOTS = ("timeOfDay", "when", "dayOfWeek", "offset")
_LASTS = ("count", "countMax", "duration", "durationMax", "durationUnit")


class Repeat(msgspec.Struct, gc=False):
    """The elements of `Timing.repeat` for the frequency."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset({*_LIMITS, *_LASTS, "offset"})

    frequency: Decimal | None = None
    frequencyMax: Decimal | None = None
    period: Decimal | None = None
    periodMax: Decimal | None = None
    periodUnit: Text | None = None
    timeOfDay: list[Text] | None = None
    when: list[Text] | None = None
    dayOfWeek: list[Text] | None = None


class _Bounds(msgspec.Struct, gc=False):
    NOT_READ: ClassVar[frozenset[str]] = frozenset({*_OFTEN, *_SLOTS, *_LASTS})
    boundsPeriod: Period | None = None
    boundsDuration: Quantity | None = None
    boundsRange: Range | None = None


class _Timing(msgspec.Struct, gc=False):
    NOT_READ: ClassVar[frozenset[str]] = frozenset({"event"})
    repeat: Raw = NOTHING
    code: CodeableConcept | None = None


class _DoseAndRate(msgspec.Struct, gc=False):
    NOT_READ: ClassVar[frozenset[str]] = frozenset(
        {"type", "rateRatio", "rateRange", "rateQuantity"}
    )
    doseQuantity: Quantity | None = None
    doseRange: Range | None = None


class _Dosage(msgspec.Struct, gc=False):
    NOT_READ: ClassVar[frozenset[str]] = frozenset(
        {"site", "method", "maxDosePerPeriod", "maxDosePerAdministration", "maxDosePerLifetime"}
    )
    sequence: int | None = None
    text: Text | None = None
    patientInstruction: Text | None = None
    additionalInstruction: Raw = NOTHING
    asNeededBoolean: bool | None = None
    asNeededCodeableConcept: CodeableConcept | None = None
    route: CodeableConcept | None = None
    timing: Raw = NOTHING
    doseAndRate: Raw = NOTHING
    doseQuantity: Raw = NOTHING


class Supply(msgspec.Struct, gc=False):
    """`MedicationRequest.dispenseRequest`."""

    NOT_READ: ClassVar[frozenset[str]] = frozenset({"initialFill", "dispenseInterval", "performer"})

    validityPeriod: Period | None = None
    quantity: Quantity | None = None
    expectedSupplyDuration: Quantity | None = None
    numberOfRepeatsAllowed: Decimal | None = None


class End(NamedTuple):
    """The end of a course, as the first and the last day on which it may be."""

    first: date
    last: date


class Instruction(msgspec.Struct, frozen=True, gc=False):
    """One dosage instruction.

    `texts` are the words for dose and use, `asides` are additional words. `quantities` are the
    doses of one intake. `ends` is the end of its bounds.
    """

    sequence: int | None = None
    texts: tuple[str, ...] = ()
    asides: tuple[str, ...] = ()
    as_needed: bool = False
    route: CodeableConcept | None = None
    repeat: Repeat | None = None
    code: CodeableConcept | None = None
    quantities: tuple[Quantity, ...] = ()
    ends: End | None = None

    @property
    def words(self) -> str:
        """The words for dose and use, as they are written."""
        return " ".join(self.texts)


_DOSAGES: Shape[list[_Dosage] | _Dosage] = Shape(list[_Dosage] | _Dosage)
_DOSES: Shape[list[_DoseAndRate] | _DoseAndRate] = Shape(list[_DoseAndRate] | _DoseAndRate)
_QUANTITY: Shape[Quantity] = Shape(Quantity)
_TIMING: Shape[_Timing] = Shape(_Timing)
_REPEAT: Shape[Repeat] = Shape(Repeat)
_AT_MOST: Final = (None, "<", "<=")
"""The comparators of a value that is not exceeded."""
_BOUNDS: Shape[_Bounds] = Shape(_Bounds)
_CONCEPTS: Shape[list[CodeableConcept]] = Shape(list[CodeableConcept])
_SUPPLY: Shape[Supply] = Shape(Supply)


class InstructionReader:
    """Reads the instructions of one order or statement. `resource` is its name.

    Without `doses`, amount and frequency are not read, because they are needed only for magnesium.
    """

    def __init__(self, reader: Reader, resource: str, dosing: Dosing, *, doses: bool) -> None:
        self._reader = reader
        self._resource = resource
        self._dosing = dosing
        self._doses = doses

    def read(
        self, raw: Raw, element: str, since: dates.When | None
    ) -> tuple[tuple[Instruction, ...], bool]:
        """The instructions that can be read, and whether that is all of them."""
        found, unread = self._reader.read_parts(_DOSAGES, raw, self._resource, element)
        listed = found if isinstance(found, list) else [found] if found is not None else []
        lost = any("." not in part.element for part in unread)
        instructions = tuple(
            self._instruction(dosage, f"{element}[{position}]", since)
            for position, dosage in enumerate(listed)
        )
        return instructions, not lost

    def supply(self, raw: Raw) -> Supply | None:
        """The supplied quantity of the order, and its duration."""
        return self._reader.read(_SUPPLY, raw, self._resource, "dispenseRequest")

    def _instruction(self, dosage: _Dosage, at: str, since: dates.When | None) -> Instruction:
        timing = self._reader.read(_TIMING, dosage.timing, self._resource, f"{at}.timing")
        timing = timing or _Timing()
        where = f"{at}.timing.repeat"
        more = self._reader.read(
            _CONCEPTS, dosage.additionalInstruction, self._resource, f"{at}.additionalInstruction"
        )
        return Instruction(
            sequence=dosage.sequence,
            texts=tuple(t for t in (dosage.text, dosage.patientInstruction) if t),
            asides=tuple(t for t in map(label_of, (*(more or ()), timing.code)) if t),
            as_needed=dosage.asNeededBoolean is True or dosage.asNeededCodeableConcept is not None,
            route=dosage.route,
            repeat=self._repeat(timing.repeat, where) if self._doses else None,
            code=timing.code,
            quantities=self._quantities(dosage, at) if self._doses else (),
            ends=self._bounds_end(timing.repeat, where, since),
        )

    def _repeat(self, raw: Raw, at: str) -> Repeat | None:
        repeat = self._reader.read_whole(_REPEAT, raw, self._resource, at)
        tables = self._dosing.tables
        if repeat is not None:
            self._codes(f"{at}.periodUnit", [repeat.periodUnit], tables.seconds_per_unit)
            self._codes(f"{at}.when", repeat.when, {**tables.event_times, **tables.meal_times})
        return repeat

    def _codes(
        self, element: str, said: Iterable[str | None] | None, known: Container[str]
    ) -> None:
        """Record unknown codes."""
        if any(code and code not in known for code in said or ()):
            self._reader.record_unreadable(self._resource, element, reasons.NO_FHIR_CODE)

    def _quantities(self, dosage: _Dosage, at: str) -> tuple[Quantity, ...]:
        """The doses of an intake. For a range, the upper end. Empty if one of them is lost."""
        rates, lost = self._reader.read_parts(
            _DOSES, dosage.doseAndRate, self._resource, f"{at}.doseAndRate"
        )
        single, lost_too = self._reader.read_parts(
            _QUANTITY, dosage.doseQuantity, self._resource, f"{at}.doseQuantity"
        )
        if lost or lost_too:
            return ()
        listed = rates if isinstance(rates, list) else [rates] if rates is not None else []
        found = [single]
        for rate in listed:
            found += [rate.doseQuantity, rate.doseRange.high if rate.doseRange else None]
        return tuple(quantity for quantity in found if quantity is not None)

    def _bounds_end(self, raw: Raw, at: str, since: dates.When | None) -> End | None:
        if not may_hold(raw, _BOUNDS_MEMBER):
            return None
        bounds = self._reader.read(_BOUNDS, raw, self._resource, at) or _Bounds()
        if bounds.boundsPeriod is not None:
            element = f"{at}.boundsPeriod.end"
            end = self._reader.date(bounds.boundsPeriod.end, self._resource, element)
            return End(end.first_day, end.last_day) if end is not None else None
        least = most = bounds.boundsDuration
        if bounds.boundsRange is not None:
            low, high = bounds.boundsRange.low, bounds.boundsRange.high
            least, most = low or high, high
        return end_after(since, days_in(least, self._dosing), most_days_in(most, self._dosing))


def course_end(
    instructions: tuple[Instruction, ...],
    supply: Supply | None,
    supply_over: dates.When | None,
    since: dates.When | None,
    dosing: Dosing,
) -> End | None:
    """The end of a course (SPEC 12.2 N-8), or `None` if it has no end.

    It is over if the bounds of all instructions are over, or the validity of the order
    (`supply_over`), or the supply with its repeats.
    """
    bounds = [i.ends for i in instructions if i.ends is not None]
    found: list[End] = []
    if bounds and len(bounds) == len(instructions):
        found.append(End(max(e.first for e in bounds), max(e.last for e in bounds)))
    if supply_over is not None:
        found.append(End(supply_over.first_day, supply_over.last_day))
    if supply is not None:
        days = days_in(supply.expectedSupplyDuration, dosing)
        repeats = supply.numberOfRepeatsAllowed or Decimal(0)
        if days is not None and repeats.is_finite() and 0 <= repeats <= LARGEST:
            most = most_days_in(supply.expectedSupplyDuration, dosing)
            times = 1 + repeats
            end = end_after(since, days * times, most * times if most is not None else None)
            found += [end] if end is not None else []
    return End(min(e.first for e in found), min(e.last for e in found)) if found else None


def days_in(span: Quantity | None, dosing: Dosing) -> Decimal | None:
    """The days in a duration, if it is one."""
    if span is None or span.value is None or not span.value.is_finite():
        return None
    days = dosing.days(span.code, span.unit)
    if days is None or not SMALLEST <= span.value <= LARGEST:
        return None
    return span.value * days


def most_days_in(span: Quantity | None, dosing: Dosing) -> Decimal | None:
    """The most days that a duration can have. More than a value, or about it, has no maximum."""
    if span is not None and span.comparator not in _AT_MOST:
        return None
    return days_in(span, dosing)


def end_after(since: dates.When | None, least: Decimal | None, most: Decimal | None) -> End | None:
    """The end of a duration of at least and at most these days since then. Without a known maximum
    it may end on any later day.
    """
    if since is None or least is None:
        return None
    first = _day_after(since.first_day, least)
    last = _day_after(since.last_day, most) if most is not None else None
    return End(first, last or date.max) if first is not None else None


def _day_after(day: date, days: Decimal) -> date | None:
    ordinal = day.toordinal() + int(days.to_integral_value(ROUND_FLOOR))
    return date.fromordinal(ordinal) if ordinal <= date.max.toordinal() else None


def as_needed(instructions: tuple[Instruction, ...], dosing: Dosing) -> bool:
    """Whether every instruction is as needed, by its elements or its words (SPEC 12.2 N-8)."""
    return bool(instructions) and all(
        i.as_needed or any(dosing.is_as_needed(text) for text in (*i.texts, *i.asides))
        for i in instructions
    )


def named_dosage(label: str, dosing: Dosing) -> tuple[Instruction, ...]:
    """The instruction inside the name of a medication, if it contains a frequency or "as needed"."""
    sig = dosing.read(plain_text(label))
    return (Instruction(texts=(label,)),) if sig.times is not None or sig.as_needed else ()
