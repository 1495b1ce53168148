"""Real answers of the service are those that the OpenAPI document describes."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import id_of
from cds_service.sandbox.patients import load_all
from cds_service.settings import Settings
from cds_service.web.calls.incoming import ALWAYS_ALLOWED

from ..support.waiting import ready
from .test_openapi import DOCUMENT, operations, resolve

SERVICES = [id_of(hook) for hook in HOOKS.values()]
PATIENT_VIEW = SERVICES[0]
PATIENT = "marigold-fenwick"
FHIR_PATIENT = "Patient/{fhir_id}"
JSON = "application/json"
FEEDBACK = {
    "card": "f6b95768-b1c8-40dc-8385-bf3504b82ffb",
    "outcome": "overridden",
    "outcomeTimestamp": "2026-11-22T09:31:12Z",
}


class Call(NamedTuple):
    """A request and the status that must come; `path` is the template of the document."""

    status: int
    method: str
    path: str
    where: str
    body: Any = None
    content_type: str = JSON


POSTS = {
    "/cds-services/{id}": f"/cds-services/{PATIENT_VIEW}",
    "/explain/{id}": f"/explain/{PATIENT_VIEW}",
    "/cds-services/{id}/feedback": f"/cds-services/{PATIENT_VIEW}/feedback",
    "/sandbox/requests/{service_id}": f"/sandbox/requests/{PATIENT_VIEW}",
    "/sandbox/egfr/{service_id}": f"/sandbox/egfr/{PATIENT_VIEW}",
    "/sandbox/outcomes/{service_id}": f"/sandbox/outcomes/{PATIENT_VIEW}",
    "/sandbox/calls/{service_id}": f"/sandbox/calls/{PATIENT_VIEW}",
}
# It takes half a minute and needs a package, so it is called once, by tests/unit/web/test_evidence_pdf.py.
PDF = "/evidence.pdf"
REQUEST = f"/sandbox/requests/{PATIENT}/{PATIENT_VIEW}"
# The body of a call is a JSON value, raw bytes, or "request" and "chart": those of the patient.
CALLS = [
    *(
        Call(200, "GET", p, p)
        for p in DOCUMENT["paths"]
        if "{" not in p and "get" in DOCUMENT["paths"][p] and p != PDF
    ),
    *(
        Call(200, "POST", path, where, "request")
        for path, where in POSTS.items()
        if "feedback" not in path and "requests" not in path
    ),
    Call(
        200,
        "POST",
        "/cds-services/{id}/feedback",
        POSTS["/cds-services/{id}/feedback"],
        {"feedback": [FEEDBACK]},
    ),
    Call(
        200,
        "POST",
        "/sandbox/requests/{service_id}",
        POSTS["/sandbox/requests/{service_id}"],
        "chart",
    ),
    Call(200, "GET", "/evidence/codes.json", "/evidence/codes.json?q=dialysis"),
    Call(200, "GET", "/evidence/valuesets/{set_id}", "/evidence/valuesets/renal_dialysis"),
    Call(200, "GET", "/static/{filename}", "/static/icon.svg"),
    Call(200, "GET", "/sandbox/drugs", "/sandbox/drugs?q=magnesium"),
    Call(200, "GET", "/sandbox/diagnoses", "/sandbox/diagnoses?q=migraine"),
    Call(200, "GET", "/sandbox/patients/{patient_id}", f"/sandbox/patients/{PATIENT}"),
    Call(200, "GET", "/sandbox/requests/{patient_id}/{service_id}", REQUEST),
    Call(200, "GET", "/sandbox/fhir/{resource_type}", "/sandbox/fhir/Condition?_count=2"),
    Call(
        200, "GET", "/sandbox/fhir/{resource_type}/{resource_id}", "/sandbox/fhir/Patient/{fhir_id}"
    ),
    Call(
        200,
        "POST",
        "/sandbox/fhir/{resource_type}/_search",
        "/sandbox/fhir/Condition/_search",
        b"_count=2",
        "application/x-www-form-urlencoded",
    ),
    *(Call(400, "POST", path, where, b"{") for path, where in POSTS.items()),
    *(Call(400, "POST", path, where, [1]) for path, where in POSTS.items()),
    *(
        Call(404, "POST", path, where.replace("patient-view", "nothing"), "request")
        for path, where in POSTS.items()
    ),
    *(Call(413, "POST", path, where, [{}] * (ALWAYS_ALLOWED * 2)) for path, where in POSTS.items()),
    *(Call(415, "POST", path, where, b"{}", "text/plain") for path, where in POSTS.items()),
    *(
        Call(412, "POST", path, POSTS[path], "bare")
        for path in ("/cds-services/{id}", "/explain/{id}", "/sandbox/calls/{service_id}")
    ),
    Call(404, "GET", "/evidence/valuesets/{set_id}", "/evidence/valuesets/nothing"),
    Call(404, "GET", "/sandbox/patients/{patient_id}", "/sandbox/patients/nobody"),
    Call(404, "GET", "/sandbox/requests/{patient_id}/{service_id}", f"{REQUEST}?draft=nothing"),
    Call(404, "GET", "/sandbox/fhir/{resource_type}", "/sandbox/fhir/Nothing"),
    Call(404, "GET", "/sandbox/fhir/{resource_type}/{resource_id}", "/sandbox/fhir/Patient/nobody"),
    Call(400, "GET", "/sandbox/fhir/{resource_type}", "/sandbox/fhir/Condition?_count=many"),
    Call(406, "GET", "/sandbox/fhir/metadata", "/sandbox/fhir/metadata?_format=xml"),
    Call(400, "GET", "/feedback/report", "/feedback/report?days=7"),
]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A service of its own: these calls leave feedback behind."""
    app = create_app(Settings(data_dir=str(tmp_path_factory.mktemp("openapi"))))
    ready(app.test_client())
    return app


def body_of(call: Call, client: FlaskClient) -> bytes | None:
    if call.body is None or isinstance(call.body, bytes):
        return call.body
    request = client.get(REQUEST).get_json()
    match call.body:
        case "request":
            return json.dumps(request).encode()
        case "bare":
            return json.dumps({k: v for k, v in request.items() if k != "prefetch"}).encode()
        case "chart":
            chart = client.get(f"/sandbox/patients/{PATIENT}").get_json()
            return json.dumps({"chart": chart}).encode()
    return json.dumps(call.body).encode()


def assert_described(answer: TestResponse, method: str, path: str) -> None:
    """The status, the media type and the content are those of the document."""
    described = operations()[f"{method.lower()} {path}"]["responses"]
    assert str(answer.status_code) in described, f"{answer.status_code} is not described"
    response = resolve(described[str(answer.status_code)])
    assert answer.mimetype in response["content"] or "*/*" in response["content"]
    for name, header in response.get("headers", {}).items():
        assert name in answer.headers or not resolve(header).get("required"), name
    schema = response["content"].get(answer.mimetype, {}).get("schema")
    if schema and answer.mimetype.endswith("json"):
        whole = {**schema, "components": DOCUMENT["components"]}
        check = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
        assert [error.message for error in check.iter_errors(answer.get_json())] == []


def send(client: FlaskClient, call: Call) -> TestResponse:
    chart = client.get(f"/sandbox/patients/{PATIENT}").get_json()
    [fhir_id] = [
        e["resource"]["id"] for e in chart["entry"] if e["resource"]["resourceType"] == "Patient"
    ]
    return client.open(
        call.where.replace("{fhir_id}", fhir_id),
        method=call.method,
        data=body_of(call, client),
        content_type=None if call.body is None else call.content_type,
        buffered=True,
    )


@pytest.mark.parametrize("call", CALLS, ids=lambda c: f"{c.status} {c.method} {c.where}")
def test_an_answer_is_as_described(strict: Flask, call: Call) -> None:
    answer = send(strict.test_client(), call)
    assert answer.status_code == call.status, answer.get_data(as_text=True)[:300]
    assert_described(answer, call.method, call.path)


def test_every_operation_was_called() -> None:
    called = {f"{c.method.lower()} {c.path}" for c in CALLS if c.status == 200}
    assert set(operations()) - called == {f"get {PDF}"}, "Add a call to CALLS"


EXPECTED = [
    (patient.id, shown.service, shown.draft)
    for patient in load_all().values()
    for shown in patient.shows
]


@pytest.mark.parametrize(("patient", "service", "draft"), EXPECTED)
def test_every_card_is_as_described(
    client: FlaskClient, patient: str, service: str, draft: str | None
) -> None:
    query = {"draft": draft} if draft else {}
    request = client.get(f"/sandbox/requests/{patient}/{service}", query_string=query)
    assert_described(request, "get", "/sandbox/requests/{patient_id}/{service_id}")
    for path in ("/cds-services/{id}", "/explain/{id}"):
        where = path.replace("{id}", service)
        answer = client.post(where, data=request.get_data(), content_type=JSON)
        assert answer.status_code == 200
        assert_described(answer, "post", path)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_a_method_that_is_not_described_is_405(client: FlaskClient, method: str) -> None:
    for path in DOCUMENT["paths"]:
        where = re.sub(r"{\w+}", "x", path)
        answer = client.open(where, method=method)
        assert answer.status_code == 405, path
        assert answer.headers["Allow"]
        outcome = {
            "$ref": "#/components/schemas/OperationOutcome",
            "components": DOCUMENT["components"],
        }
        Draft202012Validator(outcome).validate(answer.get_json())
