"""One record for each call that was let in, with or without a card, and none of a patient."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.web.parts import parts_of

from ..support import charts
from ..support.fhir import ORDER_SIGN, PATIENT_VIEW


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Flask:
    return create_app(Settings(data_dir=str(tmp_path), retention_days=30), clock)


def records(app: Flask) -> list[dict[str, Any]]:
    store = parts_of(app).store
    store.flush()
    with store._database.read_transaction() as connection:
        rows = connection.execute(text("SELECT * FROM answered_call ORDER BY at_ms, kind, service"))
        return [dict(row._mapping) for row in rows]


def test_every_call_leaves_one_record(app: Flask, body: dict[str, Any]) -> None:
    client = app.test_client()
    silent = charts.CALLS[PATIENT_VIEW](datetime.now(UTC).date())
    silent["prefetch"]["conditions"] = None
    del silent["prefetch"]["kidneyLabs"]
    assert client.post(f"/cds-services/{PATIENT_VIEW}", json=body).status_code == 200
    assert client.post(f"/cds-services/{PATIENT_VIEW}", json=silent).json == {"cards": []}
    assert client.post(f"/explain/{PATIENT_VIEW}", json=body).status_code == 200
    assert client.post(f"/cds-services/{ORDER_SIGN}", data=b"{").status_code == 415
    assert client.post("/cds-services/none", json=body).status_code == 404
    assert client.get("/cds-services").status_code == 200
    found = records(app)
    assert sorted((r["kind"], r["service"], r["status"]) for r in found) == [
        ("call", ORDER_SIGN, 415),
        ("call", PATIENT_VIEW, 200),
        ("call", PATIENT_VIEW, 200),
        ("explain", PATIENT_VIEW, 200),
    ]
    with_card = next(r for r in found if r["cards"])
    assert with_card["cards"] == "mg-suggest"
    assert "kidney:" in with_card["rules"]
    assert with_card["knowledge"].count("+") == 1
    assert {"pat-1", body["hookInstance"]}.isdisjoint(
        str(value) for r in found for value in r.values()
    )


def test_what_is_refused_at_the_door_leaves_none(app: Flask, body: dict[str, Any]) -> None:
    elsewhere = {"REMOTE_ADDR": "192.0.2.1"}
    reply = app.test_client().post(
        f"/cds-services/{PATIENT_VIEW}", json=body, environ_base=elsewhere
    )
    assert reply.status_code == 403
    assert records(app) == []


def test_records_go_when_their_time_is_over(app: Flask, body: dict[str, Any], clock: Clock) -> None:
    client = app.test_client()
    client.post(f"/cds-services/{PATIENT_VIEW}", json=body)
    assert len(records(app)) == 1
    clock.now += timedelta(days=31)
    parts_of(app).store.purge()
    assert records(app) == []
