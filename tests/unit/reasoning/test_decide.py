"""From the chart to the decision: what is shown, what is recorded, and what needs no chart at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cds_service.chart.chart import Chart
from cds_service.reasoning.decision import Decision, OfferKind
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, WOMAN, chart
from tests.unit.reasoning.asking import decide, is_settled

MIGRAINE = fhir.condition("G43.009", id="m", today=TODAY)
DIABETES = fhir.condition("E11.9", id="d", today=TODAY)
GLYCINATE, OXIDE, CIPROFLOXACIN, SPIRONOLACTONE = "476818", "198741", "309309", "313096"
ANTACID, TOPIRAMATE, AMOXICILLIN = "307747", "199888", "723"
CLEAN = {"conditions": [MIGRAINE, DIABETES]}


def egfr(value: float) -> Resource:
    return fhir.observation(fhir.EGFR, value, fhir.EGFR_UNIT, 10, today=TODAY)


def order(code: str, amount: float | None = 200, **more: Any) -> Resource:
    usual: dict[str, Any] = {"id": f"d-{code}-{amount}"}
    return fhir.draft_order(
        code, dosage=amount and fhir.dosage(amount, text="elemental"), **{**usual, **more}
    )


def taking(code: str, **more: Any) -> Resource:
    usual: dict[str, Any] = {"id": f"t-{code}", "today": TODAY}
    return fhir.medication_request(code, **{**usual, **more})


def decided(
    hook: str,
    on: Chart,
    drafts: Sequence[Resource] = (),
    selections: Sequence[str] | None = None,
    complete: bool = False,
) -> Decision:
    named = [f"MedicationRequest/{d['id']}" for d in drafts] if selections is None else selections
    context = {"draftOrders": {"entry": [{"resource": d} for d in drafts]}, "selections": named}
    return decide(hook, on, context, complete)


def cards(decision: Decision) -> list[str]:
    return [c.card for c in decision.cards]


def test_a_patient_who_has_died_gets_no_card_at_any_hook() -> None:
    who = {**WOMAN, "deceasedBoolean": True}
    on = chart({**CLEAN, "kidneyLabs": [egfr(22)]}, who)
    assert cards(decided("patient-view", on)) == []
    assert cards(decided("order-sign", on, [order(GLYCINATE)])) == []
    rules = {r.rule: r for r in decided("patient-view", on, complete=True).rules}
    assert rules["alive"].outcome == "blocked"


def test_at_most_three_cards_the_most_serious_first_and_it_is_told() -> None:
    on = chart(
        {
            "kidneyLabs": [egfr(22)],
            "allergies": [fhir.allergy(OXIDE)],
            "medicationRequests": [taking(OXIDE, dosage=fhir.dosage(1, "tablet"))],
            "conditions": [fhir.condition("G70.00", today=TODAY)],
        }
    )
    drafts = [order(GLYCINATE, 600), order(SPIRONOLACTONE, None)]
    found = decided("order-sign", on, drafts, complete=True)
    assert cards(found) == ["rx-mg-renal-critical", "rx-mg-allergy", "rx-mg-nmj"]
    assert [c.indicator for c in found.cards] == ["critical", "critical", "warning"]
    told = next(r for r in found.rules if r.rule == "at most 3 cards")
    assert in_words(told.why) == "4 cards, the most serious shown"
    held_back = next(r for r in found.rules if r.rule == "rx-ksparing-ckd")
    assert (held_back.outcome, in_words(held_back.why)) == (
        "fired",
        "not shown: at most 3 cards",
    )


def test_the_account_names_each_order_and_what_it_is() -> None:
    drafts = [order(GLYCINATE), order(TOPIRAMATE, None), order(AMOXICILLIN, None)]
    found = decided(
        "order-select", chart({**CLEAN, "kidneyLabs": [egfr(92)]}), drafts,
        [f"MedicationRequest/{drafts[0]['id']}", f"MedicationRequest/{drafts[2]['id']}"],
        complete=True,
    )  # fmt: skip
    orders = {in_words(r.why): r.outcome for r in found.rules if r.rule.startswith("order ")}
    assert orders == {
        "magnesium": "met",
        "preventive": "not met",  # it was not selected
        "nothing this service acts on": "not met",
    }
    silenced = next(r for r in found.rules if r.rule == "no suggestion")
    assert silenced.outcome == "blocked"
    assert cards(found) == []


def test_an_order_without_any_name_is_told_by_its_kind() -> None:
    found = decide(
        "order-sign", chart(), {"draftOrders": [{"resourceType": "NutritionOrder"}]}, complete=True
    )
    assert "order NutritionOrder" in [r.rule for r in found.rules]


@pytest.mark.parametrize("hook", ["patient-view", "order-select", "order-sign"])
def test_the_account_changes_nothing_about_the_cards(hook: str) -> None:
    for value in (22, 45, 92):
        found = {**CLEAN, "kidneyLabs": [egfr(value)]}
        drafts = [order(GLYCINATE, 600), order(CIPROFLOXACIN, None)]
        short = decided(hook, chart(found), drafts)
        whole = decided(hook, chart(found), drafts, complete=True)
        assert short.cards == whole.cards
        assert (short.facts, short.rules, short.kidney) == ((), (), None)
        assert whole.facts
        assert whole.rules
        fired = [r.rule for r in whole.rules if r.outcome == "fired"]
        assert set(fired) == set(cards(whole))


@pytest.mark.parametrize(
    ("hook", "drafts", "nobody"),
    [
        ("patient-view", [], False),
        ("order-sign", [], True),
        ("order-sign", [order(AMOXICILLIN, None)], True),
        ("order-sign", [order(AMOXICILLIN, None), order(GLYCINATE)], False),
        ("order-sign", [order(TOPIRAMATE, None)], False),
        ("order-sign", [order(GLYCINATE, status="stopped")], True),
        ("order-select", [order(AMOXICILLIN, None)], True),
        ("order-select", [order(TOPIRAMATE, None)], False),
    ],
)
def test_orders_that_concern_nobody_here(hook: str, drafts: list[Resource], nobody: bool) -> None:
    context: dict[str, Any] = {
        "draftOrders": {"entry": [{"resource": d} for d in drafts]},
        "selections": [f"MedicationRequest/{d['id']}" for d in drafts],
    }
    on = chart({**CLEAN, "kidneyLabs": [egfr(92)]})
    assert is_settled(hook, on, context) is nobody
    if nobody:
        assert decide(hook, on, context).cards == ()


# -------------------------------------------------------------------- each check of an order


def safe(**found: list[Resource]) -> dict[str, list[Resource] | None]:
    return {"kidneyLabs": [egfr(92)], **found}


def has(code: str, **more: Any) -> Resource:
    return fhir.condition(code, today=TODAY, **more)


ON_OXIDE = taking(OXIDE)
ON_BOTH = {"kidneyLabs": [egfr(40)], "medicationRequests": [ON_OXIDE]}
TENTATIVE = has("G70.00", verification="provisional")
HIGH = fhir.observation(fhir.MAGNESIUM, 3.0, "mg/dL", today=TODAY)


@pytest.mark.parametrize(
    ("found", "draft", "card", "indicator"),
    [
        (safe(kidneyLabs=[egfr(22)]), order(GLYCINATE), "rx-mg-renal-critical", "critical"),
        (safe(kidneyLabs=[egfr(22)]), order(ANTACID, None), "rx-mg-renal-critical", "critical"),
        (safe(magnesiumLabs=[HIGH]), order(GLYCINATE), "rx-mg-hypermag", "critical"),
        (safe(magnesiumLabs=[HIGH]), order(ANTACID, None), "rx-mg-hypermag", "critical"),
        (safe(conditions=[has("E83.41")]), order(GLYCINATE), "rx-mg-hypermag", "critical"),
        (safe(allergies=[fhir.allergy(OXIDE)]), order(GLYCINATE), "rx-mg-allergy", "critical"),
        (safe(allergies=[fhir.allergy(OXIDE)]), order(ANTACID, None), "rx-mg-allergy", "critical"),
        (safe(kidneyLabs=[egfr(52)]), order(GLYCINATE), "rx-mg-renal-caution", "warning"),
        (safe(kidneyLabs=[]), order(GLYCINATE), "rx-mg-renal-unknown", "info"),
        (safe(kidneyLabs=[], conditions=[DIABETES]), order(GLYCINATE), "rx-mg-renal-unknown", "warning"),
        (safe(conditions=[has("I44.1")]), order(GLYCINATE), "rx-mg-avblock", "warning"),
        (safe(conditions=[has("G70.00")]), order(GLYCINATE), "rx-mg-nmj", "warning"),
        (safe(conditions=[TENTATIVE]), order(GLYCINATE), "rx-mg-nmj", "warning"),
        (safe(conditions=[has("K56.7")]), order(GLYCINATE), "rx-mg-bowel", "warning"),
        (safe(), order(GLYCINATE, 501), "rx-mg-dose", "warning"),
        (safe(medicationRequests=[taking(OXIDE)]), order(GLYCINATE), "rx-mg-duplicate", "warning"),
        (safe(conditions=[has("Z34.01", recorded_days=60)]), order(GLYCINATE), "rx-mg-pregnancy", "info"),
        (safe(medicationRequests=[taking(CIPROFLOXACIN)]), order(GLYCINATE), "rx-mg-interaction", "warning"),
        (ON_BOTH, order(SPIRONOLACTONE, None), "rx-ksparing-ckd", "info"),
        (safe(medicationRequests=[ON_OXIDE]), order(CIPROFLOXACIN, None), "rx-mg-interaction", "warning"),
        (
            safe(medicationRequests=[taking(ANTACID)]),
            order(CIPROFLOXACIN, None),
            "rx-mg-interaction",
            "warning",
        ),
    ],
)  # fmt: skip
def test_a_check_of_an_order(
    found: dict[str, list[Resource] | None], draft: Resource, card: str, indicator: str
) -> None:
    for hook in ("order-select", "order-sign"):
        (shown,) = decided(hook, chart(found), [draft]).cards
        assert (shown.card, shown.indicator, shown.safety) == (card, indicator, True)
        assert shown.order is not None
        assert shown.order.reference == f"MedicationRequest/{draft['id']}"


@pytest.mark.parametrize(
    ("found", "draft"),
    [
        (safe(), order(GLYCINATE)),
        (safe(), order(GLYCINATE, 500)),
        (safe(), order(ANTACID, None)),
        (safe(kidneyLabs=[]), order(ANTACID, None)),
        (safe(kidneyLabs=[egfr(22)]), order("1658244", None)),  # an injection
        (safe(kidneyLabs=[egfr(22)]), order("1116179", None)),  # a multivitamin
        (safe(conditions=[has("I44.1"), has("Z95.0")]), order(GLYCINATE)),
        (safe(conditions=[has("I44.0")]), order(GLYCINATE)),  # first degree
        (safe(conditions=[has("K56.7", clinical="resolved")]), order(GLYCINATE)),
        (safe(conditions=[has("Z34.01", recorded_days=301)]), order(GLYCINATE)),
        (safe(medicationRequests=[taking(ANTACID)]), order(GLYCINATE)),
        (safe(medicationRequests=[taking(OXIDE, prn=True)]), order(GLYCINATE)),
        (safe(medicationRequests=[taking(OXIDE)]), order("309307", None)),  # eye drops
        (safe(medicationRequests=[taking(OXIDE, prn=True)]), order(CIPROFLOXACIN, None)),
        (safe(medicationRequests=[taking(OXIDE)]), order(SPIRONOLACTONE, None)),  # eGFR 92
        (safe(kidneyLabs=[egfr(40)]), order(SPIRONOLACTONE, None)),  # no magnesium
        (safe(kidneyLabs=[]), order(SPIRONOLACTONE, None)),
    ],
)
def test_an_order_about_which_there_is_nothing_to_say(
    found: dict[str, list[Resource] | None], draft: Resource
) -> None:
    assert cards(decided("order-sign", chart(found), [draft])) == []


@pytest.mark.parametrize(
    ("age", "amount", "indicator"),
    [
        (17, 350, "info"),
        (17, 351, "warning"),
        (9, 350, "info"),
        (8, 110, "info"),
        (8, 111, "warning"),
        (4, 110, "info"),
        (3, 65, "info"),
        (3, 66, "warning"),
        (1, 65, "info"),
        (0, 1, "warning"),  # no limit is known below one year
        (None, 200, "info"),
    ],
)
def test_the_limits_of_children(age: int | None, amount: int, indicator: str) -> None:
    who = fhir.patient(TODAY, age=age, sex="male")
    found = decided("order-sign", chart(safe(), who), [order(GLYCINATE, amount)]).cards
    (card,) = (c for c in found if c.card == "rx-mg-age")
    assert card.indicator == indicator


@pytest.mark.parametrize(
    ("amount", "current", "fires"),
    [(500, None, False), (501, None, True), (259, OXIDE, False), (260, OXIDE, True)],
)
def test_the_dose_is_summed_with_what_is_taken(
    amount: int, current: str | None, fires: bool
) -> None:
    taken = [taking(current, dosage=fhir.dosage(1, "tablet"))] if current else []
    found = cards(
        decided("order-sign", chart(safe(medicationRequests=taken)), [order(GLYCINATE, amount)])
    )
    assert ("rx-mg-dose" in found) is fires


def offers(found: Decision, card: str) -> list[OfferKind]:
    (shown,) = (c for c in found.cards if c.card == card)
    return [o.kind for o in shown.offers]


@pytest.mark.parametrize(
    ("draft", "others", "kinds"),
    [
        (order(GLYCINATE, 400), [], [OfferKind.LABS, OfferKind.UPDATE]),
        (order(GLYCINATE, 200), [], [OfferKind.LABS]),
        (order(GLYCINATE, None), [], [OfferKind.LABS]),  # not known to be above 200 mg
        (order(ANTACID, None), [], [OfferKind.LABS]),
        (order(GLYCINATE, 400), [fhir.service_request_draft("2160-0")], [OfferKind.LABS, OfferKind.UPDATE]),
        (
            order(GLYCINATE, 400),
            [fhir.service_request_draft("2160-0"), fhir.service_request_draft("19123-9")],
            [OfferKind.UPDATE],
        ),
    ],
)  # fmt: skip
def test_what_is_offered_with_reduced_kidneys(
    draft: Resource, others: list[Resource], kinds: list[OfferKind]
) -> None:
    found = decided("order-sign", chart(safe(kidneyLabs=[egfr(52)])), [draft, *others])
    assert offers(found, "rx-mg-renal-caution") == kinds


def test_only_what_can_be_named_can_be_deleted_or_changed() -> None:
    nameless = {k: v for k, v in order(GLYCINATE, 400).items() if k != "id"}
    context = {"draftOrders": [nameless]}
    severe = decide("order-sign", chart(safe(kidneyLabs=[egfr(22)])), context)
    assert offers(severe, "rx-mg-renal-critical") == []
    moderate = decide("order-sign", chart(safe(kidneyLabs=[egfr(52)])), context)
    assert offers(moderate, "rx-mg-renal-caution") == [OfferKind.LABS]
    named = decided("order-sign", chart(safe(kidneyLabs=[egfr(22)])), [order(GLYCINATE, 400)])
    assert offers(named, "rx-mg-renal-critical") == [OfferKind.DELETE]


def test_an_order_that_replaces_another_is_no_duplicate_of_it() -> None:
    on = chart(safe(medicationRequests=[taking(GLYCINATE)]))
    prior = {"priorPrescription": {"reference": f"MedicationRequest/t-{GLYCINATE}"}}
    assert cards(decided("order-sign", on, [{**order(GLYCINATE), **prior}])) == []
    assert cards(decided("order-sign", on, [order(GLYCINATE)])) == ["rx-mg-duplicate"]


def test_a_pair_of_supplements_is_named_once() -> None:
    pair = [order(GLYCINATE, 200), order(OXIDE, None)]
    assert cards(decided("order-sign", chart(safe()), pair)) == ["rx-mg-duplicate"]


def test_an_interaction_within_one_session_is_said_once() -> None:
    pair = [order(GLYCINATE, 200), order(CIPROFLOXACIN, None)]
    for drafts in (pair, pair[::-1]):
        assert cards(decided("order-sign", chart(safe()), drafts)) == ["rx-mg-interaction"]
    magnesium_unselected = [f"MedicationRequest/{pair[1]['id']}"]
    found = decided("order-select", chart(safe()), pair, magnesium_unselected)
    assert cards(found) == ["rx-mg-interaction"]
