"""Draft orders: valid R4, complete, about this patient; an update changes the dose and no more."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from cards.drafts import check_all, lab_draft, medication_draft, with_daily_dose
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import LabOrder, Plan
from cds_service.reasoning.decision import KidneyClass
from tests.support.cards import assert_no_empty, assert_r4, daily_doses
from tests.support.decisions import (
    MAGNESIUM_ORDER,
    NO_KIDNEY_DATA,
    call,
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
    "mg_200_350": [200, 350],
    "mg_200_reduced": [200],
    "mg_perimenstrual": [360],
}


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
    assert first["maxDosePerPeriod"]["numerator"]["value"] == 400
    assert first["route"]["coding"][0]["code"] == "26643006"
    assert draft["dispenseRequest"]["expectedSupplyDuration"]["value"] == 84
    assert draft["substitution"] == {"allowedBoolean": True}


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_each_test_is_a_valid_draft_with_code_and_text(lab: LabOrder) -> None:
    draft = lab_draft(lab, suggestion_card(), call(), knowledge())

    assert_r4(draft)
    assert_no_empty(draft, lab.id)
    assert draft["resourceType"] == "ServiceRequest"
    assert draft["code"]["coding"][0]["code"] == lab.code
    assert draft["code"]["text"] == lab.id.removeprefix("lab_")


def test_the_note_on_reduced_function_is_left_out_where_function_is_unknown() -> None:
    plan = plan_named("mg_200_reduced")

    def note(of_kidney: Any) -> str:
        card = suggestion_card(kidney=of_kidney)
        return str(medication_draft(plan, card, call(), knowledge())["note"][0]["text"])

    assert "Reduced kidney function" in note(kidney("48", kidney_class=KidneyClass.MODERATE))
    assert "Reduced kidney function" in note(None)
    assert note(NO_KIDNEY_DATA) == plan.note
    assert "Reduced kidney function" not in plan.note


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
