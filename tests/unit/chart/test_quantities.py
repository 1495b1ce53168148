"""Units by UCUM code or by an allow-listed spelling, and results that labs send as text."""

from __future__ import annotations

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
    from_text,
)

UCUM = "http://unitsofmeasure.org"
UCUM_OID = "urn:oid:2.16.840.1.113883.6.8"
SNOMED = "http://snomed.info/sct"

SPELLINGS = [
    ("mL/min/{1.73_m2}", EGFR),
    ("mL/min/{1.73m2}", EGFR),
    ("mL/min/1.73m2", EGFR),
    ("mL/min/1.73 m2", EGFR),
    ("ml/min/1.73m^2", EGFR),
    ("mL/min/1.73 m^2", EGFR),
    ("mL/min/1.73m²", EGFR),
    ("mL/min/1.73 m²", EGFR),
    ("mL/min/1.73", EGFR),
    ("mL/min/1.73 sq m", EGFR),
    ("mL/min/BSA", EGFR),
    ("mL/min", EGFR),
    ("mg/dL", MG_DL),
    ("MG/DL", MG_DL),
    ("milligram per deciliter", MG_DL),
    ("umol/L", UMOL_L),
    ("µmol/L", UMOL_L),  # micro sign
    ("μmol/L", UMOL_L),  # Greek mu
    ("mcmol/L", UMOL_L),
    ("micromol/L", UMOL_L),
    ("mmol/L", MMOL_L),
    ("mEq/L", MEQ_L),
    ("meq/l", MEQ_L),
    ("mEq/liter", MEQ_L),
    ("mval/L", MEQ_L),
]


@pytest.mark.parametrize(("spelling", "unit"), SPELLINGS)
@pytest.mark.parametrize("system", [UCUM, UCUM_OID, None])
def test_each_spelling_is_known_as_code_and_as_text(
    spelling: str, unit: str, system: str | None
) -> None:
    assert canonical_unit(spelling, system, None) == unit
    assert canonical_unit(None, system, spelling) == unit
    assert canonical_unit(f" {spelling} ", system, f" {spelling}") == unit


@pytest.mark.parametrize(
    "spelling",
    ["g/L", "ug/L", "mg/L", "mmol", "mg", "L/min", "nmol/L", "%", "1", "mL/s", "mg/dl/h", "dL/mg"],
)
def test_any_other_unit_is_odd(spelling: str) -> None:
    assert canonical_unit(spelling, UCUM, None) is None
    assert canonical_unit(None, None, spelling) is None
    assert canonical_unit(spelling, UCUM, spelling) is None


@pytest.mark.parametrize(
    ("code", "system", "unit", "read"),
    [
        (None, None, None, ""),
        ("", UCUM, "", ""),
        (" ", UCUM, " ", ""),
        # One of the two is known, the other is a local spelling.
        ("mg/dL", UCUM, "MG%", MG_DL),
        ("local-17", UCUM, "mg/dL", MG_DL),
        # They contradict each other.
        ("mg/dL", UCUM, "umol/L", None),
        ("mmol/L", UCUM, "mEq/L", None),
        # A code of another system is no unit; the text beside it is.
        ("258797006", SNOMED, "mg/dL", MG_DL),
        ("258797006", SNOMED, None, ""),
        ("258797006", SNOMED, "strange", None),
        ("mg/dL", SNOMED, "umol/L", UMOL_L),
    ],
)
def test_code_and_text_together(
    code: str | None, system: str | None, unit: str | None, read: str | None
) -> None:
    assert canonical_unit(code, system, unit) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("60", Measured(Decimal(60), "", "", "")),
        (" 60.5 ", Measured(Decimal("60.5"), "", "", "")),
        (">60", Measured(Decimal(60), ">", "", "")),
        ("> 60", Measured(Decimal(60), ">", "", "")),
        (">=60", Measured(Decimal(60), ">=", "", "")),
        ("<15", Measured(Decimal(15), "<", "", "")),
        ("<=15", Measured(Decimal(15), "<=", "", "")),
        ("≥90", Measured(Decimal(90), ">=", "", "")),
        ("≤ 15", Measured(Decimal(15), "<=", "", "")),
        (">60 mL/min/1.73m2", Measured(Decimal(60), ">", EGFR, "mL/min/1.73m2")),
        ("1.10 mg/dL", Measured(Decimal("1.10"), "", MG_DL, "mg/dL")),
        ("97µmol/L", Measured(Decimal(97), "", UMOL_L, "µmol/L")),
        ("999999", Measured(Decimal(999999), "", "", "")),
    ],
)
def test_a_text_that_is_just_a_result(text: str, read: Measured) -> None:
    assert from_text(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "normal",
        "see comment",
        "-60",
        "60-90",
        "30 to 59",
        "1,5",
        "1.",
        ".5",
        "1e3",
        "60 (reduced)",
        "about 60",
        ">60 and stable",
        "60 g/L",
        "60%",
        "1234567",
        ">>60",
        "=60",
        "～60",
        "６０",
    ],
)
def test_anything_more_is_prose(text: str) -> None:
    assert from_text(text) is None
