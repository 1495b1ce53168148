"""Hook requests with a given number of resources, made from the synthetic patients and filler.

The filler stands for data of a patient that no rule reads: other problems, drugs and results, with
the shape and size of resources of real EHRs. Some of the results are kidney and magnesium results,
so that reading them is measured too.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

Resource = dict[str, Any]
PATIENT = "bench-1"
KIDNEY_RESULTS = 100
MAGNESIUM_RESULTS = 20
SUBJECT = {"reference": f"Patient/{PATIENT}", "display": "Bench, Patient"}
_CONFIRMED = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
            "code": "confirmed",
            "display": "Confirmed",
        }
    ],
    "text": "Confirmed",
}
_ACTIVE = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
            "code": "active",
            "display": "Active",
        }
    ],
    "text": "Active",
}
_OTHER_PROBLEMS = (
    ("38341003", "Hypertensive disorder"),
    ("195967001", "Asthma"),
    ("396275006", "Osteoarthritis"),
    ("444814009", "Viral sinusitis"),
)
_OTHER_DRUGS = (
    ("860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet"),
    ("313782", "acetaminophen 325 MG Oral Tablet"),
    ("617311", "atorvastatin 40 MG Oral Tablet"),
)
_OTHER_RESULTS = (
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", 140.1, "mmol/L"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 13.4, "g/dL"),
    ("8867-4", "Heart rate", 72.0, "/min"),
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", 6.4, "%"),
)
_EGFR = ("98979-8", "eGFR by CKD-EPI 2021", 92.0, "mL/min/{1.73_m2}")
_MAGNESIUM = ("19123-9", "Magnesium [Mass/volume] in Serum or Plasma", 2.0, "mg/dL")
_MIGRAINE = ("37796009", "Migraine")
_DIABETES = ("44054006", "Diabetes mellitus type 2")


def _meta(kind: str) -> Resource:
    return {
        "versionId": "3",
        "lastUpdated": "2026-02-03T10:11:12.000+00:00",
        "profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{kind}"],
    }


def condition(number: int, code: tuple[str, str], today: date) -> Resource:
    """An active, confirmed problem."""
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "meta": _meta("condition"),
        "clinicalStatus": _ACTIVE,
        "verificationStatus": _CONFIRMED,
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-category",
                        "code": "problem-list-item",
                        "display": "Problem List Item",
                    }
                ],
                "text": "Problem List Item",
            }
        ],
        "code": {
            "coding": [
                {"system": "http://snomed.info/sct", "code": code[0], "display": code[1]},
                {"system": "urn:oid:1.2.3.4.5.6", "code": str(number), "display": code[1]},
            ],
            "text": code[1],
        },
        "subject": SUBJECT,
        "encounter": {"reference": f"Encounter/e{number}", "display": "Office Visit"},
        "onsetDateTime": (today - timedelta(days=400 + number)).isoformat(),
        "recordedDate": (today - timedelta(days=400 + number)).isoformat(),
    }


def medication_request(number: int, code: tuple[str, str], today: date) -> Resource:
    """An active order."""
    return {
        "resourceType": "MedicationRequest",
        "id": f"m{number}",
        "meta": _meta("medicationrequest"),
        "status": "active",
        "intent": "order",
        "category": [{"text": "Outpatient"}],
        "medicationCodeableConcept": {
            "coding": [
                {
                    "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                    "code": code[0],
                    "display": code[1],
                }
            ],
            "text": code[1],
        },
        "subject": SUBJECT,
        "encounter": {"reference": f"Encounter/e{number}"},
        "authoredOn": (today - timedelta(days=number % 600)).isoformat(),
        "requester": {"reference": "Practitioner/p1", "display": "Physician, Family"},
        "dosageInstruction": [
            {
                "text": "Take 1 tablet by mouth daily.",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "route": {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]},
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
            }
        ],
    }


def observation(
    number: int, code: tuple[str, str, float, str], today: date, days_ago: int
) -> Resource:
    """A final laboratory result."""
    loinc, name, value, unit = code
    day = (today - timedelta(days=days_ago)).isoformat()
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "meta": _meta("observation-lab"),
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                        "display": "Laboratory",
                    }
                ],
                "text": "Laboratory",
            }
        ],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": loinc, "display": name}],
            "text": name,
        },
        "subject": SUBJECT,
        "encounter": {"reference": f"Encounter/e{number}"},
        "effectiveDateTime": f"{day}T08:15:00+00:00",
        "issued": f"{day}T09:15:00.000+00:00",
        "performer": [{"reference": "Organization/lab", "display": "Central Laboratory"}],
        "valueQuantity": {
            "value": value + number % 7 / 10,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
        "referenceRange": [
            {"low": {"value": 1.0, "unit": unit}, "high": {"value": 999.0, "unit": unit}}
        ],
    }


def searchset(resources: list[Resource]) -> Resource:
    """A searchset Bundle."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [
            {
                "fullUrl": f"https://ehr.example.org/fhir/{r['resourceType']}/{r['id']}",
                "resource": r,
                "search": {"mode": "match"},
            }
            for r in resources
        ],
    }


def request(
    size: int, today: date, *, hook: str = "patient-view", migraine: bool, drafts: Any = None
) -> bytes:
    """A hook request with about `size` resources: 5 % problems, 5 % drugs, 90 % results.

    Real charts have similar shares. The number of kidney and magnesium results is the maximum that
    the prefetch templates request.
    """
    problems = [condition(n, _OTHER_PROBLEMS[n % 4], today) for n in range(size // 20)]
    problems.append(condition(9001, _DIABETES, today))
    if migraine:
        problems.append(condition(9000, _MIGRAINE, today))
    drugs = [medication_request(n, _OTHER_DRUGS[n % 3], today) for n in range(size // 20)]
    kidney: list[Resource] = []
    magnesium: list[Resource] = []
    for n in range(size * 9 // 10):
        if n % 10 == 0 and n < KIDNEY_RESULTS * 10:
            kidney.append(observation(n, _EGFR, today, 10 + n))
        elif n % 10 == 1 and n < MAGNESIUM_RESULTS * 10:
            magnesium.append(observation(n, _MAGNESIUM, today, 10 + n))
        else:
            kidney.append(observation(n, _OTHER_RESULTS[n % 4], today, 10 + n))
    context: Resource = {"userId": "Practitioner/p1", "patientId": PATIENT, "encounterId": "e1"}
    if drafts is not None:
        context["draftOrders"] = {
            "resourceType": "Bundle",
            "entry": [{"resource": draft} for draft in drafts],
        }
        if hook == "order-select":
            context["selections"] = [f"MedicationRequest/{draft['id']}" for draft in drafts]
    patient = {
        "resourceType": "Patient",
        "id": PATIENT,
        "name": [{"family": "Bench", "given": ["Patient"]}],
        "gender": "female",
        "birthDate": (today - timedelta(days=45 * 366)).isoformat(),
    }
    empty: Resource = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    body = {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
        "prefetch": {
            "patient": patient,
            "conditions": searchset(problems),
            "medicationRequests": searchset(drugs),
            "medicationStatements": empty,
            "allergies": empty,
            "kidneyLabs": searchset(kidney),
            "magnesiumLabs": searchset(magnesium),
            "pregnancyStatus": empty,
            "kidneyProcedures": empty,
        },
    }
    return json.dumps(body, separators=(",", ":")).encode()


def template_request(kilobytes: int, today: date, *, migraine: bool) -> bytes:
    """A request of an EHR that follows the prefetch templates, of at least so many kilobytes.

    Half of it are kidney and magnesium results, up to the numbers that the templates ask for; the
    rest are problems and orders. There are no other results.
    """
    size = kilobytes
    while len(body := _of_templates(size, today, migraine)) < kilobytes * 1024:
        size += max(size // 10, 1)
    return body


def _of_templates(size: int, today: date, migraine: bool) -> bytes:
    kidney = min(KIDNEY_RESULTS, size * 2 // 5)
    magnesium = min(MAGNESIUM_RESULTS, size // 10)
    others = (size - kidney - magnesium) // 2
    problems = [condition(n, _OTHER_PROBLEMS[n % 4], today) for n in range(others)]
    problems += [condition(9001, _DIABETES, today)]
    problems += [condition(9000, _MIGRAINE, today)] if migraine else []
    orders = [medication_request(n, _OTHER_DRUGS[n % 3], today) for n in range(others)]
    body = json.loads(request(0, today, migraine=migraine))
    body["prefetch"] |= {
        "conditions": searchset(problems),
        "medicationRequests": searchset(orders),
        "kidneyLabs": searchset([observation(n, _EGFR, today, 10 + n) for n in range(kidney)]),
        "magnesiumLabs": searchset(
            [observation(kidney + n, _MAGNESIUM, today, 10 + n) for n in range(magnesium)]
        ),
    }
    return json.dumps(body, separators=(",", ":")).encode()


def draft(code: str, name: str, mg: int | None = None) -> Resource:
    """A draft order. With `mg`, it is for elemental magnesium once daily."""
    order: Resource = {
        "resourceType": "MedicationRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [
                {
                    "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                    "code": code,
                    "display": name,
                }
            ],
            "text": name,
        },
        "subject": SUBJECT,
    }
    if mg is not None:
        order["dosageInstruction"] = [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": mg, "unit": "mg"}}],
            }
        ]
    return order


def cases(size: int, today: date) -> dict[str, tuple[str, bytes]]:
    """Each measured case: its name, the service id and the body."""
    severe = condition(9002, ("46177005", "End-stage renal disease"), today)
    critical = json.loads(
        request(
            size,
            today,
            hook="order-sign",
            migraine=True,
            drafts=[draft("476818", "magnesium glycinate", 400)],
        )
    )
    critical["prefetch"]["conditions"]["entry"].append({"resource": severe})
    critical["prefetch"]["conditions"]["total"] += 1
    unrelated = [draft("860975", "metformin 500 MG Oral Tablet")]
    return {
        "patient-view, card": ("patient-view", request(size, today, migraine=True)),
        "patient-view, silent": ("patient-view", request(size, today, migraine=False)),
        "order-select, silent": (
            "order-select",
            request(size, today, hook="order-select", migraine=False, drafts=unrelated),
        ),
        "order-sign, critical": (
            "order-sign",
            json.dumps(critical, separators=(",", ":")).encode(),
        ),
    }
