"""From a scenario to the hook call an EHR would send."""

from __future__ import annotations

import json
import re
from datetime import date

from ..support import fhir
from ..support.fhir import Resource
from .loading import vocabulary
from .medicating import draft_orders, medication_requests, medication_statement
from .story import Allergy, Code, Condition, Result, Scenario

_KIDNEY_LABS = ("egfr", "creatinine", "gfr")
_PREGNANCY_ANSWERS = {
    "pregnant": ("LA15173-0", "Pregnant"),
    "not pregnant": ("LA26683-5", "Not pregnant"),
    "unknown": ("LA4489-6", "Unknown"),
}
_CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAY = re.compile(r'"(\d{4})-\d\d-\d\d(T[^"]*)?"')


def hook_call(scenario: Scenario, today: date) -> Resource:
    """The complete request body of a scenario."""
    who = fhir.patient(
        today,
        age=scenario.patient.age,
        sex=scenario.patient.sex,
        deceased=True if scenario.patient.deceased else None,
        birthday_days_ago=0 if scenario.patient.birthday_today else 100,
    )
    drafts = draft_orders(scenario)
    chosen = [
        f"{order['resourceType']}/{order['id']}"
        for order, draft in zip(drafts, scenario.drafts, strict=False)
        if draft.selected
    ]
    body = fhir.hook_request(
        scenario.hook, _chart(scenario, today), who, drafts or None, selections=chosen
    )
    return _as_sent(scenario, body)


def encoded(scenario: Scenario, body: Resource) -> bytes:
    mark = b"\xef\xbb\xbf" if scenario.sent.byte_order_mark else b""
    return mark + json.dumps(body).encode()


def _as_sent(scenario: Scenario, body: Resource) -> Resource:
    """The request as it came: with keys that were lost on the way, or came in part."""
    sent, prefetch = scenario.sent, body["prefetch"]
    orders = body["context"].get(fhir.ORDERS_AT.get(scenario.hook, ""), {})
    for entry in orders.get("entry", []):
        named = entry["resource"]["id"]
        if entry["resource"]["resourceType"] == "Medication" and UUID.fullmatch(named):
            entry["fullUrl"] = f"urn:uuid:{named}"
    for key, code in sent.withheld.items():
        prefetch[key] = fhir.withheld(prefetch[key], code)
    for key in sent.wrong_type:
        other = "Observation" if key == "conditions" else "Condition"
        stranger = {"resourceType": other, "id": "stranger", "subject": fhir.subject()}
        prefetch[key] = fhir.bundle([stranger])
    for key in sent.lost_entry:
        prefetch[key].setdefault("entry", []).append({"search": {"mode": "match"}})
    for key in sent.unnamed_entry:
        prefetch[key].setdefault("entry", []).append({"resource": _unnamed(key)})
    for key in sent.missing:
        del prefetch[key]
    for key in sent.failed:
        prefetch[key] = fhir.operation_outcome()
    if sent.authorization is not None:
        body["fhirServer"] = "https://ehr.example.org/fhir"
        body["fhirAuthorization"] = dict(sent.authorization)
    return _cut_to_years(body) if sent.only_years else body


def _unnamed(key: str) -> Resource:
    """A resource of this patient that does not say what it is about."""
    kind = fhir.PREFETCH_SEARCHES[key]
    whose = "patient" if kind == "AllergyIntolerance" else "subject"
    told = {"Observation": {"status": "final"}, "Procedure": {"status": "completed"}}
    return {"resourceType": kind, "id": "unnamed", whose: fhir.subject(), **told.get(kind, {})}


def _cut_to_years(body: Resource) -> Resource:
    cut = _DAY.sub(r'"\1"', json.dumps(body["prefetch"]))
    return {**body, "prefetch": json.loads(cut)}


def _chart(scenario: Scenario, today: date) -> dict[str, list[Resource] | None]:
    requests = [m for m in scenario.medicines if not m.statement]
    kidney = [r for r in scenario.labs if _is_kidney(r)]
    other = [r for r in scenario.labs if not _is_kidney(r)]
    return {
        "conditions": [
            *(_condition(condition, today) for condition in scenario.conditions),
            *(_family_history(code) for code in scenario.family_history),
        ],
        "medicationRequests": [*medication_requests(requests, today)],
        "medicationStatements": [
            medication_statement(medicine, today)
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
        verification=None if condition.certainty else condition.verification,
        category=condition.category,
        recorded_days=condition.recorded,
        onset_days=condition.onset,
        abated_days=condition.abated,
        patient_id=condition.of or fhir.PATIENT_ID,
        today=today,
    )
    codings = [fhir.coding(c.code, c.system) for c in (condition.code, *condition.also_coded)]
    if condition.certainty:
        codings[0]["extension"] = [
            {"url": _CERTAINTY, "valueCoding": {"code": condition.certainty}}
        ]
    resource["code"] = {"text": condition.code.name}
    if not condition.text_only:
        resource["code"]["coding"] = codings
    return _with_periods(resource) if condition.as_periods else resource


def _with_periods(resource: Resource) -> Resource:
    """Onset and abatement as Periods with an extension (12.1 U-4)."""
    extension = [{"url": "http://example.org/precision", "valueCode": "about"}]
    for name, edge in (("onset", "start"), ("abatement", "end")):
        moment = resource.pop(f"{name}DateTime", None)
        if moment is not None:
            resource[f"{name}Period"] = {edge: moment, "extension": extension}
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


def _observation(result: Result, today: date) -> Resource:
    shown = result.said or f"{result.comparator or ''}{result.value}"
    text = result.as_text or result.said is not None
    observation = fhir.observation(
        result.code.code,
        None if text else result.value,
        result.unit,
        result.days_ago,
        status=result.status,
        comparator=None if text else result.comparator,
        value_string=shown if text else None,
        reference_high=result.reference_high,
        patient_id=result.of or fhir.PATIENT_ID,
        today=today,
    )
    if result.code.system != "loinc":
        observation["code"] = fhir.concept(result.code.code, result.code.system, result.code.name)
    return observation


def _reaction(said: str) -> Resource:
    """A word of the vocabulary with its code; any other is a text."""
    known = vocabulary().sections["reactions"].get(said)
    if known is None:
        return fhir.concept(text=said)
    return fhir.concept(known.code, known.system, display=known.name)


def _allergy(allergy: Allergy) -> Resource:
    return fhir.allergy(
        None if allergy.text_only else allergy.code.code,
        "rxnorm" if allergy.text_only else allergy.code.system,
        text=allergy.code.name,
        clinical=allergy.clinical,
        verification=allergy.verification,
        type=allergy.type,
        criticality=allergy.criticality,
        manifestations=[_reaction(said) for said in allergy.reactions],
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
