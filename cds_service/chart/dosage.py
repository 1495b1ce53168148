"""Elemental magnesium a day in an order: from structured dosage, product strength, else the text.

What cannot be computed is unknown and says so. Where it is not known whether a strength is salt
or elemental, the higher reading is taken (SPEC 4.3), because this figure guards upper limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.chart.medications import Dosage, MedicationUse
from cds_service.fhir.wire import CodeableConcept, Quantity
from cds_service.knowledge.dosage import DosageTables
from cds_service.knowledge.drugs import Drug, Drugs, MagnesiumProduct

_MG_PER_MMOL = Decimal("24.305")
_AMBIGUOUS = frozenset({"ambiguous", "salt-or-elemental"})
_LARGEST = Decimal(100000)
_NUMBER = r"(?:\d{1,2}\s+)?\d/[1-9]|\d{1,3}(?:,\d{3})+|\d{1,5}(?:\.\d{1,3})?"
# "1 000 mg" is a thousand, and "2 200 mg tablets" are two: a number behind a number is not read.
_NOT_WITHIN_A_NUMBER = r"(?<![\d.,/])(?<!\b\d )(?<!\b\d\d )(?<!\b\d\d\d )"
_AMOUNT = re.compile(
    rf"{_NOT_WITHIN_A_NUMBER}(?P<value>{_NUMBER}|\b(?:half|one|two|three|four|a)\b)"
    rf"(?:\s*(?:-|to|or)\s*(?P<upper>{_NUMBER}))?\s*(?P<unit>[a-z]+)",
    re.ASCII,
)
_STRENGTH = re.compile(rf"{_NOT_WITHIN_A_NUMBER}(?P<value>{_NUMBER})\s*mg\b", re.ASCII)

_SOME_STRENGTH = re.compile(r"\d\s*mg\b", re.ASCII)
"""A strength, whether it can be read or not: "1 000 mg"."""


class DailyDose(msgspec.Struct, frozen=True):
    """Elemental magnesium in mg a day, or `None` with the reason."""

    mg: Decimal | None
    why: str = ""
    said: str = ""
    up_to: bool = False


class _Range(msgspec.Struct, gc=False):
    low: Quantity | None = None
    high: Quantity | None = None


class _DoseAndRate(msgspec.Struct, gc=False):
    doseQuantity: Quantity | None = None
    doseRange: _Range | None = None


class _Repeat(msgspec.Struct, gc=False):
    frequency: int | None = None
    frequencyMax: int | None = None
    period: Decimal | None = None
    periodMax: Decimal | None = None
    periodUnit: str | None = None
    timeOfDay: list[str] | None = None
    when: list[str] | None = None
    dayOfWeek: list[str] | None = None


class _Timing(msgspec.Struct, gc=False):
    repeat: _Repeat | None = None
    code: CodeableConcept | None = None


class _Dispense(msgspec.Struct, gc=False):
    quantity: Quantity | None = None
    expectedSupplyDuration: Quantity | None = None


_DOSES = msgspec.json.Decoder(list[_DoseAndRate] | _DoseAndRate | None)
_QUANTITY = msgspec.json.Decoder(Quantity | None)
_TIMING = msgspec.json.Decoder(_Timing | None)
_DISPENSE = msgspec.json.Decoder(_Dispense | None)


def daily_elemental(use: MedicationUse, drugs: Drugs, tables: DosageTables) -> DailyDose:
    """Elemental magnesium that an order or statement amounts to, mg a day."""
    if use.drug.magnesium is None:
        return DailyDose(None, "is not a magnesium product")
    if use.dosages is None:
        return DailyDose(None, "its dosage is malformed")
    doses = [_of_instruction(d, use, drugs, tables) for d in use.dosages]
    if not doses:
        return _of_supply(use, drugs, tables)
    if any(dose is None for _, dose in doses):
        supplied = _of_supply(use, drugs, tables)
        return (
            supplied if supplied.mg is not None else DailyDose(None, "its dosage does not say it")
        )
    return DailyDose(_largest_step([(s, d) for s, d in doses if d is not None]))


def _plain(text: str) -> str:
    """In lower case, with plain blanks: EHRs put a blank that does not break between number and unit."""
    return " ".join(text.lower().split())


def in_whole_units(use: MedicationUse, daily_mg: Decimal, drugs: Drugs) -> bool:
    """Whether whole tablets or capsules of an order make a daily dose of elemental magnesium.

    An order that names no strength, and a liquid, leave the product or its volume open.
    """
    product = use.drug.magnesium or MagnesiumProduct()
    per_unit = _per_unit(product)
    if per_unit is None and not product.elemental_mg_per_ml:
        label = _plain(use.label)
        strength = _strength_in(label)
        if strength is None:
            return _SOME_STRENGTH.search(label) is None
        per_unit = _of_mass(strength, product, drugs, label)
    return per_unit is None or (per_unit > 0 and daily_mg % per_unit == 0)


def _largest_step(doses: list[tuple[int | None, Decimal]]) -> Decimal:
    """Different sequences are steps: the largest counts. The same or none: given together."""
    together = sum((d for s, d in doses if s is None), Decimal(0))
    steps: dict[int, Decimal] = {}
    for sequence, dose in doses:
        if sequence is not None:
            steps[sequence] = steps.get(sequence, Decimal(0)) + dose
    return together + max(steps.values(), default=Decimal(0))


def _of_instruction(
    dosage: Dosage, use: MedicationUse, drugs: Drugs, tables: DosageTables
) -> tuple[int | None, Decimal | None]:
    text = _plain(" ".join(filter(None, (dosage.text, dosage.patientInstruction))))
    times = _times_a_day(dosage, text, tables)
    amount = _structured_amount(dosage, use, drugs, tables, text)
    if amount is None:
        amount = _amount_in(text, times, use, drugs, tables)
    if amount is None or times is None:
        return dosage.sequence, None
    return dosage.sequence, amount * times


def _structured_amount(
    dosage: Dosage, use: MedicationUse, drugs: Drugs, tables: DosageTables, text: str
) -> Decimal | None:
    quantities = []
    doses = _decode(_DOSES, dosage.doseAndRate)
    for dose in doses if isinstance(doses, list) else [doses]:
        if dose is None:
            continue
        upper = dose.doseRange.high if dose.doseRange else None
        quantities += [q for q in (dose.doseQuantity, upper) if q is not None]
    quantities += [q for q in (_decode(_QUANTITY, dosage.doseQuantity),) if q is not None]
    label = f"{text} {_plain(use.label)}"
    amounts = [_elemental(q, use.drug, drugs, tables, label) for q in quantities]
    known = [a for a in amounts if a is not None]
    return max(known) if known and len(known) == len(amounts) else None


def _elemental(
    quantity: Quantity, drug: Drug, drugs: Drugs, tables: DosageTables, text: str
) -> Decimal | None:
    value = quantity.value
    if value is None or not value.is_finite() or not 0 <= value <= _LARGEST:
        return None
    written = [w.strip().lower() for w in (quantity.code, quantity.unit) if w]
    unit = next((tables.units[w] for w in written if w in tables.units), None)
    if unit is None and not written:
        unit = "unit"
    return None if unit is None else _of_amount(value, unit, drug, drugs, text)


def _of_amount(value: Decimal, unit: str, drug: Drug, drugs: Drugs, text: str) -> Decimal | None:
    """Elemental mg in an amount of the product."""
    product = drug.magnesium or MagnesiumProduct()
    if unit == "g":
        value, unit = value * 1000, "mg"
    if unit == "mmol":
        return value * _MG_PER_MMOL
    if unit == "meq":
        return value * _MG_PER_MMOL / 2
    if unit == "ml":
        per_ml = product.elemental_mg_per_ml
        return None if not per_ml else value * _exact(per_ml)
    if unit == "mg":
        return _of_mass(value, product, drugs, text)
    per_unit = _per_unit(product)
    if per_unit is None:
        strength = _strength_in(text)
        per_unit = None if strength is None else _of_mass(strength, product, drugs, text)
    return None if per_unit is None else value * per_unit


def _of_mass(mg: Decimal, product: MagnesiumProduct, drugs: Drugs, text: str) -> Decimal:
    """Elemental mg in a mass that may be salt or elemental; the higher where it is not known."""
    if "elemental" in text:
        return mg
    strength, per_unit = product.strength_mg, _per_unit(product)
    if strength and per_unit is not None:
        units = mg / _exact(strength)
        return units * per_unit if units == units.to_integral_value() else mg
    for salt in product.salts:
        known = drugs.product_of_strength(salt, float(mg))
        if known is not None:
            return _per_unit(known) or mg
    return mg


def _per_unit(product: MagnesiumProduct) -> Decimal | None:
    """Elemental mg in one tablet or capsule."""
    if product.elemental_basis in _AMBIGUOUS or product.elemental_mg is None:
        upper = product.elemental_max_mg
        return _exact(upper) if upper is not None else None
    return _exact(product.elemental_mg)


def _exact(number: float) -> Decimal:
    return Decimal(str(number))


def _amount_in(
    text: str, times: Decimal | None, use: MedicationUse, drugs: Drugs, tables: DosageTables
) -> Decimal | None:
    """The amount that a dosage text names: tablets before milligrams, the upper end of a range."""
    found: dict[str, set[Decimal]] = {}
    for match in _AMOUNT.finditer(text):
        unit = tables.units.get(match["unit"])
        if unit is not None:
            found.setdefault(unit, set()).add(
                _number(match["upper"] or match["value"], tables.number_words)
            )
    label = f"{text} {_plain(use.label)}"
    for unit in ("unit", "mg", "g", "ml", "mmol", "meq"):
        if unit in found:
            single = _single(found[unit], times)
            if single is None:
                return None
            amount = _of_amount(single, unit, use.drug, drugs, label)
            if amount is not None:
                return amount
    return None


def _single(amounts: set[Decimal], times: Decimal | None) -> Decimal | None:
    """The one amount of a text; of "200 mg twice daily (400 mg)" the smaller, since it agrees.

    Any other two ("200 mg in the morning, 400 mg at night") are not to be told apart.
    """
    smallest = min(amounts)
    total = smallest * times if times is not None else smallest
    return smallest if amounts <= {smallest, total} else None


def _number(written: str, words: Mapping[str, Decimal]) -> Decimal:
    """A number as it is written in an instruction: "two", "1,000", "1/2", "1 1/2", "0.5"."""
    if written in words:
        return words[written]
    *whole, last = written.replace(",", "").split()
    above, _, below = last.partition("/")
    part = Decimal(above) / Decimal(below) if below else Decimal(above)
    return part + sum(map(Decimal, whole))


def _strength_in(text: str) -> Decimal | None:
    """The one strength in mg that a text names."""
    strengths = {_number(m["value"], {}) for m in _STRENGTH.finditer(text)}
    return strengths.pop() if len(strengths) == 1 else None


def _times_a_day(dosage: Dosage, text: str, tables: DosageTables) -> Decimal | None:
    timing = _decode(_TIMING, dosage.timing)
    if timing is not None:
        times = _repeated(timing.repeat, tables) if timing.repeat is not None else None
        if times is None and timing.code is not None:
            times = _coded(timing.code, tables)
        if times is not None:
            return times
    return _said(text, tables.phrases)


def _repeated(repeat: _Repeat, tables: DosageTables) -> Decimal | None:
    often = max(repeat.frequency or 0, repeat.frequencyMax or 0)
    slots = max(len(repeat.timeOfDay or ()), len(repeat.when or ()))
    days = tables.days_per_unit.get(repeat.periodUnit or "")
    period = repeat.period
    if days is not None and period is not None and period.is_finite() and 0 < period <= _LARGEST:
        return Decimal(often or 1) * max(slots, 1) / (period * days)
    if slots:
        return Decimal(slots)
    return (
        Decimal(often) if often and repeat.periodUnit is None and repeat.dayOfWeek is None else None
    )


def _coded(code: CodeableConcept, tables: DosageTables) -> Decimal | None:
    for coding in code.coding or ():
        times = tables.timing_codes.get((coding.code or "").strip().upper())
        if times is not None:
            return times
    for text in (code.text, *(c.display for c in code.coding or ())):
        if text:
            times = tables.timing_codes.get(text.strip().upper())
            times = times if times is not None else _said(text.lower(), tables.phrases)
            if times is not None:
                return times
    return None


def _said(text: str, phrases: Iterable[tuple[str, Decimal]]) -> Decimal | None:
    padded = f" {' '.join(re.findall(r'[a-z0-9]+', text))} "
    return next((times for phrase, times in phrases if f" {phrase} " in padded), None)


def _of_supply(use: MedicationUse, drugs: Drugs, tables: DosageTables) -> DailyDose:
    """Quantity supplied over the days it is meant to last."""
    dispense = _decode(_DISPENSE, use.dispense)
    quantity = dispense.quantity if dispense else None
    duration = dispense.expectedSupplyDuration if dispense else None
    if quantity is None or duration is None or duration.value is None:
        return DailyDose(None, "its dosage does not say it")
    days = tables.days_per_unit.get(
        (duration.code or duration.unit or "").lower().removesuffix("ays")
    )
    amount = _elemental(quantity, use.drug, drugs, tables, _plain(use.label))
    span = duration.value * days if days is not None and duration.value.is_finite() else Decimal(0)
    if amount is None or not 0 < span <= _LARGEST:
        return DailyDose(None, "its dosage does not say it")
    return DailyDose(amount / span)


def _decode(decoder: Any, raw: Raw) -> Any:
    if not memoryview(raw):
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


__all__ = ["DailyDose", "daily_elemental", "in_whole_units"]
