"""Units in every usual spelling, and results that labs send as text (SPEC 12.2 N-1)."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from cds_service.chart.quantities import (
    EGFR,
    MEQ_L,
    MG_DL,
    MMOL_L,
    UMOL_L,
    Measured,
    canonical_unit,
    comparator_of,
    from_text,
)
from tests.support.tables import each_row

SPELLINGS = [
    ("mL/min/{1.73_m2}", EGFR),
    ("mL/min/{1.73m2}", EGFR),
    ("mL/min/{1.73 m2}", EGFR),
    ("mL/min/1.73m2", EGFR),
    ("mL/min/1.73 m2", EGFR),
    ("mL / min / 1.73 m 2", EGFR),
    ("ml/min/1.73m^2", EGFR),
    ("mL/min/1.73 m^2", EGFR),
    ("mL/min/1.73m*2", EGFR),
    ("mL/min/1.73_m*2", EGFR),
    ("mL/min/1.73*m2", EGFR),
    ("mL/min*1.73m2", EGFR),
    ("mL/(min*1.73 m²)", EGFR),
    ("mL/min/1.73m²", EGFR),
    ("mL/min/1.73 m²", EGFR),
    ("mL/min/1.73\N{NO-BREAK SPACE}m²", EGFR),
    ("mL/min/1.73\N{NARROW NO-BREAK SPACE}m2", EGFR),
    ("mL/min/1.73\N{ZERO WIDTH SPACE}m2", EGFR),
    ("ml/min/1,73m2", EGFR),
    ("ml/min/1,73 m²", EGFR),
    ("ML/MIN/1.73 M2", EGFR),
    ("mL/min/1.73qm", EGFR),
    ("mL/min/1,73 qm", EGFR),
    ("mL/min/1.73sqm", EGFR),
    ("mL/min/1.73 sq m", EGFR),
    ("mL/min/1.73 sq.m", EGFR),
    ("mL/min/1.73 square meters", EGFR),
    ("mL/min per 1.73 m2", EGFR),
    ("mL per min per 1.73 m²", EGFR),
    ("mL/min/(1.73m2)", EGFR),
    ("mL/min/[1.73_m2]", EGFR),
    ("mL/min/1.73 m(2)", EGFR),
    ("mL/min/1.73m2 (calc)", EGFR),
    ("mL/min/1.73m2 [calc]", EGFR),
    ("mL/min/1.73m2{calculated}", EGFR),
    ("mL/min/1.73m^2 (CKD-EPI)", EGFR),
    ("mL/min/1.73 m2 (CKD-EPI 2021)", EGFR),
    ("mL/min/1.73", EGFR),
    ("mL/min/BSA", EGFR),
    ("mL/min", EGFR),
    ("mg/dL", MG_DL),
    ("MG/DL", MG_DL),
    ("mg / dl", MG_DL),
    ("mg%", MG_DL),
    ("mg %", MG_DL),
    ("mg/100 mL", MG_DL),
    ("mg/100ml", MG_DL),
    ("mg per 100 mL", MG_DL),
    ("milligram per deciliter", MG_DL),
    ("umol/L", UMOL_L),
    ("µmol/L", UMOL_L),  # micro sign
    ("μmol/L", UMOL_L),  # Greek mu
    ("mcmol/L", UMOL_L),
    ("micromol/L", UMOL_L),
    ("mmol/L", MMOL_L),
    ("[mmol/L]", MMOL_L),
    ("mmol\N{DIVISION SLASH}L", MMOL_L),
    ("mEq/L", MEQ_L),
    ("meq/l", MEQ_L),
    ("mEq/liter", MEQ_L),
    ("mval/L", MEQ_L),
]


@each_row(("spelling", "unit"), SPELLINGS)
def test_each_spelling_is_known_as_code_and_as_text(spelling: str, unit: str) -> None:
    assert canonical_unit(spelling, None) == unit
    assert canonical_unit(None, spelling) == unit
    assert canonical_unit(f" {spelling} ", f"\N{NO-BREAK SPACE}{spelling}") == unit


@pytest.mark.parametrize(
    "spelling",
    [
        *("g/L", "ug/L", "µg/dL", "mg/L", "mmol", "mg", "L/min", "nmol/L", "%", "1", "mL/s"),
        *("mg/dl/h", "dL/mg", "U/L", "mL/min/m2", "mL/min/1.37m2", "mL/min/173m2", "mL/h/1.73m2"),
        *("mL/min/1.73m3", "mg/10mL", "mg/1000mL", "mL/min/1.73m2 (reduced)", "(calc)", "*", "per"),
    ],
)
def test_any_other_unit_is_odd(spelling: str) -> None:
    assert canonical_unit(spelling, None) is None
    assert canonical_unit(None, spelling) is None
    assert canonical_unit(spelling, spelling) is None


@pytest.mark.parametrize(
    ("code", "unit", "read"),
    [
        (None, None, ""),
        ("", "", ""),
        (" ", " ", ""),
        # One of the two is known, the other is a local spelling.
        ("mg/dL", "milligrams", MG_DL),
        ("local-17", "mg/dL", MG_DL),
        ("258797006", "mg/dL", MG_DL),
        # A code that is not known states a unit all the same: that of the LOINC code is not assumed.
        ("258797006", None, None),
        ("258797006", "strange", None),
        # They contradict each other.
        ("mg/dL", "umol/L", None),
        ("mmol/L", "mEq/L", None),
        ("mg%", "mmol/L", None),
        # Two spellings of one unit do not.
        ("mg/dL", "mg/100 mL", MG_DL),
        ("mL/min/{1.73_m2}", "ml/min/1,73 qm", EGFR),
    ],
)
def test_code_and_text_together(code: str | None, unit: str | None, read: str | None) -> None:
    assert canonical_unit(code, unit) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *((None, ""), ("", ""), ("=", ""), (" = ", "")),
        *(("<", "<"), (" >= ", ">="), ("> =", ">="), ("≤", "<="), ("≥", ">=")),
        *(("~", "~"), ("ad", "ad"), ("=>", "=>")),
    ],
)
def test_a_comparator(written: str | None, read: str) -> None:
    assert comparator_of(written) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("60", Measured(Decimal(60), "", "", "")),
        (" 60.5 ", Measured(Decimal("60.5"), "", "", "")),
        (">60", Measured(Decimal(60), ">", "", "")),
        ("> 60", Measured(Decimal(60), ">", "", "")),
        (">\N{NO-BREAK SPACE}60", Measured(Decimal(60), ">", "", "")),
        (">=60", Measured(Decimal(60), ">=", "", "")),
        ("<15", Measured(Decimal(15), "<", "", "")),
        ("<=15", Measured(Decimal(15), "<=", "", "")),
        ("≥90", Measured(Decimal(90), ">=", "", "")),
        ("≤ 15", Measured(Decimal(15), "<=", "", "")),
        ("=60", Measured(Decimal(60), "", "", "")),
        ("= 1.1 mg/dL", Measured(Decimal("1.1"), "", MG_DL, "mg/dL")),
        (">60 mL/min/1.73m2", Measured(Decimal(60), ">", EGFR, "mL/min/1.73m2")),
        ("1.10 mg/dL", Measured(Decimal("1.10"), "", MG_DL, "mg/dL")),
        ("97µmol/L", Measured(Decimal(97), "", UMOL_L, "µmol/L")),
        ("999999", Measured(Decimal(999999), "", "", "")),
        ("1.123456789012", Measured(Decimal("1.123456789012"), "", "", "")),
        # A decimal comma, with one or two decimals.
        ("1,5", Measured(Decimal("1.5"), "", "", "")),
        ("1,30 mmol/l", Measured(Decimal("1.30"), "", MMOL_L, "mmol/l")),
        ("<0,5 mmol/L", Measured(Decimal("0.5"), "<", MMOL_L, "mmol/L")),
        ("22,5 ml/min/1,73 m2", Measured(Decimal("22.5"), "", EGFR, "ml/min/1,73 m2")),
        ("2,6mg%", Measured(Decimal("2.6"), "", MG_DL, "mg%")),
    ],
)
def test_a_text_that_is_just_a_result(text: str, read: Measured) -> None:
    assert from_text(text) == read


@each_row(
    "text",
    [
        *("", "normal", "see comment", "-60", "60-90", "30 to 59", "1.", ".5", "1e3", "about 60"),
        *("60 (reduced)", ">60 and stable", "60 g/L", "60%", "1234567", ">>60", "==60", "=>60"),
        *("～60", "６０", "60 *", "60\nsee comment", "1.2.3", "1.1234567890123"),
        # Three digits behind a comma may be thousands; nothing else is a decimal comma.
        *("1,234", "12,345 umol/L", "1,", ",5", "1,2,3", "1.234,5", "1,5.2", "60 ,5"),
    ],
)
def test_anything_more_is_prose(text: str) -> None:
    assert from_text(text) is None


@pytest.mark.parametrize(
    "hostile",
    [
        "60" + " " * 200_000 + "\nx",
        "60" + " \n" * 100_000 + "x",
        "60 " + "(calc" * 40_000,
        "60 " + "sq" * 100_000,
        "60 " + "per" * 70_000,
        "6" * 200_000,
        "<" * 200_000,
        " " * 200_000 + "60",
    ],
    ids=range(8),
)
def test_a_long_text_costs_no_more_than_its_length(hostile: str) -> None:
    before = time.perf_counter()
    from_text(hostile)
    assert time.perf_counter() - before < 1, "seconds; a regular expression took 10 s for 16,000"
