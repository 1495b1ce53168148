"""Each draft of each plan, with and without a formulary, is read back as what the card states."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cards.drafts import check_all, medication_draft
from cards.suggestions import suggestions
from cds_service.chart.chart import open_chart
from cds_service.chart.dosage import DailyDose, daily_elemental
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.loader import Knowledge, load
from cds_service.knowledge.model import Coded, Plan, SiteProduct
from cds_service.knowledge.plans import total_of
from cds_service.reasoning.decision import Offer, OfferKind
from tests.support.cards import assert_no_empty, assert_r4
from tests.support.decisions import call, caution, knowledge, suggestion_card

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOCAL = "https://hospital.example/products"


def product(mg: str, form: str, system: str, code: str, display: str) -> SiteProduct:
    return SiteProduct(Coded(system, code, display), form, Decimal(mg))


CAPSULE = product("100", "capsule", RXNORM, "2711541", "magnesium glycinate 100 MG Oral Capsule")
TABLET = product("100", "tablet", RXNORM, "849497", "magnesium glycinate 100 MG Oral Tablet")
LARGE = product("120", "capsule", RXNORM, "2534481", "magnesium glycinate 120 MG Oral Capsule")
OWN = product("50", "tablet", LOCAL, "MG50", "Magnesium bisglycinate 350 mg tablet")
SMALL = product("12.5", "capsule", LOCAL, "MG12", "Magnesium glycinate capsule")
ODD = product("75", "capsule", LOCAL, "MG75", "Magnesium glycinate 75 mg capsule")
FORMULARIES = {
    "none": (),
    "capsules": (CAPSULE,),
    "tablets": (TABLET,),
    "two": (CAPSULE, LARGE),
    "own": (OWN,),
    "fraction": (SMALL,),
    "first that fits": (ODD, LARGE, CAPSULE),
}
MAXIMA = (None, 450, 399, 375)


def every_plan() -> Iterator[Any]:
    for name, products in FORMULARIES.items():
        for most in MAXIMA:
            changes = {"dose.max_mg": Decimal(most)} if most else {}
            known = load(changes=changes, products=products)
            for plan in known.plans.plans:
                yield pytest.param(known, plan, id=f"{name}-{most}-{plan.id}")


PLANS = list(every_plan())


def drafted(plan: Plan, known: Knowledge) -> dict[str, Any]:
    return medication_draft(plan, suggestion_card(), call(), known)


def use_of(draft: dict[str, Any]) -> MedicationUse:
    """The draft as the chart reads it after it has become an order."""
    order = draft | {"id": "order-1", "status": "active", "intent": "order"}
    content = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": order}]}
    prefetch = {"medicationRequests": msgspec.Raw(msgspec.json.encode(content))}
    chart = open_chart(prefetch, "pat-1", call().now.date(), knowledge())
    (use,) = chart.medications
    return use


def read(draft: dict[str, Any]) -> DailyDose:
    return daily_elemental(use_of(draft), knowledge().drugs, knowledge().dosage)


@pytest.mark.parametrize(("known", "plan"), PLANS)
def test_a_draft_reads_back_as_the_dose_that_the_card_states(known: Knowledge, plan: Plan) -> None:
    draft = drafted(plan, known)
    assert_r4(draft)
    assert_no_empty(draft, plan.id)
    assert read(draft).mg == plan.target_mg_per_day
    stated = {Decimal(mg) for mg in re.findall(r"([\d.]+) mg", plan.in_words)}
    assert stated == {step.dose_mg for step in plan.steps}


@pytest.mark.parametrize(("known", "plan"), PLANS)
def test_each_instruction_reads_back_by_its_structure_and_by_its_text(
    known: Knowledge, plan: Plan
) -> None:
    draft = drafted(plan, known)
    for step, instruction in zip(plan.steps, draft["dosageInstruction"], strict=True):
        daily = step.dose_mg * step.frequency
        structure = {
            k: v for k, v in instruction.items() if k not in ("text", "patientInstruction")
        }
        text = {"text": instruction["text"]}
        for part in (instruction, structure, text):
            assert read(draft | {"dosageInstruction": [copy.deepcopy(part)]}).mg == daily


@pytest.mark.parametrize(("known", "plan"), PLANS)
def test_the_supply_lasts_as_long_as_it_states(known: Knowledge, plan: Plan) -> None:
    draft = drafted(plan, known)
    supply = draft["dispenseRequest"]
    unit = plan.product.elemental_mg if plan.product else Decimal(plan.unit_mg)
    totals = [total_of(plan.steps, n) for n in sorted({s.sequence for s in plan.steps})]
    fills = [(supply["quantity"], supply["expectedSupplyDuration"])]
    if "initialFill" in supply:
        fills.insert(0, (supply["initialFill"]["quantity"], supply["initialFill"]["duration"]))
    assert len(fills) == len(totals)
    for total, (quantity, duration) in zip(totals, fills, strict=True):
        assert quantity["value"] * unit == total * duration["value"]
    assert sum(duration["value"] for _, duration in fills) == plan.supply_days


@pytest.mark.parametrize(("known", "plan"), PLANS)
def test_the_first_product_that_makes_whole_units_is_ordered(known: Knowledge, plan: Plan) -> None:
    draft = drafted(plan, known)
    (coding,) = draft["medicationCodeableConcept"]["coding"]
    doses = [i["doseAndRate"][0]["doseQuantity"] for i in draft["dosageInstruction"]]
    if plan.product is None:
        assert coding["code"] == "476818"
        assert {dose["code"] for dose in doses} == {"mg"}
        return
    assert (coding["system"], coding["code"]) == (plan.product.code.system, plan.product.code.code)
    assert (
        f"{plan.product.elemental_mg:f} mg elemental" in draft["medicationCodeableConcept"]["text"]
    )
    for step, dose, instruction in zip(plan.steps, doses, draft["dosageInstruction"], strict=True):
        assert isinstance(dose["value"], int)
        assert dose["value"] * plan.product.elemental_mg == step.dose_mg
        assert dose["code"] == f"{{{plan.product.form}}}"
        assert f"{dose['value']} {plan.product.form}" in instruction["text"]
    assert "choose a product" not in draft["note"][0]["text"]


def chosen(name: str, most: int | None = None) -> dict[str, str | None]:
    changes = {"dose.max_mg": Decimal(most)} if most else {}
    plans = load(changes=changes, products=FORMULARIES[name]).plans.plans
    return {plan.id: plan.product.code.code if plan.product else None for plan in plans}


def test_each_plan_has_its_own_product() -> None:
    assert chosen("capsules")["mg_perimenstrual"] is None
    assert chosen("capsules")["mg_200_400"] == "2711541"
    assert chosen("two")["mg_perimenstrual"] == "2534481"
    assert chosen("first that fits")["mg_200_300"] == "2711541"
    assert set(chosen("none").values()) == {None}


def test_the_text_of_a_draft_is_what_a_pharmacist_reads() -> None:
    known = load(products=(CAPSULE,))
    plan = next(p for p in known.plans.plans if p.id == "mg_200_400")
    assert [step.text for step in plan.steps] == [
        "1 capsule of 100 mg elemental magnesium, twice daily with meals for 14 days",
        "then 2 capsules of 100 mg elemental magnesium, twice daily with meals if tolerated",
    ]
    card = suggestion_card(offers=(Offer(OfferKind.PLAN, plan=plan.id),))
    (offered,) = suggestions(card, call(), known)
    assert "magnesium glycinate 100 MG Oral Capsule" in offered["actions"][0]["description"]


def test_the_instruction_for_the_patient_names_the_drugs_to_keep_apart() -> None:
    card = suggestion_card(
        cautions=(caution("C5", drug="levothyroxine", advice="4 h apart from magnesium"),)
    )
    known = load(products=(CAPSULE,))
    draft = medication_draft(known.plans.plans[0], card, call(), known)
    for instruction in draft["dosageInstruction"]:
        assert "levothyroxine (4 h apart from magnesium)" in instruction["patientInstruction"]


@pytest.mark.parametrize("products", FORMULARIES.values(), ids=FORMULARIES)
def test_every_template_is_valid(products: tuple[SiteProduct, ...]) -> None:
    check_all(load(products=products))
