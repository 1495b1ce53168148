"""The versions that are told are those of today, and what was published is still there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.feedback.reading import every_reason
from cds_service.fhir.prefetch import KINDS
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import STANDARD, id_of
from cds_service.knowledge.loader import load
from cds_service.version import VERSION

from ..support.waiting import ready
from .reading import code_of, rows_of, text_of
from .test_openapi import DOCUMENT

NAME = "docs/versioning.md"
PUBLISHED: dict[str, dict[str, list[str]]] = json.loads(text_of("tests/docs/published.json"))
KNOWLEDGE = load()
TODAY: dict[str, set[str]] = {
    "services": {id_of(hook) for hook in HOOKS.values()},
    "prefetchKeys": set(KINDS),
    "cards": set(KNOWLEDGE.cards),
    "overrideReasons": {one.code for one in every_reason(KNOWLEDGE)},
    "riskFactors": {row.id for row in KNOWLEDGE.policy.risk_factors},
    "cautions": {row.id for row in KNOWLEDGE.policy.cautions},
    "decisionMembers": set(DOCUMENT["components"]["schemas"]["Decision"]["properties"]),
}


def row_of(name: str) -> str:
    [row] = [row.text for row in rows_of(NAME) if row.cells[0].strip("`") == name]
    return row


def test_the_versions_are_those_of_today(client: FlaskClient) -> None:
    assert f"`{VERSION}`" in row_of("product")
    assert f"`{STANDARD}`" in row_of("CDS Hooks")
    number = ready(client)["knowledge"].partition("+")[0]
    assert f"`{number}+`" in row_of("knowledge")


def test_the_versions_of_the_hooks(client: FlaskClient) -> None:
    services = client.get("/cds-services").get_json()["services"]
    assert services
    for service in services:
        assert f"`{service['hookVersion']}`" in row_of(service["hook"])


def test_every_override_reason_is_told() -> None:
    told = set(code_of(NAME))
    assert {one.code for one in every_reason(KNOWLEDGE)} - told == set()
    assert {one.system for one in every_reason(KNOWLEDGE)} - told == set()


def major(version: str) -> str:
    return version.partition(".")[0]


@pytest.mark.parametrize("kind", TODAY)
def test_nothing_that_was_published_is_gone(kind: str) -> None:
    """Add a new version to published.json at a release; take nothing away but with a major version."""
    for version, parts in PUBLISHED.items():
        if major(version) == major(VERSION):
            assert set(parts[kind]) - TODAY[kind] == set(), f"{version} has them"


def test_the_version_of_today_is_published() -> None:
    assert VERSION in PUBLISHED, "add the version to tests/docs/published.json"
    gained = {kind: TODAY[kind] - set(PUBLISHED[VERSION][kind]) for kind in TODAY}
    assert {kind: new for kind, new in gained.items() if new} == {}, "add them to published.json"


def test_the_members_of_a_reason_are_those_of_the_openapi_document() -> None:
    found: set[str] = set()
    for name in ("patient-view", "order-sign"):
        response: Any = json.loads(text_of(f"docs/samples/{name}.response.json"))
        for card in response["cards"]:
            found |= set(card["extension"]["org.magnesium-migraine.decision"])
    assert {"card", "knowledge", "because", "kidney"} <= found <= TODAY["decisionMembers"]
