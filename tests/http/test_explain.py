"""The whole decision behind a call, also when there is no card (the contract)."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import charts, fhir, http
from ..support.cards import without_uuids
from ..support.fhir import PATIENT_VIEW, REQUIRED_KEYS, SERVICES
from ..support.outcomes import assert_outcome


def silent(service: str, today: date) -> dict[str, Any]:
    """Nothing to say: no migraine, no magnesium."""
    return fhir.hook_request(service, {}, charts.patient(today), drafts=[])


@pytest.mark.parametrize("service", SERVICES)
def test_an_explanation_has_facts_kidney_rules_and_cards(
    client: FlaskClient, today: date, service: str
) -> None:
    told = http.explain(client, service, charts.CALLS[service](today))
    assert told["facts"]
    assert told["kidney"]["class"] in {"NORMAL", "MODERATE"}
    assert told["rules"]
    assert told["cards"]


@pytest.mark.parametrize("service", SERVICES)
def test_silence_is_explained_too(client: FlaskClient, today: date, service: str) -> None:
    told = http.explain(client, service, silent(service, today))
    assert told["cards"] == []
    assert told["facts"]
    assert told["kidney"]["class"] == "UNKNOWN"
    assert told["rules"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_cards_are_those_of_the_hook_call(
    client: FlaskClient, today: date, service: str
) -> None:
    body = charts.CALLS[service](today)
    answer, told = http.post(client, service, body), http.explain(client, service, body)
    assert without_uuids(told["cards"]) == without_uuids(answer["cards"])


def test_the_resources_of_the_facts_are_named(client: FlaskClient, today: date) -> None:
    told = json.dumps(http.explain(client, PATIENT_VIEW, charts.patient_view(today)))
    for reference in ("Condition/condition-g43-009", "Condition/condition-e11-9"):
        assert reference in told


def test_a_condition_with_text_alone_is_reported(client: FlaskClient, today: date) -> None:
    only_text = fhir.condition(text="Migraine", id="words-only", today=today)
    body = charts.patient_view(today, conditions=[only_text])
    told = http.explain(client, PATIENT_VIEW, body)
    assert told["cards"] == []
    assert "Condition/words-only" in json.dumps(told)


def test_what_was_missing_is_reported(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    del body["prefetch"]["allergies"]
    assert "allergies" in json.dumps(http.explain(client, PATIENT_VIEW, body))


def test_an_unreadable_entry_is_reported(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    whole = http.explain(client, PATIENT_VIEW, body)
    body["prefetch"]["conditions"]["entry"].append(
        {"resource": {"resourceType": "Condition", "id": "broken", "code": 5}}
    )
    assert http.explain(client, PATIENT_VIEW, body) != whole


@pytest.mark.parametrize("key", REQUIRED_KEYS)
@pytest.mark.parametrize("service", SERVICES)
def test_it_is_guarded_as_the_hook_call_is(
    client: FlaskClient, today: date, service: str, key: str
) -> None:
    path = f"/explain/{service}"
    body = charts.CALLS[service](today)
    del body["prefetch"][key]
    assert key in assert_outcome(http.send(client, path, body), 412)
    assert_outcome(http.send(client, path, b"{"), 400)
    del body["context"]
    assert_outcome(http.send(client, path, body), 400)
