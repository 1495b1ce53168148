"""Daily elemental magnesium of an order: from structured dosage, product strength, or the text.

A dose that cannot be calculated is unknown, with the reason. If a strength may be of the salt or
elemental, the higher reading is used and the dose is an "up to" (SPEC 4.3, 12.2 N-7), because it is
compared with upper limits. Milligrams of oxide and hydroxide are always of the salt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from cds_service import reasons
from cds_service.chart.instructions import LARGEST, SMALLEST, Instruction, Repeat, Supply, days_in
from cds_service.chart.medications import MedicationUse
from cds_service.fhir.wire import CodeableConcept, Quantity
from cds_service.knowledge import amounts
from cds_service.knowledge.dosage import LONGEST_TEXT, Dosing, Sig, plain_text
from cds_service.knowledge.drugs import Drugs, MagnesiumProduct
from cds_service.reasons import Reason

_MG_PER_MMOL = Decimal("24.305")
_AMBIGUOUS = frozenset({"ambiguous", "salt-or-elemental"})
_ALWAYS_SALT = frozenset({"magnesium oxide", "magnesium hydroxide"})
_MASSES = ("mg", "g", "ml", "mmol", "meq")
_MEALS_A_DAY = 3
_LONGEST_QUOTE = 200
_DAYS_A_WEEK = Decimal(7)
_DAY = 86400
"""Seconds."""
_BRACKETS = re.compile(r"\((?![^()]*\b(?:max|maximum|up to|hochstens|bis)\b)[^()]*\)", re.ASCII)
_IN_TOTAL = re.compile(r"=|\b(?:total|gesamt|insgesamt|soit)\b", re.ASCII)
"""Signs that an amount is for the whole day."""


class DailyDose(msgspec.Struct, frozen=True):
    """Elemental magnesium in mg per day, or `None` with the reason.

    `said` is the text of a dose that could not be read. `up_to` is true if milligrams may be of the
    salt, so that the dose is at most this.
    """

    mg: Decimal | None
    why: Reason | None = None
    said: str = ""
    up_to: bool = False


def daily_elemental(use: MedicationUse, drugs: Drugs, dosing: Dosing) -> DailyDose:
    """Elemental magnesium that an order or statement amounts to, mg a day."""
    if use.drug.magnesium is None:
        return DailyDose(None, reasons.NOT_MAGNESIUM)
    if use.dosages is None:
        return DailyDose(None, reasons.DOSAGE_NOT_READABLE)
    content = _Content(use.drug.magnesium, drugs, dosing, plain_text(use.label)[:LONGEST_TEXT])
    doses = [(i.sequence, _of_instruction(i, content)) for i in use.dosages]
    known = [(sequence, dose) for sequence, dose in doses if dose is not None]
    if known and len(known) == len(doses):
        return _dose(_largest_step(known))
    supplied = _of_supply(use.supply, content)
    if supplied is not None:
        return _dose(supplied)
    unread = (
        _dose_text(i, dosing)
        for i, (_, dose) in zip(use.dosages, doses, strict=True)
        if dose is None
    )
    return DailyDose(None, reasons.DOSE_NOT_STATED, "; ".join(filter(None, unread)))


def in_whole_units(use: MedicationUse, daily_mg: Decimal, drugs: Drugs, dosing: Dosing) -> bool:
    """Whether whole tablets or capsules of an order make a daily dose of elemental magnesium.

    An order that names no strength, and a liquid, leave the product or its volume open.
    """
    label = plain_text(use.label)[:LONGEST_TEXT]
    content = _Content(use.drug.magnesium or MagnesiumProduct(), drugs, dosing, label)
    per_unit = content.per_unit or content.of_strength(label)
    if per_unit is None:
        return bool(content.product.elemental_mg_per_ml) or not amounts.names_strength(label)
    return per_unit.mg > 0 and daily_mg % per_unit.mg == 0


def _dose(elemental: _Elemental) -> DailyDose:
    return DailyDose(elemental.mg, up_to=elemental.up_to)


def _dose_text(instruction: Instruction, dosing: Dosing) -> str:
    """The text of an instruction whose dose could not be read, for quoting."""
    words = instruction.words.strip()
    if dosing.read(plain_text(words)).says_dose:
        return words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE]}..."
    amounts_said = [(q.value, q.unit or q.code or "") for q in instruction.quantities]
    return ", ".join(
        f"{value:f} {unit}".strip()
        for value, unit in amounts_said
        if value is not None and value.is_finite() and SMALLEST <= abs(value) <= LARGEST
    )


def _largest_step(doses: Iterable[tuple[int | None, _Elemental]]) -> _Elemental:
    """Different sequences are steps, and the largest counts. Equal or missing sequences are given
    together.
    """
    nothing = _Elemental(Decimal(0))
    steps: dict[int | None, _Elemental] = {}
    for sequence, dose in doses:
        steps[sequence] = steps.get(sequence, nothing).and_also(dose)
    together = steps.pop(None, nothing)
    return together.and_also(max(steps.values(), default=nothing))


# -- the magnesium in an amount ------------------------------------------------------------------


class _Elemental(NamedTuple):
    """An amount of elemental magnesium in mg. With `up_to` it may be less."""

    mg: Decimal
    up_to: bool = False

    def times(self, factor: Decimal) -> _Elemental:
        return _Elemental(self.mg * factor, self.up_to)

    def and_also(self, other: _Elemental) -> _Elemental:
        return _Elemental(self.mg + other.mg, self.up_to or other.up_to)


class _Content(NamedTuple):
    """The magnesium in a product, by its code or brand, otherwise by its name."""

    product: MagnesiumProduct
    drugs: Drugs
    dosing: Dosing
    label: str

    @property
    def per_unit(self) -> _Elemental | None:
        """Elemental mg in one tablet or capsule of a product known by code or brand."""
        return _per_unit(self.product)

    def of(self, value: Decimal, unit: str, words: str) -> _Elemental | None:
        """Elemental mg in an amount; `words` are those for the dose and the product."""
        if unit == "mmol":
            return _Elemental(value * _MG_PER_MMOL)
        if unit == "meq":
            return _Elemental(value * _MG_PER_MMOL / 2)
        if unit == "ml":
            return self._of_volume(value)
        if unit in ("mg", "g"):
            return self.of_mass(value * 1000 if unit == "g" else value, words)
        per_unit = self.per_unit or self.of_strength(words)
        return per_unit.times(value) if per_unit is not None else None

    def of_mass(self, mg: Decimal, words: str) -> _Elemental:
        """Elemental mg in a mass of salt or of magnesium. The higher one if that is not clear."""
        called = self.dosing.amounts.elemental(words)
        if called is not None:
            return _by_elemental_word(mg, called, words)
        per_unit, strength = self.per_unit, self.product.strength_mg
        if per_unit is not None and strength and not mg % _exact(strength):
            return per_unit.times(mg / _exact(strength))
        return self._of_salt(mg)

    def of_strength(self, words: str) -> _Elemental | None:
        """Elemental mg in one tablet of the one strength that is named."""
        called = self.dosing.amounts.elemental(self.label)
        if called is not None and len(called) == 1:
            return _Elemental(called.pop())
        named = amounts.strengths(words)
        return self.of_mass(named.pop(), words) if len(named) == 1 else None

    def _of_salt(self, mg: Decimal) -> _Elemental:
        """Elemental mg in a mass of the product's one salt, if its share is known (N-7)."""
        salt = self.product.salts[0] if len(self.product.salts) == 1 else ""
        sure = salt in _ALWAYS_SALT
        for strength, product in self.drugs.products_of(salt):
            per_unit = _per_unit(product)
            tablets = mg / _exact(strength)
            whole = tablets == (tablets.to_integral_value() if sure else 1)
            if per_unit is not None and whole and not per_unit.up_to:
                return per_unit.times(tablets)
        share = self.drugs.elemental_share(salt)
        if sure and share is not None:
            return _Elemental(mg * _exact(share))
        return _Elemental(mg, up_to=True)

    def _of_volume(self, ml: Decimal) -> _Elemental | None:
        per_ml = self.product.elemental_mg_per_ml
        if per_ml:
            return _Elemental(ml * _exact(per_ml))
        named = amounts.mg_per_ml(self.label)
        return self._of_salt(named * ml) if named is not None else None


def _by_elemental_word(mg: Decimal, called: set[Decimal], words: str) -> _Elemental:
    """A mass if the words call a mass elemental: "400 mg (241 mg elemental)"."""
    if mg in called or not called:
        return _Elemental(mg)
    others = amounts.strengths(words) - called
    if len(called) == len(others) == 1:
        return _Elemental(mg * called.pop() / others.pop())
    return _Elemental(mg, up_to=True)


def _per_unit(product: MagnesiumProduct) -> _Elemental | None:
    """Elemental mg in one tablet or capsule. The higher value if two are possible (SPEC 4.3)."""
    if product.elemental_basis in _AMBIGUOUS or product.elemental_mg is None:
        upper = product.elemental_max_mg
        return _Elemental(_exact(upper), up_to=True) if upper is not None else None
    return _Elemental(_exact(product.elemental_mg))


def _exact(number: float) -> Decimal:
    return Decimal(str(number))


# -- one instruction ----------------------------------------------------------------------------


def _of_instruction(instruction: Instruction, content: _Content) -> _Elemental | None:
    """Elemental mg per day, or `None` if the amount or the frequency cannot be read."""
    text = plain_text(instruction.words)
    if len(text) > LONGEST_TEXT:
        return None
    if instruction.repeat is None and instruction.code is None and not instruction.quantities:
        return _of_course(text, content)
    sig = content.dosing.read(text)
    words = f"{text} {content.label}"
    times = _times_a_day(instruction, sig, content.dosing)
    amount = _structured(instruction.quantities, content, words)
    if amount is None and sig.scheme is not None:
        return content.of(sig.scheme, "unit", words)
    if amount is None and times is not None:
        amount = _written(text, sig, times, content, words)
    if amount is None or times is None:
        return None
    return amount.times(times)


def _of_course(text: str, content: _Content) -> _Elemental | None:
    """The dose from words alone. Of the steps of a course, the largest (SPEC 12.2 N-6).

    A step with only an amount or only a frequency takes the other from the step before.
    """
    amount: _Elemental | None = None
    times: Decimal | None = None
    doses = []
    for step in content.dosing.steps(text):
        sig = content.dosing.read(step)
        if not sig.says_dose:
            continue
        says_amount = _says_amount(step, sig, content.dosing)
        often = Decimal(1) if sig.scheme is not None else sig.times
        if not says_amount and often is None:
            return None
        times = often if often is not None else times
        now = Decimal(1) if sig.single else times
        if says_amount and now is not None:
            amount = _amount_in_words(step, sig, now, content)
        if amount is None and sig.by_parts:
            amount, now = _of_portions(step, content), Decimal(1)
        if amount is None or now is None:
            return None
        doses.append(amount.times(now))
    return max(doses, default=None) if times is not None else None


def _says_amount(text: str, sig: Sig, dosing: Dosing) -> bool:
    units = sig.units is not None or sig.unclear or sig.scheme is not None
    return units or bool(dosing.amounts.of(text))


def _amount_in_words(text: str, sig: Sig, times: Decimal, content: _Content) -> _Elemental | None:
    words = f"{text} {content.label}"
    if sig.scheme is not None:
        return content.of(sig.scheme, "unit", words)
    return _written(text, sig, times, content, words)


def _of_portions(text: str, content: _Content) -> _Elemental | None:
    """The sum of "1 tablet in the morning and 2 at night", each at a part of the day of its own."""
    total = _Elemental(Decimal(0))
    parts: list[str] = []
    for portion in content.dosing.portions(text):
        sig = content.dosing.read(portion)
        parts += sig.parts
        once = len(sig.parts) == 1 and sig.times == 1 and sig.scheme is None
        amount = _amount_in_words(portion, sig, Decimal(1), content) if once else None
        if amount is None:
            return None
        total = total.and_also(amount)
    return total if len(set(parts)) == len(parts) > 1 else None


def _structured(
    quantities: tuple[Quantity, ...], content: _Content, words: str
) -> _Elemental | None:
    """The largest of the doses of an intake, if all of them can be computed."""
    doses = [_of_quantity(quantity, content, words) for quantity in quantities]
    known = [dose for dose in doses if dose is not None]
    return max(known) if known and len(known) == len(doses) else None


def _of_quantity(quantity: Quantity, content: _Content, words: str) -> _Elemental | None:
    value, dosing = quantity.value, content.dosing
    if value is None or not value.is_finite() or not 0 <= value <= LARGEST:
        return None
    unit = dosing.unit(quantity.code, quantity.unit)
    for written in (quantity.code, quantity.unit):
        ml = dosing.tables.ml_per_unit.get(plain_text(written or ""))
        if unit is None and ml is not None:
            value, unit = value * ml, "ml"
    if unit is None and (quantity.code or quantity.unit):
        return None
    # A UCUM annotation that is not known, and no unit at all, are one unit of the product (N-6a).
    return content.of(value, "unit" if unit in (None, "annotation") else unit, words)


def _written(
    text: str, sig: Sig, times: Decimal, content: _Content, words: str
) -> _Elemental | None:
    """The amount that a text names: tablets before milligrams, the upper end of a range."""
    # Text in brackets repeats the text before it: "2 tablets (800 mg)".
    amounts_in = content.dosing.amounts.of
    found = amounts_in(text) | amounts_in(_BRACKETS.sub(" ", text))
    totals = times if _IN_TOTAL.search(text) and not sig.by_parts else Decimal(1)
    if "unit" in found:
        units = None if sig.unclear else _single(found["unit"], totals)
        if units is not None and sig.units not in (None, units):
            # "1 tablet, max 3 per day". With another frequency the two cannot be distinguished.
            units = units * sig.units if times == 1 and sig.units is not None else None
        if units is None:
            return None
        amount = _of_units(units, text, content, words)
        if amount is not None:
            return amount
    for unit in _MASSES:
        if unit in found:
            single = _single(found[unit], totals)
            return (
                content.of(single * (sig.units or 1), unit, words) if single is not None else None
            )
    return content.of(sig.units, "unit", words) if sig.units is not None else None


def _of_units(units: Decimal, text: str, content: _Content, words: str) -> _Elemental | None:
    """The amount in a number of tablets. "2 tablets (400 mg total)" gives their content."""
    total = content.dosing.amounts.total(text)
    if content.per_unit is None and total is not None:
        return content.of_mass(total, words)
    return content.of(units, "unit", words)


def _single(found: set[Decimal], times: Decimal) -> Decimal | None:
    """The only amount of a text. For "200 mg twice daily = 400 mg" the smaller one, which is
    consistent.

    Any other two ("200 mg in the morning, 400 mg at night") cannot be distinguished.
    """
    smallest = min(found)
    return smallest if found <= {smallest, smallest * times} else None


# -- how often ----------------------------------------------------------------------------------


def _times_a_day(instruction: Instruction, sig: Sig, dosing: Dosing) -> Decimal | None:
    times = _repeated(instruction.repeat, dosing) if instruction.repeat is not None else None
    if times is None and instruction.code is not None:
        times = _coded(instruction.code, dosing)
    return times if times is not None else sig.times


def _repeated(repeat: Repeat, dosing: Dosing) -> Decimal | None:
    """Times a day of `Timing.repeat`; of frequency and times of the day the larger (N-5)."""
    counts = [n for n in (repeat.frequency, repeat.frequencyMax) if n is not None]
    periods = [n for n in (repeat.period, repeat.periodMax) if n is not None]
    if not all(n.is_finite() and SMALLEST <= n <= LARGEST for n in (*counts, *periods)):
        return None
    often = max(counts, default=Decimal(0))
    slots = _slots(repeat, dosing, alone=not often)
    if slots is None:
        return None
    week_days = Decimal(len(set(repeat.dayOfWeek or ())))
    on_days = (week_days or _DAYS_A_WEEK) / _DAYS_A_WEEK
    unit = dosing.tables.seconds_per_unit.get(repeat.periodUnit or "")
    if unit is None or not periods:
        said = slots or repeat.periodUnit is None
        return max(often, slots) * on_days or None if said else None
    span = min(periods) * unit / _DAY
    if unit > _DAY:
        return max(often, week_days, Decimal(1)) * max(slots, Decimal(1)) / span
    return max((often or 1) / span, slots / max(span, Decimal(1))) * on_days


def _slots(repeat: Repeat, dosing: Dosing, *, alone: bool) -> Decimal | None:
    """The number of named times of a day, or `None` if only "with meals" is stated.

    A time before or after a meal does not count next to another time of that part of the day.
    """
    events, meals = dosing.tables.event_times, dosing.tables.meal_times
    named = set(repeat.when or ())
    plain = named - meals.keys()
    parts = {events.get(code, code) for code in plain}
    at_meals = {code for code in named & meals.keys() if meals[code] and meals[code] not in parts}
    count = max(len(plain) + len(at_meals), len(set(repeat.timeOfDay or ())))
    if named and not count and alone:
        return Decimal(_MEALS_A_DAY) if "AC" in named else None
    return Decimal(count)


def _coded(code: CodeableConcept, dosing: Dosing) -> Decimal | None:
    """Times a day of `Timing.code`: by its code, its display, its text."""
    for coding in code.coding or ():
        times = dosing.code(coding.code or "")
        if times is not None:
            return times
    for text in (code.text, *(c.display for c in code.coding or ())):
        times = dosing.code(text or "")
        if times is not None:
            return times
    return None


# -- supply --------------------------------------------------------------------------------------


def _of_supply(supply: Supply | None, content: _Content) -> _Elemental | None:
    """Quantity supplied over the days it is meant to last."""
    if supply is None or supply.quantity is None:
        return None
    days = days_in(supply.expectedSupplyDuration, content.dosing)
    amount = _of_quantity(supply.quantity, content, content.label)
    if days is None or amount is None:
        return None
    return _Elemental(amount.mg / days, amount.up_to)


__all__ = ["DailyDose", "daily_elemental", "in_whole_units"]
