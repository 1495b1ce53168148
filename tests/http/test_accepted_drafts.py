"""A draft order that is accepted comes back at order-sign, and gives no card in a clean patient."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import charts, fhir, http
from ..support.cards import assert_r4
from ..support.fhir import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW
from ..support.sites import client_with

Body = dict[str, Any]
CAPSULES = """\
formulary:
  - code:
      system: http://www.nlm.nih.gov/research/umls/rxnorm
      code: "2711541"
      display: magnesium glycinate 100 MG Oral Capsule
    salt: glycinate
    form: capsule
    elementalMg: 100
  - code:
      system: https://hospital.example/products
      code: MG-60
      display: Magnesium bisglycinate tablet
    salt: glycinate
    form: tablet
    elementalMg: 60
"""
SITES = {
    "no formulary": "",
    "a formulary": CAPSULES,
    "a lower maximum": "parameters: {dose.max_mg: 399}\n" + CAPSULES,
}
LEVOTHYROXINE = "levothyroxine"
MENSTRUAL = "G43.829"


@pytest.fixture(params=SITES.values(), ids=SITES)
def of_site(request: pytest.FixtureRequest, tmp_path: Path) -> FlaskClient:
    return client_with(request.param, tmp_path, datetime.now(UTC))


def patients(today: date) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Patients for whom the cards offer each plan."""
    kidneys = [fhir.observation(fhir.EGFR, 48, fhir.EGFR_UNIT, 30, today=today)]
    menstrual = [fhir.condition(MENSTRUAL, today=today), fhir.condition("E11.9", today=today)]
    yield "mg_200_400", 45, {}
    yield "mg_200_300", 70, {}
    yield "mg_200_reduced", 45, {"kidneyLabs": kidneys}
    yield "mg_perimenstrual", 35, {"conditions": menstrual}


def called(service: str, today: date, age: int, changes: Body, drafts: list[Body]) -> Body:
    chart = charts.chart(today, **{"medicationRequests": [], **changes})
    return fhir.hook_request(service, chart, fhir.patient(today, age=age, sex="female"), drafts)


def drafts_of(cards: list[Body]) -> Iterator[tuple[Body, Body]]:
    for card in cards:
        for suggestion in card.get("suggestions", ()):
            for action in suggestion["actions"]:
                if action["resource"]["resourceType"] == "MedicationRequest":
                    yield card, action["resource"]


def test_an_accepted_draft_raises_no_card(of_site: FlaskClient, today: date) -> None:
    signed = 0
    for plan, age, changes in patients(today):
        views = {PATIENT_VIEW: [], ORDER_SELECT: [fhir.draft_order(charts.TOPIRAMATE, id="t-1")]}
        for service, drafts in views.items():
            cards = http.cards(of_site, service, called(service, today, age, changes, drafts))
            found = list(drafts_of(cards))
            assert found, (plan, service)
            for _, draft in found:
                assert_r4(draft)
                # Kidney function that is not normal is stated at each order.
                clean = {name: value for name, value in changes.items() if name != "kidneyLabs"}
                for intent in ("proposal", "order"):
                    order = {**copy.deepcopy(draft), "id": "accepted-1", "intent": intent}
                    body = called(ORDER_SIGN, today, age, clean, [order])
                    assert http.cards(of_site, ORDER_SIGN, body) == [], (plan, intent)
                    signed += 1
    assert signed >= 4 * 2 * 2


def test_a_signed_draft_is_seen_as_magnesium_that_is_taken(
    of_site: FlaskClient, today: date
) -> None:
    for plan, age, changes in patients(today):
        view = called(PATIENT_VIEW, today, age, changes, [])
        for _, draft in drafts_of(http.cards(of_site, PATIENT_VIEW, view)):
            taken = {**draft, "id": "taken-1", "status": "active", "intent": "order"}
            again = called(PATIENT_VIEW, today, age, {**changes, "medicationRequests": [taken]}, [])
            assert http.cards(of_site, PATIENT_VIEW, again) == [], plan
            body = called(
                ORDER_SIGN,
                today,
                age,
                {"medicationRequests": [taken]},
                [charts.magnesium_order(200)],
            )
            ids = [
                card["extension"]["org.magnesium-migraine.decision"]["card"]
                for card in http.cards(of_site, ORDER_SIGN, body)
            ]
            assert "rx-mg-duplicate" in ids or "rx-mg-dose" in ids, plan


def test_the_patient_is_told_which_drugs_to_keep_apart(of_site: FlaskClient, today: date) -> None:
    body = fhir.hook_request(PATIENT_VIEW, charts.chart(today), charts.patient(today))
    found = list(drafts_of(http.cards(of_site, PATIENT_VIEW, body)))
    assert found
    for _, draft in found:
        first = draft["dosageInstruction"][0]["patientInstruction"]
        assert LEVOTHYROXINE in first
