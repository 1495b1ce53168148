"""The CKD-EPI 2021 creatinine equation against published values and the vectors of the specification."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from cds_service.reasoning.kidney import ckd_epi_2021
from tests.support.decisions import knowledge

COEFFICIENTS = knowledge().parameters.ckd_epi_2021


def egfr(creatinine: str, age: int, sex: str) -> Decimal:
    return ckd_epi_2021(Decimal(creatinine), age, sex, COEFFICIENTS)


@pytest.mark.parametrize(
    ("sex", "age", "creatinine", "expected"),
    [
        ("female", 50, "1.0", "68.63"),
        ("male", 65, "2.4", "29.21"),
        ("female", 55, "1.08", "60.66"),
        ("female", 55, "1.10", "59.34"),
    ],
)
def test_the_values_of_the_specification(
    sex: str, age: int, creatinine: str, expected: str
) -> None:
    assert egfr(creatinine, age, sex).quantize(Decimal("0.01")) == Decimal(expected)


@pytest.mark.parametrize(
    ("sex", "kappa", "factor"), [("female", "0.7", "1.012"), ("male", "0.9", "1")]
)
def test_at_kappa_only_age_and_sex_are_left(sex: str, kappa: str, factor: str) -> None:
    for age in (18, 40, 90):
        expected = 142 * Decimal(factor) * Decimal("0.9938") ** age
        assert abs(egfr(kappa, age, sex) - expected) < Decimal("0.000001")


def test_more_creatinine_or_more_years_are_less_function() -> None:
    for sex in ("female", "male"):
        values = [egfr(c, 50, sex) for c in ("0.4", "0.7", "0.8", "0.9", "1.2", "3", "30")]
        assert values == sorted(values, reverse=True)
        ages = [egfr("1.0", age, sex) for age in (18, 40, 65, 100)]
        assert ages == sorted(ages, reverse=True)


def test_the_vectors_of_the_specification(shared_dir: Path) -> None:
    content = json.loads((shared_dir / "clinical/rules/egfr_test_vectors.json").read_bytes())
    vectors = content["vectors"]
    assert len(vectors) >= 4
    for vector in vectors:
        found = egfr(str(vector["scr_mg_dl"]), vector["age"], vector["sex"])
        assert abs(found - Decimal(str(vector["egfr"]))) <= Decimal("0.01"), vector
