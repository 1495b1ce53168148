"""From a scenario to the hook call an EHR would send."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ..support import fhir
from ..support.fhir import Resource
from .loading import Allergy, Code, Condition, Dose, Draft, Medicine, Result, Scenario

_KIDNEY_LABS = ("egfr", "creatinine")
_PREGNANCY_ANSWERS = {
    "pregnant": ("LA15173-0", "Pregnant"),
    "not pregnant": ("LA26683-5", "Not pregnant"),
    "unknown": ("LA4489-6", "Unknown"),
}


def hook_call(scenario: Scenario, today: date) -> Resource:
    """The complete request body of a scenario."""
    who = fhir.patient(
        today,
        age=scenario.patient.age,
        sex=scenario.patient.sex,
        deceased=True if scenario.patient.deceased else None,
        birthday_days_ago=0 if scenario.patient.birthday_today else 100,
    )
    drafts = [_draft(draft) for draft in scenario.drafts]
    chosen = [
        f"MedicationRequest/{order['id']}"
        for order, draft in zip(drafts, scenario.drafts, strict=True)
        if draft.selected
    ]
    body = fhir.hook_request(
        scenario.hook, _chart(scenario, today), who, drafts or None, selections=chosen
    )
    for key in scenario.not_sent:
        del body["prefetch"][key]
    for key in scenario.failed:
        body["prefetch"][key] = fhir.operation_outcome()
    return body


def _chart(scenario: Scenario, today: date) -> dict[str, list[Resource] | None]:
    requests = [m for m in scenario.medicines if not m.statement]
    kidney = [r for r in scenario.labs if _is_kidney(r)]
    other = [r for r in scenario.labs if not _is_kidney(r)]
    return {
        "conditions": [
            *(_condition(condition, today) for condition in scenario.conditions),
            *(_family_history(code) for code in scenario.family_history),
        ],
        "medicationRequests": [*_medication_requests(requests, today)],
        "medicationStatements": [
            _medication_statement(medicine, today)
            for medicine in scenario.medicines
            if medicine.statement
        ],
        "allergies": [_allergy(allergy) for allergy in scenario.allergies],
        "kidneyLabs": [_observation(result, today) for result in kidney],
        "magnesiumLabs": [_observation(result, today) for result in other],
        "pregnancyStatus": _pregnancy(scenario, today),
        "kidneyProcedures": [
            fhir.procedure(p.code.code, p.days_ago, p.code.system, status=p.status, today=today)
            for p in scenario.procedures
        ],
    }


def _is_kidney(result: Result) -> bool:
    return result.code.name.lower().startswith(_KIDNEY_LABS)


def _condition(condition: Condition, today: date) -> Resource:
    resource = fhir.condition(
        condition.code.code,
        condition.code.system,
        clinical=condition.clinical,
        verification=condition.verification,
        category=condition.category,
        recorded_days=condition.recorded,
        onset_days=condition.onset,
        abated_days=condition.abated,
        patient_id=condition.of or fhir.PATIENT_ID,
        today=today,
    )
    codings = [fhir.coding(c.code, c.system) for c in (condition.code, *condition.also_coded)]
    resource["code"] = {"text": condition.code.name}
    if not condition.text_only:
        resource["code"]["coding"] = codings
    return resource


def _family_history(code: Code) -> Resource:
    return {
        "resourceType": "FamilyMemberHistory",
        "id": fhir.slug("family", code.code),
        "status": "completed",
        "patient": fhir.subject(),
        "relationship": fhir.concept(text="mother"),
        "condition": [{"code": fhir.concept(code.code, code.system, code.name)}],
    }


def _medication_requests(medicines: Iterable[Medicine], today: date) -> Iterable[Resource]:
    for medicine in medicines:
        reference: str | None = None
        if medicine.by_reference:
            included = fhir.medication(medicine.code.code, medicine.code.system)
            reference = f"Medication/{included['id']}"
            yield included
        yield fhir.medication_request(
            None if medicine.text_only else medicine.code.code,
            medicine.code.system,
            text=medicine.code.name,
            status=medicine.status,
            intent=medicine.intent,
            authored_days=medicine.started,
            validity_end_days=medicine.valid_until,
            dosage=_dosage(medicine),
            route=medicine.route,
            do_not_perform=True if medicine.do_not_take else None,
            medication_reference=reference,
            id=fhir.slug("medicine", medicine.code.code or medicine.code.name, medicine.status),
            patient_id=medicine.of or fhir.PATIENT_ID,
            today=today,
        )


def _medication_statement(medicine: Medicine, today: date) -> Resource:
    return fhir.medication_statement(
        None if medicine.text_only else medicine.code.code,
        medicine.code.system,
        text=medicine.code.name,
        status=medicine.status,
        started_days=medicine.started,
        ended_days=medicine.ended,
        dosage=_dosage(medicine),
        route=medicine.route,
        id=fhir.slug("statement", medicine.code.code or medicine.code.name, medicine.status),
        patient_id=medicine.of or fhir.PATIENT_ID,
        today=today,
    )


def _draft(draft: Draft) -> Resource:
    reason = draft.reason
    order = fhir.draft_order(
        None if draft.text_only else draft.code.code,
        draft.code.system,
        text=draft.code.name,
        dosage=_dosage(draft),
        route=draft.route,
        reason=reason and fhir.concept(reason.code, reason.system, reason.name),
        id=fhir.slug("draft", draft.code.code or draft.code.name),
    )
    if draft.reason_is_condition is not None:
        named = fhir.slug("condition", draft.reason_is_condition.code)
        order["reasonReference"] = [{"reference": f"Condition/{named}"}]
    return order


def _dosage(medicine: Medicine | Draft) -> list[Resource] | None:
    """`taken` is given together (no sequence), `steps` one after the other."""
    numbered = [*((None, dose) for dose in medicine.taken), *enumerate(medicine.steps, 1)]
    instructions = [
        fhir.dosage(
            dose.amount,
            dose.unit,
            dose.times_per_day,
            sequence=number,
            as_needed=medicine.as_needed or None,
            text=_dose_text(dose, medicine.code.name),
        )
        for number, dose in numbered
    ]
    if not instructions and medicine.as_needed:
        return [fhir.dosage(times_per_day=None, as_needed=medicine.as_needed)]
    return instructions or None


def _dose_text(dose: Dose, name: str) -> str:
    """Milligrams of magnesium are elemental, as the service's own drafts say them."""
    elemental = " elemental magnesium" if dose.unit == "mg" and "magnesium" in name else ""
    return f"{dose.amount} {dose.unit}{elemental} {dose.times_per_day} time(s) daily"


def _observation(result: Result, today: date) -> Resource:
    shown = f"{result.comparator or ''}{result.value}"
    return fhir.observation(
        result.code.code,
        None if result.as_text else result.value,
        result.unit,
        result.days_ago,
        status=result.status,
        comparator=None if result.as_text else result.comparator,
        value_string=shown if result.as_text else None,
        reference_high=result.reference_high,
        patient_id=result.of or fhir.PATIENT_ID,
        today=today,
    )


def _allergy(allergy: Allergy) -> Resource:
    return fhir.allergy(
        None if allergy.text_only else allergy.code.code,
        "rxnorm" if allergy.text_only else allergy.code.system,
        text=allergy.code.name,
        clinical=allergy.clinical,
        verification=allergy.verification,
    )


def _pregnancy(scenario: Scenario, today: date) -> list[Resource]:
    said = scenario.pregnancy_status
    if said is None:
        return []
    code, display = _PREGNANCY_ANSWERS[said.answer]
    answer = fhir.concept(code, "loinc", text=display, display=display)
    return [
        fhir.observation(
            fhir.PREGNANCY_STATUS, days_ago=said.reported, value_concept=answer, today=today
        )
    ]
