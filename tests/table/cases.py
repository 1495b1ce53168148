"""From an abstract case to a real hook request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from tests.support import fhir
from tests.support.fhir import Resource
from tests.table.facts import Case, Creatinine, Draft, Egfr, Magnesium, Taking
from tests.table.recorded import (
    BESIDE_THE_WITHHELD,
    BLOCK_ALLERGIES,
    BLOCK_CONDITIONS,
    CERTAINTY,
    CKD_CODES,
    CONDITION_WORDS,
    DIALYSIS,
    EGFR_CODES,
    GLYCINATE,
    GLYCINATE_100,
    HOUSE,
    INTERACTING,
    KIDNEY_OPERATIONS,
    MAGNESIUM_PRODUCTS,
    MIGRAINE,
    OMEPRAZOLE,
    OXIDE,
    OXIDE_400,
    OXIDE_SHARE,
    OXIDE_TABLET_MG,
    PREGNANCY_ANSWERS,
    REASONS,
    RESULT_WORDS,
    RISK_CONDITIONS,
    RISK_MEDICATIONS,
    STOPPED_AS,
    TAKEN_AS,
    TRIGGERS,
    UNIT_OF,
    UNREAD_DOSE,
)


def milligrams(amount: float, up_to: bool) -> Resource:
    """A daily dose in milligrams, said to be elemental or not (N-7)."""
    said = "" if up_to else " elemental magnesium"
    return fhir.dosage(amount, "mg", 1, text=f"{amount:g} mg{said} once daily")


def supplement(dose: Taking | Draft, elemental: float | None) -> tuple[str, Resource]:
    """Code and dosage of a scheduled supplement with that much elemental magnesium a day."""
    if dose.salt == "oxide":
        tablets = round((elemental or 0) / OXIDE_TABLET_MG)
        return OXIDE_400, fhir.dosage(1, "tablet", tablets) if tablets else fhir.dosage(None)
    if dose.salt == "oxide-ingredient":
        return OXIDE, milligrams(round((elemental or 0) / OXIDE_SHARE), up_to=True)
    if dose.salt == "glycinate-tablets":
        return GLYCINATE_100, fhir.dosage(1, "tablet", round((elemental or 0) / 100))
    if elemental is None:
        return GLYCINATE, fhir.dosage(None)
    return GLYCINATE, milligrams(elemental, dose.up_to)


def other_dose(subtype: str, daily_mg: float | None) -> Resource:
    """The dosage of magnesium that is no supplement."""
    if daily_mg is None:
        return fhir.dosage(None)
    per_unit, unit = UNIT_OF[subtype]
    return fhir.dosage(round(daily_mg / per_unit), unit, 1)


def taken(dose: Taking, number: int) -> Resource:
    if dose.subtype == "supplement":
        code, steps = supplement(dose, dose.daily_mg)
    else:
        code, steps = MAGNESIUM_PRODUCTS[dose.subtype], other_dose(dose.subtype, dose.daily_mg)
    if dose.recorded in {"statement", "statement-without-status"}:
        return taken_statement(dose, code, steps)
    request = fhir.medication_request(
        code,
        "atc" if dose.subtype == "phosphate-binder" else "rxnorm",
        dosage=steps,
        prn=dose.as_needed,
        authored_days=dose.days,
        validity_end_days=100 if dose.course_ended else None,
        id=f"taken-{number}",
        **TAKEN_AS.get(dose.recorded, {}),
    )
    if dose.recorded.startswith("reported"):
        request["reportedBoolean"] = True
    if dose.recorded == "contradictory":
        request["medicationCodeableConcept"] = fhir.concept(
            OMEPRAZOLE, "rxnorm", "magnesium oxide 400 mg tablet"
        )
    if dose.recorded == "ingredient":
        item = {"itemCodeableConcept": request.pop("medicationCodeableConcept")}
        request["contained"] = [{"resourceType": "Medication", "id": "m", "ingredient": [item]}]
        request["medicationReference"] = {"reference": "#m"}
    return request


def taken_statement(dose: Taking, code: str, steps: Resource) -> Resource:
    statement = fhir.medication_statement(
        code, dosage=steps, prn=dose.as_needed, started_days=dose.days, id="taken-statement"
    )
    if dose.recorded == "statement-without-status":
        del statement["status"]
    return statement


def stopped(case: Case) -> tuple[str, Resource] | None:
    """The magnesium that was taken before, and its prefetch key."""
    if case.stopped is None:
        return None
    how, _, days = case.stopped.rpartition("-")
    if how == "statement-ended":
        old = fhir.medication_statement(
            OXIDE_400, started_days=int(days) + 100, ended_days=int(days), id="stopped-1"
        )
        return "medicationStatements", old
    order = fhir.medication_request(**STOPPED_AS[how], authored_days=int(days), id="stopped-1")
    return "medicationRequests", order


def draft_order(draft: Draft, number: int) -> Resource:
    named: dict[str, Any] = {
        "reason": None if draft.reason is None else fhir.concept(**REASONS[draft.reason]),
        "prior": "MedicationRequest/taken-0" if draft.renews else None,
        "id": f"draft-{number}",
    }
    if draft.kind == "mg" and draft.subtype == "supplement":
        code, steps = supplement(draft, draft.elemental)
        steps = UNREAD_DOSE if draft.unread_dose else steps
        return fhir.draft_order(code, dosage=steps, **named)
    if draft.kind == "mg":
        code = MAGNESIUM_PRODUCTS[draft.subtype]
    elif draft.kind.startswith("drug:"):
        code = INTERACTING[draft.kind.removeprefix("drug:")]
    else:
        code = TRIGGERS[draft.kind]
    system = "atc" if draft.subtype == "phosphate-binder" else "rxnorm"
    return fhir.draft_order(code, system, dosage=fhir.dosage(None), **named)


# ------------------------------------------------------------------------------------- labs


def clock(minute: int | None) -> str:
    return f"{(minute or 0) // 60:02d}:{(minute or 0) % 60:02d}:00Z"


def egfr(result: Egfr, number: int) -> Resource:
    return fhir.observation(
        EGFR_CODES[result.preference],
        result.value,
        result.unit,
        result.days,
        status=result.status,
        comparator=result.comparator,
        time=clock(result.minute),
        id=f"egfr-{number}",
    )


def creatinine(result: Creatinine, number: int) -> Resource:
    usable = "14682-9" if result.molar else "2160-0"
    return fhir.observation(
        usable if result.use else "21232-4",
        result.value,
        result.unit,
        result.days,
        status=result.status,
        time=clock(result.minute),
        id=f"creatinine-{number}",
    )


def magnesium(result: Magnesium, number: int) -> Resource:
    serum = "2601-3" if result.molar else "19123-9"
    code = "2597-3" if result.rbc else "21377-7" if result.secondary else serum
    return fhir.observation(
        code,
        result.value,
        result.unit,
        result.days,
        status=result.status,
        reference_high=result.reference_high,
        id=f"magnesium-{number}",
    )


def pregnancy_status(name: str) -> Resource:
    snomed, loinc = PREGNANCY_ANSWERS[name]
    answer = {"coding": [fhir.coding(snomed, "snomed"), fhir.coding(loinc, "loinc")]}
    return fhir.observation(fhir.PREGNANCY_STATUS, days_ago=30, value_concept=answer, id=name)


# ------------------------------------------------------------------------------ the request


def ckd(stage: str) -> Resource:
    resolved = stage.endswith("-resolved")
    code = CKD_CODES[stage.removesuffix("-resolved")]
    return fhir.condition(code, clinical="resolved" if resolved else "active")


def aki(case: Case) -> Resource:
    if case.aki == "undated":
        return fhir.condition("N17.9", recorded_days=None)
    status = "resolved" if case.aki == "resolved" else "active"
    days = 30 if case.aki_days is None else case.aki_days
    return fhir.condition("N17.9", recorded_days=days, onset_days=days, clinical=status)


def german(condition: Resource, certainty: str) -> Resource:
    """The certainty stands on the coding (12.1 U-11)."""
    extension = {
        "url": "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit",
        "valueCoding": {
            "system": "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_ICD_DIAGNOSESICHERHEIT",
            "code": certainty,
        },
    }
    condition["code"]["coding"][0]["extension"] = [extension]
    return condition


def migraine(name: str) -> Resource:
    found = fhir.condition(**MIGRAINE[name], id="migraine-1")
    return german(found, CERTAINTY[name]) if name in CERTAINTY else found


def in_house_code(words: str, resource: Resource) -> Resource:
    """The resource with a code that no rule knows, and these words."""
    return {**resource, "code": {"coding": [fhir.coding("123", HOUSE, words)]}}


def conditions(case: Case) -> Iterable[Resource]:
    if case.migraine is not None:
        yield migraine(case.migraine)
    for name in sorted(case.rf):
        if name in RISK_CONDITIONS:
            yield fhir.condition(**RISK_CONDITIONS[name], id=f"risk-{name}")
    for name in sorted(case.blocks):
        for number, arguments in enumerate(BLOCK_CONDITIONS.get(name, [])):
            yield fhir.condition(**arguments, id=f"block-{name}-{number}")
    if case.ckd is not None:
        yield ckd(case.ckd)
    if case.aki is not None or case.aki_days is not None:
        yield aki(case)
    if case.dialysis is not None and case.dialysis.startswith("condition"):
        status = "active" if case.dialysis == "condition" else "resolved"
        yield fhir.condition("Z99.2", clinical=status)
    for name in sorted(case.unread & set(CONDITION_WORDS)):
        yield in_house_code(CONDITION_WORDS[name], fhir.condition("x", id=f"unread-{name}"))


def unread_results(case: Case, key: str) -> Iterable[Resource]:
    for name in sorted(case.unread & set(RESULT_WORDS)):
        place, words, value, unit = RESULT_WORDS[name]
        if place == key:
            result = fhir.observation("x", value, unit, 5, id=f"unread-{name}")
            yield in_house_code(words, result)


def requests(case: Case) -> Iterable[Resource]:
    for name in sorted(case.rf):
        if name in RISK_MEDICATIONS:
            code, arguments = RISK_MEDICATIONS[name]
            yield fhir.medication_request(code, **arguments, id=f"risk-{name}")
    for name in sorted(case.drugs):
        yield fhir.medication_request(
            INTERACTING[name], authored_days=case.drug_days, id=f"drug-{name}"
        )
    for number, dose in enumerate(case.taking):
        order = taken(dose, number)
        if order["resourceType"] == "MedicationRequest":
            yield order
    if "unknown-drug" in case.unread:
        yield fhir.medication_request("X17", HOUSE, text="tablet 17", id="unread-drug")


def procedures(case: Case) -> Iterable[Resource]:
    rows = [DIALYSIS[case.dialysis]] if case.dialysis in DIALYSIS else []
    rows += [KIDNEY_OPERATIONS[name] for name in sorted(case.procedures)]
    for code, days, status in rows:
        yield fhir.procedure(code, days, status=status)


def chart(case: Case) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {
        "conditions": list(conditions(case)),
        "medicationRequests": list(requests(case)),
        "medicationStatements": [],
        "allergies": [
            fhir.allergy(**BLOCK_ALLERGIES[name], id=name)
            for name in sorted(case.blocks)
            if name in BLOCK_ALLERGIES
        ],
        "kidneyLabs": [egfr(result, n) for n, result in enumerate(case.egfr)],
        "magnesiumLabs": [magnesium(result, n) for n, result in enumerate(case.magnesium)],
        "pregnancyStatus": [
            pregnancy_status(name) for name in sorted(case.blocks) if name in PREGNANCY_ANSWERS
        ],
        "kidneyProcedures": list(procedures(case)),
    }
    found["kidneyLabs"] += [creatinine(result, n) for n, result in enumerate(case.creatinine)]
    for key in ("kidneyLabs", "magnesiumLabs"):
        found[key] += unread_results(case, key)
    if "loop-statement" in case.rf:
        loop = fhir.medication_statement("313988", started_days=200)
        found["medicationStatements"].append(loop)
    found["medicationStatements"] += (
        statement
        for number, dose in enumerate(case.taking)
        if (statement := taken(dose, number))["resourceType"] == "MedicationStatement"
    )
    before = stopped(case)
    if before is not None:
        found[before[0]].append(before[1])
    return found


def request(case: Case, birth_date: date | None = None) -> Resource:
    """The whole hook request of a case; `birth_date` replaces the one made from the age."""
    patient = fhir.patient(
        age=case.age,
        birth_date=birth_date,
        sex=case.sex,
        deceased=True if case.deceased else None,
        birthday_days_ago=case.birthday_days,
    )
    drafts = [draft_order(draft, n) for n, draft in enumerate(case.drafts)]
    selected = [
        f"MedicationRequest/draft-{n}" for n, draft in enumerate(case.drafts) if draft.selected
    ]
    found = chart(case)
    body = fhir.hook_request(case.hook, found, patient, drafts, selected)
    for key in case.partly:
        resources = [*found[key], *BESIDE_THE_WITHHELD.get(key, [])]
        body["prefetch"][key] = fhir.withheld(fhir.bundle(resources))
    for key in case.missing:
        del body["prefetch"][key]
    return body
