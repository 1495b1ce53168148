"""Discovery, answers and feedback as HAPI FHIR's own classes of CDS Hooks read them.

A client built on HAPI reads answers with these classes. Its FHIR parser is strict here, so it also
checks the suggested resources and their narratives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any
from xml.etree.ElementTree import canonicalize

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.hooks.services import services_of
from cds_service.knowledge.loader import load as knowledge
from cds_service.sandbox.patients import hook_request, load_all

from ..support import http
from ..support.fhir import utc_today
from .server import read_by_hapi

SERVICES = services_of(knowledge())
MEMBERS = ("summary", "detail", "indicator", "uuid", "selectionBehavior")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def alone() -> FlaskClient:
    """The service without a FHIR server."""
    return create_app().test_client()


@pytest.fixture(scope="module")
def answers(alone: FlaskClient) -> list[Json]:
    """The answers to every call that a synthetic patient shows."""
    today = utc_today()
    calls = {
        (person.id, show.service, show.draft)
        for person in load_all().values()
        for show in person.shows
    }
    return [
        http.post(
            alone, service.removeprefix("magnesium-migraine-"), _request(pid, service, today, draft)
        )
        for pid, service, draft in sorted(calls, key=str)
    ]


def _request(pid: str, service: str, today: date, draft: str | None) -> Json:
    return hook_request(pid, service, today, draft, SERVICES[service].prefetch)


@pytest.fixture(scope="module")
def discovery(alone: FlaskClient) -> Json:
    found: Json = alone.get("/cds-services").get_json()
    return found


def feedback_of(card: Json) -> Iterator[Json]:
    """An accepted and an overridden outcome of a card."""
    entry = {"card": card["uuid"], "outcomeTimestamp": "2026-11-22T09:31:00.123Z"}
    for suggestion in card.get("suggestions", [])[:1]:
        yield {
            **entry,
            "outcome": "accepted",
            "acceptedSuggestions": [{"id": suggestion["uuid"]}],
        }
    for reason in card.get("overrideReasons", [])[:1]:
        coding = {name: reason[name] for name in ("code", "system")}
        yield {
            **entry,
            "outcome": "overridden",
            "overrideReason": {"reason": coding, "userComment": "later"},
        }


def test_hapi_reads_discovery(discovery: Json) -> None:
    ((good, read),) = read_by_hapi([("services", discovery)])
    assert good, read
    for sent, found in zip(discovery["services"], read["services"], strict=True):
        for name in ("id", "hook", "title", "description", "prefetch"):
            assert found[name] == sent[name]


def test_hapi_reads_every_answer(answers: list[Json]) -> None:
    read = read_by_hapi([("response", answer) for answer in answers])
    assert [text for good, text in read if not good] == []
    for sent, (_, found) in zip(answers, read, strict=True):
        for card, other in zip(sent["cards"], found.get("cards") or [], strict=True):
            assert_same_card(card, other)
    assert sum(len(answer["cards"]) for answer in answers) > 30


def assert_same_card(card: Json, other: Json) -> None:
    assert _of(card, MEMBERS) == _of(other, MEMBERS)
    for offer, read in zip(
        card.get("suggestions", []), other.get("suggestions") or [], strict=True
    ):
        assert _of(offer, ("label", "uuid", "isRecommended")) == _of(
            read, ("label", "uuid", "isRecommended")
        )
        for action, found in zip(offer["actions"], read["actions"], strict=True):
            assert _of(action, ("type", "description")) == _of(found, ("type", "description"))
            if "resource" in action:
                assert_same_resource(action["resource"], found["resource"])


def assert_same_resource(sent: Json, read: Json) -> None:
    """Every element is there again, and the narrative as it was, in any order of attributes."""
    assert read["text"]["status"] == "generated"
    assert canonicalize(read["text"]["div"]) == canonicalize(sent["text"]["div"])
    assert {k: v for k, v in read.items() if k != "text"} == {
        k: v for k, v in sent.items() if k != "text"
    }


def _of(value: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    return {name: value[name] for name in names if value.get(name) not in (None, False)}


def test_hapi_reads_the_feedback_that_is_taken(alone: FlaskClient, answers: list[Json]) -> None:
    entries = [entry for a in answers for card in a["cards"] for entry in feedback_of(card)]
    read = read_by_hapi([("feedback", entry) for entry in entries])
    assert [text for good, text in read if not good] == []
    for entry, (_, found) in zip(entries, read, strict=True):
        assert _of(entry, ("card", "outcome", "acceptedSuggestions")) == _of(
            found, ("card", "outcome", "acceptedSuggestions")
        )
    path = f"/cds-services/{next(iter(SERVICES))}/feedback"
    assert http.send(alone, path, {"feedback": entries[:1]}).status_code == 200


def test_a_broken_narrative_is_found() -> None:
    """The check can fail: HAPI does not read a resource whose narrative is not XHTML."""
    narrative = {"status": "generated", "div": "<div><p>not closed</div>"}
    resource = {"resourceType": "ServiceRequest", "status": "draft", "text": narrative}
    action = {"type": "create", "description": "x", "resource": resource}
    suggestion = {"label": "x", "actions": [action]}
    card = {
        "summary": "x",
        "indicator": "info",
        "source": {"label": "x"},
        "suggestions": [suggestion],
    }
    ((good, _),) = read_by_hapi([("response", {"cards": [card]})])
    assert not good
