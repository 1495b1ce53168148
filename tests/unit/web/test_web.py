"""What the HTTP face does beside answering calls: failures, the log line, the pages, the sandbox."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import date
from typing import Any, NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import Gone, ServiceUnavailable

from cds_service import create_app
from cds_service.hooks.answering import Answering
from cds_service.settings import Settings
from cds_service.web.calls import errors, incoming
from cds_service.web.operate.lines import JsonLines
from cds_service.web.serving import warming
from tests.support.waiting import ready

from ...support import charts, http
from ...support.fhir import PATIENT_VIEW, SERVICES
from ...support.outcomes import assert_outcome

SENTINEL = "Zq7SENTINEL"
PATIENT = "marigold-fenwick"


# ------------------------------------------------------------------- last resort


def failing(*_: object, **__: object) -> NoReturn:
    raise LookupError(SENTINEL)


@pytest.mark.parametrize("kind", ["cds-services", "explain"])
def test_a_failure_says_where_and_nothing_of_the_data(
    client: FlaskClient,
    today: date,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    monkeypatch.setattr(Answering, "answer", failing)
    with caplog.at_level(logging.DEBUG):
        answer = http.send(client, f"/{kind}/{PATIENT_VIEW}", charts.patient_view(today))
    said = assert_outcome(answer, 500)
    (fields,) = [vars(record).get("fields") for record in caplog.records]
    assert isinstance(fields, dict)
    assert fields["error"] == "LookupError"
    assert re.fullmatch(r"(calls|hooks)/\w+\.py:\d+ \w+", fields["at"])
    assert fields["status"] == 500
    written = capfd.readouterr()
    for text in (said, str(fields), caplog.text, written.out, written.err):
        assert SENTINEL not in text
        assert "Traceback" not in text


def test_a_failure_outside_our_code_is_an_outcome_too() -> None:
    app = Flask("elsewhere")
    errors.register(app)
    app.add_url_rule("/", view_func=failing)
    assert_outcome(app.test_client().get("/"), 500)


@pytest.mark.parametrize(
    ("error", "status"), [(ServiceUnavailable(SENTINEL), 503), (Gone(SENTINEL), 410)]
)
def test_errors_of_the_framework_are_outcomes(error: Exception, status: int) -> None:
    app = Flask("elsewhere")
    errors.register(app)

    def view() -> NoReturn:
        raise error

    app.add_url_rule("/", view_func=view)
    assert SENTINEL not in assert_outcome(app.test_client().get("/"), status)


# ------------------------------------------------------------------------ bodies


@pytest.mark.parametrize("coding", ["gzip", "br", "x"])
def test_a_compressed_body_is_refused(client: FlaskClient, today: date, coding: str) -> None:
    answer = client.post(
        f"/cds-services/{PATIENT_VIEW}",
        json=charts.patient_view(today),
        headers={"Content-Encoding": coding},
    )
    assert "Content-Encoding" in assert_outcome(answer, 415)


def test_identity_is_no_compression(client: FlaskClient, today: date) -> None:
    answer = client.post(
        f"/cds-services/{PATIENT_VIEW}",
        json=charts.patient_view(today),
        headers={"Content-Encoding": "Identity"},
    )
    assert answer.status_code == 200


def test_fhir_json_is_json(client: FlaskClient, today: date) -> None:
    data = json.dumps(charts.patient_view(today))
    path = f"/cds-services/{PATIENT_VIEW}"
    assert client.post(path, data=data, content_type="Application/FHIR+json").status_code == 200


class InPieces:
    """A server's stream that gives less than it was asked for."""

    def __init__(self, content: bytes, size: int) -> None:
        self.left, self.size = content, size

    def read(self, size: int) -> bytes:
        piece, self.left = self.left[: min(size, self.size)], self.left[min(size, self.size) :]
        return piece


@pytest.mark.parametrize("lost", [0, 3])
def test_a_body_may_come_in_pieces(app: Flask, lost: int) -> None:
    content = b"0123456789"
    with app.test_request_context(method="POST", content_type="application/json") as context:
        context.request.environ |= {
            "CONTENT_LENGTH": str(len(content) + lost),
            "wsgi.input": InPieces(content, 4),
        }
        assert incoming.read_json(context.request, 100) == content


# ----------------------------------------------------------------------- the log


def fields_of(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    found: dict[str, Any] = vars(caplog.records[-1])["fields"]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_call_leaves_one_line(
    client: FlaskClient, today: date, caplog: pytest.LogCaptureFixture, service: str
) -> None:
    body = charts.CALLS[service](today)
    del body["prefetch"]["allergies"]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="cds_service"):
        shown = http.cards(client, service, body)
    lines = [r for r in caplog.records if "fields" in vars(r)]
    assert len(lines) == 1
    fields = fields_of(caplog)
    assert fields["service"] == service
    assert fields["route"] == "/cds-services/<service_id>"
    assert (fields["method"], fields["status"]) == ("POST", 200)
    assert len(fields["cards"]) == len(shown)
    assert "allergies" in fields["not_sent"]
    assert "conditions" in fields["sent"]
    assert fields["ms"] > 0


def test_a_path_that_is_none_of_ours_is_not_told(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="cds_service"):
        client.open(f"/{SENTINEL}", method=SENTINEL)
    assert fields_of(caplog)["route"] == "none"
    assert SENTINEL not in str(fields_of(caplog))


def test_a_line_is_json() -> None:
    record = logging.makeLogRecord(
        {"name": "cds_service.x", "msg": "request", "levelno": logging.INFO, "levelname": "INFO"}
    )
    record.fields = {"status": 200, "cards": ["mg-suggest"]}
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "request",
        "status": 200,
        "cards": ["mg-suggest"],
    }


def test_lines_below_the_level_are_not_written(
    today: date, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = create_app(Settings(log_level="ERROR")).test_client()
    http.post(quiet, PATIENT_VIEW, charts.patient_view(today))
    assert "request" not in capsys.readouterr().err
    create_app(Settings())


# --------------------------------------------------------------------- the pages


def test_the_evidence_page_is_bound_to_its_policy(client: FlaskClient) -> None:
    """Nothing may run or be loaded but what the policy names; nothing is written into the page."""
    answer = client.get("/evidence")
    page = answer.get_data(as_text=True)
    assert answer.mimetype == "text/html"
    assert ready(client)["knowledge"] in page
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page) == []


def test_links_within_the_evidence_page_lead_somewhere(client: FlaskClient) -> None:
    page = client.get("/evidence").get_data(as_text=True)
    targets = re.findall(r'href="#([^"]+)"', page)
    assert targets
    assert set(targets) <= set(re.findall(r'id="([^"]+)"', page))


@pytest.mark.parametrize("path", ["/cds-services", "/health", "/ready", "/evidence", "/nowhere"])
def test_no_browser_shall_guess(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["X-Content-Type-Options"] == "nosniff"


def test_answers_about_a_patient_are_kept_by_nobody(client: FlaskClient, today: date) -> None:
    for kind in ("cds-services", "explain"):
        answer = http.send(client, f"/{kind}/{PATIENT_VIEW}", charts.patient_view(today))
        assert answer.headers["Cache-Control"] == "no-store"


# ------------------------------------------------------------------- the sandbox


def test_a_synthetic_patient_can_be_fired(client: FlaskClient) -> None:
    listed = {person["id"]: person for person in client.get("/sandbox/patients").get_json()}
    assert {"name", "story", "shows"} <= set(listed[PATIENT])
    assert client.get(f"/sandbox/patients/{PATIENT}").get_json()["resourceType"] == "Bundle"
    for person in listed.values():
        for show in person["shows"]:
            query = {"draft": show["draft"]} if show["draft"] else {}
            path = f"/sandbox/requests/{person['id']}/{show['service']}"
            body = client.get(path, query_string=query).get_json()
            shown = http.cards(client, show["service"], body)
            ids = [c["extension"]["org.magnesium-migraine.decision"]["card"] for c in shown]
            assert ids == show["expect"], show["why"]


@pytest.mark.parametrize(
    "path",
    [
        f"/sandbox/patients/{SENTINEL}",
        f"/sandbox/requests/{SENTINEL}/{PATIENT_VIEW}",
        f"/sandbox/requests/{PATIENT}/{SENTINEL}",
        f"/sandbox/requests/{PATIENT}/{PATIENT_VIEW}?draft={SENTINEL}",
    ],
)
def test_an_unknown_synthetic_patient(client: FlaskClient, path: str) -> None:
    assert SENTINEL not in assert_outcome(client.get(path), 404)


# ------------------------------------------------------------------- warming up


def test_the_models_are_imported_behind_the_back_of_a_request() -> None:
    warming._import_all()
    assert {"fhir.resources.R4B.medicationrequest"} <= set(sys.modules)
