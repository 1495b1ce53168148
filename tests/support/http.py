"""Calling the service through its HTTP face, with failures a person can read."""

from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from .fhir import service_id


def send(client: FlaskClient, path: str, body: Any) -> TestResponse:
    """POST a JSON value, or raw bytes, to any path."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, data=data, content_type="application/json")


def call(client: FlaskClient, service: str, body: Any) -> TestResponse:
    """A hook call, whatever the answer."""
    return send(client, f"/cds-services/{service_id(service)}", body)


def post(client: FlaskClient, service: str, body: Any) -> dict[str, Any]:
    """A hook call that must succeed: its JSON."""
    return _json_of(call(client, service, body))


def cards(client: FlaskClient, service: str, body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = post(client, service, body)["cards"]
    return found


def explain(client: FlaskClient, service: str, body: Any) -> dict[str, Any]:
    """The whole decision behind the same hook call."""
    return _json_of(send(client, f"/explain/{service_id(service)}", body))


def _json_of(response: TestResponse) -> dict[str, Any]:
    assert response.status_code == 200, (
        f"expected 200, got {response.status_code}: {response.get_data(as_text=True)[:500]}"
    )
    answer = response.get_json()
    assert isinstance(answer, dict), f"expected a JSON object, got {answer!r}"
    return answer
