"""What every card carries beside its own rule: facts, kidney, magnesium, order, tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState
from cds_service.reasoning.coindications import other_use
from cds_service.reasoning.decision import CardDecision, Decision, KidneyClass
from cds_service.reasoning.orders import read_drafts
from tests.support import fhir
from tests.support.wording import in_words
from tests.unit.chart.reading import chart
from tests.unit.reasoning.asking import (
    CIPROFLOXACIN,
    DIABETES,
    GLYCINATE,
    HCTZ,
    LEVOTHYROXINE,
    MIGRAINE,
    MILK_OF_MAGNESIA,
    MYASTHENIA,
    OXIDE,
    SPIRONOLACTONE,
    TOPIRAMATE,
    card,
    charted,
    egfr,
    has,
    labs_of,
    level,
    one,
    orders,
    outcome,
    recommended,
    selects,
    signs,
    takes,
    views,
)

MG = level(2.0)
ORDERED = f"MedicationRequest/d-{GLYCINATE}"


def of_an_order() -> Decision:
    return signs(charted(gfr=45, levels=(MG,)), orders(GLYCINATE, 400))


CARDS: dict[str, Callable[[], CardDecision]] = {
    "hazard": lambda: one(views(charted(gfr=45, taken=(takes(),), levels=(MG,)))),
    "order": lambda: card(of_an_order(), "rx-mg-renal-caution"),
    "not checked": lambda: one(signs(charted(levels=(MG,), without=("allergies",)), orders())),
    "another drug": lambda: one(
        signs(charted(taken=(takes(),), levels=(MG,)), orders(CIPROFLOXACIN, None))
    ),
    "suggestion": lambda: one(views(charted(has(MIGRAINE), has(DIABETES), levels=(MG,)))),
}


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_carries_kidney_and_magnesium_and_facts_that_are_present(kind: str) -> None:
    found = CARDS[kind]()
    moderate = kind in ("hazard", "order")
    assert found.kidney is not None
    assert found.kidney.kidney_class is (KidneyClass.MODERATE if moderate else KidneyClass.NORMAL)
    assert found.magnesium is not None
    assert found.magnesium.text == "2 mg/dL"
    assert {f.state for f in found.because} == {FactState.PRESENT}
    assert found.safety is (kind != "suggestion")


@pytest.mark.parametrize("kind", ["order", "not checked", "another drug"])
def test_a_card_about_an_order_names_it(kind: str) -> None:
    found = CARDS[kind]()
    assert found.order is not None
    code = CIPROFLOXACIN if kind == "another drug" else GLYCINATE
    assert found.order.reference == f"MedicationRequest/d-{code}"


def test_the_tests_of_an_order_are_recommended_and_the_change_is_not() -> None:
    caution = card(of_an_order(), "rx-mg-renal-caution")
    assert recommended(caution) == ["labs"]
    assert labs_of(caution) == {"lab_creatinine", "lab_magnesium"}


def test_what_the_kidney_class_rests_on_is_evidence() -> None:
    caution = card(of_an_order(), "rx-mg-renal-caution")
    assert [(f.id, [e.resource for e in f.evidence]) for f in caution.because] == [
        ("ordered_magnesium", [ORDERED]),
        ("kidney", ["Observation/e"]),
    ]


def test_an_upper_bound_that_is_taken_makes_the_sum_one() -> None:
    taken = takes(GLYCINATE, dosage=fhir.dosage(400), id="m1")  # perhaps of the salt
    found = card(signs(charted(taken=(taken,)), orders(OXIDE, None)), "rx-mg-dose")
    assert (found.values["dose"], found.values["up_to"]) == ("641", "yes")
    known = takes(GLYCINATE, dosage=fhir.dosage(400, text="elemental"), id="m1")
    found = card(signs(charted(taken=(known,)), orders(OXIDE, None)), "rx-mg-dose")
    assert (found.values["dose"], found.values["up_to"]) == ("641", "")


def test_a_dose_that_may_be_of_the_salt_is_marked_on_every_card_of_the_order() -> None:
    salt = orders(GLYCINATE, None, dosage=fhir.dosage(400))
    assert card(signs(charted(gfr=45), salt), "rx-mg-renal-caution").values["up_to"] == "yes"
    assert card(of_an_order(), "rx-mg-renal-caution").values["up_to"] == ""


def test_the_one_card_of_interactions_stands_where_the_first_of_them_stood() -> None:
    on = charted(has(MYASTHENIA), taken=(takes(OXIDE),))
    laxative = orders(MILK_OF_MAGNESIA, None)
    found = signs(on, orders(CIPROFLOXACIN, None), laxative, orders(LEVOTHYROXINE, None))
    assert [c.card for c in found.cards] == ["rx-mg-interaction", "rx-mg-nmj"]
    assert [c.values["drug"] for c in found.cards[0].cautions] == ["ciprofloxacin", "levothyroxine"]


def test_the_account_names_each_condition_of_a_suggestion_and_its_outcome() -> None:
    on = chart(
        {"conditions": [has(MIGRAINE), has(DIABETES)], "kidneyLabs": [egfr(92)]},
        without=("allergies", "medicationStatements"),
    )
    found = views(on, complete=True)
    assert outcome(found, "adult") == outcome(found, "migraine") == "met"
    assert outcome(found, "no allergy_magnesium") == "unknown"
    assert outcome(found, "no heart_block") == "met"
    assert outcome(found, "not stopped before") == "unknown"
    blocked = views(charted(has(MIGRAINE), has(MYASTHENIA)), complete=True)
    assert outcome(blocked, "no neuromuscular") == "blocked"


def test_the_account_lists_the_facts_by_name() -> None:
    found = views(charted(has(MIGRAINE), taken=(takes(),)), complete=True)
    facts = {f.id: f for f in found.facts}
    assert {"adult", "migraine", "RF1", "transplant", "gut_intolerance", "oral_magnesium"} <= set(
        facts
    )
    assert (facts["oral_magnesium"].state, in_words(facts["oral_magnesium"].why)) == (
        FactState.PRESENT,
        "",
    )
    assert facts["stopped_magnesium"].state is FactState.ABSENT
    missing = views(charted(without=("medicationStatements",)), complete=True)
    (oral,) = (f for f in missing.facts if f.id == "oral_magnesium")
    assert (oral.state, in_words(oral.why)) == (
        FactState.UNKNOWN,
        "medicationStatements was not sent",
    )


@pytest.mark.parametrize(("days", "state"), [(100, "unknown"), (1000, "absent")])
def test_a_stopped_medication_that_nobody_can_identify_may_have_been_magnesium(
    days: int, state: str
) -> None:
    lost = {
        **takes(OXIDE, status="stopped", authored_days=days, id="s"),
        "medicationCodeableConcept": {},
    }
    on = charted(has(MIGRAINE), has(DIABETES), taken=(lost,))
    found = views(on, complete=True)
    (fact,) = (fact for fact in found.facts if fact.id == "stopped_magnesium")
    assert fact.state == state
    assert [gap.key for gap in found.gaps] == ["medicationRequests"] * (state == "unknown")
    assert bool(recommended(one(found))) is (state == "absent")


def test_the_account_says_which_stopped_order_is_not_recommended() -> None:
    stopped = takes(OXIDE, status="stopped", authored_days=100, id="s")
    on = charted(has(MIGRAINE), has(DIABETES), taken=(stopped,))
    (rule,) = (
        r
        for r in selects(on, orders(TOPIRAMATE, None), complete=True).rules
        if r.rule == "not stopped before"
    )
    assert in_words(rule.why) == "not recommended: MedicationRequest/s"


def test_another_use_of_a_drug_is_a_fact_that_may_be_unknown() -> None:
    def asked(on: Chart) -> Fact | None:
        (draft,) = read_drafts(on, {"draftOrders": [order]}, all_selected=True).orders
        return other_use(draft, on)

    order = fhir.draft_order(None, text="metoprolol tartrate 50 mg tablet", id="d")
    present = asked(charted(has("I10")))
    unknown = asked(chart({}, conditions=fhir.withheld(fhir.bundle([has(MIGRAINE)]))))
    assert present is not None
    assert unknown is not None
    assert (present.id, present.state) == ("other_use", FactState.PRESENT)
    assert (unknown.id, unknown.state) == ("other_use", FactState.UNKNOWN)


def test_a_sparing_drug_is_named_beside_every_magnesium() -> None:
    found = one(signs(charted(gfr=45, taken=(takes(prn=True),)), orders(SPIRONOLACTONE, None)))
    assert [(f.id, [e.resource for e in f.evidence]) for f in found.because] == [
        ("trigger_order", [f"MedicationRequest/d-{SPIRONOLACTONE}"]),
        ("k_sparing", [f"MedicationRequest/d-{SPIRONOLACTONE}"]),
        ("current_magnesium", [f"MedicationRequest/m-{OXIDE}"]),
    ]
    diuretic = signs(charted(gfr=45, taken=(takes(),)), orders(HCTZ, None))
    assert diuretic.cards == ()
