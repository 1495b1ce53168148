"""POST /cds-services/{id}/feedback, from the card that was issued to what is learned of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from cds_service.store.counting import Counters
from cds_service.store.history import CardOutcome, History
from cds_service.store.store import Store
from cds_service.web.parts import parts_of
from tests.support.waiting import ready

from ..support import charts, http
from ..support.fhir import ORDER_SIGN, PATIENT_VIEW, SERVICES
from ..support.outcomes import assert_outcome
from .calling import accepted, overridden, report

Build = Callable[..., Flask]


def store_of(app: Flask) -> Store:
    store: Store = parts_of(app).store
    return store


def learned(app: Flask) -> History:
    store_of(app).close()  # what waits is written first
    now = datetime.now(UTC)
    return store_of(app).history(now - timedelta(days=1), now + timedelta(days=2))


def fates(app: Flask) -> dict[CardOutcome, int]:
    return {issues.outcome: issues.count for issues in learned(app).issues}


@pytest.mark.parametrize("service", SERVICES)
def test_cards_are_remembered_with_what_led_to_them(
    build: Build, today: date, service: str
) -> None:
    app = build()
    cards = http.cards(app.test_client(), service, charts.CALLS[service](today))
    assert cards
    history = learned(app)
    assert sum(issues.count for issues in history.issues) == len(cards)
    for issues in history.issues:
        assert issues.service == service
        assert service.endswith(issues.hook)
        assert issues.card in {card_id(card) for card in cards}
        assert (
            issues.knowledge
            == cards[0]["extension"]["org.magnesium-migraine.decision"]["knowledge"]
        )
        assert issues.rules
        assert issues.client == ""
    offered = sum(len(card.get("suggestions", ())) for card in cards)
    assert sum(taken.offered for taken in history.taken) == offered


def card_id(card: dict[str, Any]) -> str:
    found: str = card["extension"]["org.magnesium-migraine.decision"]["card"]
    return found


def test_an_explanation_issues_no_cards(build: Build, today: date) -> None:
    app = build()
    explained = http.explain(app.test_client(), PATIENT_VIEW, charts.patient_view(today))
    assert explained["cards"]
    assert learned(app).issues == ()


def test_feedback_finds_its_card(build: Build, today: date) -> None:
    app = build()
    client = app.test_client()
    first, second = (
        http.cards(client, PATIENT_VIEW, charts.patient_view(today))[0] for _ in range(2)
    )
    reason = {"reason": {k: first["overrideReasons"][0][k] for k in ("code", "system")}}
    response = report(client, accepted(first), overridden(second, reason))
    assert response.status_code == 200
    assert response.get_json() == {"received": 2}
    assert fates(app) == {CardOutcome.ACCEPTED: 1, CardOutcome.OVERRIDDEN: 1}
    [override] = learned(app).overrides
    assert override.reason.endswith(f"|{reason['reason']['code']}")
    assert learned(app).unmatched == 0


def test_every_reason_that_a_card_offers_is_known(build: Build, today: date) -> None:
    app = build()
    client = app.test_client()
    for service in SERVICES:
        card = http.cards(client, service, charts.CALLS[service](today))[0]
        for number, offered in enumerate(card["overrideReasons"]):
            item = overridden(card, {"reason": offered})
            item["outcomeTimestamp"] = f"2026-11-22T09:00:{number:02}Z"
            assert report(client, item, service=service).status_code == 200
    assert "other" not in {o.reason for o in learned(app).overrides}


def test_the_same_body_again_is_taken_and_changes_nothing(build: Build, today: date) -> None:
    app = build()
    client = app.test_client()
    item = accepted(http.cards(client, PATIENT_VIEW, charts.patient_view(today))[0])
    answers = [report(client, item, item), report(client, item, item)]
    assert [a.get_json() for a in answers] == [{"received": 2}] * 2
    assert learned(app).feedback == 1


def test_feedback_on_an_unknown_card_is_taken_and_marked(build: Build) -> None:
    app = build()
    item = overridden({"uuid": str(uuid4())})
    assert report(app.test_client(), item).status_code == 200
    assert (learned(app).feedback, learned(app).unmatched) == (1, 1)


def test_nothing_of_a_bad_body_is_stored(build: Build) -> None:
    app = build()
    good, bad = overridden({"uuid": str(uuid4())}), overridden({"uuid": ""})
    words = assert_outcome(report(app.test_client(), good, bad, good), 400)
    assert "$.feedback[1].card" in words
    assert learned(app).feedback == 0


def test_what_was_sent_is_not_told_back(build: Build) -> None:
    response = report(build().test_client(), {"card": 1, "outcome": "Doe", "x": "Jane"}, "Miller")
    words = assert_outcome(response, 400)
    assert not {"Doe", "Jane", "Miller"} & set(words.split())


def test_an_unknown_service_has_no_feedback(build: Build) -> None:
    assert_outcome(report(build().test_client(), service="another"), 404)


def test_feedback_is_posted(build: Build) -> None:
    response = build().test_client().get(f"/cds-services/{PATIENT_VIEW}/feedback")
    assert_outcome(response, 405)
    assert "POST" in response.headers["Allow"]


def test_feedback_to_another_service_does_not_match(build: Build, today: date) -> None:
    app = build()
    client = app.test_client()
    card = http.cards(client, PATIENT_VIEW, charts.patient_view(today))[0]
    assert report(client, accepted(card), service=ORDER_SIGN).status_code == 200
    assert learned(app).unmatched == 1


@pytest.mark.parametrize("kept", [False, True])
def test_comments_are_kept_where_configured(build: Build, kept: bool) -> None:
    app = build(feedback_comments=kept)
    item = overridden({"uuid": str(uuid4())}, {"userComment": "He fears the taste"})
    assert report(app.test_client(), item).status_code == 200
    comments = store_of(app).comments(datetime.now(UTC) - timedelta(days=1))
    assert [c.text for c in comments] == (["He fears the taste"] if kept else [])


def test_nothing_that_a_client_may_write_freely_gets_into_the_store(
    build: Build, tmp_path: Path
) -> None:
    app = build()
    sentinel = "Zq7SENTINELx9"
    item = accepted({"uuid": sentinel, "suggestions": [{"uuid": sentinel}]})
    item[sentinel] = sentinel
    coding = {"code": sentinel, "system": sentinel, "display": sentinel}
    reason = {"reason": coding, "userComment": sentinel, sentinel: sentinel}
    override = overridden({"uuid": sentinel}, reason)
    assert report(app.test_client(), item, override).status_code == 200
    store_of(app).close()
    for file in (tmp_path / "data").iterdir():
        assert sentinel.encode() not in file.read_bytes()


# ------------------------------------------------------ the store is not there


@pytest.fixture
def storeless(build: Build) -> Flask:
    return build(data_dir="/proc/no-such-place")


def test_cards_are_answered_without_the_store(storeless: Flask, today: date) -> None:
    counters = Counters()
    store_of(storeless)._background._counting = counters
    assert http.cards(storeless.test_client(), PATIENT_VIEW, charts.patient_view(today))
    store_of(storeless).close()
    # The card, and the record of the call.
    assert counters.snapshot()["records_lost"] == 2


def test_feedback_is_refused_without_the_store(storeless: Flask) -> None:
    client = storeless.test_client()
    for _ in range(2):
        response = report(client, overridden({"uuid": str(uuid4())}))
        assert_outcome(response, 503)
        assert response.headers["Retry-After"]


def test_the_service_is_not_ready_without_the_store(storeless: Flask, build: Build) -> None:
    client = storeless.test_client()
    assert_outcome(client.get("/ready"), 503)
    assert client.get("/health").status_code == 200
    assert ready(build().test_client())["status"] == "ready"
