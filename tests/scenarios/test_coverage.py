"""Each card and each risk factor of the knowledge has a scenario: what is added there needs one here."""

from __future__ import annotations

from datetime import date

from flask.testing import FlaskClient

from cds_service.knowledge.loader import load

from ..support import http
from ..support.cards import decision
from .building import hook_call
from .loading import load_all

KNOWLEDGE = load()


def test_every_card_is_expected_by_a_scenario() -> None:
    expected = {card.card for scenario in load_all() for card in scenario.expect or ()}
    assert set(KNOWLEDGE.cards) - expected == set()


def test_every_risk_factor_suffices_in_a_scenario(client: FlaskClient, today: date) -> None:
    """One in which a chart leads to a card for no other reason."""
    factors = {row.id for row in KNOWLEDGE.policy.risk_factors}
    alone: set[str] = set()
    for scenario in load_all():
        if scenario.hook == "patient-view" and scenario.expect:
            for card in http.cards(client, scenario.hook, hook_call(scenario, today)):
                facts = {reason["fact"] for reason in decision(card)["because"]}
                if len(facts & factors) == 1 and "menstrual_migraine" not in facts:
                    alone |= facts & factors
    assert factors - alone == set()
