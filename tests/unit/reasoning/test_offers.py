"""When to stay silent, and what to offer (SPEC 12.3 K-2, K-3, 12.4 M-17, 12.5 S-1 to S-3, S-6)."""

from __future__ import annotations

import pytest

from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart
from tests.unit.reasoning.asking import (
    DIABETES,
    DIGOXIN,
    FIBRILLATION,
    HCTZ,
    MIGRAINE,
    OMEPRAZOLE,
    SUMATRIPTAN,
    TOPIRAMATE,
    aged,
    caution,
    caution_ids,
    charted,
    egfr,
    has,
    kinds,
    labs_of,
    level,
    one,
    orders,
    outcome,
    recommended,
    selects,
    shown,
    signs,
    takes,
    views,
)

THREE = {"lab_magnesium", "lab_potassium", "lab_creatinine"}
HYPERTENSION, EPILEPSY = "I10", "G40.909"
VENLAFAXINE = "venlafaxine 75 mg capsule"
METOPROLOL, PROPRANOLOL = "metoprolol tartrate 50 mg tablet", "propranolol 40 mg tablet"
MIGRAINE_REASON = fhir.concept(text="Migraine prevention")
PREVENTIVE = [("mg-with-preventive", "info")]


def ordered(text: str, **more: object) -> Resource:
    return fhir.draft_order(None, text=text, id="d", **more)


# -------------------------------------------------------------- another use of a preventive


@pytest.mark.parametrize(
    ("drug", "disease"),
    [
        (METOPROLOL, HYPERTENSION),  # labelled
        (METOPROLOL, FIBRILLATION),  # by guidelines
        ("topiramate 25 mg tablet", EPILEPSY),
        ("topiramate 25 mg tablet", "F31.9"),  # off label
        ("venlafaxine 75 mg capsule", "F33.1"),
    ],
)
def test_a_preventive_that_another_disease_explains_is_silent(drug: str, disease: str) -> None:
    on = charted(has(MIGRAINE), has(disease))
    found = selects(on, ordered(drug), complete=True)
    assert found.cards == ()
    (order,) = (r for r in found.rules if r.rule.startswith("order "))
    assert order.outcome == "not met"
    assert in_words(order.why).startswith("no reason given, and used for ")
    both = charted(has(MIGRAINE), has(disease), has(disease, id="again", recorded_days=9, text="B"))
    (twice,) = (r for r in selects(both, ordered(drug), complete=True).rules if "order " in r.rule)
    assert ", " in in_words(twice.why).removeprefix("no reason given, ")
    over = charted(has(MIGRAINE), has(disease, clinical="resolved"))
    assert shown(selects(over, ordered(drug))) == PREVENTIVE


def test_an_old_infarction_explains_a_beta_blocker() -> None:
    infarction = has("I21.9", clinical="resolved")
    assert selects(charted(has(MIGRAINE), infarction), ordered(METOPROLOL)).cards == ()
    refuted = has("I21.9", verification="refuted")
    assert shown(selects(charted(has(MIGRAINE), refuted), ordered(METOPROLOL))) == PREVENTIVE


@pytest.mark.parametrize(
    ("drug", "remission"), [("topiramate 25 mg tablet", "F10.21"), (VENLAFAXINE, "F33.42")]
)
def test_a_disease_in_remission_explains_nothing(drug: str, remission: str) -> None:
    on = charted(has(MIGRAINE), has(remission))
    assert shown(selects(on, ordered(drug))) == PREVENTIVE


def test_a_disease_for_which_the_drug_is_not_used_explains_nothing() -> None:
    on = charted(has(MIGRAINE), has(EPILEPSY))
    assert shown(selects(on, ordered(METOPROLOL))) == PREVENTIVE


def test_a_stated_reason_of_migraine_wins() -> None:
    on = charted(has(MIGRAINE), has(HYPERTENSION))
    assert shown(selects(on, ordered(PROPRANOLOL, reason=MIGRAINE_REASON))) == PREVENTIVE
    other = fhir.concept(text="hypertension")
    assert selects(charted(has(MIGRAINE)), ordered(PROPRANOLOL, reason=other)).cards == ()


def test_a_drug_for_migraine_alone_has_no_other_use() -> None:
    on = charted(has(MIGRAINE), has(HYPERTENSION), has(EPILEPSY))
    assert shown(selects(on, ordered("erenumab 70 mg injection"))) == PREVENTIVE


def test_with_conditions_known_in_part_nothing_is_recommended() -> None:
    conditions = fhir.withheld(fhir.bundle([has(MIGRAINE)]))
    on = chart({"kidneyLabs": [egfr(92)]}, conditions=conditions)
    found = one(selects(on, ordered(METOPROLOL)))
    assert (found.card, recommended(found)) == ("mg-with-preventive", [])


# ------------------------------------------------------------------------ tests beside a plan

AT_RISK = {
    "a diuretic": charted(has(MIGRAINE), taken=(takes(HCTZ),)),
    "digoxin": charted(has(MIGRAINE), has(DIABETES), taken=(takes(DIGOXIN),)),
    "a magnesium-wasting drug": charted(
        has(MIGRAINE), taken=(takes(None, text="tacrolimus 1 mg capsule", id="t"),)
    ),
    "age": charted(has(MIGRAINE), has(DIABETES), who=aged(65)),
}


@pytest.mark.parametrize("risk", AT_RISK)
def test_at_risk_the_tests_are_offered_beside_the_plan(risk: str) -> None:
    found = one(views(AT_RISK[risk]))
    assert found.card == "mg-suggest"
    assert kinds(found) == ["plan", "labs"]
    assert labs_of(found) == THREE
    assert recommended(found) == ["plan"]
    assert "S2" in caution_ids(found)


@pytest.mark.parametrize("code", [TOPIRAMATE, SUMATRIPTAN])
def test_the_tests_are_offered_at_order_select_too(code: str) -> None:
    on = charted(has(MIGRAINE), has(DIABETES), taken=(takes(DIGOXIN),))
    assert kinds(one(selects(on, orders(code, None)))) == ["plan", "labs"]


def test_without_a_risk_the_plan_stands_alone() -> None:
    found = one(views(charted(has(MIGRAINE), has(DIABETES), who=aged(64))))
    assert kinds(found) == ["plan"]
    assert caution_ids(found) == []


@pytest.mark.parametrize(
    ("egfr_days", "levels", "first"),
    [
        (183, (), "plan"),
        (184, (), "labs"),
        (300, (level(2.0, days=170),), "plan"),
        (300, (level(2.0, days=183),), "plan"),
        (300, (level(2.0, days=184),), "labs"),
        (300, (level(2.0, days=200),), "labs"),
        (300, (level(50.0, days=10), level(2.0, days=183)), "labs"),
        (300, (level(50.0, days=182),), "labs"),
    ],
)
def test_the_plan_is_recommended_only_after_a_result_of_the_last_months(
    egfr_days: int, levels: tuple[Resource, ...], first: str
) -> None:
    on = charted(
        has(MIGRAINE), has(DIABETES), taken=(takes(DIGOXIN),), levels=levels,
        kidneyLabs=[egfr(92, egfr_days)],
    )  # fmt: skip
    found = one(views(on))
    assert (found.card, recommended(found)) == ("mg-suggest", [first])
    assert kinds(found)[0] == first


def test_with_anything_unknown_the_tests_are_recommended_and_the_plan_is_not() -> None:
    on = charted(has(MIGRAINE), has(DIABETES), taken=(takes(DIGOXIN),), without=("allergies",))
    found = one(views(on))
    assert (kinds(found), recommended(found)) == (["labs", "plan"], ["labs"])


def test_tests_that_are_ordered_already_are_not_offered_again() -> None:
    on = charted(has(MIGRAINE), has(DIABETES), taken=(takes(DIGOXIN),))
    tests = (fhir.service_request_draft("2160-0"), fhir.service_request_draft("19123-9"))
    found = one(selects(on, orders(TOPIRAMATE, None), *tests))
    assert labs_of(found) == {"lab_potassium"}


# --------------------------------------------------------------------------------- diuretics


def test_with_a_diuretic_the_tests_come_first_in_some_weeks() -> None:
    found = one(selects(charted(has(MIGRAINE)), orders(HCTZ, None)))
    assert found.card == "mg-with-diuretic"
    assert kinds(found) == ["labs", "plan"]
    assert recommended(found) == ["labs"]
    assert found.offers[0].due_weeks == (4, 8)
    assert "S2" not in caution_ids(found)


def test_with_a_diuretic_and_unknown_kidneys_the_tests_are_due_now() -> None:
    found = one(selects(charted(has(MIGRAINE), gfr=None), orders(HCTZ, None)))
    assert (found.card, kinds(found)) == ("mg-with-diuretic", ["labs"])
    assert found.offers[0].due_weeks is None


# ------------------------------------------------------------------------- anti-EGFR antibodies


@pytest.mark.parametrize("drug", ["cetuximab", "panitumumab", "amivantamab", "necitumumab"])
@pytest.mark.parametrize(("days", "counts"), [(30, True), (181, False)])
def test_with_an_antibody_against_egfr_the_level_comes_first(
    drug: str, days: int, counts: bool
) -> None:
    antibody = takes(
        None, text=f"{drug} injection", id="a", route="intravenous", authored_days=days
    )
    on = charted(has(MIGRAINE), has(DIABETES), taken=(antibody,), levels=(level(1.8),))
    found = one(views(on))
    assert found.card == "mg-suggest"
    if counts:
        assert (kinds(found), recommended(found)) == (["labs", "plan"], ["labs"])
        assert caution(found, "M17") == {"drug": drug}
    else:
        assert (kinds(found), recommended(found)) == (["plan"], ["plan"])
        assert caution_ids(found) == []


def test_cisplatin_is_no_antibody() -> None:
    drug = takes(None, text="cisplatin injection", id="a", route="intravenous")
    found = one(views(charted(has(MIGRAINE), taken=(drug,), levels=(level(1.8),))))
    assert recommended(found) == ["plan"]
    assert "M17" not in caution_ids(found)


# ------------------------------------------------------------------------------- kidneys


def test_a_kidney_disease_on_record_leaves_tests_alone_where_function_is_unknown() -> None:
    menstrual = has("G43.829")
    assert kinds(one(views(charted(menstrual, gfr=None, who=aged(30))))) == ["labs", "plan"]
    with_disease = charted(menstrual, has("N04.9"), gfr=None, who=aged(30))
    assert kinds(one(views(with_disease))) == ["labs"]


def test_an_unusable_result_leaves_tests_alone_whatever_the_class() -> None:
    odd = fhir.observation(fhir.EGFR, 80, "mg/L", 1, today=TODAY, id="odd")
    menstrual = has("G43.829")
    unknown = one(views(charted(menstrual, who=aged(30), kidneyLabs=[odd])))
    assert (unknown.card, kinds(unknown)) == ("mg-check-renal", ["labs"])
    moderate = one(views(charted(menstrual, who=aged(30), kidneyLabs=[odd, egfr(48, 20)])))
    assert (moderate.card, kinds(moderate)) == ("mg-suggest-reduced", ["labs"])
    assert "C1" not in caution_ids(moderate)


def test_the_recheck_stands_beside_a_dose_alone() -> None:
    dosed = one(views(charted(has(MIGRAINE), has(DIABETES), gfr=48)))
    assert (kinds(dosed), caution(dosed, "C1")["weeks"]) == (["labs", "plan"], "4")
    stale = one(views(charted(has(MIGRAINE), has(DIABETES), kidneyLabs=[egfr(48, 250)])))
    assert (kinds(stale), caution_ids(stale)) == (["labs"], [])
    part = fhir.withheld(fhir.bundle([egfr(48)]))
    in_part = chart({"conditions": [has(MIGRAINE), has(DIABETES)]}, kidneyLabs=part)
    assert (kinds(one(views(in_part))), caution_ids(one(views(in_part)))) == (["labs"], [])
    ordered_beside = one(signs(in_part, orders()))
    assert (ordered_beside.card, caution_ids(ordered_beside)) == ("rx-mg-renal-caution", [])


def test_the_old_get_their_own_plan() -> None:
    plans = {
        age: [
            o.plan for o in one(views(charted(has(MIGRAINE), has(DIABETES), who=aged(age)))).offers
        ]
        for age in (64, 65)
    }
    assert plans == {64: ["mg_200_400"], 65: ["mg_200_300", ""]}


# ------------------------------------------------------------------------------ courses


def test_a_course_that_is_over_proves_no_use_now() -> None:
    over = takes(HCTZ, authored_days=300, supply_days=30)
    assert views(charted(has(MIGRAINE), taken=(over,))).cards == ()
    lately = takes(HCTZ, authored_days=100, supply_days=30, repeats=2)
    assert shown(views(charted(has(MIGRAINE), taken=(lately,)))) == [("mg-suggest", "info")]


@pytest.mark.parametrize(("supply", "counts"), [(90, True), (89, False)])
def test_the_days_of_a_pump_inhibitor_are_those_that_are_proven(supply: int, counts: bool) -> None:
    taken = takes(OMEPRAZOLE, authored_days=110, supply_days=supply)
    assert bool(views(charted(has(MIGRAINE), taken=(taken,))).cards) is counts


def test_what_was_stopped_before_is_told_as_asked() -> None:
    found = views(charted(has(MIGRAINE), has(DIABETES)), complete=True)
    assert outcome(found, "not stopped before") == "met"
