"""What the sandbox page asks the service for, and what a browser may do with the page."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.sandbox import egfr_range
from cds_service.sandbox.outcomes import in_short
from cds_service.sandbox.patients import load_all
from cds_service.settings import Settings
from tests.support.cards import card_id


def names(client: FlaskClient, path: str, text: str) -> list[str]:
    return [row["display"] for row in client.get(path, query_string={"q": text}).json]


def test_drugs_are_found_by_the_beginnings_of_words(client: FlaskClient) -> None:
    assert "hydrochlorothiazide 25 MG Oral Tablet" in names(client, "/sandbox/drugs", "hydrochl 25")
    assert names(client, "/sandbox/drugs", "magnesium glyc")[0].startswith("magnesium glycinate")
    assert names(client, "/sandbox/drugs", " ") == []
    assert names(client, "/sandbox/drugs", "no such drug") == []
    assert len(names(client, "/sandbox/drugs", "m")) == 20


def test_diagnoses_are_found_with_code_and_value_set(client: FlaskClient) -> None:
    found = client.get("/sandbox/diagnoses?q=crohn").json
    assert {"system", "code", "display", "groups"} <= set(found[0])
    assert all(row["kind"] == "Condition" for row in found)


def test_the_page_gets_all_it_needs_in_one_answer(client: FlaskClient) -> None:
    setup = client.get("/sandbox/setup").json
    assert setup["parameters"]["egfr.severe_below"] == 30
    assert all(setup["labs"].values())
    assert setup["words"]["fact.migraine"] == "Migraine"
    assert len(setup["patients"]) == len(client.get("/sandbox/patients").json)


@pytest.mark.parametrize(
    "path",
    ["/sandbox/patients/nobody", "/sandbox/requests/nobody/magnesium-migraine-patient-view"],
)
def test_an_unknown_patient_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/evidence", "/evidence/codes?q=x"])
def test_a_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(
    client: FlaskClient, path: str
) -> None:
    page = client.get(path)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "style=" not in page.text
    assert "<style" not in page.text
    assert ' src="http' not in page.text


def test_every_file_that_the_page_names_is_there(client: FlaskClient) -> None:
    text = client.get("/").text
    files = {part.split('"')[0] for part in text.split('"/static/')[1:]}
    assert len(files) > 10
    for name in files:
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        answer.close()


def test_without_the_sandbox_there_is_no_page_and_no_patient(tmp_path: object) -> None:
    client = create_app(Settings(sandbox=False, data_dir=str(tmp_path))).test_client()
    for path in ("/", "/sandbox/patients", "/sandbox/fhir/metadata", "/sandbox/setup"):
        assert client.get(path).status_code == 404
    assert client.get("/evidence").status_code == 200
    assert 'href="/"' not in client.get("/evidence").text


VIEW, SELECT = "magnesium-migraine-patient-view", "magnesium-migraine-order-select"


@pytest.mark.parametrize("pid", sorted(load_all()))
def test_the_request_for_a_chart_gives_the_cards_that_the_patient_shows(
    client: FlaskClient, pid: str
) -> None:
    """The page sends the chart back, changed or not; the service runs its own templates on it."""
    chart = client.get(f"/sandbox/patients/{pid}").get_json()
    for show in load_all()[pid].shows:
        draft = client.get(f"/sandbox/requests/{pid}/{SELECT}?draft={show.draft}").get_json()
        context = draft["context"] if show.draft else {}
        asked = {
            "chart": chart,
            "orders": context.get("draftOrders", {}),
            "selections": context.get("selections", []),
        }
        body = client.post(f"/sandbox/requests/{show.service}", json=asked).get_json()
        answer = client.post(f"/cds-services/{show.service}", json=body).get_json()
        assert sorted(map(card_id, answer["cards"])) == sorted(show.expect), show


def test_the_request_for_a_chart_loses_nothing_that_cannot_be_read(client: FlaskClient) -> None:
    chart = client.get("/sandbox/patients/marigold-fenwick").get_json()
    odd = [{"resource": {"resourceType": 7}}, {"resource": {"resourceType": "Observation"}}]
    chart["entry"] += odd
    body = client.post(f"/sandbox/requests/{VIEW}", json={"chart": chart}).get_json()
    assert all(entry in body["prefetch"]["kidneyLabs"]["entry"] for entry in odd)
    assert odd[0] in body["prefetch"]["conditions"]["entry"]
    assert odd[1] not in body["prefetch"]["conditions"]["entry"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "must have a Bundle `chart`"),
        ({"chart": []}, "is not a readable Bundle"),
        ({"chart": {"resourceType": "Bundle"}}, "holds no Patient resources"),
        ({"chart": {}, "orders": 7}, "must have a Bundle `chart`"),
    ],
)
def test_a_request_for_no_chart_is_refused(client: FlaskClient, body: Any, text: str) -> None:
    refused = client.post(f"/sandbox/requests/{VIEW}", json=body)
    assert refused.status_code == 400
    assert text in refused.get_data(as_text=True)
    assert client.post("/sandbox/requests/nothing", json=body).status_code == 404


@pytest.mark.parametrize("value", [b'"\xff"', b"[" * 5000 + b"]" * 5000], ids=["utf-8", "nested"])
def test_bytes_that_are_not_json_are_refused(client: FlaskClient, value: bytes) -> None:
    body = b'{"chart":{"resourceType":"Bundle"},"orders":{"a":' + value + b"}}"
    for path in (f"/sandbox/requests/{VIEW}", f"/sandbox/egfr/{VIEW}"):
        refused = client.post(path, data=body, content_type="application/json")
        assert refused.status_code == 400, path


def test_the_overview_has_the_cards_that_each_patient_shows(client: FlaskClient) -> None:
    rows = client.get("/sandbox/outcomes").json
    found = {
        (row["patient"], f"magnesium-migraine-{row['hook']}", row["draft"]): row["cards"]
        for row in rows
    }
    assert len(found) == len(rows)
    for person in load_all().values():
        for show in person.shows:
            cards = found[person.id, show.service, show.draft]
            assert sorted(card["card"] for card in cards) == sorted(show.expect)


def test_the_strip_changes_at_the_limits_of_the_kidney_classes(client: FlaskClient) -> None:
    service = "magnesium-migraine-patient-view"
    call = client.get(f"/sandbox/requests/marigold-fenwick/{service}").json
    runs = client.post(f"/sandbox/egfr/{service}", json=call).json
    assert [(run["from"], run["to"], [c["card"] for c in run["cards"]]) for run in runs] == [
        (5, 29, ["mg-avoid-renal"]),
        (30, 59, ["mg-suggest-reduced"]),
        (60, 120, ["mg-suggest"]),
    ]
    assert runs[1]["cards"][0]["summary"].startswith("Migraine + diabetes, eGFR 30:")


def test_the_strip_shows_where_there_is_no_answer(client: FlaskClient) -> None:
    service = "magnesium-migraine-patient-view"
    call = client.get(f"/sandbox/requests/marigold-fenwick/{service}").json
    del call["prefetch"]["conditions"]
    runs = client.post(f"/sandbox/egfr/{service}", json=call).json
    assert runs == [{"from": 5, "to": 120, "cards": None}]


@pytest.mark.parametrize("damage", [{"prefetch": 1}, {"prefetch": {"kidneyLabs": "x"}}, []])
def test_a_call_without_place_for_a_result_is_refused(client: FlaskClient, damage: Any) -> None:
    call = client.get("/sandbox/requests/marigold-fenwick/magnesium-migraine-patient-view").json
    body = {**call, **damage} if damage else damage
    response = client.post("/sandbox/egfr/magnesium-migraine-patient-view", json=body)
    assert response.status_code == 400


@pytest.mark.parametrize(
    "patient",
    ["marigold-fenwick", "cornelius-ravenscroft", "agatha-winterbourne", "otis-hollowbrook"],
)
def test_the_strip_agrees_with_a_call_for_every_value(app: Flask, patient: str) -> None:
    """The strip makes fewer calls. Here the call is made for each of the 116 values."""
    service = "magnesium-migraine-patient-view"
    client = app.test_client()
    call = client.get(f"/sandbox/requests/{patient}/{service}").json
    runs = client.post(f"/sandbox/egfr/{service}", json=call).json
    every = egfr_range.ranges(
        json.dumps(call).encode(),
        "98979-8",
        date.fromisoformat(client.get("/sandbox/setup").json["today"]),
        range(egfr_range.LOWEST, egfr_range.HIGHEST),
        lambda body: in_short(
            client.post(
                f"/cds-services/{service}", data=body, content_type="application/json"
            ).json["cards"]
        ),
    )
    assert runs == every
