"""The shape of answers, and that equal calls have equal answers (CHECKLIST R, K, S, A, L, O-8)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from itertools import count

import pytest
from flask.testing import FlaskClient

from ..support import charts, fhir, http
from ..support.cards import (
    actions,
    assert_valid_answer,
    card_id,
    decision,
    offers,
    text_of,
    uuids,
    without_uuids,
)
from ..support.fhir import ORDER_SIGN, PATIENT_VIEW, SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_an_answer_is_valid(client: FlaskClient, today: date, service: str) -> None:
    body = charts.CALLS[service](today)
    answer = http.post(client, service, body)
    assert answer["cards"]
    assert_valid_answer(answer, body)


@pytest.mark.parametrize("service", SERVICES)
def test_silence_is_an_empty_list(client: FlaskClient, today: date, service: str) -> None:
    body = fhir.hook_request(service, {}, charts.patient(today), drafts=[])
    assert http.post(client, service, body) == {"cards": []}


@pytest.mark.parametrize("service", SERVICES)
def test_equal_calls_differ_in_their_uuids_alone(
    client: FlaskClient, today: date, service: str
) -> None:
    body = charts.CALLS[service](today)
    first, second = (http.post(client, service, body) for _ in range(2))
    assert without_uuids(first) == without_uuids(second)
    assert set(uuids(first)).isdisjoint(uuids(second))
    assert list(uuids(first))


def test_the_hour_of_the_call_changes_nothing() -> None:
    """Same request, same knowledge, same day: the same content."""
    from cds_service import create_app

    day = date(2026, 11, 22)
    minutes = count(1)

    def ticking() -> datetime:
        return datetime.combine(day, time(), UTC) + timedelta(minutes=7 * next(minutes))

    client = create_app(now=ticking).test_client()
    for service in SERVICES:
        body = charts.CALLS[service](day)
        first, second = (http.post(client, service, body) for _ in range(2))
        assert first["cards"]
        assert without_uuids(first) == without_uuids(second)


def _clock(now: datetime) -> Callable[[], datetime]:
    return lambda: now


def test_the_day_of_the_call_matters() -> None:
    """T is the UTC day of the injected clock, not of the machine."""
    from cds_service import create_app

    day = date(2026, 1, 10)
    chart = charts.chart(day, kidneyLabs=[fhir.observation(fhir.EGFR, 85, None, 365, today=day)])
    body = fhir.hook_request(PATIENT_VIEW, chart, charts.patient(day))
    for later, expected in ((0, "mg-suggest"), (1, "mg-check-renal")):
        now = datetime.combine(day + timedelta(days=later), time(23, 59), UTC)
        client = create_app(now=_clock(now)).test_client()
        assert [card_id(card) for card in http.cards(client, PATIENT_VIEW, body)] == [expected]


def test_calls_at_the_same_time_do_not_mix(client: FlaskClient, today: date) -> None:
    bodies = [(service, charts.CALLS[service](today)) for service in SERVICES] * 8
    alone = {
        service: without_uuids(http.post(client, service, body))
        for service, body in bodies[: len(SERVICES)]
    }
    app = client.application

    def one(call: tuple[str, fhir.Resource]) -> bool:
        service, body = call
        return bool(without_uuids(http.post(app.test_client(), service, body)) == alone[service])

    with ThreadPoolExecutor(max_workers=4) as pool:
        assert all(pool.map(one, bodies))


def test_hook_instance_and_user_do_not_change_the_guidance(
    client: FlaskClient, today: date
) -> None:
    body = charts.patient_view(today)
    usual = [text_of(card) for card in http.cards(client, PATIENT_VIEW, body)]
    body["hookInstance"] = "00000000-0000-4000-8000-000000000000"
    body["context"]["userId"] = "PractitionerRole/else"
    assert [text_of(card) for card in http.cards(client, PATIENT_VIEW, body)] == usual


def test_an_update_is_the_whole_order(client: FlaskClient, today: date) -> None:
    """A-4: identifiers, extensions and notes of the draft are kept."""
    body = charts.order_sign(today)
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    draft["identifier"] = [{"system": "urn:x", "value": "order-77"}]
    draft["extension"] = [{"url": "https://example.org/ext", "valueString": "kept"}]
    draft["note"] = [{"text": "patient asked for it"}]
    card = http.cards(client, ORDER_SIGN, body)[0]
    updates = [action["resource"] for action in actions(card) if action["type"] == "update"]
    assert len(updates) == 1
    for name, value in draft.items():
        if name not in {"dosageInstruction", "dispenseRequest", "note", "substitution"}:
            assert updates[0][name] == value, f"{name} was changed"
    assert draft["note"][0] in updates[0]["note"]


def test_an_accepted_update_is_not_asked_for_again(client: FlaskClient, today: date) -> None:
    body = charts.order_sign(today)
    card = http.cards(client, ORDER_SIGN, body)[0]
    [updated] = [action["resource"] for action in actions(card) if action["type"] == "update"]
    body["context"]["draftOrders"]["entry"][0]["resource"] = updated
    assert [offers(card) for card in http.cards(client, ORDER_SIGN, body)] == [["labs"]]


@pytest.mark.parametrize(
    ("written", "kidney"),
    [
        ("29.9999999999999999", "SEVERE"),
        ("59.99999999999999999999", "MODERATE"),
        ("60.00000000000000000001", "NORMAL"),
        ("6e1", "NORMAL"),
        ("5.999e1", "MODERATE"),
    ],
)
def test_a_result_is_read_digit_by_digit(
    client: FlaskClient, today: date, written: str, kidney: str
) -> None:
    """No rounding before the comparison, not even that of a binary number (SPEC 3.1)."""
    body = charts.patient_view(today)
    body["prefetch"]["kidneyLabs"]["entry"][0]["resource"]["valueQuantity"]["value"] = "@"
    raw = json.dumps(body).replace('"@"', written).encode()
    [card] = http.cards(client, PATIENT_VIEW, raw)
    assert decision(card)["kidney"]["class"] == kidney


def test_a_created_draft_names_the_migraine_and_the_user(client: FlaskClient, today: date) -> None:
    card = http.cards(client, PATIENT_VIEW, charts.patient_view(today))[0]
    drafts = [action["resource"] for action in actions(card)]
    migraine = fhir.condition(charts.MIGRAINE, today=today)["id"]
    for draft in drafts:
        assert draft["reasonReference"] == [{"reference": f"Condition/{migraine}"}]
        assert draft["authoredOn"].startswith(today.isoformat())
    orders = [draft for draft in drafts if draft["resourceType"] == "MedicationRequest"]
    for order in orders:
        assert order["requester"] == {"reference": "Practitioner/example"}
        coding = order["medicationCodeableConcept"]["coding"][0]
        assert coding["code"] == charts.MAGNESIUM_GLYCINATE
        assert order["medicationCodeableConcept"]["text"]


@pytest.mark.parametrize("user", ["Patient/pat-1", "Practitioner/p 1", "someone", "x" * 300])
def test_a_user_that_cannot_request_still_gives_a_valid_draft(
    client: FlaskClient, today: date, user: str
) -> None:
    body = charts.patient_view(today)
    body["context"]["userId"] = user
    response = http.call(client, PATIENT_VIEW, body)
    assert response.status_code in {200, 400}
    if response.status_code == 200:
        assert_valid_answer(response.get_json(), body)


def test_the_reasons_name_resources_of_the_request(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    why = decision(http.cards(client, PATIENT_VIEW, body)[0])
    known = {
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for value in body["prefetch"].values()
        for entry in (value.get("entry", []) if value["resourceType"] == "Bundle" else [])
    }
    named = {reason["resource"] for reason in why["because"] if "resource" in reason}
    assert {
        f"Condition/{fhir.condition(code, today=today)['id']}"
        for code in (charts.MIGRAINE, charts.DIABETES)
    } <= named
    assert named <= known | {"Patient/pat-1"}
    codes = {reason["coding"]["code"] for reason in why["because"] if "coding" in reason}
    assert {charts.MIGRAINE, charts.DIABETES} <= codes
    assert why["kidney"]["resource"].removeprefix("Observation/").startswith("observation-98979-8")
    assert why["kidney"]["value"] == "92"
    assert why["kidney"]["basis"] == "eGFR"
    assert "flags" not in why["kidney"]


def test_patient_text_in_the_detail_is_no_markup(client: FlaskClient, today: date) -> None:
    """The detail is GitHub Flavored Markdown, which clients render with raw HTML (K-3)."""
    nasty = '<img src=x onerror="alert(1)"> [click](javascript:alert(1)) <script>x</script>'
    conditions = [
        fhir.condition(charts.MIGRAINE, text=nasty, today=today),
        fhir.condition(charts.DIABETES, text=nasty, today=today),
    ]
    for condition in conditions:
        condition["code"]["coding"][0]["display"] = nasty
    medicine = fhir.medication_request(charts.LEVOTHYROXINE, text=nasty, today=today)
    body = charts.patient_view(today, conditions=conditions, medicationRequests=[medicine])
    cards = http.cards(client, PATIENT_VIEW, body)
    assert cards
    for card in cards:
        for text in (card["summary"], card["detail"]):
            assert "<img" not in text
            assert "<script" not in text
            assert not re.search(r"(?<!\\)\]\(javascript:", text), "an unescaped link"


def test_the_safety_cards_have_reasons_to_override(client: FlaskClient, today: date) -> None:
    for service in SERVICES:
        for card in http.cards(client, service, charts.CALLS[service](today)):
            assert card["overrideReasons"], card_id(card)
