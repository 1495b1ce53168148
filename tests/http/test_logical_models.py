"""Discovery, requests, responses and feedback against HL7's logical models of CDS Hooks."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.scenarios.building import hook_call
from tests.scenarios.loading import load_all
from tests.support import http
from tests.support.cards import assert_valid_answer
from tests.support.logical_models import broken_rules, members, violations

from .test_recorded_requests import RECORDED

MODELS = ("services", "request", "response", "feedback")
CONTEXTS = ("patient-view", "order-select", "order-sign", "encounter-discharge")
ANSWERED = [s for s in load_all() if s.expect and not s.refused_for]
"""Scenarios with cards."""


def test_every_model_has_members() -> None:
    assert all(members(model)[""] for model in (*MODELS, *CONTEXTS))


def test_discovery(client: FlaskClient) -> None:
    """`hookVersion` is in the text of the standard, and not in the model."""
    found = set(violations("services", client.get("/cds-services").get_json()))
    assert found <= {"services.hookVersion: not in the model"}


def test_an_answer_that_breaks_the_model_of_a_response_is_found() -> None:
    """Every answer of the scenarios is checked so."""
    with pytest.raises(AssertionError):
        assert_valid_answer({"cards": [], "systemActions": [], "seen": True}, {})


def test_the_requests_that_this_project_writes_itself(today: date) -> None:
    for scenario in ANSWERED:
        body = hook_call(scenario, today)
        if scenario.sent.authorization is None:  # those that have one leave its members out (U-9)
            assert list(violations("request", body)) == []
        if scenario.hook in CONTEXTS:
            assert list(violations(scenario.hook, body["context"])) == []


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_the_requests_of_the_reference_client(path: Any) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))["body"]
    assert list(violations("request", body)) == []
    assert list(violations(body["hook"], body["context"])) == []


FEEDBACK = {
    "card": "f6b95768-b1c8-40dc-8385-bf3504b82ffb",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "c5a6f1c0-0a3c-4f0f-9d11-0d9d0f2f3a11"}],
    "outcomeTimestamp": "2026-11-22T09:31:00.123Z",
}


@pytest.mark.parametrize(
    "entry",
    [
        FEEDBACK,
        {
            **{name: FEEDBACK[name] for name in ("card", "outcomeTimestamp")},
            "outcome": "overridden",
            "overrideReason": {
                "reason": {"code": "patient-refused", "system": "urn:local"},
                "userComment": "later",
            },
        },
    ],
)
def test_feedback_that_the_model_allows_is_taken(
    client: FlaskClient, entry: dict[str, Any]
) -> None:
    body = {"feedback": [entry]}
    assert list(violations("feedback", body)) == []
    path = f"/cds-services/{http.service_id('patient-view')}/feedback"
    assert http.send(client, path, body).status_code == 200


@pytest.mark.parametrize(
    ("model", "value", "found"),
    [
        ("services", {"services": [{"hook": "x", "description": "y"}]}, "services.id: missing"),
        ("services", {"services": {}}, "services: not a list"),
        ("services", {"services": [5]}, "services: not an object"),
        (
            "request",
            {"hook": "x", "hookInstance": "1", "context": {}},
            "hookInstance: not of type uuid",
        ),
        ("response", {"cards": [], "more": 1}, ".more: not in the model"),
        (
            "feedback",
            {"feedback": [{**FEEDBACK, "outcome": "seen"}]},
            "seen is not one of its codes",
        ),
        (
            "order-sign",
            {"userId": "P/1", "patientId": "1", "draftOrders": {}},
            "draftOrders: not of type Bundle",
        ),
        ("patient-view", {"userId": "", "patientId": "1"}, "userId: not of type url"),
    ],
)
def test_what_the_check_finds(model: str, value: Any, found: str) -> None:
    assert any(found in said for said in violations(model, value))


def test_what_the_rules_find() -> None:
    best = {"label": "x", "isRecommended": True, "actions": [{"type": "delete", "resource": {}}]}
    card = {
        "suggestions": [best, {**best, "actionSelectionBehavior": "some"}],
        "selectionBehavior": "at-most-one",
        "links": [{"type": "absolute", "appContext": "x"}],
        "overrideReasons": [{"code": "x"}],
    }
    other = {"suggestions": [best]}
    assert set(broken_rules({"cards": [card, other]})) == {f"cds-resp-{n}" for n in range(1, 8)}
