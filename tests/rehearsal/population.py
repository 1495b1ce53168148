"""Small populations for the tests of the rehearsal, written as an export."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Resource = dict[str, Any]
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
MIGRAINE, DIABETES = ("G43.009", ICD10), ("E11.9", ICD10)
MAGNESIUM_OXIDE = ("6582", RXNORM)
LISINOPRIL = ("314076", RXNORM)
TOPIRAMATE = ("38404", RXNORM)
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def concept(code: tuple[str, str], text: str = "") -> Resource:
    return {"coding": [{"system": code[1], "code": code[0]}]} | ({"text": text} if text else {})


def patient(own: str, born: str = "1976-05-01", **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": own, "birthDate": born, "gender": "female"} | more


def of(own: str) -> Resource:
    return {"reference": f"Patient/{own}"}


def condition(
    whose: str, own: str, code: tuple[str, str], recorded: str | None, **more: Any
) -> Resource:
    dated = {"recordedDate": recorded} if recorded else {}
    status = {"coding": [{"system": CLINICAL, "code": "active"}]}
    sure = {"coding": [{"system": VERIFICATION, "code": "confirmed"}]}
    return {
        "resourceType": "Condition",
        "id": own,
        "clinicalStatus": status,
        "verificationStatus": sure,
        "code": concept(code),
        "subject": of(whose),
        **dated,
        **more,
    }


def visit(whose: str, own: str, start: str, end: str = "", **more: Any) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": own,
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": of(whose),
        "period": {"start": start} | ({"end": end} if end else {}),
        **more,
    }


def order(
    whose: str, own: str, code: tuple[str, str], authored: str | None, **more: Any
) -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": own,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept(code),
        "subject": of(whose),
        "dosageInstruction": [{"text": "1 tablet daily", "timing": {"repeat": {"frequency": 1}}}],
        **({"authoredOn": authored} if authored else {}),
        **more,
    }


def egfr(whose: str, own: str, value: float, when: str, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": own,
        "status": "final",
        "code": concept(("98979-8", LOINC)),
        "subject": of(whose),
        "effectiveDateTime": when,
        "valueQuantity": {
            "value": value,
            "unit": "mL/min/{1.73_m2}",
            "system": "http://unitsofmeasure.org",
            "code": "mL/min/{1.73_m2}",
        },
        **more,
    }


def clinical(code: str) -> Resource:
    return {"coding": [{"system": CLINICAL, "code": code}]}


def eligible(whose: str, recorded: str = "2019-01-01") -> list[Resource]:
    """A patient with migraine and diabetes since a day."""
    return [
        patient(whose),
        condition(whose, f"{whose}-m", MIGRAINE, recorded),
        condition(whose, f"{whose}-d", DIABETES, recorded),
    ]


def lines_of(resources: Iterable[Resource]) -> list[tuple[str, str, bytes]]:
    """Resources as (type, id, JSON)."""
    return [(r["resourceType"], r.get("id", ""), json.dumps(r).encode()) for r in resources]


def write_export(
    folder: Path,
    resources: Iterable[Resource],
    *,
    manifest: Mapping[str, Any] | None = None,
    parts: int = 1,
    zipped: bool = False,
) -> Path:
    """An export in Bulk Data layout: so many files for each type."""
    folder.mkdir(parents=True, exist_ok=True)
    by_type: dict[str, list[Resource]] = {}
    for resource in resources:
        by_type.setdefault(resource["resourceType"], []).append(resource)
    for kind, found in by_type.items():
        for part in range(parts):
            text = "".join(json.dumps(r) + "\n" for r in found[part::parts]).encode()
            if zipped:
                (folder / f"{kind}.{part:03d}.ndjson.gz").write_bytes(gzip.compress(text))
            else:
                (folder / f"{kind}.{part:03d}.ndjson").write_bytes(text)
    if manifest is not None:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
