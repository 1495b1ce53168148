"""Amounts in texts: ranges, fractions, totals, what is called elemental, and what is not read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.knowledge.amounts import mg_per_ml, names_strength, number_of, strengths
from tests.support.decisions import knowledge
from tests.support.tables import each_row

AMOUNTS = knowledge().dosage.amounts


def decimals(*numbers: float) -> set[Decimal]:
    return {Decimal(str(n)) for n in numbers}


@each_row(
    ("text", "unit", "found"),
    [
        ("1 tablet", "unit", [1]),
        ("1tab", "unit", [1]),
        ("two capsules", "unit", [2]),
        ("half a tablet", "unit", [0.5]),
        ("one half of a tablet", "unit", [0.5]),
        ("a tablet", "unit", [1]),
        ("1 a 2 comprimes", "unit", [2]),
        ("half tablet", "unit", [0.5]),
        ("zwei tabletten", "unit", [2]),
        ("une gelule", "unit", [1]),
        ("1 (one) tablet", "unit", [1]),
        ("2 (400 mg) tablets", "unit", [2]),
        ("1-2 tablets", "unit", [2]),
        ("1 to 2 tablets", "unit", [2]),
        ("one or two tablets", "unit", [2]),
        ("1 bis 2 kapseln", "unit", [2]),
        ("1/2 tablet", "unit", [0.5]),
        ("1 1/2 tablets", "unit", [1.5]),
        ("one and a half tablets", "unit", [1.5]),
        ("2 and one-half tablets", "unit", [2.5]),
        ("1 comprime et demi", "unit", [1.5]),
        ("anderthalb tabletten", "unit", [1.5]),
        ("2 tab(s), # 90 tab(s)", "unit", [2]),
        ("#30 tablets", "unit", []),
        ("1 tablet and 2 tablets", "unit", [1, 2]),
        ("2 teaspoons", "ml", [10]),
        ("1 tbsp", "ml", [15]),
        ("30 ml", "ml", [30]),
        ("0,5 g", "g", [0.5]),
        ("0.125 g", "g", [0.125]),
        ("1,000 mg", "mg", [1000]),
        ("200mg", "mg", [200]),
        ("10 mmol", "mmol", [10]),
        # What could mean two things is not read.
        ("1 000 mg", "mg", []),
        ("1.000 mg", "mg", []),
        ("2 200 mg tablets", "mg", []),
        ("10 mg/kg", "mg", []),
        ("10 mg / kg", "mg", []),
        ("400 mg/5 ml", "mg", []),
        ("80 mg/ml", "mg", []),
        ("400 mg / 2.5 ml", "mg", []),
        ("3/0 mg", "mg", []),
        ("2 scoops", "unit", []),
        # A strength by the tablet is one.
        ("400 mg/tablet", "mg", [400]),
        ("400 mg/day", "mg", [400]),
    ],
)
def test_an_amount(text: str, unit: str, found: list[float]) -> None:
    assert AMOUNTS.of(text).get(unit, set()) == decimals(*found)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("2 tablets (800 mg total)", 800),
        ("2 tablets (0.8 g total) by mouth", 800),
        ("2 tablets (800 mg)", None),
        ("800 mg total or 900 mg total", None),
        ("total 800 mg", None),
    ],
)
def test_a_total(text: str, total: int | None) -> None:
    assert AMOUNTS.total(text) == total


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("200 mg", None),
        ("200 mg elemental", [200]),
        ("200 mg of elemental magnesium once daily", [200]),
        ("elemental magnesium 200 mg", [200]),
        ("magnesium elemental 200 mg capsule", [200]),
        ("400 mg (241 mg elemental)", [241]),
        ("120 mg magnesium elementar", [120]),
        ("1,000 mg elemental", [1000]),
        ("the dose is elemental", []),
        ("elemental", []),
    ],
)
def test_what_is_called_elemental(text: str, found: list[float] | None) -> None:
    assert AMOUNTS.elemental(text) == (None if found is None else decimals(*found))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("magnesium 400 mg tablet", [400]),
        ("400 mg or 500 mg", [400, 500]),
        ("magnesium 400 mg/5 ml", []),
        ("magnesium", []),
        ("1 000 mg", []),
        ("400 mgs", []),
    ],
)
def test_a_strength(text: str, found: list[float]) -> None:
    assert strengths(text) == decimals(*found)


def test_a_strength_may_be_there_though_it_cannot_be_read() -> None:
    assert names_strength("1 000 mg")
    assert not names_strength("magnesium citrate")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("400 mg/5 ml suspension", 80),
        ("80 mg/ml", 80),
        ("1,200 mg / 15 ml", 80),
        ("400 mg/2.5 ml", 160),
        ("400 mg/5 ml or 800 mg/5 ml", None),
        ("400 mg/0 ml", None),
        ("400 mg", None),
    ],
)
def test_the_strength_of_a_liquid(text: str, found: int | None) -> None:
    assert mg_per_ml(text) == found


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("2", 2), ("0.5", 0.5), ("0,5", 0.5), ("1,25", 1.25), ("1,000", 1000), ("12,000,000", 12e6),
        ("1/2", 0.5), ("1 1/2", 1.5), ("1/0", 0), ("1,234.5", 1234.5),
    ],
)  # fmt: skip
def test_a_number(written: str, number: float) -> None:
    assert number_of(written) == Decimal(str(number))
