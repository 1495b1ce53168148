"""The medicines and the draft orders of a scenario as FHIR resources."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import NAMESPACE_URL, uuid5

from ..support import fhir
from ..support.fhir import Resource
from .loading import UNNAMED_BESIDE
from .story import Code, Dosage, Dose, Draft, Medicine, Scenario


def medication_requests(medicines: Iterable[Medicine], today: date) -> Iterable[Resource]:
    for medicine in medicines:
        request = fhir.medication_request(
            None if medicine.text_only else medicine.code.code,
            medicine.code.system,
            text=medicine.words or medicine.code.name,
            status=medicine.status,
            intent=medicine.intent,
            authored_days=medicine.started,
            validity_end_days=medicine.valid_until,
            supply_days=medicine.supply,
            repeats=medicine.repeats,
            dosage=_dosage(medicine.dosage, medicine.code),
            route=medicine.dosage.route,
            do_not_perform=True if medicine.do_not_take else None,
            id=request_id(medicine),
            patient_id=medicine.of or fhir.PATIENT_ID,
            today=today,
        )
        if medicine.reported:
            request["reportedBoolean"] = True
        yield from _placed(request, medicine)


def medication_statement(medicine: Medicine, today: date) -> Resource:
    statement = fhir.medication_statement(
        None if medicine.text_only else medicine.code.code,
        medicine.code.system,
        text=medicine.words or medicine.code.name,
        status=medicine.status or "",
        started_days=medicine.started,
        ended_days=medicine.ended,
        dosage=_dosage(medicine.dosage, medicine.code),
        route=medicine.dosage.route,
        id=fhir.slug("statement", medicine.code.code or medicine.code.name, medicine.status),
        patient_id=medicine.of or fhir.PATIENT_ID,
        today=today,
    )
    if medicine.status is None:
        del statement["status"]
    return statement


def request_id(medicine: Medicine) -> str:
    return fhir.slug("medicine", medicine.code.code or medicine.code.name, medicine.status)


def draft_orders(scenario: Scenario) -> list[Resource]:
    """The orders in their order, and behind them the Medications that they name."""
    placed = [list(_placed(_draft(draft, scenario), draft)) for draft in scenario.drafts]
    orders = [resources[-1] for resources in placed]
    return [*orders, *(resource for resources in placed for resource in resources[:-1])]


def _draft(draft: Draft, scenario: Scenario) -> Resource:
    reason = draft.reason
    before = next((m for m in scenario.medicines if m.code.code == draft.code.code), None)
    order = fhir.draft_order(
        None if draft.text_only else draft.code.code,
        draft.code.system,
        text=draft.words or draft.code.name,
        dosage=_dosage(draft.dosage, draft.code),
        route=draft.dosage.route,
        reason=reason and fhir.concept(reason.code, reason.system, reason.name),
        prior=f"MedicationRequest/{request_id(before)}" if draft.renews and before else None,
        id=fhir.slug("draft", draft.code.code or draft.code.name),
    )
    if draft.reason_is_condition is not None:
        named = fhir.slug("condition", draft.reason_is_condition.code)
        order["reasonReference"] = [{"reference": f"Condition/{named}"}]
    return order


def _placed(order: Resource, medicine: Medicine | Draft) -> Iterable[Resource]:
    """The order, with its medication where the scenario puts it; Medications come first."""
    code, words, place = medicine.code, medicine.words, medicine.place
    if place == "here":
        yield order
        return
    if place == "older FHIR":
        yield {**order, "resourceType": "MedicationOrder"}
        return
    named = fhir.slug("medication", code.code)
    if place == "urn":
        named = str(uuid5(NAMESPACE_URL, code.code))
    concept = fhir.concept(code.code, code.system, code.name)
    medication: Resource = {"resourceType": "Medication", "id": named, "code": concept}
    if place in {"ingredient", UNNAMED_BESIDE}:
        medication["code"] = {"text": words} if words else {}
        medication["ingredient"] = [{"itemCodeableConcept": concept}]
    if place == UNNAMED_BESIDE:
        medication["ingredient"].append({"isActive": True})
    contained = place in {"contained", "ingredient", UNNAMED_BESIDE}
    prefix = {"urn": "urn:uuid:", "entry": "Medication/"}.get(place, "#")
    del order["medicationCodeableConcept"]
    order["medicationReference"] = {"reference": prefix + named}
    if contained:
        order["contained"] = [{name: value for name, value in medication.items() if value}]
    else:
        yield medication
    yield order


def _dosage(dosage: Dosage, code: Code) -> list[Resource] | None:
    """`taken` is given together (no sequence), `steps` one after the other."""
    if dosage.words is not None:
        needed = dosage.as_needed or None
        return [fhir.dosage(times_per_day=None, text=dosage.words, as_needed=needed)]
    numbered = [*((None, dose) for dose in dosage.taken), *enumerate(dosage.steps, 1)]
    instructions = [_instruction(dose, number, dosage, code) for number, dose in numbered]
    if not instructions and dosage.as_needed:
        return [fhir.dosage(times_per_day=None, as_needed=dosage.as_needed)]
    return instructions or None


def _instruction(dose: Dose, number: int | None, dosage: Dosage, code: Code) -> Resource:
    instruction = fhir.dosage(
        dose.amount,
        dose.unit,
        dose.times_per_day,
        sequence=number,
        as_needed=dosage.as_needed or None,
        text=_dose_text(dose, dosage, code.name),
    )
    if dosage.at:
        instruction["timing"]["repeat"]["when"] = list(dosage.at)
    return instruction


def _dose_text(dose: Dose, dosage: Dosage, name: str) -> str:
    """Milligrams of magnesium are elemental, as the service's own drafts say them."""
    said = dose.unit == "mg" and "magnesium" in name and dosage.elemental
    elemental = " elemental magnesium" if said else ""
    return f"{dose.amount} {dose.unit}{elemental} {dose.times_per_day} time(s) daily"
