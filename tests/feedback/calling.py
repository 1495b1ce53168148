"""Feedback as clients send it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ..support import http
from ..support.fhir import PATIENT_VIEW

Json = dict[str, Any]


def stamp() -> str:
    """As a browser's toISOString has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def accepted(card: Json, *numbers: int) -> Json:
    taken = [card["suggestions"][number]["uuid"] for number in numbers or (0,)]
    return {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": uuid} for uuid in taken],
        "outcomeTimestamp": stamp(),
    }


def overridden(card: Json, reason: Json | None = None) -> Json:
    item: Json = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": stamp()}
    return item | {"overrideReason": reason} if reason else item


def report(client: FlaskClient, *items: Any, service: str = PATIENT_VIEW) -> TestResponse:
    """Send feedback; the answer."""
    return http.send(client, f"/cds-services/{service}/feedback", {"feedback": list(items)})
