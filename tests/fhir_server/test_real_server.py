"""What a FHIR server of somebody else makes of our questions, and we of its answers."""

from __future__ import annotations

import json
import urllib.request
from datetime import date
from typing import Any
from urllib.parse import quote, urljoin

import pytest
from flask.testing import FlaskClient

from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import services_of
from cds_service.knowledge.loader import load as knowledge
from cds_service.sandbox.patients import hook_request, load_all

from ..support import http
from ..support.cards import without_uuids
from ..support.fhir import PREFETCH_KEYS

SERVICES = services_of(knowledge())
IDS = list(SERVICES)
CALLS = [(pid, show.service, show.draft) for pid, p in load_all().items() for show in p.shows]
CALLS += [
    (person.id, service.id, draft)
    for person in load_all().values()
    for service in SERVICES.values()
    for draft in (person.drafts if HOOKS[service.hook].orders else [None])
]
CALLS = sorted(set(CALLS), key=str)


def get(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Accept": "application/fhir+json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


def templates(client: FlaskClient) -> dict[str, str]:
    services = client.get("/cds-services").get_json()["services"]
    found = {template for s in services for template in s["prefetch"].items()}
    assert len(found) == len(PREFETCH_KEYS), "the services ask for different things"
    return dict(found)


def entries(url: str) -> list[dict[str, Any]]:
    """All the pages of a search."""
    bundle = get(url)
    found = bundle.get("entry", [])
    following = [link["url"] for link in bundle.get("link", []) if link["relation"] == "next"]
    return found + (entries(urljoin(url, following[0])) if following else [])


def sent_in_full(pid: str, service: str, today: date, draft: str | None = None) -> dict[str, Any]:
    """A call with everything under prefetch, as a server would have answered the templates."""
    return hook_request(pid, service, today, draft, SERVICES[service].prefetch)


def listed(found: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {
        (e["resource"]["resourceType"], e["resource"]["id"], e["search"]["mode"]) for e in found
    }


@pytest.mark.parametrize("key", PREFETCH_KEYS)
@pytest.mark.parametrize("pid", sorted(load_all()))
def test_every_template_is_accepted_and_answered(
    client: FlaskClient, base: str, today: date, pid: str, key: str
) -> None:
    sent = sent_in_full(pid, IDS[0], today)
    patient_id = sent["context"]["patientId"]
    template = templates(client)[key].replace("{{context.patientId}}", patient_id)
    url = f"{base}/{quote(template, safe='/?=&,:-_')}"
    if key == "patient":
        assert get(url)["id"] == patient_id
        return
    assert listed(entries(url)) == listed(sent["prefetch"][key].get("entry", []))


@pytest.mark.parametrize(("pid", "service", "draft"), CALLS)
def test_no_prefetch_gives_the_cards_of_full_prefetch(
    client: FlaskClient, base: str, today: date, pid: str, service: str, draft: str | None
) -> None:
    full = sent_in_full(pid, service, today, draft)
    bare = {**full, "fhirServer": base}
    del bare["prefetch"]
    assert without_uuids(http.post(client, service, bare)) == without_uuids(
        http.post(client, service, full)
    )
