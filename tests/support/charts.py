"""A few ready-made hook calls that lead to cards, for tests that are not about medicine."""

from __future__ import annotations

from datetime import date
from typing import Any

from . import fhir
from .fhir import (
    ENCOUNTER_DISCHARGE,
    MEDICATION_REFILL,
    ORDER_SELECT,
    ORDER_SIGN,
    PATIENT_VIEW,
    Resource,
)

MIGRAINE = "G43.009"
DIABETES = "E11.9"
TOPIRAMATE = "199888"
MAGNESIUM_GLYCINATE = "476818"
LEVOTHYROXINE = "966221"
PENICILLIN = "7980"


def chart(today: date, **changes: list[Resource] | None) -> dict[str, list[Resource] | None]:
    """Migraine, diabetes, levothyroxine, normal kidneys; something under every prefetch key."""
    usual: dict[str, list[Resource] | None] = {
        "conditions": [
            fhir.condition(MIGRAINE, today=today),
            fhir.condition(DIABETES, today=today),
        ],
        "medicationRequests": [
            fhir.medication_request(
                LEVOTHYROXINE, text="Levothyroxine", dosage=fhir.dosage(1, "tablet"), today=today
            )
        ],
        "medicationStatements": [
            fhir.medication_statement("723", text="Amoxicillin", status="completed", today=today)
        ],
        "allergies": [fhir.allergy(PENICILLIN, text="Penicillin G")],
        "kidneyLabs": [fhir.observation(fhir.EGFR, 92, fhir.EGFR_UNIT, 30, today=today)],
        "magnesiumLabs": [fhir.observation(fhir.MAGNESIUM, 2, "mg/dL", 30, today=today)],
        "pregnancyStatus": [],
        "kidneyProcedures": [],
    }
    return {**usual, **changes}


def patient(today: date) -> Resource:
    return fhir.patient(today, age=45, sex="female")


def patient_view(today: date, **changes: list[Resource] | None) -> Resource:
    """Leads to mg-suggest."""
    return fhir.hook_request(PATIENT_VIEW, chart(today, **changes), patient(today))


def order_select(today: date, **changes: list[Resource] | None) -> Resource:
    """Topiramate: leads to mg-with-preventive."""
    draft = fhir.draft_order(TOPIRAMATE, text="Topiramate 25 mg", id="topiramate-1")
    return fhir.hook_request(ORDER_SELECT, chart(today, **changes), patient(today), [draft])


def magnesium_order(amount: float = 400, id: str = "magnesium-1") -> Resource:
    return fhir.draft_order(
        MAGNESIUM_GLYCINATE,
        text="Magnesium glycinate",
        dosage=fhir.dosage(amount, "mg", 1, text=f"{amount} mg elemental magnesium once daily"),
        id=id,
    )


def order_sign(today: date, **changes: list[Resource] | None) -> Resource:
    """Magnesium 400 mg with an eGFR of 52: leads to rx-mg-renal-caution with an update."""
    moderate = [fhir.observation(fhir.EGFR, 52, fhir.EGFR_UNIT, 30, today=today)]
    usual: dict[str, Any] = {"kidneyLabs": moderate, "medicationRequests": []}
    return fhir.hook_request(
        ORDER_SIGN, chart(today, **{**usual, **changes}), patient(today), [magnesium_order()]
    )


def medication_refill(today: date, **changes: list[Resource] | None) -> Resource:
    """The same order to be refilled: leads to rx-mg-renal-caution with an update."""
    body = order_sign(today, **changes)
    context = body["context"]
    return {
        **body,
        "hook": fhir.hook_of(MEDICATION_REFILL),
        "context": {**context, "medications": context.pop("draftOrders")},
    }


def encounter_discharge(today: date, **changes: list[Resource] | None) -> Resource:
    """Leads to mg-suggest."""
    return patient_view(today, **changes) | {"hook": fhir.hook_of(ENCOUNTER_DISCHARGE)}


CALLS = {
    PATIENT_VIEW: patient_view,
    ORDER_SELECT: order_select,
    ORDER_SIGN: order_sign,
    MEDICATION_REFILL: medication_refill,
    ENCOUNTER_DISCHARGE: encounter_discharge,
}
