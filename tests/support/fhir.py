"""FHIR R4 resources as plain dicts, with every date given as days before `today`.

Each builder takes `today` (default: the current UTC date) so that a chart reads like a story:
`observation(EGFR, 58, EGFR_UNIT, days_ago=30)`. Ids are made from the content, so equal calls give
equal resources; give `id` when two resources would be alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

Resource = dict[str, Any]

SYSTEMS = {
    "icd-10-cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd-10": "http://hl7.org/fhir/sid/icd-10",
    "icd-10-ca": "http://hl7.org/fhir/sid/icd-10-ca",
    "icd-10-gm": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "icd-9-cm": "http://hl7.org/fhir/sid/icd-9-cm",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "loinc": "http://loinc.org",
    "ucum": "http://unitsofmeasure.org",
    "snomed oid": "2.16.840.1.113883.6.96",
    "house": "http://example.org/house-codes",
}

EGFR = "98979-8"
EGFR_UNIT = "mL/min/{1.73_m2}"
CREATININE = "2160-0"
CREATININE_MOLAR = "14682-9"
MAGNESIUM = "19123-9"
MAGNESIUM_MOLAR = "2601-3"
PREGNANCY_STATUS = "82810-3"

PATIENT_ID = "pat-1"

PATIENT_VIEW = "magnesium-migraine-patient-view"
ORDER_SELECT = "magnesium-migraine-order-select"
ORDER_SIGN = "magnesium-migraine-order-sign"
MEDICATION_REFILL = "magnesium-migraine-medication-refill"
ENCOUNTER_DISCHARGE = "magnesium-migraine-encounter-discharge"
SERVICES = (PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN, MEDICATION_REFILL, ENCOUNTER_DISCHARGE)
ORDERS_AT = {
    "order-select": "draftOrders",
    "order-sign": "draftOrders",
    "medication-refill": "medications",
}
"""Where the context of a hook has its orders; hooks that are not here have none."""
ORDER_MEMBERS = tuple(dict.fromkeys(ORDERS_AT.values()))
_SERVICE_PREFIX = "magnesium-migraine-"

PREFETCH_SEARCHES = {
    "conditions": "Condition",
    "medicationRequests": "MedicationRequest",
    "medicationStatements": "MedicationStatement",
    "allergies": "AllergyIntolerance",
    "kidneyLabs": "Observation",
    "magnesiumLabs": "Observation",
    "pregnancyStatus": "Observation",
    "kidneyProcedures": "Procedure",
}
PREFETCH_KEYS = ("patient", *PREFETCH_SEARCHES)
REQUIRED_KEYS = ("patient", "conditions", "medicationRequests")
OPTIONAL_KEYS = tuple(key for key in PREFETCH_KEYS if key not in REQUIRED_KEYS)

_CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_CONDITION_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CONDITION_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
_ALLERGY_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"

_ROUTES = {
    "oral": ("26643006", "Oral route"),
    "intravenous": ("47625008", "Intravenous route"),
    "ophthalmic": ("54485002", "Ophthalmic route"),
    "topical": ("6064005", "Topical route"),
    "nasal": ("46713006", "Nasal route"),
    "inhaled": ("447694001", "Respiratory tract route"),
    "subcutaneous": ("34206005", "Subcutaneous route"),
    "intramuscular": ("78421000", "Intramuscular route"),
}


# ---------------------------------------------------------------- small parts


def utc_today() -> date:
    return datetime.now(UTC).date()


def system_url(system: str) -> str:
    return SYSTEMS.get(system, system)


def day(days_ago: int, today: date | None = None) -> str:
    """The date that many days before today; a negative number lies ahead."""
    return ((today or utc_today()) - timedelta(days=days_ago)).isoformat()


def moment(days_ago: int, today: date | None = None, time: str = "00:00:00Z") -> str:
    return f"{day(days_ago, today)}T{time}"


def years_before(when: date, years: int) -> date:
    try:
        return when.replace(year=when.year - years)
    except ValueError:  # 29 February in a year without one
        return when.replace(year=when.year - years, day=28)


def slug(*parts: object) -> str:
    """A FHIR id from readable parts."""
    text = "-".join(str(part) for part in parts if part is not None)
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64]


def coding(code: str, system: str, display: str | None = None) -> Resource:
    return _without_none({"system": system_url(system), "code": code, "display": display})


def concept(
    code: str | None = None,
    system: str = "snomed",
    text: str | None = None,
    display: str | None = None,
) -> Resource:
    codings = None if code is None else [coding(code, system, display)]
    return _without_none({"coding": codings, "text": text})


def route(name: str) -> Resource:
    code, display = _ROUTES[name]
    return concept(code, "snomed", display=display)


def quantity(value: float, unit: str | None) -> Resource:
    if unit is None:
        return {"value": value}
    return {"value": value, "unit": unit, "system": SYSTEMS["ucum"], "code": unit}


def subject(patient_id: str = PATIENT_ID) -> Resource:
    return {"reference": f"Patient/{patient_id}"}


def _without_none(members: Mapping[str, Any]) -> Resource:
    return {name: value for name, value in members.items() if value is not None}


def _moment_or_none(days_ago: int | None, today: date | None) -> str | None:
    return None if days_ago is None else moment(days_ago, today)


# ------------------------------------------------------------------ resources


def patient(
    today: date | None = None,
    *,
    age: int | None = None,
    birth_date: str | date | None = None,
    sex: str | None = None,
    id: str = PATIENT_ID,
    deceased: bool | int | str | None = None,
    birthday_days_ago: int = 100,
) -> Resource:
    """`age` counts from a birthday `birthday_days_ago` ago (0: the birthday is today).

    `deceased`: a bool, or days ago, or a FHIR dateTime.
    """
    born: str | None = None
    if birth_date is not None:
        born = birth_date.isoformat() if isinstance(birth_date, date) else birth_date
    elif age is not None:
        last_birthday = (today or utc_today()) - timedelta(days=birthday_days_ago)
        born = years_before(last_birthday, age).isoformat()
    resource = _without_none(
        {"resourceType": "Patient", "id": id, "gender": sex, "birthDate": born}
    )
    if isinstance(deceased, bool):
        resource["deceasedBoolean"] = deceased
    elif isinstance(deceased, int):
        resource["deceasedDateTime"] = moment(deceased, today)
    elif deceased is not None:
        resource["deceasedDateTime"] = deceased
    return resource


def condition(
    code: str | None = None,
    system: str = "icd-10-cm",
    *,
    clinical: str | None = "active",
    verification: str | None = "confirmed",
    category: str | None = "problem-list-item",
    recorded_days: int | None = 400,
    onset_days: int | None = None,
    abated_days: int | None = None,
    text: str | None = None,
    id: str | None = None,
    patient_id: str = PATIENT_ID,
    today: date | None = None,
) -> Resource:
    return _without_none(
        {
            "resourceType": "Condition",
            "id": id or slug("condition", code or text),
            "clinicalStatus": clinical and concept(clinical, _CONDITION_CLINICAL),
            "verificationStatus": verification and concept(verification, _CONDITION_VERIFICATION),
            "category": category and [concept(category, _CONDITION_CATEGORY)],
            "code": concept(code, system, text),
            "subject": subject(patient_id),
            "onsetDateTime": _moment_or_none(onset_days, today),
            "abatementDateTime": _moment_or_none(abated_days, today),
            "recordedDate": _moment_or_none(recorded_days, today),
        }
    )


def dosage(
    amount: float | None = None,
    unit: str = "mg",
    times_per_day: float | None = 1,
    *,
    every_days: int = 1,
    sequence: int | None = None,
    as_needed: bool | str | None = None,
    route_name: str | None = None,
    text: str | None = None,
) -> Resource:
    """One dosageInstruction. `as_needed`: a bool, or the text of what it is needed for."""
    repeat = (
        None
        if times_per_day is None
        else {"frequency": times_per_day, "period": every_days, "periodUnit": "d"}
    )
    dose: Resource | None = None
    if amount is not None:
        mass = quantity(amount, "mg") if unit == "mg" else {"value": amount, "unit": unit}
        dose = {"doseQuantity": mass}
    return _without_none(
        {
            "sequence": sequence,
            "text": text,
            "timing": repeat and {"repeat": repeat},
            "asNeededBoolean": as_needed if isinstance(as_needed, bool) else None,
            "asNeededCodeableConcept": (
                concept(text=as_needed) if isinstance(as_needed, str) else None
            ),
            "route": route_name and route(route_name),
            "doseAndRate": dose and [dose],
        }
    )


def medication_request(
    code: str | None = None,
    system: str = "rxnorm",
    *,
    text: str | None = None,
    status: str | None = "active",
    intent: str | None = "order",
    authored_days: int | None = 30,
    prn: bool = False,
    route: str | None = None,
    dosage: Resource | Sequence[Resource] | None = None,
    reason: Resource | Sequence[Resource] | None = None,
    do_not_perform: bool | None = None,
    medication_reference: str | None = None,
    validity_end_days: int | None = None,
    supply_days: int | None = None,
    repeats: int | None = None,
    prior: str | None = None,
    id: str | None = None,
    patient_id: str = PATIENT_ID,
    today: date | None = None,
) -> Resource:
    """`prn` and `route` are written into each dosageInstruction; `reason` is a CodeableConcept.

    `supply_days` and `repeats` go into dispenseRequest, `prior` is the order that is renewed.
    """
    steps = _steps(dosage, prn=prn, route_name=route)
    coded = concept(code, system, text) or None
    validity = validity_end_days is not None and {"end": moment(validity_end_days, today)}
    supply = supply_days is not None and quantity(supply_days, "d")
    dispensed = _without_none(
        {
            "validityPeriod": validity or None,
            "numberOfRepeatsAllowed": repeats,
            "expectedSupplyDuration": supply or None,
        }
    )
    return _without_none(
        {
            "resourceType": "MedicationRequest",
            "id": id or slug("medication", code or text or medication_reference, status),
            "status": status,
            "intent": intent,
            "doNotPerform": do_not_perform,
            "medicationCodeableConcept": None if medication_reference else coded,
            "medicationReference": (
                {"reference": medication_reference} if medication_reference else None
            ),
            "subject": subject(patient_id),
            "authoredOn": _moment_or_none(authored_days, today),
            "reasonCode": _listed(reason),
            "dosageInstruction": steps or None,
            "dispenseRequest": dispensed or None,
            "priorPrescription": {"reference": prior} if prior else None,
        }
    )


def draft_order(code: str | None = None, system: str = "rxnorm", **details: Any) -> Resource:
    """A MedicationRequest as it stands in draftOrders: status draft, not dated."""
    defaults: dict[str, Any] = {"status": "draft", "authored_days": None}
    named = details.get("id") or slug("draft", code or details.get("text"))
    return medication_request(code, system, **{**defaults, **details, "id": named})


def service_request_draft(code: str, system: str = "loinc", *, id: str | None = None) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": id or slug("draft", code),
        "status": "draft",
        "intent": "order",
        "code": concept(code, system),
        "subject": subject(),
    }


def medication_statement(
    code: str | None = None,
    system: str = "rxnorm",
    *,
    text: str | None = None,
    status: str = "active",
    started_days: int | None = None,
    ended_days: int | None = None,
    prn: bool = False,
    route: str | None = None,
    dosage: Resource | Sequence[Resource] | None = None,
    id: str | None = None,
    patient_id: str = PATIENT_ID,
    today: date | None = None,
) -> Resource:
    period = _without_none(
        {"start": _moment_or_none(started_days, today), "end": _moment_or_none(ended_days, today)}
    )
    return _without_none(
        {
            "resourceType": "MedicationStatement",
            "id": id or slug("statement", code or text, status),
            "status": status,
            "medicationCodeableConcept": concept(code, system, text),
            "subject": subject(patient_id),
            "effectivePeriod": period or None,
            "dosage": _steps(dosage, prn=prn, route_name=route) or None,
        }
    )


def medication(code: str, system: str = "rxnorm", *, id: str | None = None) -> Resource:
    """A Medication resource, for requests that refer to one."""
    return {
        "resourceType": "Medication",
        "id": id or slug("medication", code),
        "code": concept(code, system),
    }


def observation(
    loinc: str,
    value: float | None = None,
    unit: str | None = None,
    days_ago: int | None = 10,
    *,
    status: str = "final",
    comparator: str | None = None,
    value_string: str | None = None,
    value_concept: Resource | None = None,
    reference_high: float | None = None,
    time: str = "00:00:00Z",
    id: str | None = None,
    patient_id: str = PATIENT_ID,
    today: date | None = None,
) -> Resource:
    measured = None if value is None else quantity(value, unit)
    if measured is not None and comparator is not None:
        measured["comparator"] = comparator
    reference = None if reference_high is None else [{"high": quantity(reference_high, unit)}]
    shown = value if value is not None else value_string
    return _without_none(
        {
            "resourceType": "Observation",
            "id": id or slug("observation", loinc, shown, f"{days_ago}d", status),
            "status": status,
            "code": concept(loinc, "loinc"),
            "subject": subject(patient_id),
            "effectiveDateTime": None if days_ago is None else moment(days_ago, today, time),
            "valueQuantity": measured,
            "valueString": value_string,
            "valueCodeableConcept": value_concept,
            "referenceRange": reference,
        }
    )


def allergy(
    code: str | None = None,
    system: str = "rxnorm",
    *,
    text: str | None = None,
    clinical: str | None = "active",
    verification: str | None = "confirmed",
    type: str | None = "intolerance",
    criticality: str | None = None,
    manifestations: Sequence[Resource] = (),
    id: str | None = None,
    patient_id: str = PATIENT_ID,
) -> Resource:
    """`manifestations`: CodeableConcepts, all of one reaction."""
    return _without_none(
        {
            "resourceType": "AllergyIntolerance",
            "id": id or slug("allergy", code or text),
            "clinicalStatus": clinical and concept(clinical, _ALLERGY_CLINICAL),
            "verificationStatus": verification and concept(verification, _ALLERGY_VERIFICATION),
            "type": type,
            "criticality": criticality,
            "code": concept(code, system, text),
            "patient": subject(patient_id),
            "reaction": [{"manifestation": list(manifestations)}] if manifestations else None,
        }
    )


def procedure(
    code: str,
    days_ago: int | None = 10,
    system: str = "snomed",
    *,
    status: str = "completed",
    id: str | None = None,
    patient_id: str = PATIENT_ID,
    today: date | None = None,
) -> Resource:
    return _without_none(
        {
            "resourceType": "Procedure",
            "id": id or slug("procedure", code, f"{days_ago}d"),
            "status": status,
            "code": concept(code, system),
            "subject": subject(patient_id),
            "performedDateTime": _moment_or_none(days_ago, today),
        }
    )


def operation_outcome(
    text: str = "not available", code: str = "processing", severity: str = "error"
) -> Resource:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": code, "diagnostics": text}],
    }


def withheld(searchset: Resource, code: str = "suppressed", severity: str = "warning") -> Resource:
    """The searchset with the server's word that some of it was left out (SPEC 12.1 U-1)."""
    said = operation_outcome("some resources were left out", code, severity)
    entry = {"resource": said, "search": {"mode": "outcome"}}
    return {**searchset, "entry": [*searchset.get("entry", []), entry]}


# ------------------------------------------------------------ bundles and calls


def bundle(resources: Iterable[Resource], base: str = "https://ehr.example.org/fhir") -> Resource:
    """A searchset as a server would answer: fullUrl, search mode, total and self link."""
    entries = [_entry(resource, base) for resource in resources]
    kinds = [e["resource"]["resourceType"] for e in entries if e["search"]["mode"] == "match"]
    wanted = kinds[0] if kinds else "Resource"
    result: Resource = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(kinds),
        "link": [{"relation": "self", "url": f"{base}/{wanted}?patient={PATIENT_ID}"}],
    }
    if entries:
        result["entry"] = entries
    return result


def _entry(resource: Resource, base: str) -> Resource:
    mode = {"Medication": "include", "OperationOutcome": "outcome"}.get(
        str(resource.get("resourceType")), "match"
    )
    url = f"{base}/{resource.get('resourceType')}/{resource.get('id')}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": mode}}


def service_id(service: str) -> str:
    """The service id for a hook name (`patient-view`) or for itself."""
    return service if service.startswith(_SERVICE_PREFIX) else _SERVICE_PREFIX + service


def hook_of(service: str) -> str:
    return service_id(service).removeprefix(_SERVICE_PREFIX)


def orders_in(body: Resource) -> Resource | None:
    """The Bundle of orders in the context of a call; `None` where there is none."""
    context = body.get("context") or {}
    return next((context[name] for name in ORDER_MEMBERS if name in context), None)


def hook_request(
    service: str,
    chart: Mapping[str, Sequence[Resource] | None] | None = None,
    patient: Resource | None = None,
    drafts: Sequence[Resource] | None = None,
    selections: Sequence[str] | None = None,
) -> Resource:
    """The whole request body: every prefetch key present, an empty searchset where no data.

    A chart entry of None becomes `null`. `selections` defaults to every draft order.
    """
    chart = chart or {}
    unknown = set(chart) - set(PREFETCH_SEARCHES)
    if unknown:
        raise ValueError(f"no such prefetch key: {', '.join(sorted(unknown))}")
    hook = hook_of(service)
    patient_id = (patient or {}).get("id", PATIENT_ID)
    prefetch: dict[str, Any] = {"patient": patient}
    for key in PREFETCH_SEARCHES:
        found = chart.get(key, ())
        prefetch[key] = None if found is None else bundle(found)
    context: dict[str, Any] = {
        "userId": "Practitioner/example",
        "patientId": patient_id,
        "encounterId": "enc-1",
    }
    if hook in ORDERS_AT:
        orders = list(drafts or ())
        context[ORDERS_AT[hook]] = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": order} for order in orders],
        }
        if hook == "order-select":
            named = [f"{order['resourceType']}/{order['id']}" for order in orders]
            context["selections"] = named if selections is None else list(selections)
    return {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
        "prefetch": prefetch,
    }


# ------------------------------------------------------------------- internal


def _listed(value: Resource | Sequence[Resource] | None) -> list[Resource] | None:
    if value is None:
        return None
    return [value] if isinstance(value, dict) else list(value)


def _steps(
    given: Resource | Sequence[Resource] | None, *, prn: bool, route_name: str | None
) -> list[Resource]:
    steps = [dict(step) for step in _listed(given) or []]
    if not steps and (prn or route_name):
        steps = [{}]
    for step in steps:
        if prn:
            step["asNeededBoolean"] = True
        if route_name:
            step["route"] = route(route_name)
    return steps
