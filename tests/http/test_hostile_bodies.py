"""Bodies nobody should send: never a 500, never half an answer (CHECKLIST O-2, O-3)."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import charts, http
from ..support.fhir import ORDER_SIGN, PATIENT_VIEW, SERVICES
from ..support.outcomes import assert_outcome
from ..support.places import below, replaced
from ..support.tables import each_row

NOT_JSON: dict[str, bytes] = {
    "an empty body": b"",
    "blanks": b"   \n ",
    "half an object": b'{"hook": "patient-view", ',
    "a trailing comma": b'{"hook": "patient-view",}',
    "a comment": b'{"hook": "patient-view" /* here */}',
    "single quotes": b"{'hook': 'patient-view'}",
    "two documents": b"{} {}",
    "invalid UTF-8": b'{"hook": "\xff\xfe"}',
    "half a UTF-8 character": b'{"hook": "\xc3"}',
    "UTF-16": '{"hook": "patient-view"}'.encode("utf-16"),
    "a raw control character": b'{"hook": "a\x00b"}',
    "open brackets without end": b"[" * 200_000,
    "open objects without end": b'{"a":' * 200_000,
    "closed brackets, deep": b"[" * 100_000 + b"]" * 100_000,
    "a single minus": b"-",
    "a form": b"hook=patient-view&hookInstance=1",
}
NOT_AN_OBJECT: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a number": b"5",
    "a huge number": b"9" * 5000,
    "a text": b'"patient-view"',
    "an array": b"[]",
    "an array of a call": b'[{"hook": "patient-view"}]',
    "an empty object": b"{}",
}


MANY = 20_000


@each_row("raw", NOT_JSON.values(), ids=NOT_JSON)
@each_row("service", SERVICES)
def test_what_is_not_json_is_a_400(client: FlaskClient, service: str, raw: bytes) -> None:
    """A body of hundreds of thousands of braces is refused before anybody tries to read it."""
    assert_outcome(http.call(client, service, raw), 413 if raw.count(b"{") > MANY else 400)


@pytest.mark.parametrize("raw", NOT_AN_OBJECT.values(), ids=NOT_AN_OBJECT)
@pytest.mark.parametrize("service", SERVICES)
def test_what_is_no_call_is_a_400(client: FlaskClient, service: str, raw: bytes) -> None:
    assert_outcome(http.call(client, service, raw), 400)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_know(client: FlaskClient, today: date, literal: str) -> None:
    raw = _with_egfr(today, literal)
    assert_outcome(http.call(client, PATIENT_VIEW, raw), 400)


@pytest.mark.parametrize("digits", ["9" * 5000, "1e400", "-1e400", "0." + "3" * 5000, "1e-400"])
def test_numbers_beyond_all_measure(client: FlaskClient, today: date, digits: str) -> None:
    """Read or refused, and never a normal kidney."""
    response = http.call(client, PATIENT_VIEW, _with_egfr(today, digits))
    assert response.status_code in {200, 400}
    if response.status_code == 400:
        assert_outcome(response, 400)
    else:
        shown = [card["summary"] for card in response.get_json()["cards"]]
        assert not any("trial of oral magnesium" in summary for summary in shown)


def _with_egfr(today: date, literal: str) -> bytes:
    body = charts.patient_view(today)
    entry = body["prefetch"]["kidneyLabs"]["entry"][0]
    entry["resource"]["valueQuantity"]["value"] = "@"
    return json.dumps(body).replace('"@"', literal).encode()


def test_a_huge_integer_anywhere(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    body["fhirAuthorization"] = {"access_token": "x", "token_type": "Bearer", "expires_in": "@"}
    body["fhirServer"] = "https://ehr.invalid/fhir"
    raw = json.dumps(body).replace('"@"', "7" * 5000).encode()
    assert http.call(client, PATIENT_VIEW, raw).status_code in {200, 400}


def test_a_byte_order_mark(client: FlaskClient, today: date) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(charts.patient_view(today)).encode()
    response = http.call(client, PATIENT_VIEW, raw)
    assert response.status_code in {200, 400}
    if response.status_code == 400:
        assert_outcome(response, 400)


@each_row("text", ["\\ud800", "\\udfff tail", "\\u0000", "\\ud83d\\ude00", "\\uffff"])
@each_row(
    "path",
    [
        ("hookInstance",),
        ("context", "patientId"),
        ("context", "userId"),
        ("prefetch", "patient", "id"),
        ("prefetch", "conditions", "entry", 0, "resource", "id"),
        ("prefetch", "conditions", "entry", 0, "resource", "code", "coding", 0, "display"),
        ("prefetch", "medicationRequests", "entry", 0, "resource", "medicationCodeableConcept"),
        ("prefetch", "allergies", "entry", 0, "resource", "code", "text"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_strange_characters_anywhere(
    client: FlaskClient, today: date, path: tuple[str | int, ...], text: str
) -> None:
    body = charts.patient_view(today)
    raw = json.dumps(replaced(body, path, "@")).replace('"@"', f'"{text}"').encode()
    response = http.call(client, PATIENT_VIEW, raw)
    assert response.status_code < 500
    json.loads(response.get_data())


def test_a_name_written_twice(client: FlaskClient, today: date) -> None:
    raw = json.dumps(charts.patient_view(today))
    twice = raw.replace('"hook": ', '"hook": "order-sign", "hook": ', 1).encode()
    assert http.call(client, PATIENT_VIEW, twice).status_code in {200, 400}


@pytest.mark.parametrize("depth", [100, 5_000, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("place", ["top", "prefetch", "resource"])
def test_deep_nesting_inside_a_call(
    client: FlaskClient, today: date, place: str, opening: str, depth: int
) -> None:
    body = charts.patient_view(today)
    owner: dict[str, Any] = {
        "top": body,
        "prefetch": body["prefetch"],
        "resource": body["prefetch"]["conditions"]["entry"][0]["resource"],
    }[place]
    owner["deep"] = "@"
    closing = {"[": "]", '{"a":': "}"}[opening]
    deep = opening * depth + "1" + closing * depth
    response = http.call(client, PATIENT_VIEW, json.dumps(body).replace('"@"', deep).encode())
    many = depth > MANY and opening != "["
    assert response.status_code in ({413} if many else {200, 400})
    if response.status_code == 400:
        assert_outcome(response, 400)


@pytest.mark.parametrize("size", [300, 100_000])
def test_very_long_ids(client: FlaskClient, today: date, size: int) -> None:
    body = charts.patient_view(today)
    body["context"]["patientId"] = "p" * size
    body["prefetch"]["patient"]["id"] = "p" * size
    assert http.call(client, PATIENT_VIEW, body).status_code < 500


# ------------------------------------------------------- every value may be wrong


WRONG: list[Any] = [None, 5, -1.5, True, "", "x", [], {}, [None], [[]], {"a": None}]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("service", SERVICES)
def test_any_one_value_may_be_of_the_wrong_kind(
    client: FlaskClient, today: date, service: str, wrong: Any
) -> None:
    """Each member of a call, one at a time: an answer or a refusal, never a fault."""
    body = charts.CALLS[service](today)
    for path in [place for place in below(body) if place]:
        changed = replaced(body, path, wrong)
        status = http.call(client, service, changed).status_code
        assert status in {200, 400, 412}, f"{status} with {wrong!r} at {path}"


def test_a_magnesium_order_that_cannot_be_read_is_never_a_fault(
    client: FlaskClient, today: date
) -> None:
    for dose in ({"value": "many"}, {"value": -400, "unit": "mg"}, {"value": 1e308, "unit": "mg"}):
        body = charts.order_sign(today)
        order = body["context"]["draftOrders"]["entry"][0]["resource"]
        order["dosageInstruction"][0]["doseAndRate"] = [{"doseQuantity": dose}]
        assert http.call(client, ORDER_SIGN, body).status_code in {200, 400}
