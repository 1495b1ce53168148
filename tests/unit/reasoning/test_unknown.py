"""What is not known is never taken for absent (SPEC 12.1, 12.7.1, 12.7.2, 12.7.6)."""

from __future__ import annotations

from datetime import date

import pytest

from cards.explanation import explanation
from cds_service import reasons
from cds_service.chart.evidence import FactState, Gap, merged
from cds_service.reasoning import blocks, risk
from cds_service.reasoning.gaps import all_gaps, gaps_met
from cds_service.reasoning.medicines import months_before
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart
from tests.unit.reasoning.asking import (
    ANTACID,
    BOWEL_OBSTRUCTION,
    DIABETES,
    GLYCINATE,
    MIGRAINE,
    MYASTHENIA,
    OF_THE_GUT,
    OXIDE,
    TABLET,
    aged,
    card,
    caution,
    charted,
    egfr,
    has,
    kinds,
    one,
    orders,
    outcome,
    recommended,
    shown,
    signs,
    takes,
    unknown,
    views,
)

HOUSE = "urn:oid:2.16.840.1.113883.3.9999.4.7"
PARTS = {
    "conditions": [has(MIGRAINE), has(DIABETES)],
    "kidneyLabs": [egfr(92)],
}


def in_house_code(words: str) -> Resource:
    return {**has("X-1"), "code": {"coding": [{"system": HOUSE, "code": "X-1", "display": words}]}}


# ----------------------------------------------------------------------- whole keys


@pytest.mark.parametrize(
    "key",
    [
        *("medicationStatements", "allergies", "magnesiumLabs", "pregnancyStatus"),
        "kidneyProcedures",
    ],
)
def test_with_a_key_missing_the_plan_is_offered_not_recommended(key: str) -> None:
    found = one(views(charted(has(MIGRAINE), has(DIABETES), without=(key,))))
    assert (found.card, kinds(found), recommended(found)) == ("mg-suggest", ["plan"], [])
    assert unknown(found) == {key}


@pytest.mark.parametrize("key", ["conditions", "medicationRequests", "allergies"])
def test_a_key_known_in_part_counts_for_what_it_holds(key: str) -> None:
    part = fhir.withheld(fhir.bundle(PARTS.get(key, [takes("198051", authored_days=300)])))
    found = one(views(chart(PARTS, **{key: part})))
    assert (found.card, recommended(found)) == ("mg-suggest", [])
    assert unknown(found) == {key}


@pytest.mark.parametrize("code", [GLYCINATE, *OF_THE_GUT])
@pytest.mark.parametrize("key", ["conditions", "medicationRequests", "allergies", "magnesiumLabs"])
def test_a_magnesium_order_says_that_it_was_not_checked(code: str, key: str) -> None:
    part = fhir.withheld(fhir.bundle([]))
    on = chart({"kidneyLabs": [egfr(92)]}, **{key: part})
    found = one(signs(on, orders(code, 200 if code == GLYCINATE else None)))
    assert (found.card, found.indicator) == ("rx-mg-not-checked", "info")
    assert unknown(found) == {key}


def test_kidney_results_known_in_part_allow_no_dose() -> None:
    good = chart(PARTS, kidneyLabs=fhir.withheld(fhir.bundle([egfr(92)])))
    found = one(views(good))
    assert (found.card, kinds(found)) == ("mg-check-renal", ["labs"])
    low = chart(PARTS, kidneyLabs=fhir.withheld(fhir.bundle([egfr(22)])))
    assert shown(views(low)) == [("mg-avoid-renal", "warning")]


@pytest.mark.parametrize(
    ("code", "card_id", "indicator"),
    [(GLYCINATE, "rx-mg-renal-unknown", "warning"), ("253017", "rx-mg-not-checked", "info")],
)
def test_kidney_results_known_in_part_are_a_warning_on_a_supplement(
    code: str, card_id: str, indicator: str
) -> None:
    order = orders(code, 200 if code == GLYCINATE else None)
    part = chart({}, kidneyLabs=fhir.withheld(fhir.bundle([])))
    assert shown(signs(part, order)) == [(card_id, indicator)]
    if code == GLYCINATE:
        absent = one(signs(charted(without=("kidneyLabs",)), order))
        assert (absent.card, absent.indicator) == (card_id, "info")


def test_safety_cards_fire_on_what_is_there() -> None:
    part = fhir.withheld(fhir.bundle([has(BOWEL_OBSTRUCTION)]))
    on = chart({"kidneyLabs": [egfr(92)]}, conditions=part)
    found = one(signs(on, orders()))
    assert (found.card, unknown(found)) == ("rx-mg-bowel", {"conditions"})


# ------------------------------------------------------ conditions that cannot be read


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        ("Myasthenia gravis", "neuromuscular"),
        ("Complete heart block", "heart_block"),
        ("Ileus", "bowel_obstruction"),
        ("Pregnant, second trimester", "pregnancy"),
    ],
)
def test_a_safety_condition_that_cannot_be_read_is_unknown_and_named(words: str, fact: str) -> None:
    on = charted(has(MIGRAINE), has(DIABETES), in_house_code(words))
    found = one(views(on, complete=True))
    assert (found.card, recommended(found), unknown(found)) == ("mg-suggest", [], {"conditions"})
    assert words in in_words(found.gaps[0].why)
    states = {f.id: f.state for f in blocks.all_blocks(on)}
    assert [i for i, state in states.items() if state is FactState.UNKNOWN] == [fact]


def test_beside_a_safety_condition_that_cannot_be_read_an_order_is_not_checked() -> None:
    on = charted(in_house_code("Myasthenia gravis"))
    for code in (GLYCINATE, ANTACID):
        found = one(signs(on, orders(code, 200 if code == GLYCINATE else None)))
        assert found.card == "rx-mg-not-checked"
        assert unknown(found) == {"conditions"}


def test_a_disease_in_a_house_code_that_no_rule_asks_for_changes_nothing() -> None:
    found = one(views(charted(has(MIGRAINE), has(DIABETES), in_house_code("Hay fever"))))
    assert (recommended(found), unknown(found)) == (["plan"], set())


def test_a_kidney_disease_that_cannot_be_read_allows_no_dose() -> None:
    house = in_house_code("Chronic kidney disease, stage 5")
    good = one(views(charted(has(MIGRAINE), has(DIABETES), house)))
    assert (good.card, kinds(good), unknown(good)) == ("mg-check-renal", ["labs"], {"conditions"})
    (gap,) = good.gaps
    assert in_words(gap.why) == (
        "holds a diagnosis that cannot be read: Chronic kidney disease, stage 5"
    )
    moderate = one(views(charted(has(MIGRAINE), has(DIABETES), house, gfr=48)))
    assert (moderate.card, kinds(moderate)) == ("mg-suggest-reduced", ["labs"])
    severe = charted(has(MIGRAINE), has(DIABETES), house, gfr=22)
    assert shown(views(severe)) == [("mg-avoid-renal", "warning")]


@pytest.mark.parametrize("code", [GLYCINATE, "253017"])
def test_a_kidney_disease_that_cannot_be_read_is_a_risk_of_an_order(code: str) -> None:
    on = charted(in_house_code("Chronic kidney disease"), gfr=None)
    found = one(signs(on, orders(code, 200 if code == GLYCINATE else None)))
    assert found.card == "rx-mg-renal-unknown"
    assert unknown(found) == {"conditions"}


# ------------------------------------------------------------------- results


def test_a_magnesium_result_that_cannot_be_used_is_named() -> None:
    odd = fhir.observation(fhir.MAGNESIUM, 3.0, "U/L", 2, today=TODAY)
    found = one(views(charted(has(MIGRAINE), has(DIABETES), magnesiumLabs=[odd])))
    assert (found.card, recommended(found), unknown(found)) == ("mg-suggest", [], {"magnesiumLabs"})
    order = one(signs(charted(magnesiumLabs=[odd]), orders()))
    assert (order.card, unknown(order)) == ("rx-mg-not-checked", {"magnesiumLabs"})
    block = blocks.hypermagnesaemia(charted(magnesiumLabs=[odd]))
    assert block.state is FactState.UNKNOWN


# --------------------------------------------------------------- status of medicines


def without_status(resource: Resource) -> Resource:
    return {k: v for k, v in resource.items() if k != "status"}


def statement(text: str) -> Resource:
    return without_status(fhir.medication_statement(None, text=text, today=TODAY))


def test_magnesium_without_a_status_counts_as_taken_and_is_marked() -> None:
    taken = without_status(takes(OXIDE, text="magnesium oxide"))
    found = one(views(charted(gfr=22, taken=(taken,))))
    assert (found.card, found.indicator) == ("mg-hazard-renal", "critical")
    assert caution(found, "U6") == {"product": "magnesium oxide"}
    assert views(charted(has(MIGRAINE), has(DIABETES), taken=(taken,))).cards == ()
    assert shown(signs(charted(taken=(taken,)), orders())) == [("rx-mg-duplicate", "warning")]


@pytest.mark.parametrize(
    ("drug", "fact"),
    [("furosemide 40 mg tablet", "RF4"), ("tacrolimus 1 mg capsule", "RF8")],
)
def test_another_drug_without_a_status_leaves_its_fact_unknown(drug: str, fact: str) -> None:
    on = charted(medicationStatements=[statement(drug)])
    states = {f.id: f.state for f in risk.factors(on)}
    assert [i for i, state in states.items() if state is FactState.UNKNOWN] == [fact]
    assert [g.key for g in all_gaps(on)] == ["medicationStatements"]
    assert gaps_met(on)[0].key == "medicationStatements"


def test_an_interacting_drug_without_a_status_is_named_beside_an_order() -> None:
    on = charted(medicationStatements=[statement("dolutegravir 50 mg tablet")])
    found = one(signs(on, orders()))
    assert (found.card, unknown(found)) == ("rx-mg-not-checked", {"medicationStatements"})


def test_a_drug_that_no_rule_asks_for_needs_no_status() -> None:
    on = charted(medicationStatements=[statement("sumatriptan 50 mg tablet")])
    assert signs(on, orders()).cards == ()


def test_magnesium_whose_code_contradicts_its_words_counts_and_is_marked() -> None:
    mannitol = takes("311447", text="magnesium oxide 400 MG Oral Tablet")
    found = one(views(charted(gfr=22, taken=(mannitol,))))
    assert found.card == "mg-hazard-renal"
    assert caution(found, "U13")["product"]
    order = orders("311447", None, text="magnesium oxide 400 MG Oral Tablet")
    ordered = one(signs(charted(gfr=22), order))
    assert ordered.card == "rx-mg-renal-critical"
    assert caution(ordered, "U13")["product"]


# ----------------------------------------------------------------------- the account


@pytest.mark.parametrize(
    ("key", "card_id"),
    [
        ("conditions", "rx-mg-bowel"),
        ("conditions", "rx-mg-nmj"),
        ("conditions", "rx-mg-avblock"),
        ("conditions", "rx-mg-pregnancy"),
        ("allergies", "rx-mg-allergy"),
        ("magnesiumLabs", "rx-mg-hypermag"),
        ("medicationRequests", "rx-mg-duplicate"),
    ],
)
def test_a_check_that_rests_on_unknown_data_is_unknown(key: str, card_id: str) -> None:
    on = chart({"kidneyLabs": [egfr(92)]}, **{key: fhir.withheld(fhir.bundle([]))})
    assert outcome(signs(on, orders(), complete=True), card_id) == "unknown"
    assert outcome(signs(charted(), orders(), complete=True), card_id) == "not met"
    without_an_order = views(on, complete=True)
    assert outcome(without_an_order, card_id) == "not met"


def test_a_hazard_that_rests_on_unknown_data_is_unknown() -> None:
    part = fhir.withheld(fhir.bundle([]))
    on = chart({"kidneyLabs": [egfr(92)], "medicationRequests": [takes(OXIDE)]}, conditions=part)
    found = views(on, complete=True)
    assert outcome(found, "mg-hazard-bowel") == outcome(found, "mg-hazard-nmj") == "unknown"


def test_a_dose_that_was_not_read_is_never_not_met() -> None:
    unread = fhir.dosage(times_per_day=None, text="2 heaped scoops with the main meal")
    order = orders(GLYCINATE, None, dosage=unread)
    assert outcome(signs(charted(), order, complete=True), "rx-mg-dose") == "unknown"
    assert outcome(signs(charted(gfr=22), order, complete=True), "rx-mg-dose") == "unknown"
    taken = charted(taken=(takes(GLYCINATE, dosage=unread),))
    assert outcome(views(taken, complete=True), "mg-hazard-dose") == "unknown"
    beside = signs(taken, orders(OXIDE, None, dosage=TABLET), complete=True)
    assert outcome(beside, "rx-mg-dose") == "unknown"
    assert outcome(signs(charted(), orders(), complete=True), "rx-mg-dose") == "not met"


def test_an_indication_that_may_exist_is_unknown() -> None:
    part = fhir.withheld(fhir.bundle([has(MIGRAINE)]))
    found = views(chart({"kidneyLabs": [egfr(92)]}, conditions=part), complete=True)
    assert outcome(found, "indication") == "unknown"


def test_an_order_that_nobody_can_identify_is_unknown_and_named() -> None:
    lost = {**orders(GLYCINATE), "medicationReference": {"reference": "Medication/gone"}}
    del lost["medicationCodeableConcept"]
    found = signs(charted(), lost, complete=True)
    assert found.cards == ()
    assert outcome(found, f"order MedicationRequest/{lost['id']}") == "unknown"
    assert [g.key for g in found.gaps] == ["draftOrders"]


def test_what_cannot_be_read_is_listed_in_one_order() -> None:
    odd = [{**in_house_code(words), "id": words} for words in ("Hay fever", "Eczema", "Gout")]
    for several in (odd, odd[::-1]):
        found = views(charted(*several), complete=True)
        rows = explanation(found, [], knowledge())["notReadable"]
        names = [row["resource"] for row in rows]
        assert names == ["Condition/Eczema", "Condition/Gout", "Condition/Hay fever"]


def test_what_was_missing_is_told_without_a_card() -> None:
    part = fhir.withheld(fhir.bundle([]))
    found = views(chart({"kidneyLabs": [egfr(92)]}, conditions=part))
    assert found.cards == ()
    assert [g.key for g in found.gaps] == ["conditions"]


# ------------------------------------------------------------------------- small parts


def test_a_key_is_named_once_with_all_reasons() -> None:
    one, two, three = reasons.NOT_SENT, reasons.IN_PART, reasons.NOT_READABLE_JSON
    gaps = (Gap("a", one), Gap("b", two), Gap("a", three), Gap("a", one))
    assert merged(gaps) == (Gap("a", reasons.several((one, three))), Gap("b", two))


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        ("2026-11-22", 24, "2024-11-22"),
        ("2026-03-31", 1, "2026-02-28"),
        ("2024-02-29", 12, "2023-02-28"),
        ("2026-01-15", 1, "2025-12-15"),
    ],
)
def test_months_are_counted_on_the_calendar(day: str, months: int, before: str) -> None:
    assert months_before(date.fromisoformat(day), months).isoformat() == before


def test_an_old_patient_without_a_birth_date_is_a_risk() -> None:
    ageless = charted(gfr=None, who=fhir.patient(sex="female"))
    assert card(signs(ageless, orders()), "rx-mg-renal-unknown").indicator == "warning"
    assert one(signs(charted(gfr=None, who=aged(40)), orders())).indicator == "info"


def test_myasthenia_is_found_beside_what_is_unknown() -> None:
    on = charted(has(MYASTHENIA), in_house_code("Ileus"))
    assert shown(signs(on, orders())) == [("rx-mg-nmj", "warning")]
