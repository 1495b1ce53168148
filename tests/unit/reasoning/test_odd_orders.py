"""Draft orders as clients really send them: odd ids, odd entries, several of one kind."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.reasoning.orders import ordered_labs, read_drafts
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart
from tests.unit.reasoning.asking import decide, is_settled
from tests.unit.reasoning.test_account import egfr, takes, told
from tests.unit.reasoning.test_order_cards import cards, has, order

GLYCINATE, OXIDE, LAXATIVE, BOWEL_PREP, MILK = "476818", "198741", "1052760", "1994540", "253017"
TOPIRAMATE, SPIRONOLACTONE, EPLERENONE, COMBINED = "199888", "313096", "351256", "197885"
BASE = "https://ehr.example.org/fhir/MedicationRequest"


def references(*entries: Any) -> list[str]:
    context = {"draftOrders": {"entry": [*entries]}}
    return [d.ref.reference for d in read_drafts(chart(), context, all_selected=True).orders]


@pytest.mark.parametrize(
    ("entry", "reference"),
    [
        ({"resource": order(id="a"), "fullUrl": f"{BASE}/b"}, "MedicationRequest/a"),
        ({"resource": order(id="b"), "fullUrl": f"{BASE}/a"}, "MedicationRequest/b"),
        ({"resource": {**order(), "id": 5}, "fullUrl": f"{BASE}/b"}, "MedicationRequest/b"),
        ({"resource": {**order(), "id": 5}}, ""),
        ({"resource": {**order(), "id": ""}}, ""),
        ({"resource": order(id="a"), "fullUrl": 5}, "MedicationRequest/a"),
    ],
)
def test_an_order_is_named_by_its_own_id_if_it_has_one(entry: Resource, reference: str) -> None:
    assert references(entry) == [reference]


def test_an_entry_that_is_none_hides_no_other() -> None:
    assert references(5, None, {"resource": order(id="a")}) == ["", "", "MedicationRequest/a"]


def test_an_order_without_an_id_is_told_as_a_draft() -> None:
    nameless = {k: v for k, v in order().items() if k != "id"}
    (card,) = decide(
        "order-sign", chart({"kidneyLabs": [egfr(22)]}), {"draftOrders": [nameless]}
    ).cards
    assert [e.resource for e in card.because[0].evidence] == ["MedicationRequest (draft)"]


@pytest.mark.parametrize("code", [GLYCINATE, OXIDE, LAXATIVE, BOWEL_PREP, MILK, "307747"])
def test_magnesium_being_ordered_needs_no_suggestion(code: str) -> None:
    found = {"conditions": [has("G43.009"), has("E11.9")], "kidneyLabs": [egfr(92)]}
    asking = fhir.draft_order(TOPIRAMATE, id="t")
    assert [c.card for c in told(found, "order-select", (asking,)).cards] == ["mg-with-preventive"]
    silent = told(found, "order-select", (asking, order(code, None)))
    assert [c.card for c in silent.cards if c.card.startswith("mg-")] == []


@pytest.mark.parametrize("panel", ["24320-4", "51990-0", "24321-2"])
def test_a_metabolic_panel_holds_creatinine_but_no_magnesium(panel: str) -> None:
    on = chart()
    context = {"draftOrders": [fhir.service_request_draft(panel, id="p")]}
    assert ordered_labs(read_drafts(on, context, all_selected=True), on) >= {"lab_creatinine"}
    assert "lab_magnesium" not in ordered_labs(read_drafts(on, context, all_selected=True), on)


def test_of_two_supplements_the_later_order_names_the_earlier() -> None:
    pair = (order(GLYCINATE, 200), order(OXIDE, None))
    for drafts in (pair, pair[::-1]):
        (card,) = told({"kidneyLabs": [egfr(92)]}, "order-sign", drafts).cards
        assert card.card == "rx-mg-duplicate"
        assert card.order is not None
        assert card.order.reference == f"MedicationRequest/{drafts[1]['id']}"
        named = [e.resource for e in card.because[1].evidence]
        assert named == [f"MedicationRequest/{drafts[0]['id']}"]


def test_a_figure_computed_from_creatinine_is_said_with_a_potassium_sparing_drug() -> None:
    sample = fhir.observation("2160-0", 1.4, "mg/dL", 10, today=TODAY)
    found = {"kidneyLabs": [sample], "medicationRequests": [takes(OXIDE)]}
    (card,) = told(found, "order-sign", (order(SPIRONOLACTONE, None),)).cards
    assert card.kidney is not None
    assert card.values["egfr"] == card.kidney.egfr_text != ""


def test_an_order_for_somebody_without_a_risk_says_none() -> None:
    found = {"conditions": [has("G43.009")], "kidneyLabs": [egfr(92)]}
    (card,) = told(found, "order-select", (fhir.draft_order(TOPIRAMATE, id="t"),)).cards
    assert card.values["risk"] == ""


def test_a_medicine_of_several_drugs_is_called_what_the_order_calls_it() -> None:
    found = {
        "conditions": [has("G43.009")],
        "kidneyLabs": [egfr(92)],
        "medicationRequests": [takes(COMBINED, text="water tablet with lisinopril")],
    }
    (card,) = told(found).cards
    assert card.values["risk"] == "water tablet with lisinopril"


def test_drugs_are_named_the_newest_first() -> None:
    taken = [takes(SPIRONOLACTONE, authored_days=90), takes(EPLERENONE, authored_days=5)]
    for several in (taken, taken[::-1]):
        found = {
            "conditions": [has("G43.009"), has("E11.9")],
            "kidneyLabs": [egfr(48)],
            "medicationRequests": several,
        }
        (card,) = told(found).cards
        named = [c.values["drug"] for c in card.cautions if c.id == "C3"]
        assert named == ["eplerenone", "spironolactone"]


def test_a_block_names_all_that_it_rests_on() -> None:
    pregnancies = [
        has("Z34.01", id="a", recorded_days=20),
        has("Z34.02", id="b", recorded_days=10),
    ]
    blocked = next(r for r in told({"conditions": pregnancies}).rules if r.rule == "no pregnancy")
    assert (blocked.outcome, in_words(blocked.why)) == ("blocked", "Condition/b, Condition/a")


def test_a_toxin_is_a_preventive_by_injection_and_nothing_by_inhalation() -> None:
    found = {"conditions": [has("G43.009"), has("E11.9")], "kidneyLabs": [egfr(92)]}
    for route, shown in (
        (None, ["mg-with-preventive"]),
        ("intramuscular", ["mg-with-preventive"]),
        ("inhaled", []),
    ):
        draft = fhir.draft_order("203279", id="toxin", route=route)
        assert [c.card for c in told(found, "order-select", (draft,)).cards] == shown


def test_the_same_offer_is_made_to_either_sex() -> None:
    for sex in ("female", "male"):
        who = fhir.patient(TODAY, age=45, sex=sex)
        assert list(cards(order(amount=400), gfr=52, who=who)) == ["rx-mg-renal-caution"]


def test_at_order_sign_every_order_may_concern_us_at_order_select_those_selected() -> None:
    drafts = {"draftOrders": fhir.bundle([order(id="a")]), "selections": ["MedicationRequest/x"]}
    assert not is_settled("order-sign", chart(), drafts)
    assert is_settled("order-select", chart(), drafts)


def test_a_pacemaker_is_the_reason_why_a_heart_block_is_none() -> None:
    found = told({"conditions": [has("I44.2", id="block"), has("Z95.0", id="paced")]})
    fact = next(f for f in found.facts if f.id == "heart_block")
    assert in_words(fact.why) == "Condition/block is met by a pacemaker"


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        ([(2.0, "g/L", 5)], "no result can be used"),
        ([(2.0, "mg/dL", 9), (2.0, "g/L", 5)], "a newer result has no usable value or unit"),
        ([(2.0, "mg/dL", 181)], "the results are more than 180 days old"),
        ([(2.0, "mg/dL", 180)], ""),
    ],
)
def test_why_there_is_no_level(levels: list[tuple[float, str, int]], why: str) -> None:
    results = [fhir.observation(fhir.MAGNESIUM, v, u, d, today=TODAY) for v, u, d in levels]
    found = told({"magnesiumLabs": results}).magnesium
    assert found is not None
    assert in_words(found.why) == why
