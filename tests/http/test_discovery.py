"""Discovery and the prefetch templates (CHECKLIST D-1..D-16, P-1..P-9, O-10)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support.cards import assert_no_empty
from ..support.fhir import PREFETCH_KEYS, PREFETCH_SEARCHES, SERVICES, SYSTEMS, hook_of

BOUND_TO_PATIENT = "{{context.patientId}}"
EXACT_TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "conditions": "Condition?patient={{context.patientId}}",
    "medicationRequests": (
        "MedicationRequest?patient={{context.patientId}}&status=active"
        "&_include=MedicationRequest:medication"
    ),
    "medicationStatements": "MedicationStatement?patient={{context.patientId}}",
    "allergies": "AllergyIntolerance?patient={{context.patientId}}",
}
CODED_TEMPLATES = {"kidneyLabs", "magnesiumLabs", "pregnancyStatus", "kidneyProcedures"}
ALLOWED_PARAMETERS = {"patient", "status", "code", "_sort", "_count", "_include"}


@pytest.fixture
def services(client: FlaskClient) -> dict[str, dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/cds-services").get_json()["services"]
    return {service["id"]: service for service in found}


VERSIONS = {"medication-refill": "0.1.0"}
"""The versions of the hooks' definitions in the CDS Hooks library, where they are not 1.0."""


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, services: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return services[request.param]


def test_discovery_is_a_json_object_with_services(client: FlaskClient) -> None:
    response = client.get("/cds-services")
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    answer = response.get_json()
    assert isinstance(answer["services"], list)
    assert_no_empty(answer, "discovery")


def test_each_hook_has_a_service_of_its_own(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == set(SERVICES)
    for name, service in services.items():
        assert service["hook"] == hook_of(name)


def test_a_service_is_described(service: dict[str, Any]) -> None:
    for field in ("title", "description", "id", "hook"):
        assert isinstance(service[field], str)
        assert service[field].strip()
    assert service["version"] == "3.0.0"
    assert service["hookVersion"] == VERSIONS.get(service["hook"], "1.0")
    assert isinstance(service.get("usageRequirements", ""), str)
    assert isinstance(service.get("extension", {}), dict)


def test_only_fields_of_the_specification(service: dict[str, Any]) -> None:
    known = {"hook", "hookVersion", "title", "description", "id", "version", "prefetch"}
    assert set(service) <= known | {"usageRequirements", "extension"}


def test_the_prefetch_keys(service: dict[str, Any]) -> None:
    assert set(service["prefetch"]) == set(PREFETCH_KEYS)


@pytest.mark.parametrize("key", EXACT_TEMPLATES)
def test_the_templates_without_codes(service: dict[str, Any], key: str) -> None:
    assert service["prefetch"][key] == EXACT_TEMPLATES[key]


@pytest.mark.parametrize("key", PREFETCH_KEYS)
def test_a_template_is_bound_to_the_patient_and_nothing_else(
    service: dict[str, Any], key: str
) -> None:
    template = service["prefetch"][key]
    assert re.findall(r"\{\{.*?\}\}", template) == [BOUND_TO_PATIENT]
    assert not template.startswith(("/", "http:", "https:")), "a relative query (P-8)"
    assert not re.search(r"\s", template)


@pytest.mark.parametrize("key", PREFETCH_SEARCHES)
def test_a_search_uses_only_recommended_forms(service: dict[str, Any], key: str) -> None:
    kind, _, query = service["prefetch"][key].partition("?")
    assert kind == PREFETCH_SEARCHES[key], "a type-level search (P-9)"
    names = [part.split("=", 1)[0] for part in query.split("&")]
    assert names[0] == "patient"
    assert set(names) <= ALLOWED_PARAMETERS, f"{names}: no modifiers, chains or other parameters"
    assert len(names) == len(set(names))


def test_conditions_are_not_filtered_by_status(service: dict[str, Any]) -> None:
    """A Condition without a clinical status would be lost (SPEC 6.7)."""
    assert "status" not in service["prefetch"]["conditions"]
    assert "category" not in service["prefetch"]["conditions"]


@pytest.mark.parametrize("key", sorted(CODED_TEMPLATES))
def test_a_coded_search_names_each_code_with_its_system(service: dict[str, Any], key: str) -> None:
    codes = _codes(service["prefetch"][key])
    assert codes
    for token in codes:
        system, bar, code = token.partition("|")
        assert bar
        assert system.startswith(("http://", "https://"))
        assert code


@pytest.mark.parametrize("key", sorted(CODED_TEMPLATES - {"kidneyProcedures"}))
def test_a_search_for_results_is_newest_first_and_bounded(
    service: dict[str, Any], key: str
) -> None:
    template = service["prefetch"][key]
    assert "&_sort=-date" in template
    assert re.search(r"&_count=\d+", template)
    assert {token.partition("|")[0] for token in _codes(template)} == {SYSTEMS["loinc"]}


def test_procedures_are_asked_for_whole(service: dict[str, Any]) -> None:
    """A transplant may lie behind many sessions of dialysis (SPEC 12.3 K-1)."""
    names = re.findall(r"[?&]([^=&]+)=", service["prefetch"]["kidneyProcedures"])
    assert names == ["patient", "code"]


def test_the_pregnancy_template_asks_for_the_status(service: dict[str, Any]) -> None:
    assert _codes(service["prefetch"]["pregnancyStatus"]) == {"http://loinc.org|82810-3"}


@pytest.mark.parametrize(
    ("key", "value_sets", "unused"),
    [
        # Those drawn around dialysis are asked for too or not: they never feed the equation.
        ("kidneyLabs", ("lab_egfr", "lab_creatinine"), "use"),
        ("magnesiumLabs", ("lab_magnesium",), "use"),
    ],
)
def test_a_laboratory_template_has_every_code_of_the_value_sets(
    service: dict[str, Any], shared_dir: Path, key: str, value_sets: tuple[str, ...], unused: str
) -> None:
    asked = {token.partition("|")[2] for token in _codes(service["prefetch"][key])}
    for name in value_sets:
        content = json.loads((shared_dir / "clinical/valuesets" / f"{name}.json").read_text())
        known = {code["code"] for code in content["codes"] if code.get(unused) is not False}
        assert known <= asked, f"missing: {sorted(known - asked)}"


@pytest.mark.parametrize(
    "value_set", ["renal_dialysis", "renal_transplant_procedure", "renal_risk"]
)
def test_the_procedure_template_has_every_procedure_code(
    service: dict[str, Any], shared_dir: Path, value_set: str
) -> None:
    content = json.loads((shared_dir / f"clinical/valuesets/{value_set}.json").read_text())
    known = {code["code"] for code in content["codes"] if code.get("resource") == "Procedure"}
    asked = {token.partition("|")[2] for token in _codes(service["prefetch"]["kidneyProcedures"])}
    assert known
    assert known <= asked


def _codes(template: str) -> set[str]:
    found = re.search(r"[?&]code=([^&]*)", template)
    assert found is not None, template
    return set(found[1].split(","))
