"""Serum magnesium (SPEC 4.1, 11.17, 12.2 N-2, 12.4 M-11)."""

from __future__ import annotations

from tests.table.facts import Case, Magnesium
from tests.table.tables import RESULT_STATUSES

MG_DL_PER_UNIT = {
    "mg/dL": 1.0,
    "mg%": 1.0,
    "mg/100 mL": 1.0,
    "mmol/L": 2.4305,
    "mEq/L": 2.4305 / 2,
}
MASS = {"mg/dL", "mg%", "mg/100 mL"}
HIGH = {"slightly-high", "high"}


def magnesium_unit(result: Magnesium) -> str:
    """11.17: without a unit, that of the code."""
    return result.unit or ("mmol/L" if result.molar else "mg/dL")


def counts_as_magnesium(result: Magnesium, days: int = 180) -> bool:
    return not result.rbc and result.status in RESULT_STATUSES and result.days <= days


def plausible(result: Magnesium) -> bool:
    factor = MG_DL_PER_UNIT.get(magnesium_unit(result))
    return factor is not None and 0.2 <= result.value * factor <= 20


def unreadable(result: Magnesium) -> bool:
    return counts_as_magnesium(result) and not plausible(result)


def results(case: Case) -> tuple[Magnesium, ...]:
    return () if "magnesiumLabs" in case.missing else case.magnesium


def usable(case: Case, days: int = 180) -> list[Magnesium]:
    return [r for r in results(case) if counts_as_magnesium(r, days) and plausible(r)]


def newest(case: Case) -> Magnesium | None:
    return min(usable(case), key=lambda r: (r.days, r.secondary), default=None)


def unknown_may_be_newest(case: Case) -> bool:
    """N-2: a result that cannot be used and may be newer than the one that counts."""
    known = newest(case)
    return any(unreadable(r) and (known is None or r.days < known.days) for r in results(case))


def magnesium_level(case: Case) -> str | None:
    """severe-low, low, normal, slightly-high or high, of the latest usable result (11.17)."""
    result = newest(case)
    if result is None:
        return None
    mass = magnesium_unit(result) in MASS
    severe, low, high, mild = (1.2, 1.7, 2.6, 3.0) if mass else (0.50, 0.70, 1.07, 1.23)
    halved = 2 if magnesium_unit(result) == "mEq/L" else 1
    value = result.value / halved
    if result.reference_high is not None:
        high = result.reference_high / halved
    if value < severe:
        return "severe-low"
    if value < low:
        return "low"
    if value <= high:
        return "normal"
    return "slightly-high" if value < mild else "high"
