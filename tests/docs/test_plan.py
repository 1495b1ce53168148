"""The test plan expects what the service does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import id_of

from ..support import http
from ..support.cards import card_id
from .reading import text_of

DOCUMENT = "docs/test-plan.md"
EXTENSION = "org.magnesium-migraine.decision"
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "exception", "details": {"text": "x"}}],
}


def table(name: str) -> list[list[str]]:
    part = text_of(DOCUMENT).partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]
    lines = part.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def request_of(client: FlaskClient, patient: str, hook: str, draft: str = "") -> dict[str, Any]:
    query = {"draft": draft} if draft else {}
    path = f"/sandbox/requests/{patient}/{id_of(HOOKS[hook])}"
    found = client.get(path, query_string=query)
    assert found.status_code == 200, found.get_data(as_text=True)
    body: dict[str, Any] = found.get_json()
    return body


@pytest.mark.parametrize("row", table("cards"), ids=lambda row: " ".join(row[:3]))
def test_a_row_about_cards(client: FlaskClient, row: list[str]) -> None:
    patient, hook, draft, expected = (cell.strip("`") for cell in row[:4])
    cards = http.cards(client, id_of(HOOKS[hook]), request_of(client, patient, hook, draft))
    assert [card_id(card) for card in cards] == ([] if expected == "none" else [expected])


def damaged(body: dict[str, Any], key: str, fault: str) -> None:
    prefetch = body["prefetch"]
    match fault:
        case "not sent":
            del prefetch[key]
        case "empty":
            prefetch[key] = {"resourceType": "Bundle", "type": "searchset"}
        case "OperationOutcome":
            prefetch[key] = OUTCOME
        case "one entry without a resource":
            prefetch[key].setdefault("entry", []).append({})
        case _:
            pytest.fail(f"no such fault: {fault}")


@pytest.mark.parametrize("row", table("faults"), ids=lambda row: " ".join(row[:3]))
def test_a_row_about_missing_data(client: FlaskClient, row: list[str]) -> None:
    patient, key, fault, status, expected = (cell.replace("`", "") for cell in row)
    body = request_of(client, patient, "patient-view")
    damaged(body, key, fault)
    found = http.call(client, id_of(HOOKS["patient-view"]), body)
    assert found.status_code == int(status)
    if expected == "the key is named":
        assert any(key in issue["details"]["text"] for issue in found.get_json()["issue"])
        return
    [card] = found.get_json()["cards"]
    assert card_id(card) == re.match(r"[\w-]+", expected)[0]  # type: ignore[index]
    named = {gap["key"] for gap in card["extension"][EXTENSION].get("unknown", ())}
    assert (key in named) == ("with the key in unknown" in expected)
    recommended = any(s.get("isRecommended") for s in card["suggestions"])
    assert "not recommended" not in expected or not recommended


def test_every_kind_of_indicator_is_in_the_plan(client: FlaskClient) -> None:
    cards = [
        card
        for patient, hook, draft, *_ in table("cards")
        for card in http.cards(
            client,
            id_of(HOOKS[hook.strip("`")]),
            request_of(client, patient.strip("`"), hook.strip("`"), draft.strip("`")),
        )
    ]
    assert {card["indicator"] for card in cards} == {"info", "warning", "critical"}
