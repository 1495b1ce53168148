"""With `search.medicationRequests: all` the chart has orders that are over: only magnesium matters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import charts, fhir, http
from ..support.fhir import ENCOUNTER_DISCHARGE, ORDER_SELECT, PATIENT_VIEW
from ..support.sites import client_with

Body = dict[str, Any]
OVER = ("completed", "stopped")
NOT_TAKEN = ("on-hold", "cancelled", "entered-in-error", "draft")
OTHERS = {
    "a diuretic": ("4603", "Furosemide"),
    "a potassium-sparing drug": ("9997", "Spironolactone"),
    "digoxin": ("3407", "Digoxin"),
    "an antibiotic": ("3640", "Doxycycline"),
    "a proton-pump inhibitor": ("7646", "Omeprazole"),
    "a drug that no rule knows": ("161", "Paracetamol"),
}


@pytest.fixture
def of_all(tmp_path: Path) -> FlaskClient:
    """A site that asks for the orders of every status."""
    text = "search: {medicationRequests: all}\n"
    return client_with(text, tmp_path, datetime.now(UTC))


def template(client: FlaskClient) -> set[str]:
    services = client.get("/cds-services").get_json()["services"]
    return {service["prefetch"]["medicationRequests"] for service in services}


def test_the_template_asks_for_every_status(of_all: FlaskClient, client: FlaskClient) -> None:
    (usual,), (every,) = template(client), template(of_all)
    assert usual.replace("&status=active", "") == every
    assert "status" not in every


def cards(client: FlaskClient, service: str, body: Body) -> list[Body]:
    """Cards without what is new in each response, and without the id of the site file."""
    found = copy.deepcopy(http.cards(client, service, body))
    for card in found:
        del card["uuid"]
        card["extension"]["org.magnesium-migraine.decision"].pop("site", None)
        for suggestion in card.get("suggestions", ()):
            del suggestion["uuid"]
    return found


def with_orders(build: Callable[..., Body], today: date, orders: list[Body]) -> Body:
    taken = charts.chart(today)["medicationRequests"] or []
    return build(today, medicationRequests=[*taken, *orders])


@pytest.mark.parametrize("status", [*OVER, *NOT_TAKEN])
@pytest.mark.parametrize("drug", OTHERS)
def test_an_order_of_another_drug_that_is_not_active_changes_no_card(
    of_all: FlaskClient, client: FlaskClient, today: date, drug: str, status: str
) -> None:
    code, text = OTHERS[drug]
    over = fhir.medication_request(code, text=text, status=status, today=today)
    for service, build in charts.CALLS.items():
        expected = cards(client, service, with_orders(build, today, []))
        assert cards(of_all, service, with_orders(build, today, [over])) == expected


@pytest.mark.parametrize("status", NOT_TAKEN)
def test_magnesium_that_was_never_taken_changes_no_card(
    of_all: FlaskClient, client: FlaskClient, today: date, status: str
) -> None:
    never = fhir.medication_request(
        "476818", text="Magnesium glycinate", status=status, today=today
    )
    for service, build in charts.CALLS.items():
        expected = cards(client, service, with_orders(build, today, []))
        assert cards(of_all, service, with_orders(build, today, [never])) == expected


def stopped(today: date, days: int, status: str = "stopped") -> Body:
    return fhir.medication_request(
        "476818", text="Magnesium glycinate", status=status, authored_days=days, today=today
    )


@pytest.mark.parametrize("status", OVER)
def test_a_supplement_that_was_stopped_ends_the_suggestion(
    of_all: FlaskClient, today: date, status: str
) -> None:
    """SPEC 12.4 M-15."""
    for service in (PATIENT_VIEW, ENCOUNTER_DISCHARGE):
        body = with_orders(charts.CALLS[service], today, [stopped(today, 200, status)])
        assert http.cards(of_all, service, body) == []
        long_ago = with_orders(charts.CALLS[service], today, [stopped(today, 800, status)])
        assert len(http.cards(of_all, service, long_ago)) == 1

    body = with_orders(charts.order_select, today, [stopped(today, 200, status)])
    (card,) = http.cards(of_all, ORDER_SELECT, body)
    assert "Magnesium glycinate" in card["detail"]
    assert not any(suggestion.get("isRecommended") for suggestion in card["suggestions"])
