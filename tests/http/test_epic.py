"""A call of the form that Epic documents (https://fhir.epic.com/Documentation?docId=cds-hooks).

Its habits, with synthetic content: a Medication next to the draft order, absolute references, an
OperationOutcome in place of an empty list, `category` without a list, the dose outside
`doseAndRate`, a prefetch key and extensions of its own, and hospital codes next to RxNorm.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import http
from ..support.cards import card_id
from ..support.fhir import ORDER_SELECT, ORDER_SIGN

BASE = "https://epic.example.org/interconnect-prd-oauth/api/FHIR/R4"
PATIENT = "eTestPatient0000000000003"
ORDER = "ezTestOrder.0000000000000000000000000000000000000000000000000000000000000003"
DRUG = "eTestMedication000000003"
SYSTEM = "urn:oid:1.2.840.114350.1.13.999.2.7.2.698288"
NOTHING_FOUND = {
    "severity": "warning",
    "code": "processing",
    "details": {"text": "Resource request returns no results."},
}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    """A searchset; without results it contains the warning."""
    entries: list[dict[str, Any]] = [
        {
            "link": [{"relation": "self", "url": f"{BASE}/{r['resourceType']}/{r['id']}"}],
            "fullUrl": f"{BASE}/{r['resourceType']}/{r['id']}",
            "resource": r,
            "search": {"mode": "match"},
        }
        for r in resources
    ]
    outcome = {"resourceType": "OperationOutcome", "issue": [NOTHING_FOUND]}
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
        "link": [{"relation": "self", "url": f"{BASE}/Search?patient={PATIENT}"}],
        "entry": entries or [{"resource": outcome, "search": {"mode": "outcome"}}],
    }


def egfr(today: date, value: int) -> dict[str, Any]:
    coding = [{"system": SYSTEM, "code": "1526"}, {"system": "http://loinc.org", "code": "98979-8"}]
    return {
        "resourceType": "Observation",
        "id": "eTestResult3",
        "status": "final",
        "code": {"coding": coding, "text": "eGFR"},
        "subject": {"reference": f"{BASE}/Patient/{PATIENT}"},
        "effectiveDateTime": today.isoformat(),
        "valueQuantity": {
            "value": value,
            "unit": "mL/min/1.73 m2",
            "system": "http://unitsofmeasure.org",
            "code": "mL/min/{1.73_m2}",
        },
    }


def order() -> dict[str, Any]:
    category = {"coding": [{"code": "inpatient"}], "text": "Inpatient"}
    return {
        "resourceType": "MedicationRequest",
        "id": ORDER,
        "status": "draft",
        "intent": "order",
        "category": category,
        "medicationReference": {
            "reference": f"Medication/{DRUG}",
            "display": "MAGNESIUM OXIDE 400 MG PO TABS",
        },
        "subject": {"reference": f"Patient/{PATIENT}", "display": "Patient, Test"},
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "asNeededBoolean": False,
                "doseQuantity": {"value": 400, "unit": "mg", "code": "mg"},
            }
        ],
    }


MEDICATION = {
    "resourceType": "Medication",
    "id": DRUG,
    "code": {
        "coding": [
            {"system": SYSTEM, "code": "4711"},
            {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6582"},
        ],
        "text": "magnesium oxide (MAG-OX) tablet 400 mg",
    },
    "form": {"coding": [{"code": "TABS"}], "text": "Tablet"},
}


def call(hook: str, today: date, value: int) -> dict[str, Any]:
    person = {
        "resourceType": "Patient",
        "id": PATIENT,
        "gender": "female",
        "birthDate": "1981-06-24",
        "deceasedBoolean": False,
    }
    drafts = [order(), MEDICATION]
    context = {
        "patientId": PATIENT,
        "encounterId": "eTestEncounter3",
        "userId": "PractitionerRole/eTestRole3",
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": resource} for resource in drafts],
        },
    }
    if hook == ORDER_SELECT:
        context["selections"] = [f"MedicationRequest/{ORDER}"]
    return {
        "hook": hook.removeprefix("magnesium-migraine-"),
        "hookInstance": "f399c67c-c703-11ea-af16-460231621f93",
        "fhirServer": BASE,
        "fhirAuthorization": {
            "access_token": "a.b.c",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "MedicationRequest.Read (R4) Observation.Search (Labs) (R4)",
            "subject": "a-client-id",
        },
        "context": context,
        "prefetch": {
            "-user": {"resourceType": "PractitionerRole", "id": "eTestRole3", "active": True},
            "patient": person,
            "conditions": bundle(),
            "medicationRequests": bundle(),
            "allergies": bundle(),
            "kidneyLabs": bundle(egfr(today, value)),
            "magnesiumLabs": bundle(),
            "kidneyProcedures": bundle(),
        },
        "extension": {
            "com.epic.cdshooks.request.bpa-trigger-action": "18",
            "com.epic.cdshooks.request.fhir-version": "R4",
        },
    }


@pytest.mark.parametrize("hook", [ORDER_SELECT, ORDER_SIGN])
def test_a_magnesium_order_is_stopped_with_reduced_kidneys(
    client: FlaskClient, today: date, hook: str
) -> None:
    [card] = http.cards(client, hook, call(hook, today, 22))
    assert card_id(card) == "rx-mg-renal-critical"
    assert card["indicator"] == "critical"
    [suggestion] = card["suggestions"]
    [action] = suggestion["actions"]
    assert action["type"] == "delete"
    assert action["resourceId"] == f"MedicationRequest/{ORDER}"


def test_empty_results_are_no_data_and_not_unknown(client: FlaskClient, today: date) -> None:
    found = http.explain(client, ORDER_SIGN, call(ORDER_SIGN, today, 95))
    unknown = {gap["key"] for gap in found["unknown"]}
    assert unknown == {"medicationStatements", "pregnancyStatus"}, "only what was not sent"
    assert found["kidney"]["value"] == "95"
