"""The FHIR server of the synthetic patients: what EHR clients and SMART tools ask of one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask.testing import FlaskClient

from cds_service.hooks.services import services_of
from cds_service.knowledge.loader import load
from cds_service.sandbox.fhir_server import BadQueryError, ChartServer, capabilities, span
from cds_service.sandbox.patients import load_all, prefetch_of, server_of
from tests.support.tables import each_row

BASE = "https://sandbox.example/fhir"
TODAY = date(2026, 11, 22)
SERVICE = services_of(load())["magnesium-migraine-patient-view"]
FHIR = "/sandbox/fhir"


def observation(number: int, when: str | None, **more: Any) -> dict[str, Any]:
    dated = {"effectiveDateTime": when} if when else {}
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "2160-0"}],
            "text": "Creatinine",
        },
        "category": [{"coding": [{"system": "urn:c", "code": "laboratory"}]}],
        "subject": {"reference": "Patient/p1"},
        **dated,
        **more,
    }


@pytest.fixture
def small() -> ChartServer:
    return ChartServer(
        [
            {
                "resourceType": "Patient",
                "id": "p1",
                "gender": "female",
                "birthDate": "1980-05-02",
                "name": [{"family": "Fenwick", "given": ["Marigold"], "text": "Marigold Fenwick"}],
                "identifier": [{"system": "urn:mrn", "value": "42"}],
            },
            {"resourceType": "Medication", "id": "m1", "code": {"text": "topiramate"}},
            {
                "resourceType": "MedicationRequest",
                "id": "r1",
                "status": "active",
                "intent": "order",
                "medicationReference": {"reference": "Medication/m1"},
                "subject": {"reference": "Patient/p1"},
                "authoredOn": "2026-02",
            },
            observation(1, "2026-01-10T08:00:00Z"),
            observation(2, "2026-03-01"),
            observation(3, "2025"),
            observation(4, None, status="amended"),
            observation(
                5,
                None,
                effectivePeriod={"start": "2026-06-01"},
                subject={"reference": "Patient/p2"},
            ),
        ]
    )


def ids(server: ChartServer, query: str) -> list[str]:
    kind, _, text = query.partition("?")
    answer = server.search(kind, parse_qsl(text, keep_blank_values=True), BASE)
    return [entry["resource"]["id"] for entry in answer.get("entry", [])]


@each_row("pid", sorted(load_all()))
def test_one_server_for_all_answers_a_template_as_one_for_a_chart_does(pid: str) -> None:
    context = {"patientId": prefetch_of(pid, TODAY)["patient"]["id"]}
    everyone = server_of(TODAY).prefetch(SERVICE.prefetch, context, "https://ehr.example/fhir")
    assert everyone == prefetch_of(pid, TODAY, SERVICE.prefetch)


def test_a_resource_that_is_not_there_is_null(small: ChartServer) -> None:
    templates = {"patient": "Patient/{{context.patientId}}", "other": "Observation?patient=p9"}
    assert small.prefetch(templates, {"patientId": "p9"}, BASE) == {
        "patient": None,
        "other": {"resourceType": "Bundle", "type": "searchset", "total": 0},
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Patient?name=mari", ["p1"]),
        ("Patient?family=fen&gender=female", ["p1"]),
        ("Patient?identifier=urn:mrn|42", ["p1"]),
        ("Patient?identifier=urn:other|42", []),
        ("Patient?birthdate=lt1980-06", ["p1"]),
        ("Patient?_id=p1", ["p1"]),
        ("Observation?patient=p2", ["o5"]),
        ("Observation?patient=Patient/p2", ["o5"]),
        ("Observation?subject=https://ehr.example/fhir/Patient/p2", ["o5"]),
        ("Observation?subject:Patient=p2", ["o5"]),
        ("Observation?patient=2", []),
        ("Observation?patient=Group/p2", []),
        ("Observation?status=amended", ["o4"]),
        ("Observation?status=amended,final&patient=p2", ["o5"]),
        ("Observation?status=amended&status=final", []),
        ("Observation?category=laboratory&patient=p2", ["o5"]),
        ("Observation?code=2160-0&patient=p2", ["o5"]),
        ("Observation?code=http://loinc.org|&patient=p2", ["o5"]),
        ("Observation?code=|2160-0", []),
        ("Observation?date=2026-01-10", ["o1"]),
        ("Observation?date=ge2026-02", ["o2", "o5"]),
        ("Observation?date=ge2026&date=lt2026-02", ["o1"]),
        ("Observation?date=2025", ["o3"]),
        ("Observation?date=ne2025", ["o1", "o2", "o5"]),
        ("Observation?date=sa2026-03-01", ["o5"]),
        ("Observation?date=eb2026-01-10", ["o3"]),
        ("Observation?date=ap2026-01-10", ["o1"]),
        ("Observation?date=gt2026-01-10T07:00Z&date=le2026-03-01", ["o1", "o2"]),
        ("Observation?patient=p1&_sort=-date", ["o2", "o1", "o3", "o4"]),
        ("Observation?patient=p1&_sort=date", ["o4", "o3", "o1", "o2"]),
        ("Observation?patient=p1&_sort=-status,-date&_count=2", ["o2", "o1"]),
        ("Observation?patient=p1&_sort=nothing", ["o1", "o2", "o3", "o4"]),
        ("Observation?patient=p1&_count=2&_offset=2", ["o3", "o4"]),
        ("Observation?patient=p1&_count=0", []),
        ("Observation?patient=&status=amended", ["o4"]),
        (
            "MedicationRequest?authoredon=2026-02&_include=MedicationRequest:medication",
            ["r1", "m1"],
        ),
        ("MedicationRequest?_include=MedicationRequest:*", ["r1", "m1", "p1"]),
        ("MedicationRequest?_include=MedicationRequest:patient", ["r1", "p1"]),
        ("MedicationRequest?_include=MedicationStatement:medication", ["r1"]),
        ("MedicationRequest?medication=m1", ["r1"]),
        ("Condition?patient=p1", []),
    ],
)
def test_search_finds_what_fhir_says(small: ChartServer, query: str, found: list[str]) -> None:
    assert ids(small, query) == found


def test_pages_are_linked_and_the_self_link_shows_what_was_used(small: ChartServer) -> None:
    query = [("patient", "p1"), ("_count", "2"), ("colour", "red")]
    first = small.search("Observation", query, BASE)
    links = {link["relation"]: link["url"] for link in first["link"]}
    assert first["total"] == 4
    assert links == {
        "self": f"{BASE}/Observation?patient=p1&_count=2",
        "next": f"{BASE}/Observation?patient=p1&_count=2&_offset=2",
    }
    last = small.search("Observation", parse_qsl(urlsplit(links["next"]).query), BASE)
    assert [link["relation"] for link in last["link"]] == ["self", "previous"]
    assert [entry["search"]["mode"] for entry in last["entry"]] == ["match", "match"]


@pytest.mark.parametrize(
    "query", ["date=yesterday", "date=2026-13", "_count=many", "status:not=final", "_offset=-1"]
)
def test_a_search_that_cannot_be_run_is_refused(small: ChartServer, query: str) -> None:
    with pytest.raises(BadQueryError) as refused:
        ids(small, f"Observation?{query}")
    assert query.partition("=")[2] not in str(refused.value)


def test_unknown_parameters_are_left_out_unless_the_client_is_strict(small: ChartServer) -> None:
    assert ids(small, "Observation?colour=red&status=amended&_include:iterate=x") == ["o4"]
    with pytest.raises(BadQueryError):
        small.search("Observation", [("colour", "red")], BASE, strict=True)


def test_a_partial_date_is_as_long_as_it_says() -> None:
    assert span("2026-12") == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    minute = span("2026-01-01T10:00+01:00")
    assert minute[0].astimezone(UTC) == datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert (minute[1] - minute[0]).seconds == 60
    assert span("2026-01-01T10:00:00")[0] == datetime(2026, 1, 1, 10, tzinfo=UTC)


def test_the_capability_statement_names_every_type_that_the_templates_ask_for() -> None:
    resources = capabilities(TODAY, BASE)["rest"][0]["resource"]
    named = {resource["type"]: resource for resource in resources}
    for template in SERVICE.prefetch.values():
        kind, _, query = template.partition("?")
        offered = {param["name"] for param in named[kind.partition("/")[0]]["searchParam"]}
        asked = {name for name, _ in parse_qsl(query)} - {"_sort", "_count", "_include"}
        assert asked <= offered
    assert named["MedicationRequest"]["searchInclude"][0] == "MedicationRequest:medication"


# ------------------------------------------------------------------ over HTTP


def test_metadata_read_and_search_over_http(client: FlaskClient) -> None:
    assert client.get(f"{FHIR}/metadata").get_json(force=True)["fhirVersion"] == "4.0.1"
    people = client.get(f"{FHIR}/Patient?name=marigold").get_json(force=True)
    person = people["entry"][0]["resource"]
    url = people["entry"][0]["fullUrl"]
    assert client.get(urlsplit(url).path).get_json(force=True) == person
    posted = client.post(f"{FHIR}/Condition/_search", data={"patient": person["id"]})
    assert posted.get_json(force=True)["total"] > 0


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/fhir+json"),
        ("*/*", "application/fhir+json"),
        ("application/json+fhir", "application/json+fhir"),
        ("application/json", "application/json"),
        ("application/fhir+json;q=1.0, text/html", "application/fhir+json"),
    ],
)
def test_the_content_type_is_the_one_asked_for(
    client: FlaskClient, accept: str | None, content_type: str
) -> None:
    headers = {"Accept": accept} if accept else {}
    answer = client.get(f"{FHIR}/metadata", headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == content_type


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{FHIR}/Patient/nobody", 404),
        (f"{FHIR}/Spaceship?patient=1", 404),
        (f"{FHIR}/a/b/c", 404),
        (f"{FHIR}/Observation?date=x", 400),
        (f"{FHIR}/metadata?_format=xml", 406),
    ],
)
def test_errors_are_outcomes_that_a_browser_may_read(
    client: FlaskClient, path: str, status: int
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.get_json(force=True)["resourceType"] == "OperationOutcome"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_nothing_can_be_written(client: FlaskClient) -> None:
    for method in ("put", "delete", "patch"):
        assert getattr(client, method)(f"{FHIR}/Patient/x").status_code == 405
    assert client.post(f"{FHIR}/Patient", json={}).status_code == 405


def test_any_page_may_ask_also_with_an_authorization_header(client: FlaskClient) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Headers": "authorization"}
    answer = client.options(f"{FHIR}/Patient/x", headers=asked)
    assert answer.status_code == 200
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_strict_client_is_told_of_unknown_parameters(client: FlaskClient) -> None:
    headers = {"Prefer": "handling=strict"}
    assert client.get(f"{FHIR}/Patient?shoe=44", headers=headers).status_code == 400
    assert client.get(f"{FHIR}/Patient?shoe=44").status_code == 200
