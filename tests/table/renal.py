"""The kidneys (SPEC 3, 12.2 N-2 to N-4, 12.3)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.table.facts import Case, Creatinine, Egfr
from tests.table.knowing import (
    drugs_not_all_known,
    renal_history_not_all_known,
)
from tests.table.tables import PROCEDURES, RESULT_STATUSES, RISK


class Point(NamedTuple):
    """One kidney result on the time line: minutes before T (larger is older)."""

    minutes: int
    days: int
    value: float | None  # None: a result that cannot be used
    rank: tuple[int, float]
    creatinine: bool


@dataclass(frozen=True)
class Kidney:
    """`unusable`: a result that cannot be used may be the newest (N-2).

    `newest_unknown`: that, or the newest may be among results that were withheld (12.7.1).
    `tests_only`: no dose may be offered, whatever the class.
    """

    cls: str
    flags: frozenset[str] = field(default_factory=frozenset)
    unusable: bool = False
    newest_unknown: bool = False
    tests_only: bool = False


# ----------------------------------------------------------------------- the results


def minutes_ago(days: int, minute: int | None) -> int:
    return days * 1440 - (minute or 0)


def is_egfr_unit(unit: str | None) -> bool:
    """SPEC 3.1.1, N-1: mL/min, alone or per 1.73 square metres, however it is spelt."""
    if unit is None:
        return True
    folded = re.sub(r"[\s*^\[\](){}]|calc|ckd-epi", "", unit.lower()).replace(",", ".")
    folded = folded.replace("per", "/").replace("²", "2").replace("sqm", "m2").replace("qm", "m2")
    return re.fullmatch(r"ml/min(/1\.73_?m2)?", folded) is not None


def reported_value(result: Egfr) -> float | None:
    """SPEC 3.1.1: the value to compare, or None when the result cannot be used."""
    if not is_egfr_unit(result.unit) or not 1 <= result.value <= 250:
        return None
    if result.comparator == ">":
        return result.value if result.value >= 60 else None
    if result.comparator == "<":
        return result.value - 0.1
    return result.value


def creatinine_mg_dl(result: Creatinine) -> float | None:
    """SPEC 3.1.3: the stated unit beats the default of the code; never a guess from the size."""
    unit = result.unit or ("umol/L" if result.molar else "mg/dL")
    factors = {"mg/dL": 1.0, "mg%": 1.0, "mg/100 mL": 1.0, "umol/L": 1 / 88.4}
    factor = (factors | {"mmol/L": 1000 / 88.4}).get(unit)
    if factor is None:
        return None
    value = result.value * factor
    return value if 0.1 <= value <= 30 else None


def ckd_epi_2021(creatinine: float, age: int, sex: str) -> float:
    """SPEC 3.1.3."""
    female = sex == "female"
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    value: float = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.200 * 0.9938**age
    return value * 1.012 if female else value


def age_at(case: Case, days: int) -> int | None:
    if case.age is None:
        return None
    return case.age - math.ceil(max(0, days - case.birthday_days) / 365.25)


def computed_value(case: Case, result: Creatinine) -> float | None:
    """None where it cannot be used (N-2), as with the codes that must not feed the equation."""
    age, creatinine = age_at(case, result.days), creatinine_mg_dl(result)
    if not result.use or creatinine is None or age is None or case.sex not in {"female", "male"}:
        return None
    return ckd_epi_2021(creatinine, age, case.sex)


def counts_as_creatinine(case: Case, result: Creatinine) -> bool:
    """SPEC 3.1.3: a result of an adult at sampling (or of an age not known)."""
    age = age_at(case, result.days)
    return result.status in RESULT_STATUSES and (age is None or age >= 18)


def kidney_points(case: Case) -> list[Point]:
    """SPEC 3.1: every result there is, the unusable ones too; another status is no result."""
    if "kidneyLabs" in case.missing:
        return []
    reported = [
        Point(
            minutes_ago(result.days, result.minute),
            result.days,
            reported_value(result),
            (result.preference, result.value),
            creatinine=False,
        )
        for result in case.egfr
        if result.status in RESULT_STATUSES
    ]
    computed = [
        Point(
            minutes_ago(result.days, result.minute),
            result.days,
            computed_value(case, result),
            (9, result.value),
            creatinine=True,
        )
        for result in case.creatinine
        if counts_as_creatinine(case, result)
    ]
    return reported + computed


def latest(points: Iterable[Point]) -> Point | None:
    """SPEC 3.1.2: latest time, then lowest preference number, then lowest value."""
    return min(points, key=lambda point: (point.minutes, point.rank), default=None)


def deciding_point(points: list[Point]) -> Point | None:
    usable = [point for point in points if point.value is not None]
    egfr = latest(point for point in usable if not point.creatinine)
    creatinine = latest(point for point in usable if point.creatinine)
    if egfr is None or creatinine is None:
        return egfr or creatinine
    # SPEC 3.1.3: creatinine only when more than 24 h newer than the newest eGFR.
    return creatinine if egfr.minutes - creatinine.minutes > 24 * 60 else egfr


def class_of(value: float) -> str:
    return "SEVERE" if value < 30 else "MODERATE" if value < 60 else "NORMAL"


def pair_conflicts(first: Point, second: Point) -> bool:
    """N-3, 12.7.19: eGFR and creatinine within 24 h, or two creatinines of one day."""
    if first.value is None or second.value is None:
        return False
    if first.creatinine and second.creatinine:
        near = first.days == second.days
    else:
        near = first.creatinine != second.creatinine
        near = near and abs(first.minutes - second.minutes) <= 24 * 60
    higher, lower = max(first.value, second.value), min(first.value, second.value)
    apart = higher - lower > 0.30 * higher
    return near and apart and class_of(first.value) != class_of(second.value)


def contradicting(point: Point, points: list[Point]) -> list[Point]:
    """12.7.19: the pair must hold the result that would decide."""
    return [other for other in points if pair_conflicts(point, other)]


def newest_is_unusable(points: list[Point], than: Point | None) -> bool:
    """N-2: a result that cannot be used and may be the newest."""
    unusable = [point for point in points if point.value is None]
    return any(than is None or point.minutes < than.minutes for point in unusable)


# ------------------------------------------------------------------- other evidence


def aki_is_severe(case: Case, points: list[Point]) -> bool:
    """SPEC 3.2 row 2; 11.15: any eGFR >= 60, reported or computed, at least 7 d later clears it."""
    if case.aki is not None or case.aki_days is None or case.aki_days > 90:
        return False
    return not any(
        point.value is not None and point.value >= 60 and case.aki_days - point.days >= 7
        for point in points
    )


# SPEC 3.2 row 1: an active condition, a procedure within 90 d, in progress at any age (11.15).
DIALYSIS = {
    "condition": True,
    "procedure-90": True,
    "procedure-91": False,
    "in-progress-400": True,
    "condition-resolved": False,
    "procedure-not-done": False,
}


def on_dialysis(case: Case) -> bool:
    """End-stage disease is in the dialysis value set too."""
    return case.ckd == "5D" or (case.dialysis is not None and DIALYSIS[case.dialysis])


def has_transplant(case: Case) -> bool:
    """B10, K-1: a Condition or a Procedure."""
    found = any(PROCEDURES[name] == "transplant" for name in case.procedures)
    return "transplant" in case.blocks or (found and "kidneyProcedures" not in case.missing)


def has_kidney_history(case: Case) -> bool:
    """K-2, M-4: renal_risk, which holds CKD, AKI, dialysis and transplant; past ones too."""
    operated = "kidneyProcedures" not in case.missing and any(
        PROCEDURES[name] != "nothing" for name in case.procedures
    )
    return (
        operated
        or has_transplant(case)
        or any(RISK[name].renal == "kidney" for name in case.rf)
        or case.ckd is not None
        or case.aki_days is not None
        or case.aki is not None
        or case.dialysis in {"condition", "condition-resolved"}
        or ("kidneyProcedures" not in case.missing and case.dialysis == "procedure-91")
    )


def renal_risk(case: Case) -> bool:
    """SPEC 3.3, K-2: a feature, or one that could be among what is not known."""
    return (
        any(RISK[name].renal for name in case.rf)
        or case.age is None
        or case.age >= 65
        or has_kidney_history(case)
        or renal_history_not_all_known(case)
        or drugs_not_all_known(case)
    )


def good_result_is_short(case: Case) -> bool:
    """N-4: who may rely on a good eGFR for 183 days only. Diabetes alone is not among them."""
    return (
        any(RISK[name].renal in {"short", "kidney"} for name in case.rf)
        or case.age is None
        or case.age >= 65
        or has_kidney_history(case)
        or renal_history_not_all_known(case)
        or drugs_not_all_known(case)
    )


# ----------------------------------------------------------------------- the class


def words_name_the_kidney(case: Case) -> bool:
    """U-7: a condition or result that nobody reads and whose words name the kidney."""
    return bool(case.unread & {"kidney-words", "gfr-words", "creatinine-words"})


def kidney_class(case: Case) -> Kidney:
    """SPEC 3.2 with section 12, first match."""
    points = kidney_points(case)
    decided = deciding_point(points)
    against = [] if decided is None else contradicting(decided, points)
    point = decided and min([decided, *against], key=lambda p: p.value or 0.0)
    value = None if point is None else point.value
    days = 0 if point is None else point.days
    limit = 183 if good_result_is_short(case) else 365
    good = value is not None and value >= 60
    normal = good and days <= limit
    ckd = None if case.ckd is None or case.ckd.endswith("-resolved") else case.ckd
    spared = has_transplant(case) and value is not None and days <= 183
    conflicting = {"conflicting"} if against else set()
    stale = {"stale"} if days > 183 else set()
    house_code = bool(case.unread & {"gfr-words", "creatinine-words"})
    unusable = newest_is_unusable(points, decided) or house_code
    newest_unknown = unusable or "kidneyLabs" in case.partly
    # 12.7.1, 12.7.6: a good result beside something that could be worse.
    open_question = newest_unknown or "kidneyLabs" in case.missing or words_name_the_kidney(case)

    rows: list[tuple[bool, str, set[str]]] = [
        (on_dialysis(case), "SEVERE", set()),
        (aki_is_severe(case, points), "SEVERE", set()),
        (value is not None and value < 30, "SEVERE", conflicting),
        (ckd in {"4", "5", "5D"} and not spared, "SEVERE", set()),
        (value is not None and value < 60, "MODERATE", stale | conflicting),
        (
            ckd in {"3", "3a", "3b"},
            "MODERATE",
            {"discordant" if good and days <= 365 else "needs_labs"},
        ),
        (ckd == "unspecified" and not normal, "MODERATE", {"needs_labs"}),
        (normal and not open_question, "NORMAL", set()),
        (True, "UNKNOWN", set()),
    ]
    cls, flags = next((cls, flags) for holds, cls, flags in rows if holds)
    tests_only = bool(flags) or open_question
    return Kidney(cls, frozenset(flags), unusable, newest_unknown, tests_only)
