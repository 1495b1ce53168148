"""Trials of the sandbox page: built-in defaults in place of the site file, and late data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.hooks.answering import utc_now
from cds_service.sandbox.patients import hook_request, load_all
from cds_service.settings import Settings
from tests.support.cards import card_id
from tests.support.sites import client_with

VIEW = "magnesium-migraine-patient-view"
PATIENT = "marigold-fenwick"
CLIENTS = Path(__file__).parents[3] / "deploy" / "clients.example.json"
STRICTER = "parameters: {egfr.severe_below: 35}\n"


@pytest.fixture
def stricter(tmp_path: Path) -> FlaskClient:
    """A service with a site file in which kidney function is severely reduced below 35."""
    return client_with(STRICTER, tmp_path, utc_now())


def call_with_egfr(value: int) -> dict[str, Any]:
    body = hook_request(PATIENT, VIEW, utc_now().date())
    newest = max(
        (e["resource"] for e in body["prefetch"]["kidneyLabs"]["entry"]),
        key=lambda r: r["effectiveDateTime"],
    )
    result = {**newest, "id": "new", "effectiveDateTime": utc_now().date().isoformat()}
    result["code"] = {"coding": [{"system": "http://loinc.org", "code": "98979-8"}]}
    result["valueQuantity"] = {**newest["valueQuantity"], "value": value}
    unit = "mL/min/{1.73_m2}"
    result["valueQuantity"] |= {"unit": unit, "code": unit, "system": "http://unitsofmeasure.org"}
    body["prefetch"]["kidneyLabs"]["entry"] = [{"resource": result}]
    return body


def cards_of(client: FlaskClient, path: str, body: Any) -> list[str]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return [card_id(card) for card in response.json["cards"]]


# ------------------------------------------------------------------- defaults


def test_a_call_is_answered_by_the_site_file_or_by_the_defaults(stricter: FlaskClient) -> None:
    body = call_with_egfr(32)
    assert cards_of(stricter, f"/cds-services/{VIEW}", body) == ["mg-avoid-renal"]
    assert cards_of(stricter, f"/sandbox/calls/{VIEW}", body) == ["mg-avoid-renal"]
    by_defaults = f"/sandbox/calls/{VIEW}?values=defaults"
    assert cards_of(stricter, by_defaults, body) == ["mg-suggest-reduced"]
    # The configuration in force is not changed by that.
    assert cards_of(stricter, f"/cds-services/{VIEW}", body) == ["mg-avoid-renal"]


def test_a_trial_explains_its_own_answer(stricter: FlaskClient) -> None:
    body = call_with_egfr(32)
    found = stricter.post(f"/sandbox/calls/{VIEW}?values=defaults", json=body).json
    assert found["explanation"]["kidney"]["class"] == "MODERATE"
    assert found["explanation"]["cards"][0]["summary"] == found["cards"][0]["summary"]
    assert "site" not in found["explanation"]
    assert stricter.post(f"/explain/{VIEW}", json=body).json["kidney"]["class"] == "SEVERE"


def test_the_page_learns_of_the_site_file_and_of_the_values(stricter: FlaskClient) -> None:
    site = stricter.get("/sandbox/setup").json
    assert site["site"]["title"] == "Example"
    assert site["site"]["label"].startswith("example+")
    assert site["parameters"]["egfr.severe_below"] == 35
    defaults = stricter.get("/sandbox/setup?values=defaults").json
    assert defaults["site"] == site["site"]
    assert defaults["parameters"]["egfr.severe_below"] == 30


def test_without_a_site_file_there_is_nothing_to_switch(client: FlaskClient) -> None:
    assert client.get("/sandbox/setup").json["site"] is None
    same = client.get("/sandbox/setup?values=defaults").json
    assert same == client.get("/sandbox/setup").json


def test_the_strip_and_the_requests_follow_the_values(tmp_path: Path) -> None:
    text = f"{STRICTER}search: {{medicationRequests: all}}\n"
    client = client_with(text, tmp_path, utc_now())
    body = hook_request(PATIENT, VIEW, utc_now().date())
    in_force = client.post(f"/sandbox/egfr/{VIEW}", json=body).json
    defaults = client.post(f"/sandbox/egfr/{VIEW}?values=defaults", json=body).json
    assert [run["to"] for run in in_force] == [34, 59, 120]
    assert [run["to"] for run in defaults] == [29, 59, 120]

    def orders(query: str) -> int:
        path = f"/sandbox/requests/{PATIENT}/{VIEW}{query}"
        prefetch = client.get(path).json["prefetch"]
        return len(prefetch["medicationRequests"]["entry"])

    assert orders("") >= orders("?values=defaults")
    discovery = client.get("/sandbox/setup?values=defaults").json["discovery"]
    template = discovery["services"][0]["prefetch"]["medicationRequests"]
    assert "status=active" in template


def test_the_table_of_outcomes_shows_what_the_site_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {PATIENT: load_all()[PATIENT]}
    monkeypatch.setattr("cds_service.sandbox.outcomes.load_all", lambda: one)
    client = client_with("cards: {mg-suggest: {mode: never}}\n", tmp_path, utc_now())

    def cards(query: str) -> list[str]:
        rows = client.get(f"/sandbox/outcomes{query}").json
        row = next(r for r in rows if (r["patient"], r["hook"]) == (PATIENT, "patient-view"))
        return [card["card"] for card in row["cards"]]

    assert cards("") == []
    assert cards("?values=defaults") == ["mg-suggest"]


# ---------------------------------------------------------- patients of the user


def test_the_outcome_of_one_call_is_told_in_short(client: FlaskClient) -> None:
    body = hook_request(PATIENT, VIEW, utc_now().date())
    cards = client.post(f"/sandbox/outcomes/{VIEW}", json=body).json["cards"]
    assert [card["card"] for card in cards] == ["mg-suggest"]
    assert cards[0]["suggestion"].startswith("Start magnesium glycinate")
    del body["prefetch"]["conditions"]
    assert client.post(f"/sandbox/outcomes/{VIEW}", json=body).json == {"cards": None}
    assert client.post(f"/sandbox/outcomes/{VIEW}", json={}).status_code == 400


# ------------------------------------------------------------------------ late


@pytest.fixture
def quick(tmp_path: Path) -> FlaskClient:
    """A service with short limits in time."""
    settings = Settings(data_dir=str(tmp_path), fhir_total_ms=300, fhir_request_ms=200)
    return create_app(settings).test_client()


def test_the_service_gives_up_a_late_key_and_says_so(quick: FlaskClient) -> None:
    body = hook_request(PATIENT, VIEW, utc_now().date())
    started = time.monotonic()
    found = quick.post(f"/sandbox/calls/{VIEW}?late=kidneyLabs", json=body).json
    # The limit of one request ended the wait: the answer came neither at once nor from the call.
    assert time.monotonic() - started > 0.19
    assert [card_id(card) for card in found["cards"]] == ["mg-check-renal"]
    unknown = {gap["key"]: gap.get("why", "") for gap in found["explanation"]["unknown"]}
    assert [key for key, why in unknown.items() if "in time" in why] == ["kidneyLabs"]


def test_required_data_that_are_late_leave_no_answer(quick: FlaskClient) -> None:
    body = hook_request(PATIENT, VIEW, utc_now().date())
    refused = quick.post(f"/sandbox/calls/{VIEW}?late=conditions", json=body)
    assert refused.status_code == 412
    assert "in time" in refused.get_data(as_text=True)


def test_only_the_late_keys_are_fetched(quick: FlaskClient) -> None:
    """A key that was withheld stays "not sent": no server was asked for it."""
    body = hook_request(PATIENT, VIEW, utc_now().date())
    del body["prefetch"]["magnesiumLabs"]
    found = quick.post(f"/sandbox/calls/{VIEW}?late=kidneyLabs&late=pregnancyStatus", json=body)
    unknown = {gap["key"]: gap["why"] for gap in found.json["explanation"]["unknown"]}
    assert set(unknown) == {"kidneyLabs", "magnesiumLabs", "pregnancyStatus"}
    assert "in time" not in unknown["magnesiumLabs"]
    assert "in time" in unknown["pregnancyStatus"]


def test_a_key_that_the_service_does_not_have_cannot_be_late(quick: FlaskClient) -> None:
    body = hook_request(PATIENT, VIEW, utc_now().date())
    refused = quick.post(f"/sandbox/calls/{VIEW}?late=nothing", json=body)
    assert refused.status_code == 400
    assert "must be one of the prefetch keys patient," in refused.get_data(as_text=True)


def test_with_trusted_clients_nobody_can_occupy_threads(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=str(tmp_path),
        clients_file=str(CLIENTS),
        public_url="https://cds.example.org",
        sandbox=True,
    )
    client = create_app(settings).test_client()
    body = hook_request(PATIENT, VIEW, utc_now().date())
    refused = client.post(f"/sandbox/calls/{VIEW}?late=kidneyLabs", json=body)
    assert refused.status_code == 400
    assert "no clients are configured" in refused.get_data(as_text=True)
