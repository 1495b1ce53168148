"""What reading real charts line by line taught of `/explain`, and of shapes no scenario can tell.

The patients are our own: these tests need no chart from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from cds_service.cli.printing import print_explanation
from cds_service.hooks.envelope import read_call
from tests.charts.outcomes import URL, Explained, answering, explain_call
from tests.support import fhir
from tests.support.cards import card_id, decision, recommended
from tests.support.fhir import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, Resource
from tests.unit.chart.reading import TODAY, WOMAN

MIGRAINE = fhir.condition("G43.009", today=TODAY)
DIABETES = fhir.condition("E11.9", today=TODAY)
MAGNESIUM_OXIDE, MAGNESIUM_GLYCINATE, TOPIRAMATE, FUROSEMIDE = (
    "198741",
    "476818",
    "199888",
    "313988",
)


def egfr(value: float | None, days_ago: int, unit: str = fhir.EGFR_UNIT, **more: Any) -> Resource:
    return fhir.observation(fhir.EGFR, value, unit, days_ago, today=TODAY, **more)


def creatinine(value: float, days_ago: int, **more: Any) -> Resource:
    return fhir.observation("2160-0", value, "mg/dL", days_ago, today=TODAY, **more)


def request(code: str | None, **more: Any) -> Resource:
    return fhir.medication_request(code, today=TODAY, **more)


def account(
    service: str = PATIENT_VIEW,
    drafts: Sequence[Resource] = (),
    who: Resource = WOMAN,
    selections: Sequence[str] | None = None,
    **chart: list[Resource] | None,
) -> Explained:
    body = fhir.hook_request(service, chart, who, drafts, selections)
    call = read_call(json.dumps(body).encode(), body["hook"])
    return explain_call(call, TODAY)


def aside(found: Explained) -> dict[str, str]:
    return {row["resource"]: row["why"] for row in found["setAside"]}


def rules(found: Explained) -> dict[str, Any]:
    return {rule["rule"]: rule for rule in found["rules"]}


# --------------------------------------------------- what is not known is said, with the reason


def without(resource: Resource, name: str, **instead: Any) -> Resource:
    return {k: v for k, v in resource.items() if k != name} | instead


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ([], "there is no eGFR and no creatinine by a known code"),
        ([egfr(92, 400)], "eGFR 92 is not surely from the last 365 days"),
        ([egfr(92, -5)], "eGFR 92 is dated after the day of the call"),
        (
            [egfr(92, 0) | {"effectiveDateTime": f"{TODAY:%Y-%m}"}],
            "eGFR 92 is not surely from the last 365 days",
        ),
        (
            [without(egfr(92, 20), "effectiveDateTime")],
            "eGFR 92 is not surely from the last 365 days",
        ),
        (
            [without(egfr(92, 20), "valueQuantity", valueBoolean=True)],
            "the newest result cannot be used: has no number",
        ),
        (
            [egfr(92, 60), egfr(1.5, 20, "mL/s", id="new")],
            "a newer result cannot be used: has a unit that is not one of eGFR",
        ),
        ([egfr(900, 20)], "the newest result cannot be used: is not plausible"),
        (
            [egfr(45, 20, comparator=">")],
            "the newest result cannot be used: its comparator leaves the value open",
        ),
        (
            [creatinine(70, 20)],
            "the newest result cannot be used: has no plausible value in a unit of creatinine",
        ),
        (
            [creatinine(1.0, 20, comparator=">")],
            "the newest result cannot be used: its comparator leaves the value open",
        ),
    ],
)
def test_unknown_kidney_function_says_what_is_lacking(results: list[Resource], why: str) -> None:
    kidney = account(kidneyLabs=results)["kidney"]
    assert (kidney["class"], kidney["why"]) == ("UNKNOWN", why)


def test_creatinine_that_the_equation_is_not_for_says_so() -> None:
    child = fhir.patient(TODAY, age=15, sex="female")
    no_sex = fhir.patient(TODAY, age=45, sex="other")
    results = [creatinine(0.8, 20)]
    assert account(kidneyLabs=results, who=child)["kidney"]["why"] == (
        "there is only creatinine, which does not count under 18"
    )
    assert account(kidneyLabs=results, who=no_sex)["kidney"]["why"] == (
        "the newest result cannot be used: the equation needs sex, and age at sampling"
    )


def test_a_card_says_why_the_newest_kidney_result_cannot_be_used() -> None:
    unusable = without(egfr(92, 20), "valueQuantity", valueBoolean=True)
    found = account(conditions=[MIGRAINE, DIABETES], kidneyLabs=[unusable])
    assert card_id(found["cards"][0]) == "mg-check-renal"
    assert "cannot be used: has no number" in found["cards"][0]["detail"]


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ([], None),
        ([("2.2", "mg/dL", 359)], "the results are more than 180 days old"),
        ([("2.2", "furlong", 20)], "no result can be used"),
        (
            [("2.2", "furlong", 20), ("2.1", "mg/dL", 60)],
            "a newer result has no usable value or unit",
        ),
    ],
)
def test_serum_magnesium_says_why_a_result_does_not_count(
    results: list[tuple[str, str, int]], why: str | None
) -> None:
    labs = [
        fhir.observation("19123-9", float(v), u, d, id=f"mg-{d}", today=TODAY)
        for v, u, d in results
    ]
    assert account(magnesiumLabs=labs)["magnesium"].get("why") == why


# --------------------------------------------------- medications of which nobody can say what they are

UNNAMED = without(
    request(None, text="x", id="unnamed"),
    "medicationCodeableConcept",
    medicationCodeableConcept={
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
                "code": "unknown",
            }
        ]
    },
)


def test_a_medication_without_a_name_could_be_magnesium() -> None:
    found = account(
        conditions=[MIGRAINE, DIABETES],
        kidneyLabs=[egfr(92, 20)],
        medicationRequests=[UNNAMED],
    )
    facts = {fact["id"]: fact for fact in found["facts"]}
    assert facts["current_magnesium"]["state"] == "unknown"
    [card] = found["cards"]
    assert card_id(card) == "mg-suggest"
    assert recommended(card) == []
    assert "nothing that can be looked up" in card["detail"]


def draft(**medication: Any) -> Resource:
    order = fhir.draft_order(None, text="x", id="which")
    return without(order, "medicationCodeableConcept", **medication)


ELSEWHERE = draft(medicationReference={"reference": "Medication/elsewhere"})
CODE_ALONE = draft(
    medicationCodeableConcept={"coding": [{"system": "urn:oid:1.2.3", "code": "63739035410"}]}
)
ODD = {**ELSEWHERE, "authoredOn": 20261122}


@pytest.mark.parametrize("order", [ELSEWHERE, CODE_ALONE, ODD])
@pytest.mark.parametrize("service", [ORDER_SELECT, ORDER_SIGN])
def test_an_order_of_an_unknown_medication_is_silent_but_not_unsaid(
    service: str, order: Resource
) -> None:
    found = account(service, [order], conditions=[MIGRAINE, DIABETES], kidneyLabs=[egfr(22, 20)])
    assert found["cards"] == []
    assert [gap["key"] for gap in found["unknown"]] == ["draftOrders"]
    rule = rules(found)["order MedicationRequest/which"]
    assert rule["outcome"] == "unknown"
    # What is not known of all draft orders holds what is not known of this one.
    assert rule["why"] in found["unknown"][0]["why"]


@pytest.mark.parametrize("order", [ELSEWHERE, CODE_ALONE])
def test_the_log_and_the_record_name_an_order_of_an_unknown_medication(order: Resource) -> None:
    body = fhir.hook_request(ORDER_SIGN, {}, WOMAN, [order])
    call = read_call(json.dumps(body).encode(), body["hook"])
    answer = answering(TODAY).answer(call, URL)
    assert answer.cards == []
    assert [gap.key for gap in answer.decision.gaps] == ["draftOrders"]


def test_what_a_card_lacked_is_known_to_the_log() -> None:
    body = fhir.hook_request(PATIENT_VIEW, {"conditions": [MIGRAINE, DIABETES]}, WOMAN)
    del body["prefetch"]["allergies"]
    call = read_call(json.dumps(body).encode(), body["hook"])
    assert [gap.key for gap in answering(TODAY).answer(call, URL).decision.gaps] == ["allergies"]


@pytest.mark.parametrize(
    "order", [draft(), draft(medicationReference={}), draft(medicationCodeableConcept={})]
)
def test_an_order_for_which_nothing_is_chosen_yet_may_be_of_anything(order: Resource) -> None:
    """FHIR requires a medication: what was lost on the way looks the same (issue 13, 3a)."""
    [gap] = account(ORDER_SIGN, [order])["unknown"]
    assert gap == {"key": "draftOrders", "why": "names no medication"}


def test_an_order_that_is_cancelled_lacks_nothing() -> None:
    assert account(ORDER_SIGN, [{**ELSEWHERE, "status": "cancelled"}])["unknown"] == []


def test_beside_an_order_of_an_unknown_medication_no_draft_is_recommended() -> None:
    """The unknown one could be magnesium, or a drug to be kept apart from it."""
    orders = [fhir.draft_order(TOPIRAMATE, id="chosen"), ELSEWHERE]
    only = ["MedicationRequest/chosen"]
    [plain], [card] = (
        account(
            ORDER_SELECT,
            drafts,
            selections=only,
            conditions=[MIGRAINE, DIABETES],
            kidneyLabs=[egfr(92, 20)],
        )["cards"]
        for drafts in (orders[:1], orders)
    )
    assert recommended(plain)
    assert recommended(card) == []
    assert [gap["key"] for gap in decision(card)["unknown"]] == ["draftOrders"]
    assert "draft orders" in card["detail"].lower()


def test_a_magnesium_order_beside_one_of_an_unknown_medication_was_not_fully_checked() -> None:
    orders = [fhir.draft_order(MAGNESIUM_GLYCINATE, dosage=fhir.dosage(200)), ELSEWHERE]
    found = account(ORDER_SIGN, orders, kidneyLabs=[egfr(92, 20)])
    assert [card_id(card) for card in found["cards"]] == ["rx-mg-not-checked"]


# --------------------------------------------------- what was found but did not count


@pytest.mark.parametrize(
    ("medicine", "why"),
    [
        (request("1719286", id="m"), "does not count by this route (injectable)"),
        (
            request(FUROSEMIDE, id="m", dosage=fhir.dosage(1, "tablet", as_needed=True)),
            "is taken as needed, not regularly",
        ),
        (
            request("310812", id="m"),
            "is combined with a potassium-sparing drug, which offsets it",
        ),
        (
            request("198051", id="m", authored_days=14),
            "is not known to be taken for long enough",
        ),
        (request("309311", id="m", authored_days=300), "was ordered longer ago than it counts"),
        (request("1596450", id="m"), "does not count as it is given"),
        (request("1658244", id="m"), "does not count by this route (injectable)"),
    ],
)
def test_a_medicine_that_does_not_count_says_why(medicine: Resource, why: str) -> None:
    assert aside(account(medicationRequests=[medicine])) == {"MedicationRequest/m": why}


@pytest.mark.parametrize("code", [FUROSEMIDE, MAGNESIUM_OXIDE, "314076"])
def test_a_medicine_that_counts_or_that_no_rule_asks_for_is_not_set_aside(code: str) -> None:
    assert aside(account(medicationRequests=[request(code)])) == {}


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (fhir.condition("G43.D0", id="c", today=TODAY), "does not count as migraine"),
        (fhir.condition("161481007", "snomed", id="c", today=TODAY), "does not count as migraine"),
        (fhir.condition("O24.410", id="c", onset_days=1000, today=TODAY), None),
        (
            fhir.condition("Z33.1", id="c", onset_days=400, recorded_days=400, today=TODAY),
            "began longer ago than a pregnancy lasts",
        ),
        (
            fhir.condition("N17.9", id="c", onset_days=200, recorded_days=200, today=TODAY),
            "is undated, over, or followed by good kidney function",
        ),
    ],
)
def test_an_active_problem_that_does_not_count_says_why(problem: Resource, why: str | None) -> None:
    said = aside(account(conditions=[problem])).get("Condition/c")
    assert said is not None
    assert why is None or said == why


def test_problems_that_count_are_not_set_aside() -> None:
    pregnant = fhir.condition("Z33.1", onset_days=60, recorded_days=60, today=TODAY)
    injured = fhir.condition("N17.9", onset_days=20, recorded_days=20, today=TODAY)
    assert aside(account(conditions=[MIGRAINE, DIABETES, pregnant, injured])) == {}


def test_a_problem_that_is_over_is_set_aside_once() -> None:
    found = account(conditions=[fhir.condition("G43.009", clinical="resolved", today=TODAY)])
    assert [row["why"] for row in found["setAside"]] == ["is resolved"]


def test_a_heart_block_with_a_pacemaker_is_accounted_for() -> None:
    block = fhir.condition("I44.2", id="block", today=TODAY)
    facts = account(conditions=[block, fhir.condition("Z95.0", today=TODAY)])["facts"]
    [found] = [fact for fact in facts if fact["id"] == "heart_block"]
    assert (found["state"], found["why"]) == ("absent", "Condition/block is met by a pacemaker")


def test_an_order_that_is_only_spaced_from_magnesium_is_something_the_service_acts_on() -> None:
    found = account(ORDER_SIGN, [fhir.draft_order("309309", id="c")])
    assert rules(found)["order MedicationRequest/c"] == {
        "rule": "order MedicationRequest/c",
        "outcome": "met",
        "why": "checked together with magnesium",
    }


def test_the_terminal_says_where_a_resource_without_an_id_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = fhir.hook_request(PATIENT_VIEW, {}, WOMAN)
    body["prefetch"]["conditions"] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": without(DIABETES, "id")}],
    }
    call = read_call(json.dumps(body).encode(), "patient-view")
    print_explanation(explain_call(call, TODAY))
    assert "Condition (entry 0, without id): " in capsys.readouterr().out


# --------------------------------------------------- an order that is lowered


def lowered(order: Resource) -> list[Resource]:
    found = account(ORDER_SIGN, [order], kidneyLabs=[egfr(52, 20)])
    [card] = [c for c in found["cards"] if card_id(c) == "rx-mg-renal-caution"]
    actions = [a for s in card["suggestions"] for a in s["actions"] if a["type"] == "update"]
    return [{**a["resource"], "said": a["description"]} for a in actions]


def tablet(code: str | None, units: float, **more: Any) -> Resource:
    return fhir.draft_order(code, id="o", dosage=fhir.dosage(units, "tablet"), **more)


def test_a_tablet_that_does_not_fit_the_lower_dose_gives_way_to_its_salt() -> None:
    """241 mg in one tablet: nobody can dispense 200 mg of it. The pharmacy chooses the product."""
    order = tablet(MAGNESIUM_OXIDE, 2, text="Magnesium oxide 400 mg tablet")
    order["dispenseRequest"] = {"quantity": {"value": 60}, "numberOfRepeatsAllowed": 2}
    [changed] = lowered(order)
    [coding] = changed["medicationCodeableConcept"]["coding"]
    assert coding["code"] == "6582"
    assert changed["medicationCodeableConcept"]["text"].startswith("Magnesium oxide oral")
    assert changed["dispenseRequest"] == {"numberOfRepeatsAllowed": 2}
    assert changed["said"].startswith("Change Magnesium oxide 400 mg tablet to magnesium oxide")
    assert "400" not in json.dumps(changed["medicationCodeableConcept"])
    again = {name: value for name, value in changed.items() if name != "said"}
    assert lowered(again) == []


def test_a_referenced_or_contained_product_gives_way_too() -> None:
    order = without(
        tablet(MAGNESIUM_OXIDE, 2),
        "medicationCodeableConcept",
        medicationReference={"reference": "#m"},
        contained=[fhir.medication(MAGNESIUM_OXIDE, id="m")],
        dispenseRequest={"quantity": {"value": 60}},
    )
    [changed] = lowered(order)
    assert changed["medicationCodeableConcept"]["coding"][0]["code"] == "6582"
    assert {"medicationReference", "contained", "dispenseRequest"}.isdisjoint(changed)


def test_what_else_an_order_contains_stays() -> None:
    other = {"resourceType": "Practitioner", "id": "p"}
    order = tablet(MAGNESIUM_OXIDE, 2, text="oxide")
    [changed] = lowered({**order, "contained": [other]})
    assert changed["contained"] == [other]


@pytest.mark.parametrize("code", [MAGNESIUM_GLYCINATE, "1313985"])
def test_a_product_that_fits_or_names_no_strength_stays(code: str) -> None:
    """An ingredient, and a tablet of 100 mg, of which two make the dose."""
    dose = fhir.dosage(400, text="400 mg elemental magnesium")
    order = fhir.draft_order(code, id="o", dosage=dose)
    [changed] = lowered(order)
    assert changed["medicationCodeableConcept"] == order["medicationCodeableConcept"]


@pytest.mark.parametrize(
    "order",
    [
        tablet(None, 2, text="Magnesium oxide 400 mg tablet"),
        tablet(None, 2, text="Calcium 500 mg, magnesium 250 mg tablet"),
        tablet(None, 2, text="Magnesium 0 mg tablet"),
    ],
)
def test_a_product_known_by_its_words_alone_is_not_exchanged(order: Resource) -> None:
    """What else it holds would be lost: the card says the limit and leaves the change to the prescriber."""
    assert lowered(order) == []
