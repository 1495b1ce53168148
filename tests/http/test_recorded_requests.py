"""Requests of the reference client, as its own code sent them, against what it should be answered."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.web.parts import parts_of
from tests.support.cards import assert_valid_answer, card_id, offers

RECORDED = Path(__file__).with_name("recorded") / "cds-hooks-sandbox"
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ANSWERS: dict[str, list[tuple[str, list[str]]]] = {
    "patient-view-suggestion": [("mg-suggest", ["mg 200->300", "labs"])],
    "patient-view-hazard-with-token": [("mg-hazard-renal", ["labs"])],
    "order-select-topiramate": [("mg-with-preventive", ["mg 200->300", "labs"])],
    "order-select-before-a-choice": [],
    "order-sign-magnesium": [("rx-mg-renal-critical", ["delete"])],
}
"""Cards and offers, by the name of a recorded request that is answered."""
REFUSED = "patient-view-refused"
"""Its FHIR server refused every search, so the client sent no `prefetch` at all."""


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """The service on the day of the recording."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("recorded"))
    app = create_app(settings, now=lambda: NOW)
    yield app.test_client()
    parts_of(app).store.close()


def send(client: FlaskClient, request: dict[str, Any], body: Any = None) -> TestResponse:
    token = request["token"]
    parts = [json.dumps(token[part]).encode() for part in ("header", "claims")]
    signed = b".".join(base64.urlsafe_b64encode(p).rstrip(b"=") for p in (*parts, b"signature"))
    return client.post(
        request["path"],
        data=json.dumps(body or request["body"]),
        headers={**request["headers"], "Authorization": f"Bearer {signed.decode()}"},
    )


def test_every_recorded_request_has_an_expected_answer() -> None:
    assert {path.stem for path in RECORDED.glob("*.json")} == {*ANSWERS, REFUSED}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_request_of_the_reference_client_is_answered(client: FlaskClient, name: str) -> None:
    request = recorded(name)
    response = send(client, request)
    assert response.status_code == 200
    answer = response.get_json()
    assert [(card_id(card), offers(card)) for card in answer["cards"]] == ANSWERS[name]
    assert_valid_answer(answer, request["body"])


def test_a_request_whose_searches_were_refused_is_not_answered_with_silence(
    client: FlaskClient,
) -> None:
    request = recorded(REFUSED)
    assert "prefetch" not in request["body"]
    response = send(client, request)
    assert response.status_code == 412
    assert response.get_json()["resourceType"] == "OperationOutcome"


def test_its_dose_of_pills_is_read(client: FlaskClient) -> None:
    """The unit is `{pill}`, without a word for it, and the category is an object, not a list."""
    body = copy.deepcopy(recorded("order-sign-magnesium")["body"])
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    quantity = order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    assert quantity == {"value": 2, "system": "http://unitsofmeasure.org", "code": "{pill}"}
    assert isinstance(order["category"], dict)
    body["prefetch"]["kidneyLabs"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    said = client.post(
        f"/explain/{recorded('order-sign-magnesium')['path'].rpartition('/')[2]}", json=body
    )
    assert said.status_code == 200
    rules = {rule["rule"]: rule["outcome"] for rule in said.get_json()["rules"]}
    assert rules["rx-mg-dose-unknown"] == "not met"


def test_an_order_that_is_not_chosen_yet_is_no_lost_order(client: FlaskClient) -> None:
    """Before a medication is chosen the client already calls, with an order without one."""
    request = recorded("order-select-before-a-choice")
    (entry,) = request["body"]["context"]["draftOrders"]["entry"]
    assert not [name for name in entry["resource"] if name.startswith("medication")]
    assert send(client, request).get_json()["cards"] == []


def test_feedback_as_the_client_sends_it(client: FlaskClient) -> None:
    """One entry a request: the accepted suggestion, or an override, and the time of the browser."""
    request = recorded("patient-view-suggestion")
    (card,) = send(client, request).get_json()["cards"]
    accepted = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
        "outcomeTimestamp": "2026-11-22T09:31:00.123Z",
    }
    reason = card["overrideReasons"][0]
    overridden = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-22T09:32:00.456Z",
        "overrideReason": {"reason": {k: reason[k] for k in ("code", "system")}},
    }
    for entry in (accepted, overridden):
        answer = client.post(f"{request['path']}/feedback", json={"feedback": [entry]})
        assert answer.status_code == 200, answer.get_data(as_text=True)
