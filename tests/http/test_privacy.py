"""Patient data goes into cards and nowhere else (CHECKLIST O-7, F-9, T-16)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ..support import charts, http
from ..support.fhir import PATIENT_VIEW, SERVICES
from ..support.places import Place, below, replaced, value_at

SENTINEL = "Zq7SENTINELx9"

Silence = Callable[[], str]


@pytest.fixture
def spoken(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Silence:
    """Everything that was logged at any level, or written to stdout and stderr."""
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)

    def said() -> str:
        records = [
            f"{record.getMessage()} {record.args} {record.exc_text or ''} {vars(record)}"
            for record in caplog.records
        ]
        written = capfd.readouterr()
        return "\n".join([*records, caplog.text, written.out, written.err])

    return said


def planted(body: dict[str, Any], place: Place, append: bool) -> Any:
    return replaced(body, place, f"{value_at(body, place)} {SENTINEL}" if append else SENTINEL)


def full(service: str, today: date) -> dict[str, Any]:
    """A call with the fields that carry names, comments and tokens."""
    body = charts.CALLS[service](today)
    body["fhirServer"] = "https://ehr.invalid/fhir"
    body["extension"] = {"com.example.note": "a note"}
    body["prefetch"]["patient"].update(
        {"name": [{"family": "Doe", "given": ["Jane"]}], "address": [{"city": "Springfield"}]}
    )
    for entry in body["prefetch"]["conditions"]["entry"]:
        entry["resource"]["note"] = [{"text": "a comment"}]
    return body


def check(response: TestResponse) -> None:
    assert response.status_code < 500
    if response.status_code != 200:
        assert SENTINEL not in response.get_data(as_text=True)


@pytest.mark.slow
@pytest.mark.parametrize("append", [False, True], ids=["replaced", "appended"])
@pytest.mark.parametrize("kind", ["cds-services", "explain"])
@pytest.mark.parametrize("service", SERVICES)
def test_no_string_of_a_request_is_logged_or_told_in_an_error(
    client: FlaskClient, today: date, spoken: Silence, service: str, kind: str, append: bool
) -> None:
    body = full(service, today)
    for place in [place for place in below(body) if isinstance(value_at(body, place), str)]:
        check(http.send(client, f"/{kind}/{service}", planted(body, place, append)))
    assert SENTINEL not in spoken()


@pytest.mark.parametrize("service", SERVICES)
def test_no_member_name_of_a_request_is_logged(
    client: FlaskClient, today: date, spoken: Silence, service: str
) -> None:
    body = full(service, today)
    body[SENTINEL] = 1
    body["context"][SENTINEL] = SENTINEL
    body["prefetch"][SENTINEL] = {"resourceType": SENTINEL}
    check(http.call(client, service, body))
    assert SENTINEL not in spoken()


def test_nothing_of_a_broken_body_is_logged(client: FlaskClient, spoken: Silence) -> None:
    for raw in (
        f'{{"hook": "{SENTINEL}"',
        f'"{SENTINEL}"',
        f'{{"{SENTINEL}": {SENTINEL}}}',
        SENTINEL,
    ):
        response = http.call(client, PATIENT_VIEW, raw.encode())
        assert response.status_code == 400
        check(response)
    assert SENTINEL not in spoken()


def test_a_refusal_for_missing_data_tells_no_patient(
    client: FlaskClient, today: date, spoken: Silence
) -> None:
    text = json.dumps(full(PATIENT_VIEW, today)).replace("pat-1", SENTINEL)
    body = json.loads(text)
    body["prefetch"]["conditions"] = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "exception", "diagnostics": SENTINEL}],
    }
    response = http.call(client, PATIENT_VIEW, body)
    assert response.status_code == 412
    check(response)
    assert SENTINEL not in spoken()


def test_tokens_are_not_logged(client: FlaskClient, today: date, spoken: Silence) -> None:
    body = charts.patient_view(today)
    body["fhirServer"] = "https://ehr.invalid/fhir"
    body["fhirAuthorization"] = {
        "access_token": SENTINEL,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "user/*.read",
        "subject": "cds-service",
    }
    response = client.post(
        f"/cds-services/{PATIENT_VIEW}?{SENTINEL}=1",
        json=body,
        headers={"Authorization": f"Bearer {SENTINEL}", "X-Note": SENTINEL},
    )
    assert SENTINEL not in response.get_data(as_text=True)
    assert SENTINEL not in spoken()


@pytest.mark.parametrize("service", SERVICES)
def test_a_successful_call_logs_no_patient_value(
    client: FlaskClient, today: date, spoken: Silence, service: str
) -> None:
    text = json.dumps(full(service, today))
    for word in ("pat-1", "Doe", "Jane", "Springfield", "a comment", "a note", "Levothyroxine"):
        text = text.replace(word, SENTINEL)
    response = http.call(client, service, text.encode())
    assert response.status_code == 200
    assert SENTINEL not in spoken()
