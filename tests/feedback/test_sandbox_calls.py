"""Calls of the sandbox page are answered as any other, and are not in the feedback report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.settings import Settings
from cds_service.web.calls.incoming import is_sandbox_call
from cds_service.web.parts import parts_of

from ..support import charts
from ..support.fhir import PATIENT_VIEW
from .calling import accepted

Build = Callable[..., Flask]
PAGE = {"CDS-Sandbox": "page"}


def cards_of(client: FlaskClient, today: date, headers: dict[str, str]) -> list[dict[str, Any]]:
    body = charts.patient_view(today)
    response = client.post(f"/cds-services/{PATIENT_VIEW}", json=body, headers=headers)
    cards: list[dict[str, Any]] = response.get_json()["cards"]
    return cards


def counts(app: Flask) -> tuple[int, int]:
    """How many cards the report has, and how much feedback without a card."""
    store = parts_of(app).store
    store.close()
    now = datetime.now(UTC)
    history = store.history(now - timedelta(days=1), now + timedelta(days=2))
    return sum(issues.count for issues in history.issues), history.unmatched


@pytest.mark.parametrize(
    ("headers", "expected"),
    [(PAGE, (0, 0)), ({}, (1, 0)), ({"CDS-Sandbox": "no"}, (1, 0))],
)
def test_the_report_leaves_out_the_cards_and_feedback_of_the_page(
    build: Build, today: date, headers: dict[str, str], expected: tuple[int, int]
) -> None:
    app = build()
    client = app.test_client()
    [card] = cards_of(client, today, headers)
    path = f"/cds-services/{PATIENT_VIEW}/feedback"
    sent = client.post(path, json={"feedback": [accepted(card)]}, headers=headers)
    assert (sent.status_code, sent.get_json()) == (200, {"received": 1})
    assert counts(app) == expected


def test_feedback_of_the_page_is_checked(build: Build) -> None:
    path = f"/cds-services/{PATIENT_VIEW}/feedback"
    sent = build().test_client().post(path, json={"feedback": [{}]}, headers=PAGE)
    assert sent.status_code == 400


@pytest.mark.parametrize(
    ("settings", "left_out"),
    [
        (Settings(), True),
        (Settings(sandbox=False), False),
        (Settings(clients_file="clients.json"), False),
        (Settings(clients_file="clients.json", sandbox=True), False),
    ],
)
def test_no_client_can_hide_its_calls(app: Flask, settings: Settings, left_out: bool) -> None:
    with app.test_request_context(headers=PAGE) as context:
        assert is_sandbox_call(settings, context.request) is left_out
