"""Below, at and above each threshold and date limit, every expectation worked out by hand.

Each row is asked twice: of the second evaluator, which needs no service, and of the service.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

import pytest
from flask.testing import FlaskClient

from tests.support import fhir, http
from tests.table import answers, cases
from tests.table.facts import Case, Creatinine, Draft, Egfr, Magnesium, Taking
from tests.table.judging import ask, cards_text
from tests.table.second_evaluator import evaluate

NO_CARD = "no card"
SUGGEST = "mg-suggest info [mg 200->400]"
SUGGEST_LABS = "mg-suggest info [mg 200->400, labs]"
SUGGEST_ELDERLY = "mg-suggest info [mg 200->300, labs]"
REDUCED = "mg-suggest-reduced warning [labs, mg 200]"
REDUCED_LABS = "mg-suggest-reduced warning [labs]"
CHECK = "mg-check-renal info [labs, mg 200]"
CHECK_LABS = "mg-check-renal info [labs]"
AVOID = "mg-avoid-renal warning []"
LOW = "mg-low-severe warning [labs]"
HAZARD_RENAL = "mg-hazard-renal critical [labs]"
HAZARD_MAGNESIUM = "mg-hazard-hypermag critical [labs]"
HAZARD_SLIGHT = "mg-hazard-hypermag warning [labs]"
HAZARD_DOSE = "mg-hazard-dose warning [labs]"
HAZARD_DOSE_CRITICAL = "mg-hazard-dose critical [labs]"
ORDER_MAGNESIUM = "rx-mg-hypermag critical [delete]"
ORDER_SLIGHT = "rx-mg-hypermag warning [labs]"
UNKNOWN_ORDER = "rx-mg-renal-unknown info [labs]"
CAUTION = "rx-mg-renal-caution warning [labs]"
DOSE = "rx-mg-dose warning []"
DUPLICATE = "rx-mg-duplicate warning []"
CHILD = "rx-mg-age info []"
CHILD_ABOVE = "rx-mg-age warning []"

GOOD = (Egfr(92, 30),)
# Alcohol dependence: a risk factor that is no renal risk, so that UNKNOWN still offers a draft.
PERSON = Case(rf=frozenset({"alcohol"}))
HEALTHY = replace(PERSON, egfr=GOOD)
ORDER = Case(hook="order-sign", egfr=GOOD)


class Row(NamedTuple):
    name: str
    case: Case
    expected: str
    flags: frozenset[str] = frozenset()


def kidney(*egfr: Egfr, **more: object) -> Case:
    return replace(PERSON, egfr=egfr, **more)  # type: ignore[arg-type]


def egfr_values() -> Iterator[Row]:
    """SPEC 3.1.4, 3.2: 30 is MODERATE, 60 is NORMAL, nothing is rounded. 3.1.1: 1 to 250."""
    for value, expected in (
        (0.99, CHECK_LABS),  # N-2: a result that cannot be used
        (1, AVOID),
        (29, AVOID),
        (29.5, AVOID),
        (29.99, AVOID),
        (30, REDUCED),
        (30.01, REDUCED),
        (59.5, REDUCED),
        (59.99, REDUCED),
        (60, SUGGEST),
        (60.01, SUGGEST),
        (250, SUGGEST),
        (250.01, CHECK_LABS),
    ):
        yield Row(f"eGFR {value}", kidney(Egfr(value, 30)), expected)
    for value, expected in ((59, CHECK_LABS), (60, SUGGEST), (90, SUGGEST)):
        yield Row(f"eGFR >{value}", kidney(Egfr(value, 30, comparator=">")), expected)
    yield Row("eGFR <15", kidney(Egfr(15, 30, comparator="<")), AVOID)


def egfr_ages() -> Iterator[Row]:
    """SPEC 3.2: 365 d for 60 and above, 183 d for 30 to 59, no limit below 30."""
    for value, days, expected in (
        (60, 0, SUGGEST),
        (60, 364, SUGGEST),
        (60, 365, SUGGEST),
        (60, 366, CHECK),
        (30, 366, REDUCED_LABS),
        (29.9, 365, AVOID),
        (29.9, 366, AVOID),
        (29.9, 5000, AVOID),
    ):
        stale = frozenset({"stale"}) if expected == REDUCED_LABS else frozenset()
        yield Row(f"eGFR {value}, {days} d", kidney(Egfr(value, days)), expected, stale)
    for days, expected, flags in (
        (182, REDUCED, frozenset[str]()),
        (183, REDUCED, frozenset[str]()),
        (184, REDUCED_LABS, frozenset({"stale"})),
    ):
        yield Row(f"eGFR 45, {days} d", kidney(Egfr(45, days)), expected, flags)
    # N-4: 183 days with a heart failure, a diuretic, a calcineurin inhibitor, a kidney history.
    for risk in ("heart-failure", "loop-prn", "tacrolimus", "polycystic"):
        for days, labels in ((183, ("mg 200->400, labs", "mg 200->400")), (184, ())):
            case = kidney(Egfr(75, days), rf=frozenset({"alcohol", risk}))
            beside = labels and labels[0 if risk == "tacrolimus" else 1]  # S-2: RF8
            expected = f"mg-suggest info [{beside}]" if labels else CHECK_LABS
            yield Row(f"eGFR 75, {days} d, {risk}", case, expected)
    for days, expected in ((365, SUGGEST), (366, CHECK_LABS)):
        case = kidney(Egfr(75, days), rf=frozenset({"diabetes"}))
        yield Row(f"eGFR 75, {days} d, diabetes", case, expected)


def creatinine_values() -> Iterator[Row]:
    """SPEC 3.1.3. CKD-EPI 2021 is 60.06 and 59.996 for a woman of 55 with 1.089 and 1.090 mg/dL,
    30.005 and 29.99 for a man of 65 with 2.347 and 2.348."""
    woman = replace(PERSON, age=55)
    man = replace(PERSON, age=65, sex="male")
    rows: list[tuple[Case, Creatinine, str]] = [
        (woman, Creatinine(1.089, 10), SUGGEST),
        (woman, Creatinine(1.090, 10), REDUCED),
        (man, Creatinine(2.347, 10), REDUCED),
        (man, Creatinine(2.348, 10), AVOID),
        # 96.3 umol/L is 1.0894 mg/dL, 96.4 is 1.0905
        (woman, Creatinine(96.3, 10, unit="umol/L", molar=True), SUGGEST),
        (woman, Creatinine(96.4, 10, unit="umol/L", molar=True), REDUCED),
        (woman, Creatinine(0.0963, 10, unit="mmol/L", molar=True), SUGGEST),
        (woman, Creatinine(0.0964, 10, unit="mmol/L", molar=True), REDUCED),
        # the stated unit beats the code; without one the code decides, never the size
        (woman, Creatinine(96.4, 10, unit="umol/L"), REDUCED),
        (woman, Creatinine(1.089, 10, unit="mg/dL", molar=True), SUGGEST),
        (woman, Creatinine(1.090, 10, unit=None), REDUCED),
        (woman, Creatinine(96.4, 10, unit=None, molar=True), REDUCED),
        (woman, Creatinine(96.4, 10, unit=None), CHECK_LABS),
        (woman, Creatinine(1.09, 10, unit=None, molar=True), CHECK_LABS),
        # plausible from 0.1 to 30 mg/dL
        (woman, Creatinine(0.099, 10), CHECK_LABS),
        (woman, Creatinine(0.1, 10), SUGGEST),
        (woman, Creatinine(30, 10), AVOID),
        (woman, Creatinine(30.01, 10), CHECK_LABS),
    ]
    for case, result, expected in rows:
        name = f"creatinine {result.value} {result.unit}, molar code {result.molar}, {case.sex}"
        yield Row(name, replace(case, creatinine=(result,)), expected)


def creatinine_or_egfr() -> Iterator[Row]:
    """SPEC 3.1.3: creatinine only when more than 24 h newer. 1.3 mg/dL is 51.7 here."""
    noon = 12 * 60
    for minute, expected in ((noon - 1, SUGGEST), (noon, SUGGEST), (noon + 1, REDUCED)):
        case = kidney(Egfr(62, 5, noon), creatinine=(Creatinine(1.3, 4, minute),))
        yield Row(f"creatinine {24 * 60 + minute - noon} min newer", case, expected)
    for days, expected in ((6, SUGGEST), (5, SUGGEST), (4, SUGGEST), (3, REDUCED)):
        case = kidney(Egfr(62, 5), creatinine=(Creatinine(1.3, days),))
        yield Row(f"creatinine {days} d, eGFR 5 d", case, expected)
    # Age at sampling: the 18th birthday was ten days ago.
    young = replace(PERSON, age=18, birthday_days=10)
    for days, expected in ((9, SUGGEST), (10, SUGGEST), (11, CHECK)):
        case = replace(young, creatinine=(Creatinine(0.6, days),))
        yield Row(f"creatinine {10 - days} d after the 18th birthday", case, expected)


def conflicts() -> Iterator[Row]:
    """N-3: within 24 hours, another class, more than 30 % of the higher apart.

    For a woman of 45, 1.3 mg/dL is 51.678: 30 % below 73.826. 1.8 mg/dL is 34.97.
    """
    conflicting = frozenset({"conflicting"})
    nothing: frozenset[str] = frozenset()
    for value, expected, flags in (
        (73.82, SUGGEST, nothing),
        (73.83, REDUCED_LABS, conflicting),
    ):
        case = kidney(Egfr(value, 5), creatinine=(Creatinine(1.3, 5),))
        yield Row(f"eGFR {value} beside 51.678", case, expected, flags)
    noon = 12 * 60
    for days, minute, expected, flags in (
        (6, noon - 1, SUGGEST, nothing),
        (6, noon, REDUCED_LABS, conflicting),
        (4, noon, REDUCED_LABS, conflicting),
        (4, noon + 1, REDUCED, nothing),  # newer: it decides alone
    ):
        case = kidney(Egfr(90, 5, noon), creatinine=(Creatinine(1.8, days, minute),))
        yield Row(f"conflict, creatinine {days} d {minute} min", case, expected, flags)
    for days, minute, expected, flags in (
        (5, 0, REDUCED_LABS, conflicting),
        (6, 23 * 60, SUGGEST, nothing),  # within 24 hours, but of another day
    ):
        case = kidney(creatinine=(Creatinine(0.8, 5, noon), Creatinine(1.8, days, minute)))
        yield Row(f"two creatinines, the other {days} d", case, expected, flags)


def kidney_conditions() -> Iterator[Row]:
    """SPEC 3.2: AKI 90 d and 7 d, dialysis 90 d, CKD with a fresh eGFR, transplant 183 d."""
    old_good = Egfr(92, 150)
    for days, expected in ((89, AVOID), (90, AVOID), (91, SUGGEST)):
        yield Row(f"AKI {days} d", kidney(old_good, aki_days=days), expected)
    for value, days, expected in (
        (88, 15, AVOID),
        (88, 14, AVOID),
        (88, 13, SUGGEST),
        (60, 13, SUGGEST),
        (59.9, 13, AVOID),
    ):
        case = kidney(Egfr(value, days), aki_days=20)
        yield Row(f"AKI 20 d, eGFR {value} {days} d", case, expected)
    for name, expected in (
        ("procedure-90", AVOID),
        ("procedure-91", SUGGEST),
        ("in-progress-400", AVOID),
    ):
        yield Row(f"dialysis {name}", kidney(old_good, dialysis=name), expected)
    for value, days, flag in (
        (60, 365, "discordant"),
        (60, 366, "needs_labs"),
    ):
        case = kidney(Egfr(value, days), ckd="3a")
        yield Row(f"CKD 3a, eGFR {value} {days} d", case, REDUCED_LABS, frozenset({flag}))
    for days, expected in ((183, SUGGEST), (184, REDUCED_LABS)):  # 12.7.7
        flags = frozenset({"needs_labs"}) if expected == REDUCED_LABS else frozenset()
        case = kidney(Egfr(60, days), ckd="unspecified")
        yield Row(f"CKD unspecified, eGFR 60 {days} d", case, expected, flags)
    for value, days, expected in (
        (45, 182, NO_CARD),
        (45, 183, NO_CARD),
        (45, 184, HAZARD_RENAL),
        (29.9, 10, HAZARD_RENAL),
    ):
        grafted = kidney(
            Egfr(value, days), ckd="4", blocks=frozenset({"transplant"}), taking=(Taking(),)
        )
        yield Row(f"transplant, CKD 4, eGFR {value} {days} d", grafted, expected)


def serum_magnesium() -> Iterator[Row]:
    """SPEC 4.1, 11.17: each unit against its own limits; no other risk factor here."""
    plain = replace(HEALTHY, rf=frozenset())
    for value, unit, expected in (
        (0.19, "mg/dL", NO_CARD),
        (0.2, "mg/dL", LOW),
        (1.19, "mg/dL", LOW),
        (1.2, "mg/dL", SUGGEST),
        (1.69, "mg/dL", SUGGEST),
        (1.7, "mg/dL", NO_CARD),
        (0.08, "mmol/L", NO_CARD),
        (0.09, "mmol/L", LOW),
        (0.499, "mmol/L", LOW),
        (0.5, "mmol/L", SUGGEST),
        (0.699, "mmol/L", SUGGEST),
        (0.6999, "mmol/L", SUGGEST),  # 1.7011 mg/dL: its own unit decides
        (0.7, "mmol/L", NO_CARD),
        (0.99, "mEq/L", LOW),
        (1.0, "mEq/L", SUGGEST),
        (1.39, "mEq/L", SUGGEST),
        (1.4, "mEq/L", NO_CARD),
    ):
        result = Magnesium(value, unit=unit, molar=unit != "mg/dL")
        yield Row(f"Mg {value} {unit}", replace(plain, magnesium=(result,)), expected)
    taking = replace(plain, taking=(Taking(),))
    for value, unit, high, expected in (
        (2.6, "mg/dL", None, NO_CARD),
        (2.61, "mg/dL", None, HAZARD_SLIGHT),
        (2.99, "mg/dL", None, HAZARD_SLIGHT),
        (3.0, "mg/dL", None, HAZARD_MAGNESIUM),
        (4.9, "mg/dL", None, HAZARD_MAGNESIUM),
        (4.91, "mg/dL", None, HAZARD_MAGNESIUM),
        (20, "mg/dL", None, HAZARD_MAGNESIUM),
        (20.01, "mg/dL", None, NO_CARD),
        (1.07, "mmol/L", None, NO_CARD),  # 2.6006 mg/dL: its own unit decides
        (1.071, "mmol/L", None, HAZARD_SLIGHT),
        (1.229, "mmol/L", None, HAZARD_SLIGHT),
        (1.23, "mmol/L", None, HAZARD_MAGNESIUM),
        (2.14, "mEq/L", None, NO_CARD),
        (2.15, "mEq/L", None, HAZARD_SLIGHT),
        (2.46, "mEq/L", None, HAZARD_MAGNESIUM),
        (2.4, "mg/dL", 2.4, NO_CARD),
        (2.41, "mg/dL", 2.4, HAZARD_SLIGHT),
        (2.7, "mg/dL", 2.7, NO_CARD),
        (2.71, "mg/dL", 2.7, HAZARD_SLIGHT),
        (3.1, "mg/dL", 3.1, NO_CARD),
        (3.11, "mg/dL", 3.1, HAZARD_MAGNESIUM),
    ):
        result = Magnesium(value, unit=unit, molar=unit != "mg/dL", reference_high=high)
        name = f"Mg {value} {unit}, reference {high}, on magnesium"
        yield Row(name, replace(taking, magnesium=(result,)), expected)
    for days, low, high_expected in (
        (179, LOW, HAZARD_MAGNESIUM),
        (180, LOW, HAZARD_MAGNESIUM),
        (181, NO_CARD, NO_CARD),
    ):
        case = replace(plain, magnesium=(Magnesium(1.0, days=days),))
        yield Row(f"Mg 1.0, {days} d", case, low)
        case = replace(taking, magnesium=(Magnesium(3.0, days=days),))
        yield Row(f"Mg 3.0, {days} d, on magnesium", case, high_expected)
    for value, kidneys, expected in (
        (2.61, GOOD, ORDER_SLIGHT),
        (2.99, GOOD, ORDER_SLIGHT),
        (3.0, GOOD, ORDER_MAGNESIUM),
        (2.99, (Egfr(45, 10),), f"{ORDER_MAGNESIUM}; {CAUTION}"),
        (2.99, (), f"{ORDER_MAGNESIUM}; {UNKNOWN_ORDER}"),
    ):
        order = replace(ORDER, drafts=magnesium(200), egfr=kidneys)
        name = f"Mg {value}, order, kidneys {[result.value for result in kidneys]}"
        yield Row(name, replace(order, magnesium=(Magnesium(value),)), expected)


def windows() -> Iterator[Row]:
    """SPEC 1, 2, 4.2: how long a condition, an order or a pregnancy counts."""
    for risk, expected in (
        ("loop-730", SUGGEST_LABS),
        ("loop-731", NO_CARD),
        ("loop-731-valid", SUGGEST_LABS),
        ("loop-undated", SUGGEST_LABS),
        ("loop-course-30", SUGGEST_LABS),  # N-8: over for 30 days
        ("loop-course-31", NO_CARD),
        ("ppi-89", NO_CARD),
        ("ppi-undated", NO_CARD),
        ("ppi-90", SUGGEST),
        ("cisplatin-180", SUGGEST_LABS),
        ("cisplatin-181", NO_CARD),
        ("cisplatin-undated", NO_CARD),
        ("gentamicin-30", SUGGEST_LABS),
        ("gentamicin-31", NO_CARD),
    ):
        yield Row(risk, replace(HEALTHY, rf=frozenset({risk})), expected)
    for migraine, expected in (
        ("no-status-recorded-730", SUGGEST),
        ("no-status-recorded-731", NO_CARD),
    ):
        yield Row(f"migraine {migraine}", replace(HEALTHY, migraine=migraine), expected)
    for block, expected in (("pregnant-300", NO_CARD), ("pregnant-301", SUGGEST)):
        yield Row(block, replace(HEALTHY, blocks=frozenset({block})), expected)


def magnesium(elemental: float, salt: str = "glycinate", up_to: bool = False) -> tuple[Draft, ...]:
    return (Draft("mg", elemental, salt=salt, up_to=up_to),)


def another_form(subtype: str) -> tuple[Draft, ...]:
    return (Draft("mg", subtype=subtype),)


def doses_taken() -> Iterator[Row]:
    """M-6: above 200 mg with MODERATE, above 1,000 mg with any class, critical above 2,500 mg."""
    patient = Case(migraine=None)
    for elemental, egfr, expected in (
        (200, 45, NO_CARD),
        (200.5, 45, HAZARD_DOSE),
        (200.5, 60, NO_CARD),
        (1000, 90, NO_CARD),
        (1000.5, 90, HAZARD_DOSE),
        (2500, 90, HAZARD_DOSE),
        (2500.5, 90, HAZARD_DOSE_CRITICAL),
        (2500.5, 45, HAZARD_DOSE_CRITICAL),
        (2500.5, 25, HAZARD_RENAL),  # 12.7.10
    ):
        case = replace(patient, egfr=(Egfr(egfr, 10),), taking=(Taking(daily_mg=elemental),))
        yield Row(f"takes {elemental} mg, eGFR {egfr}", case, expected)


def stopped_and_renewed() -> Iterator[Row]:
    """M-14: taken together for 30 days. M-15: stopped within 24 months."""
    for name, expected in (
        ("stopped-720", NO_CARD),
        ("stopped-740", SUGGEST),
        ("statement-ended-720", NO_CARD),
        ("statement-ended-740", SUGGEST),
    ):
        yield Row(name, replace(HEALTHY, stopped=name), expected)
    renewal = replace(ORDER, drafts=(Draft("drug:levothyroxine"),))
    for drug_days, magnesium_days, expected in (
        (30, 30, NO_CARD),
        (29, 200, "rx-mg-interaction info []"),
        (200, 29, "rx-mg-interaction info []"),
    ):
        case = replace(
            renewal,
            drugs=frozenset({"levothyroxine"}),
            drug_days=drug_days,
            taking=(Taking(salt="oxide", days=magnesium_days),),
        )
        yield Row(f"levothyroxine {drug_days} d, magnesium {magnesium_days} d", case, expected)


def other_forms() -> Iterator[Row]:
    """M-4: 75 years. M-5: 2 years."""
    for subtype, age, expected in (
        ("laxative", 74, NO_CARD),
        ("laxative", 75, UNKNOWN_ORDER),
        ("bowel-prep", 75, UNKNOWN_ORDER),
        ("antacid", 75, NO_CARD),
    ):
        case = replace(ORDER, egfr=(), age=age, drafts=another_form(subtype))
        yield Row(f"{subtype}, age {age}, kidneys not known", case, expected)
    for subtype in ("laxative", "antacid", "bowel-prep"):
        for age, expected in ((1, CHILD_ABOVE), (2, NO_CARD)):
            case = replace(ORDER, age=age, drafts=another_form(subtype))
            yield Row(f"{subtype}, age {age}", case, expected)


def results_beside_the_plan() -> Iterator[Row]:
    """S-2: the plan is recommended, and stands first, with a test of the last 183 days."""
    patient = replace(PERSON, rf=frozenset({"cisplatin-180"}))
    untested = "mg-suggest info [labs, mg 200->400]"
    for days, expected in ((183, SUGGEST_LABS), (184, untested)):
        case = replace(patient, egfr=(Egfr(90, days),))
        yield Row(f"cisplatin, eGFR 90, {days} d", case, expected)
    for days, expected in ((183, SUGGEST_LABS), (184, untested)):
        case = replace(patient, egfr=(Egfr(90, 300),), magnesium=(Magnesium(2.0, days=days),))
        yield Row(f"cisplatin, magnesium 2.0, {days} d", case, expected)


def low_at_any_age() -> Iterator[Row]:
    """M-10: from one year on."""
    for age, expected in ((0, NO_CARD), (1, LOW), (17, LOW)):
        case = Case(age=age, egfr=GOOD, magnesium=(Magnesium(1.19),))
        yield Row(f"Mg 1.19, age {age}", case, expected)


def order_doses() -> Iterator[Row]:
    """SPEC 4.2 B7, 4.3, 3.3: 500 mg a day, 200 mg with MODERATE, the limits of childhood."""
    for elemental, salt, expected in (
        (500, "glycinate", NO_CARD),
        (500.5, "glycinate", DOSE),
        (482, "oxide", NO_CARD),
        (723, "oxide", DOSE),
        (500, "glycinate-tablets", NO_CARD),
        (600, "glycinate-tablets", DOSE),
    ):
        case = replace(ORDER, drafts=magnesium(elemental, salt))
        yield Row(f"order of {elemental} mg, {salt}", case, expected)
    for already, expected in ((300, DUPLICATE), (301, f"{DOSE}; {DUPLICATE}")):
        case = replace(ORDER, drafts=magnesium(200), taking=(Taking(daily_mg=already),))
        yield Row(f"order of 200 mg on {already} mg", case, expected)
    moderate = replace(ORDER, egfr=(Egfr(45, 30),))
    for elemental, labels in ((199, "labs"), (200, "labs"), (200.5, "labs, update 200")):
        case = replace(moderate, drafts=magnesium(elemental))
        expected = f"rx-mg-renal-caution warning [{labels}]"
        yield Row(f"order of {elemental} mg, MODERATE", case, expected)
    for age, limit in ((1, 65), (3, 65), (4, 110), (8, 110), (9, 350), (17, 350)):
        for elemental, expected in (
            (limit - 1, CHILD),
            (limit, CHILD),
            (limit + 0.5, CHILD_ABOVE),
        ):
            case = replace(ORDER, age=age, drafts=magnesium(elemental))
            yield Row(f"order of {elemental} mg, age {age}", case, expected)
    case = replace(ORDER, age=18, drafts=magnesium(400))
    yield Row("order of 400 mg, age 18", case, NO_CARD)
    pregnant = replace(ORDER, blocks=frozenset({"pregnant"}))
    for elemental, level in ((350, "info"), (350.5, "warning")):  # S-9
        case = replace(pregnant, drafts=magnesium(elemental))
        yield Row(f"order of {elemental} mg, pregnant", case, f"rx-mg-pregnancy {level} []")
    # N-7: milligrams that may be of the salt count in full, and give no update.
    for elemental, expected in ((500, NO_CARD), (501, DOSE)):
        case = replace(ORDER, drafts=magnesium(elemental, up_to=True))
        yield Row(f"order of up to {elemental} mg", case, expected)
    case = replace(moderate, drafts=magnesium(400, up_to=True))
    yield Row("order of up to 400 mg, MODERATE", case, CAUTION)


ROWS = [
    *egfr_values(),
    *egfr_ages(),
    *creatinine_values(),
    *creatinine_or_egfr(),
    *kidney_conditions(),
    *serum_magnesium(),
    *windows(),
    *conflicts(),
    *doses_taken(),
    *stopped_and_renewed(),
    *other_forms(),
    *low_at_any_age(),
    *results_beside_the_plan(),
    *order_doses(),
]
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def test_the_rows_are_distinct() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@each_row
def test_the_second_evaluator(row: Row) -> None:
    outcome = evaluate(row.case)
    assert cards_text(outcome.shown) == row.expected
    assert outcome.flags == row.flags


@each_row
def test_the_service(client: FlaskClient, row: Row) -> None:
    status, cards = ask(client, row.case)
    assert status == 200
    assert cards_text(answers.shown(card) for card in cards) == row.expected
    for card in cards:
        flags = answers.flags_of(card)
        assert row.flags <= set(flags)


# --------------------------------------------------------------- ages, on the very birthday


def birthday(today: date, years: int, days_ahead: int) -> date:
    """The birth date of someone who turns `years` in `days_ahead` days."""
    return fhir.years_before(today + timedelta(days=days_ahead), years)


@pytest.mark.parametrize(
    ("years", "days_ahead", "expected"),
    [
        (18, 1, NO_CARD),
        (18, 0, SUGGEST),
        (18, -1, SUGGEST),
        (65, 1, SUGGEST),
        (65, 0, SUGGEST_ELDERLY),
        (65, -1, SUGGEST_ELDERLY),
    ],
)
def test_adult_and_elderly(
    client: FlaskClient, today: date, years: int, days_ahead: int, expected: str
) -> None:
    body = cases.request(HEALTHY, birth_date=birthday(today, years, days_ahead))
    _, cards = ask(client, HEALTHY, body)
    assert cards_text(answers.shown(card) for card in cards) == expected


@pytest.mark.parametrize(("days_ahead", "expected"), [(1, CHECK), (0, CHECK_LABS)])
def test_from_65_on_no_draft_without_kidney_results(
    client: FlaskClient, today: date, days_ahead: int, expected: str
) -> None:
    body = cases.request(PERSON, birth_date=birthday(today, 65, days_ahead))
    _, cards = ask(client, PERSON, body)
    assert cards_text(answers.shown(card) for card in cards) == expected


@pytest.mark.parametrize(
    ("years", "days_ahead", "elemental", "expected"),
    [
        (4, 1, 66, CHILD_ABOVE),
        (4, 0, 66, CHILD),
        (9, 1, 111, CHILD_ABOVE),
        (9, 0, 111, CHILD),
        (18, 1, 351, CHILD_ABOVE),
        (18, 0, 351, NO_CARD),
    ],
)
def test_limits_of_childhood(
    client: FlaskClient, today: date, years: int, days_ahead: int, elemental: int, expected: str
) -> None:
    case = replace(ORDER, drafts=magnesium(elemental))
    body = cases.request(case, birth_date=birthday(today, years, days_ahead))
    _, cards = ask(client, case, body)
    assert cards_text(answers.shown(card) for card in cards) == expected


# ------------------------------------------------------------ what a JSON float cannot hold


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("29.9999999999999999", AVOID),
        ("30.0000000000000000", REDUCED),
        ("59.9999999999999999", REDUCED),
        ("60.0000000000000000", SUGGEST),
    ],
)
def test_digits_are_read_as_written(client: FlaskClient, written: str, expected: str) -> None:
    """SPEC 3.1.4: compared unrounded; as a binary float the first would be 30."""
    case = kidney(Egfr(123.25, 30))
    body = json.dumps(cases.request(case)).replace("123.25", written).encode()
    found = http.cards(client, case.hook, body)
    assert cards_text(answers.shown(card) for card in found) == expected


# --------------------------------------------------------------------------- dosage steps

ELEMENTAL = "elemental magnesium"


@pytest.mark.parametrize(
    ("years", "days_ahead", "expected"), [(1, 1, NO_CARD), (1, 0, LOW), (18, 0, LOW)]
)
def test_a_low_magnesium_from_the_first_birthday(
    client: FlaskClient, today: date, years: int, days_ahead: int, expected: str
) -> None:
    case = Case(egfr=GOOD, magnesium=(Magnesium(1.0),))
    body = cases.request(case, birth_date=birthday(today, years, days_ahead))
    _, cards = ask(client, case, body)
    assert cards_text(answers.shown(card) for card in cards) == expected


@pytest.mark.parametrize(
    ("years", "days_ahead", "expected"),
    [(2, 1, CHILD_ABOVE), (2, 0, NO_CARD), (75, 1, NO_CARD), (75, 0, NO_CARD)],
)
def test_laxatives_from_the_second_birthday(
    client: FlaskClient, today: date, years: int, days_ahead: int, expected: str
) -> None:
    case = replace(ORDER, drafts=another_form("laxative"))
    body = cases.request(case, birth_date=birthday(today, years, days_ahead))
    _, cards = ask(client, case, body)
    assert cards_text(answers.shown(card) for card in cards) == expected


def ordered_steps(*steps: fhir.Resource) -> fhir.Resource:
    case = replace(ORDER, drafts=magnesium(200))
    body = cases.request(case)
    body["context"]["draftOrders"]["entry"][0]["resource"]["dosageInstruction"] = list(steps)
    return body


@pytest.mark.parametrize(
    ("sequences", "amount", "expected"),
    [
        ((1, 2), 300, NO_CARD),  # steps: the largest is the daily dose
        ((1, 1), 300, DOSE),  # together: 600 mg
        ((None, None), 300, DOSE),
        ((None, None), 250, NO_CARD),  # 500 mg
        ((1, 2), 501, DOSE),
    ],
)
def test_steps_and_sums(
    client: FlaskClient, sequences: tuple[int | None, ...], amount: float, expected: str
) -> None:
    """SPEC 11.5."""
    steps = (fhir.dosage(amount, "mg", 1, sequence=number, text=ELEMENTAL) for number in sequences)
    body = ordered_steps(*steps)
    found = http.cards(client, "order-sign", body)
    assert cards_text(answers.shown(card) for card in found) == expected


@pytest.mark.parametrize(
    ("times", "every_days", "expected"), [(2, 1, NO_CARD), (3, 1, DOSE), (3, 2, NO_CARD)]
)
def test_daily_dose_from_the_timing(
    client: FlaskClient, times: int, every_days: int, expected: str
) -> None:
    body = ordered_steps(fhir.dosage(250, "mg", times, every_days=every_days, text=ELEMENTAL))
    found = http.cards(client, "order-sign", body)
    assert cards_text(answers.shown(card) for card in found) == expected
