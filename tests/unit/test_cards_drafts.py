"""Draft orders: valid R4, complete, about this patient; an update changes the dose and no more."""

from __future__ import annotations

import copy
import re
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from cards.drafts import check_all, lab_draft, medication_draft, with_daily_dose
from cds_service.chart.chart import open_chart
from cds_service.chart.dosage import daily_elemental
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import LabOrder, Plan
from cds_service.reasoning.decision import Caution
from tests.support.cards import assert_no_empty, assert_r4, daily_doses
from tests.support.decisions import (
    MAGNESIUM_ORDER,
    NO_KIDNEY_DATA,
    call,
    caution,
    kidney,
    knowledge,
    order,
    safety_card,
    suggestion_card,
)

PLANS = knowledge().plans.plans
LABS = knowledge().plans.labs
STEPS = {
    "mg_200_400": [200, 400],
    "mg_200_300": [200, 300],
    "mg_200_reduced": [200],
    "mg_perimenstrual": [360],
}
SUPPLY = {
    "mg_200_400": [(28, 14), (280, 70)],
    "mg_200_300": [(56, 28), (168, 56)],
    "mg_200_reduced": [(56, 28)],
    "mg_perimenstrual": [(42, 14)],
}
"""Capsules or tablets and days of each step."""


def plan_named(plan_id: str) -> Plan:
    return next(plan for plan in PLANS if plan.id == plan_id)


def drafted(plan_id: str = "mg_200_400", **of_call: Any) -> dict[str, Any]:
    return medication_draft(plan_named(plan_id), suggestion_card(), call(**of_call), knowledge())


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_each_plan_is_a_valid_draft_of_this_patient(plan: Plan) -> None:
    draft = drafted(plan.id)

    assert_r4(draft)
    assert_no_empty(draft, plan.id)
    assert (draft["status"], draft["intent"]) == ("draft", "proposal")
    assert draft["subject"] == {"reference": "Patient/pat-1"}
    assert draft["encounter"] == {"reference": "Encounter/enc-1"}
    assert draft["requester"] == {"reference": "Practitioner/7"}
    assert draft["authoredOn"] == "2026-11-22"
    assert draft["reasonReference"] == [{"reference": "Condition/m"}]
    assert daily_doses(draft) == STEPS[plan.id]


def test_a_plan_orders_the_ingredient_with_steps_as_structured_doses() -> None:
    draft = drafted()
    medication = draft["medicationCodeableConcept"]
    first, second = draft["dosageInstruction"]

    assert [c["code"] for c in medication["coding"]] == ["476818"]
    assert "elemental" in medication["text"]
    assert first["timing"]["repeat"]["boundsDuration"]["value"] == 14
    assert "boundsDuration" not in second["timing"]["repeat"]
    assert [first["sequence"], second["sequence"]] == [1, 2]
    assert first["route"]["coding"][0]["code"] == "26643006"
    assert draft["substitution"] == {"allowedBoolean": True}


def doses(draft: dict[str, Any]) -> list[tuple[int, float, list[str], float]]:
    """Of each instruction its step, its single dose, its times of day and its maximum."""
    return [
        (
            instruction["sequence"],
            instruction["doseAndRate"][0]["doseQuantity"]["value"],
            instruction["timing"]["repeat"].get("when", []),
            instruction["maxDosePerPeriod"]["numerator"]["value"],
        )
        for instruction in draft["dosageInstruction"]
    ]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_the_maximum_of_each_step_is_what_it_gives(plan: Plan) -> None:
    given = dict(zip(sorted({s.sequence for s in plan.steps}), STEPS[plan.id], strict=True))

    for step, _, _, maximum in doses(drafted(plan.id)):
        assert maximum == given[step]


def test_from_sixty_five_on_morning_and_evening_are_one_step_of_two_instructions() -> None:
    assert doses(drafted("mg_200_300")) == [
        (1, 100, [], 200),
        (2, 100, ["MORN"], 300),
        (2, 200, ["EVE"], 300),
    ]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_every_dose_is_made_of_whole_units(plan: Plan) -> None:
    assert plan.unit_mg == (120 if plan.id == "mg_perimenstrual" else 100)
    assert all(step.dose_mg % plan.unit_mg == 0 for step in plan.steps)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_each_step_has_its_quantity_and_its_days(plan: Plan) -> None:
    supply = drafted(plan.id)["dispenseRequest"]
    fills = [(supply["quantity"], supply["expectedSupplyDuration"])]
    if "initialFill" in supply:
        fills.insert(0, (supply["initialFill"]["quantity"], supply["initialFill"]["duration"]))

    assert [(quantity["value"], days["value"]) for quantity, days in fills] == SUPPLY[plan.id]
    for quantity, _ in fills:
        assert quantity["unit"] == f"capsule or tablet of {plan.unit_mg} mg elemental magnesium"


def test_a_course_within_the_cycle_has_no_frequency_that_runs_on() -> None:
    draft = drafted("mg_perimenstrual")
    (instruction,) = draft["dosageInstruction"]

    assert set(instruction["timing"]["repeat"]) == {"boundsDuration"}
    assert instruction["timing"]["repeat"]["boundsDuration"]["value"] == 14
    assert "three times daily from cycle day 15" in instruction["timing"]["code"]["text"]
    assert draft["dispenseRequest"]["numberOfRepeatsAllowed"] == 2
    assert draft["dispenseRequest"]["dispenseInterval"]["value"] == 28


def test_the_low_dose_is_not_refilled_without_tests() -> None:
    draft = drafted("mg_200_reduced")

    assert draft["dispenseRequest"]["numberOfRepeatsAllowed"] == 0
    assert "No refill without serum magnesium and creatinine" in draft["note"][0]["text"]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_a_draft_reads_back_as_the_dose_that_the_card_states(plan: Plan) -> None:
    """What another visit reads in the chart is what this card said."""
    read = daily_elemental(use_of(drafted(plan.id)), knowledge().drugs, knowledge().dosage)
    single = {int(mg) for mg in re.findall(r"(\d+) mg", plan.in_words)}

    assert read.mg == STEPS[plan.id][-1] == plan.target_mg_per_day
    assert single == {step.dose_mg for step in plan.steps}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_each_instruction_of_a_draft_reads_back_as_its_own_dose(plan: Plan) -> None:
    draft = drafted(plan.id)
    for step, instruction in zip(plan.steps, draft["dosageInstruction"], strict=True):
        alone = use_of(draft | {"dosageInstruction": [instruction]})
        read = daily_elemental(alone, knowledge().drugs, knowledge().dosage)
        assert read.mg == step.dose_mg * step.frequency
        assert not read.up_to


def use_of(draft: dict[str, Any]) -> MedicationUse:
    """The draft as the chart reads it once it has become an order."""
    order = draft | {"id": "order-1", "status": "active", "intent": "order"}
    content = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": order}]}
    prefetch = {"medicationRequests": msgspec.Raw(msgspec.json.encode(content))}
    chart = open_chart(prefetch, "pat-1", date(2026, 11, 22), knowledge())
    (use,) = chart.medications
    return use


# ------------------------------------------------------ what the patient must know


def instructions(*cautions: Caution, plan_id: str = "mg_200_400") -> list[str | None]:
    card = suggestion_card(cautions=cautions)
    draft = medication_draft(plan_named(plan_id), card, call(), knowledge())
    assert_r4(draft)
    return [each.get("patientInstruction") for each in draft["dosageInstruction"]]


def test_each_step_tells_the_patient_what_to_know_once() -> None:
    first, morning, evening = instructions(plan_id="mg_200_300")

    assert first == morning
    assert evening is None
    assert first == (
        "Take it with food, in the split doses that are written. Loose stools are common: take "
        "half the dose. Stop and call if you have vomiting, belly swelling or weakness."
    )


def test_the_drugs_of_this_patient_are_named_with_how_to_keep_them_apart() -> None:
    apart = (
        caution("C5", drug="levothyroxine", advice="4 h apart from magnesium; TSH in 6-8 weeks"),
        caution("C4", finding="AV block"),
        caution("C5", drug="iron <b>", advice="2 h apart from magnesium"),
    )
    first, second = instructions(*apart)

    assert first == second
    assert str(first).endswith(
        " Keep apart from magnesium: levothyroxine (4 h apart from magnesium; TSH in 6-8 weeks); "
        "iron b> (2 h apart from magnesium)."
    )
    assert "AV block" not in str(first)


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_each_test_is_a_valid_draft_with_code_and_text(lab: LabOrder) -> None:
    draft = lab_draft(lab, suggestion_card(), call(), knowledge())

    assert_r4(draft)
    assert_no_empty(draft, lab.id)
    assert draft["resourceType"] == "ServiceRequest"
    assert draft["code"]["coding"][0]["code"] == lab.code
    assert draft["code"]["text"] == lab.id.removeprefix("lab_")


def test_tests_that_are_due_later_say_from_when_to_when() -> None:
    now = lab_draft(LABS[0], suggestion_card(), call(), knowledge())
    later = lab_draft(LABS[0], suggestion_card(), call(), knowledge(), (4, 8))

    assert "occurrencePeriod" not in now
    assert later["occurrencePeriod"] == {"start": "2026-12-20", "end": "2027-01-17"}
    assert_r4(later)


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ("Practitioner/7", True),
        ("PractitionerRole/a-1", True),
        ("Patient/7", False),
        ("Practitioner/", False),
        ("https://ehr.example/Practitioner/7", False),
        ("", False),
    ],
)
def test_the_requester_is_who_may_order(user: str, named: bool) -> None:
    assert ("requester" in drafted(user_id=user)) == named


@pytest.mark.parametrize("encounter", [None, "", "a b", "x" * 65])
def test_an_encounter_that_cannot_be_referred_to_is_left_out(encounter: str | None) -> None:
    assert "encounter" not in drafted(encounter_id=encounter)


@pytest.mark.parametrize("reference", ["", "urn:uuid:1", "Condition (entry 2, without id)"])
def test_a_reason_that_cannot_be_referred_to_is_said(reference: str) -> None:
    card = suggestion_card(reason_reference=reference)
    draft = medication_draft(plan_named("mg_200_400"), card, call(), knowledge())

    assert "reasonReference" not in draft
    assert draft["reasonCode"] == [{"text": "Migraine prevention"}]
    assert_r4(draft)


def test_a_test_for_a_safety_card_says_its_own_reason() -> None:
    draft = lab_draft(LABS[0], safety_card("rx-mg-renal-unknown"), call(), knowledge())

    assert draft["reasonCode"] == [{"text": "Safety check before magnesium"}]


def test_each_draft_is_a_copy_of_its_own() -> None:
    drafted()["dosageInstruction"].clear()

    assert len(drafted()["dosageInstruction"]) == 2


def known_with(**plans: Any) -> Knowledge:
    return msgspec.structs.replace(
        knowledge(), plans=msgspec.structs.replace(knowledge().plans, **plans)
    )


def test_a_plan_that_is_no_valid_resource_is_refused() -> None:
    plan = plan_named("mg_200_400")
    wrong = msgspec.structs.replace(plan, steps=(msgspec.structs.replace(plan.steps[0], text=""),))

    check_all(knowledge())
    with pytest.raises(ValidationError):
        check_all(known_with(plans=(wrong,)))


def test_whoever_gets_the_first_card_does_not_wait_for_its_drafts_to_be_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = known_with(
        plans=tuple(msgspec.structs.replace(plan, note=f"{plan.note} New.") for plan in PLANS),
        labs=tuple(msgspec.structs.replace(lab, display=f"{lab.display}, new") for lab in LABS),
    )
    check_all(new)
    monkeypatch.setattr("fhir.resources.R4B.get_fhir_model_class", None)

    for known in (kidney("48"), NO_KIDNEY_DATA):
        card = suggestion_card(kidney=known)
        for plan in new.plans.plans:
            assert "New." in str(medication_draft(plan, card, call(), new)["note"])
        for lab in new.plans.labs:
            assert "new" in str(lab_draft(lab, card, call(), new)["code"])


# --------------------------------------------------------------- updating


def updated(dosage: Any = None, **other: Any) -> dict[str, Any]:
    resource = copy.deepcopy(MAGNESIUM_ORDER) | other
    if dosage is not None:
        resource["dosageInstruction"] = dosage
    return with_daily_dose(order(resource), Decimal(200), knowledge())


def test_an_update_keeps_everything_but_the_dose() -> None:
    sent = copy.deepcopy(MAGNESIUM_ORDER)
    changed = updated()

    assert_r4(changed)
    assert daily_doses(changed) == [200]
    assert sent == MAGNESIUM_ORDER
    dosage = changed.pop("dosageInstruction")
    sent.pop("dosageInstruction")
    assert changed.pop("text")["status"] == "generated"
    assert changed == sent
    assert dosage == [
        {
            "route": {"text": "by mouth"},
            "text": "200 mg elemental magnesium once daily",
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [
                {
                    "doseQuantity": {
                        "value": 200,
                        "unit": "mg",
                        "system": "http://unitsofmeasure.org",
                        "code": "mg",
                    }
                }
            ],
            "maxDosePerPeriod": {
                "numerator": {
                    "value": 200,
                    "unit": "mg",
                    "system": "http://unitsofmeasure.org",
                    "code": "mg",
                },
                "denominator": {
                    "value": 1,
                    "unit": "d",
                    "system": "http://unitsofmeasure.org",
                    "code": "d",
                },
            },
        }
    ]


def test_what_does_not_speak_of_the_dose_stays() -> None:
    bounds = {"boundsPeriod": {"start": "2026-11-22", "end": "2027-02-22"}}
    (dosage,) = updated(
        [
            {
                "asNeededBoolean": False,
                "additionalInstruction": [{"text": "with food"}],
                "timing": {"repeat": {**bounds, "frequency": 2, "period": 1, "periodUnit": "d"}},
                "maxDosePerPeriod": {"numerator": {"value": 900}},
            }
        ]
    )["dosageInstruction"]

    assert dosage["asNeededBoolean"] is False
    assert dosage["additionalInstruction"] == [{"text": "with food"}]
    assert dosage["timing"]["repeat"] == bounds | {"frequency": 1, "period": 1, "periodUnit": "d"}
    assert dosage["maxDosePerPeriod"]["numerator"]["value"] == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("asNeededCodeableConcept", {"text": "for headache"}),
        ("site", {"text": "mouth"}),
        ("route", {"text": "by tube"}),
        ("method", {"text": "swallow"}),
    ],
)
def test_how_and_when_it_is_taken_stays(name: str, value: dict[str, str]) -> None:
    (dosage,) = updated([{name: value}])["dosageInstruction"]
    assert dosage[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("boundsDuration", {"value": 30, "code": "d"}),
        ("boundsRange", {"low": {"value": 2}, "high": {"value": 4}}),
    ],
)
def test_for_how_long_it_is_taken_stays(name: str, value: dict[str, Any]) -> None:
    (dosage,) = updated([{"timing": {"repeat": {name: value, "frequency": 2}}}])[
        "dosageInstruction"
    ]
    assert dosage["timing"]["repeat"][name] == value


@pytest.mark.parametrize(
    ("steps", "route"),
    [
        ([{"route": {"text": "oral"}}, {"route": {"text": "oral"}, "text": "b"}], {"text": "oral"}),
        ([{"route": {"text": "oral"}}, {"route": {"text": "tube"}}], None),
        ([{"text": "a"}, {"text": "b"}], None),
        ([], None),
    ],
)
def test_several_steps_become_one_and_keep_a_shared_route(
    steps: list[dict[str, Any]], route: dict[str, str] | None
) -> None:
    (dosage,) = updated(steps)["dosageInstruction"]

    assert dosage.get("route") == route
    assert dosage["text"] == "200 mg elemental magnesium once daily"


@pytest.mark.parametrize("dosage", ["one daily", {"text": "one daily"}, ["one daily"], 1])
def test_a_malformed_dosage_is_replaced(dosage: Any) -> None:
    assert daily_doses(updated(dosage)) == [200]


def test_an_order_without_a_dosage_gets_one() -> None:
    resource = {name: v for name, v in MAGNESIUM_ORDER.items() if name != "dosageInstruction"}
    assert daily_doses(with_daily_dose(order(resource), Decimal(200), knowledge())) == [200]


@pytest.mark.parametrize("timing", ["daily", {"code": {"text": "bid"}}, {"repeat": "daily"}])
def test_a_malformed_timing_is_replaced(timing: Any) -> None:
    assert daily_doses(updated([{"timing": timing}])) == [200]


def test_an_order_known_by_its_full_url_gets_the_id_it_is_found_by() -> None:
    resource = {name: v for name, v in MAGNESIUM_ORDER.items() if name != "id"}
    sent = order(resource, reference="MedicationRequest/f81d")

    assert with_daily_dose(sent, Decimal(200), knowledge())["id"] == "f81d"
    assert "id" not in resource


def test_a_dose_with_decimals_keeps_them() -> None:
    (dosage,) = with_daily_dose(order(), Decimal("120.5"), knowledge())["dosageInstruction"]

    assert dosage["text"] == "120.5 mg elemental magnesium once daily"
    assert dosage["doseAndRate"][0]["doseQuantity"]["value"] == 120.5
