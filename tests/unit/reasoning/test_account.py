"""What a decision tells besides the choice of its cards: what fills them, and how it came."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.evidence import FactState
from cds_service.reasoning.decision import Decision, RuleOutcome
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, WOMAN, chart
from tests.unit.reasoning.asking import decide

MIGRAINE = fhir.condition("G43.009", id="m", today=TODAY)
MENSTRUAL = fhir.condition("G43.829", id="m", today=TODAY)
DIABETES = fhir.condition("E11.9", id="d", today=TODAY)
GLYCINATE, OXIDE, ANTACID, TOPIRAMATE = "476818", "198741", "307747", "199888"


def egfr(value: float) -> Resource:
    return fhir.observation(fhir.EGFR, value, fhir.EGFR_UNIT, 10, today=TODAY, id="e")


def takes(code: str, **more: Any) -> Resource:
    return fhir.medication_request(code, today=TODAY, **{"id": f"m-{code}", **more})


def told(
    found: dict[str, list[Resource] | None],
    hook: str = "patient-view",
    drafts: tuple[Resource, ...] = (),
    who: Resource = WOMAN,
    without: tuple[str, ...] = (),
) -> Decision:
    context: dict[str, Any] = {
        "draftOrders": fhir.bundle(drafts),
        "selections": [f"MedicationRequest/{d['id']}" for d in drafts],
    }
    return decide(hook, chart(found, who, without), context, complete=True)


def rule(decision: Decision, name: str) -> RuleOutcome:
    return next(r for r in decision.rules if r.rule == name)


def test_no_account_is_made_unless_it_is_asked_for() -> None:
    found = decide("patient-view", chart({"conditions": [MIGRAINE, DIABETES]}), {})
    assert found.cards
    assert (found.facts, found.rules, found.kidney, found.magnesium) == ((), (), None, None)


def test_it_says_for_which_hook_and_day() -> None:
    found = decide("patient-view", chart(), {})
    assert (found.service, found.day) == ("patient-view", TODAY)


def test_stray_drafts_are_nothing_to_patient_view() -> None:
    on = {"conditions": [MIGRAINE, DIABETES], "kidneyLabs": [egfr(92)]}
    stray = fhir.draft_order(GLYCINATE, id="stray")
    assert told(on, drafts=(stray,)) == told(on)


def test_an_outcome_says_why_or_nothing() -> None:
    found = told({"conditions": [MIGRAINE, DIABETES], "kidneyLabs": [egfr(92)]})
    assert {type(in_words(r.why)) for r in found.rules} == {str}
    assert {r.outcome for r in found.rules} == {"fired", "met", "not met"}
    assert rule(found, "mg-suggest") == RuleOutcome("mg-suggest", "fired", "")


@pytest.mark.parametrize(
    ("conditions", "outcome", "why"),
    [
        ([MIGRAINE], "not met", "no risk factor"),
        ([MENSTRUAL], "met", "menstrual pattern"),
        ([MENSTRUAL, DIABETES], "met", "RF1"),
        ([DIABETES, fhir.condition("I50.9", id="h", today=TODAY)], "met", "RF1, RF3"),
    ],
)
def test_what_makes_the_indication(conditions: list[Resource], outcome: str, why: str) -> None:
    found = rule(told({"conditions": conditions}), "indication")
    assert (found.outcome, in_words(found.why)) == (outcome, why)


def test_of_somebody_who_has_died_it_says_so() -> None:
    found = told({"conditions": [MIGRAINE, DIABETES]}, who={**WOMAN, "deceasedBoolean": True})
    assert in_words(rule(found, "alive")) == RuleOutcome(
        "alive", "blocked", "the patient has died: no cards"
    )


def test_one_row_of_the_kidney_table_is_met() -> None:
    found = told({"kidneyLabs": [egfr(45)]})
    rows = [r for r in found.rules if r.rule.startswith("kidney: ")]
    assert [r.rule for r in rows if r.outcome == "met"] == ["kidney: egfr-moderate"]
    assert {r.outcome for r in rows} == {"met", "not met"}
    assert len(rows) == len(knowledge().policy.kidney)


def test_an_order_is_told_with_its_reason_in_mind() -> None:
    for reason, prevents in (("G43.009", True), ("G40.909", False)):
        draft = fhir.draft_order(TOPIRAMATE, id="t")
        draft["reasonCode"] = [fhir.concept(reason, "icd-10-cm")]
        found = told({}, "order-sign", (draft,))
        assert (in_words(rule(found, "order MedicationRequest/t").why) == "preventive") is prevents


def test_three_cards_are_no_more_than_three() -> None:
    """Only where some were left out does the account say that there were more."""
    on = {
        "kidneyLabs": [egfr(22)],
        "allergies": [fhir.allergy(OXIDE)],
        "conditions": [fhir.condition("G70.00", today=TODAY)],
    }
    draft = fhir.draft_order(GLYCINATE, id="g", dosage=fhir.dosage(200))
    found = told(on, "order-sign", (draft,))
    assert len(found.cards) == 3
    assert "at most 3 cards" not in [r.rule for r in found.rules]


# -------------------------------------------------------------------- magnesium that is dangerous


def test_a_hazard_names_every_product_and_what_it_rests_on() -> None:
    level = fhir.observation(fhir.MAGNESIUM, 3.0, "mg/dL", 5, today=TODAY, id="l")
    found = told(
        {
            "kidneyLabs": [egfr(22)],
            "magnesiumLabs": [level],
            "medicationRequests": [
                takes(OXIDE, authored_days=20, text="oxide"),
                takes(ANTACID, authored_days=30, text="antacid"),
            ],
        }
    )
    renal, high = found.cards
    assert (renal.card, high.card) == ("mg-hazard-renal", "mg-hazard-hypermag")
    for card, fact, source in ((renal, "kidney", "e"), (high, "serum_magnesium", "l")):
        assert in_words(card.values) == {
            "renal_reason": "eGFR 22",
            "mg": "3 mg/dL",
            "product": "oxide, antacid",
        }
        assert [(f.id, f.state) for f in card.because] == [
            ("current_magnesium", FactState.PRESENT),
            (fact, FactState.PRESENT),
        ]
        assert [e.resource for e in card.because[0].evidence] == [
            f"MedicationRequest/m-{OXIDE}",
            f"MedicationRequest/m-{ANTACID}",
        ]
        assert [e.resource for e in card.because[1].evidence] == [f"Observation/{source}"]
        assert card.safety
        assert card.gaps == ()


def test_a_hazard_says_what_was_not_sent() -> None:
    found = told(
        {"kidneyLabs": [egfr(22)], "medicationRequests": [takes(OXIDE)]}, without=("allergies",)
    )
    (card,) = found.cards
    assert [g.key for g in card.gaps] == ["allergies"]
    assert [g.key for g in found.gaps] == ["allergies"]


def test_an_antacid_is_magnesium_that_is_taken_but_no_supplement() -> None:
    facts = {f.id: f for f in told({"medicationRequests": [takes(ANTACID)]}).facts}
    assert facts["oral_magnesium"].present
    assert facts["current_magnesium"].state is FactState.ABSENT
    unknown = told({}, without=("medicationStatements",)).facts
    oral = next(f for f in unknown if f.id == "oral_magnesium")
    assert oral.unknown
    assert in_words(oral.why).startswith("medicationStatements")
