"""Each request to the FHIR server of a call names the call's request id and a part of its trace."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cds_service.fetching.forms import FORMS, queries

from ..support.fhir import PATIENT_VIEW
from .calling import TEMPLATES, call_at, key_of, serving
from .conftest import Serve, Service
from .ehr import Asked, Ehr, Json, Reply, say

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
REQUEST = "9f0cf21b-3b5c-4d6c-9e7a-0a1b2c3d4e5f"
HEADER = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])")


def spans_of(server: Ehr, trace: str, flag: str) -> list[str]:
    """The span id of each request, which must be in this trace."""
    found = [HEADER.fullmatch(asked.headers["traceparent"]) for asked in server.asked]
    assert {(m[1], m[3]) for m in found if m} == {(trace, flag)}
    return [m[2] for m in found if m]


@pytest.mark.parametrize("path", ["/cds-services", "/explain"])
@pytest.mark.parametrize("flag", ["0", "1"])
def test_each_request_names_the_call(
    serve: Serve, service: Service, whole: Json, path: str, flag: str
) -> None:
    server = serve(serving(whole["prefetch"]))
    sent = {"X-Request-ID": REQUEST, "traceparent": f"00-{TRACE}-{PARENT}-0{flag}"}
    reply = service(server.base).post(
        f"{path}/{PATIENT_VIEW}", json=call_at(server.base, whole), headers=sent
    )
    assert reply.status_code == 200
    assert {key_of(asked) for asked in server.asked} == set(TEMPLATES)
    assert {asked.headers["X-Request-ID"] for asked in server.asked} == {REQUEST}
    spans = spans_of(server, TRACE, flag)
    of_the_call = reply.headers["traceparent"].split("-")[2]
    assert len({*spans, of_the_call, PARENT}) == len(server.asked) + 2


def test_a_call_without_ids_gets_new_ones_and_passes_them_on(
    serve: Serve, service: Service, whole: Json
) -> None:
    server = serve(serving(whole["prefetch"]))
    body = call_at(server.base, whole)
    sent = {"X-Request-ID": "Smith", "traceparent": "Smith"}
    reply = service(server.base).post(f"/cds-services/{PATIENT_VIEW}", json=body, headers=sent)
    ids = {asked.headers["X-Request-ID"] for asked in server.asked}
    assert ids == {reply.headers["X-Request-ID"]}
    assert len(spans_of(server, reply.headers["traceparent"].split("-")[1], "0")) == 9
    assert "Smith" not in str([asked.headers for asked in server.asked])


def test_pages_other_forms_and_medications_are_parts_of_their_own(
    serve: Serve, service: Service, whole: Json
) -> None:
    drug = {"resourceType": "Medication", "id": "m1", "code": {"text": "Paracetamol"}}
    order = {
        "resourceType": "MedicationRequest", "id": "o1", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p"}, "medicationReference": {"reference": "Medication/m1"},
    }  # fmt: skip
    chart = serving(whole["prefetch"], medicationRequests=lambda _: say(bundle(order)))

    def answer(asked: Asked) -> Reply:
        if asked.what.startswith("Medication") and key_of(asked) == "":
            return say(bundle(drug))
        if asked.what == "Condition" and "category" not in asked.query:
            return say({"resourceType": "OperationOutcome", "issue": []}, 400)
        if asked.what == "AllergyIntolerance" and "page" not in asked.query:
            first = whole["prefetch"]["allergies"]
            more = {"relation": "next", "url": f"{server.base}/AllergyIntolerance?page=2"}
            return say(first | {"link": [more]})
        return chart(asked)

    server = serve(answer)
    sent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    reply = service(server.base).post(
        f"/cds-services/{PATIENT_VIEW}", json=call_at(server.base, whole), headers=sent
    )
    assert reply.status_code == 200
    kinds = [asked.what for asked in server.asked]
    assert kinds.count("AllergyIntolerance") == 2
    assert kinds.count("Condition") == 3
    assert any(kind.startswith("Medication") and kind.endswith("Medication") for kind in kinds)
    spans = spans_of(server, TRACE, "1")
    assert len(set(spans)) == len(server.asked)


def bundle(*resources: Json) -> Json:
    return {
        "resourceType": "Bundle", "type": "searchset", "total": len(resources),
        "entry": [{"resource": r, "search": {"mode": "match"}} for r in resources],
    }  # fmt: skip


def test_a_second_try_is_the_same_request(serve: Serve, service: Service, whole: Json) -> None:
    chart = serving(whole["prefetch"])
    busy: list[str] = []

    def answer(asked: Asked) -> Reply:
        if asked.what == "Condition" and not busy:
            busy.append(asked.headers["traceparent"])
            return say({}, 503, headers={"Retry-After": "0"})
        return chart(asked)

    server = serve(answer)
    reply = service(server.base).post(
        f"/cds-services/{PATIENT_VIEW}", json=call_at(server.base, whole)
    )
    assert reply.status_code == 200
    tried = server.of("Condition")
    assert [asked.headers["traceparent"] for asked in tried] == busy * 2


def test_another_listed_server_hears_nothing(serve: Serve, service: Service, whole: Json) -> None:
    named, other = serve(serving(whole["prefetch"])), serve(serving(whole["prefetch"]))
    client = service(named.base, other.base)
    client.post(f"/cds-services/{PATIENT_VIEW}", json=call_at(named.base, whole))
    assert named.asked
    assert other.asked == []


def test_the_path_of_a_request_has_no_id() -> None:
    paths: dict[str, Any] = {
        query.path: None
        for key, template in TEMPLATES.items()
        for form in FORMS.get(key, FORMS["kidneyLabs"][:1])
        for query in queries(template, form)
    }
    assert set(paths) == {
        *("Patient/{id}", "Condition", "MedicationRequest", "MedicationStatement"),
        *("AllergyIntolerance", "Observation", "Procedure"),
    }
    (read,) = queries("Medication/secret", FORMS["kidneyLabs"][0])
    (search,) = queries("Medication?_id=secret,other", FORMS["kidneyLabs"][0])
    assert (read.path, search.path) == ("Medication/{id}", "Medication")
