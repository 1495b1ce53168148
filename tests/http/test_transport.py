"""Paths, methods, media types and sizes (CHECKLIST H-1..H-5, R-5, O-2..O-4)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Response

from tests.support.waiting import ready

from ..support import charts, fhir, http
from ..support.cards import without_uuids
from ..support.fhir import PATIENT_VIEW, SERVICES
from ..support.outcomes import assert_outcome
from ..support.tables import each_row

CALL_PATHS = [f"/{kind}/{service}" for kind in ("cds-services", "explain") for service in SERVICES]
MORE_THAN_ANY_CHART = 64 * 2**20


# --------------------------------------------------------------- paths, methods


@pytest.mark.parametrize(
    "path",
    [
        "/cds-services/no-such-service",
        "/explain/no-such-service",
        "/cds-services/magnesium-migraine",
        "/cds-services/magnesium-migraine-patient-view/more/and/more",
        "/cds-services/%00",
        "/cds-services/..%2f..%2fetc%2fpasswd",
        "/cds-services/" + "a" * 5000,
        "/cds-services/%ff%fe",
        "/nothing-here",
    ],
)
def test_an_unknown_path_is_not_found(client: FlaskClient, today: date, path: str) -> None:
    assert_outcome(http.send(client, path, charts.patient_view(today)), 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", CALL_PATHS)
def test_a_call_is_a_post(client: FlaskClient, path: str, method: str) -> None:
    response = client.open(path, method=method)
    assert_outcome(response, 405)
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_discovery_is_a_get(client: FlaskClient, method: str) -> None:
    response = client.open("/cds-services", method=method, json={})
    assert_outcome(response, 405)
    assert "GET" in response.headers["Allow"]


OPEN = [
    "/",
    "/cds-services",
    "/evidence",
    "/evidence.json",
    "/evidence/codes",
    "/feedback/report",
    "/health",
    "/metrics",
    "/ready",
    "/sandbox/patients",
    "/static/icon.svg",
]


@pytest.mark.parametrize("path", OPEN)
def test_a_slash_may_end_any_path(client: FlaskClient, path: str) -> None:
    ready(client)
    with client.get(path) as plain, client.get(f"{path.rstrip('/')}/") as slashed:
        assert (plain.status_code, slashed.status_code) == (200, 200)
        assert slashed.content_type == plain.content_type


@pytest.mark.parametrize("service", SERVICES)
def test_a_slash_may_end_the_path_of_a_call(client: FlaskClient, today: date, service: str) -> None:
    body = charts.CALLS[service](today)
    for kind, member in (("cds-services", "cards"), ("explain", "facts")):
        response = http.send(client, f"/{kind}/{service}/", body)
        assert response.status_code == 200
        assert response.get_json()[member]
    feedback = http.send(client, f"/cds-services/{service}/feedback/", {"feedback": []})
    assert (
        feedback.status_code
        == http.send(client, f"/cds-services/{service}/feedback", {"feedback": []}).status_code
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_byte_order_mark_is_skipped(client: FlaskClient, today: date, service: str) -> None:
    body = charts.CALLS[service](today)
    marked = b"\xef\xbb\xbf" + json.dumps(body).encode()
    assert without_uuids(http.post(client, service, marked)) == without_uuids(
        http.post(client, service, body)
    )


def test_head_of_discovery_has_no_body(client: FlaskClient) -> None:
    response = client.head("/cds-services")
    assert response.status_code == 200
    assert response.get_data() == b""


@pytest.mark.parametrize("path", ["/cds-services", *CALL_PATHS])
def test_options_is_no_server_error(client: FlaskClient, path: str) -> None:
    assert client.options(path).status_code < 400


# ----------------------------------------------------------------- media types


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;Charset=UTF-8"],
)
@pytest.mark.parametrize("service", SERVICES)
def test_json_in_any_spelling(
    client: FlaskClient, today: date, service: str, media_type: str
) -> None:
    data = json.dumps(charts.CALLS[service](today)).encode()
    response = client.post(f"/cds-services/{service}", data=data, content_type=media_type)
    assert response.status_code == 200


@each_row("media_type", [None, "", "text/plain", "application/xml", "multipart/form-data", "json"])
@each_row("path", CALL_PATHS)
def test_what_is_not_json_is_refused(
    client: FlaskClient, today: date, path: str, media_type: str | None
) -> None:
    data = json.dumps(charts.patient_view(today)).encode()
    assert_outcome(client.post(path, data=data, content_type=media_type), 415)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json+fhir", "a/b;q=0"])
def test_any_accept_header_is_answered(client: FlaskClient, today: date, accept: str) -> None:
    response = client.post(
        f"/cds-services/{PATIENT_VIEW}",
        json=charts.patient_view(today),
        headers={"Accept": accept},
    )
    assert response.status_code in {200, 406}


# ------------------------------------------------------------------------ sizes


@pytest.mark.parametrize("path", CALL_PATHS)
def test_a_length_beyond_all_measure_is_refused_unread(client: FlaskClient, path: str) -> None:
    response = client.post(
        path,
        data=b"{}",
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(10**12)},
    )
    assert_outcome(response, 413)


class Endless:
    """A body without an announced length: blanks, until somebody has had enough."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        count = min(self.left, 2**20 if size < 0 else size)
        self.left -= count
        self.given += count
        return b" " * count

    readline = read


def chunked(app: Flask, path: str, stream: object) -> Response:
    """A POST as a server passes it on that has decoded `Transfer-Encoding: chunked`."""
    builder = EnvironBuilder(path=path, method="POST", content_type="application/json")
    environ = builder.get_environ()
    environ.pop("CONTENT_LENGTH", None)
    environ.update(
        {
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": stream,
        }
    )
    return Response(*run_wsgi_app(app, environ))


@pytest.mark.parametrize("path", CALL_PATHS)
def test_a_chunked_body_is_measured_while_it_is_read(app: Flask, path: str) -> None:
    """Without Content-Length: refused when it is too long, never cut and answered."""
    stream = Endless(MORE_THAN_ANY_CHART)
    assert_outcome(chunked(app, path, stream), 413)
    assert stream.given < MORE_THAN_ANY_CHART, "the whole body was read before it was refused"


def test_a_chunked_body_of_ordinary_size_is_answered(app: Flask, today: date) -> None:
    data = json.dumps(charts.patient_view(today)).encode()
    response = chunked(app, f"/cds-services/{PATIENT_VIEW}", io.BytesIO(data))
    assert response.status_code == 200
    assert response.get_json()["cards"]


def test_five_megabytes_of_irrelevant_data(client: FlaskClient, today: date) -> None:
    """The same guidance, or an honest refusal (O-4)."""
    body = charts.patient_view(today)
    usual = [card["summary"] for card in http.cards(client, PATIENT_VIEW, body)]
    body["prefetch"]["conditions"]["entry"] += list(_irrelevant(today))
    assert len(json.dumps(body)) > 5 * 10**6
    response = http.call(client, PATIENT_VIEW, body)
    if response.status_code == 413:
        assert_outcome(response, 413)
    else:
        assert [card["summary"] for card in response.get_json()["cards"]] == usual


def _irrelevant(today: date) -> Iterator[dict[str, object]]:
    for number in range(8000):
        resource = fhir.condition("J00", id=f"cold-{number}", text="Common cold", today=today)
        yield {"fullUrl": f"urn:uuid:{number}", "resource": resource, "search": {"mode": "match"}}
