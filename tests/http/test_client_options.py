"""A client asks for fewer suggestions (Da Vinci CRD 2.2), and never gets fewer safety cards."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import charts, fhir, http
from ..support.fhir import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW
from ..support.sites import client_with

OPTIONS = "davinci-crd.configuration"
LINK = "davinci-crd.associated-resource"
DECISION = "org.magnesium-migraine.decision"
Body = dict[str, Any]


def asking(body: Body, chosen: Any) -> Body:
    return {**copy.deepcopy(body), "extension": {OPTIONS: chosen}}


def ids(cards: list[Body]) -> list[str]:
    return [card["extension"][DECISION]["card"] for card in cards]


def without_uuids(cards: list[Body]) -> list[Body]:
    for card in cards:
        del card["uuid"]
        for suggestion in card.get("suggestions", ()):
            del suggestion["uuid"]
    return cards


def severe(today: date) -> list[Body]:
    return [fhir.observation(fhir.EGFR, 22, fhir.EGFR_UNIT, 30, today=today)]


def low_magnesium(today: date) -> list[Body]:
    return [fhir.observation(fhir.MAGNESIUM, 0.9, "mg/dL", 5, today=today)]


ALL_OFF = {"guideline": False, "off-guideline": False, "max-cards": 0}


def test_discovery_offers_what_a_call_can_choose(client: FlaskClient) -> None:
    services = client.get("/cds-services").get_json()["services"]
    for service in services:
        offered = service["extension"]["davinci-crd.configuration-options"]
        assert [o["code"] for o in offered] == ["guideline", "off-guideline", "max-cards"]
        for option in offered:
            assert set(option) == {"code", "type", "name", "description", "default"}
            kind = {"boolean": bool, "integer": int}[option["type"]]
            assert type(option["default"]) is kind
        for member in ("code", "name", "description"):
            assert len({o[member] for o in offered}) == len(offered)


@pytest.mark.parametrize("chosen", [{"guideline": False}, {"max-cards": 0}])
def test_a_suggestion_that_is_not_asked_for(client: FlaskClient, today: date, chosen: Body) -> None:
    body = asking(charts.patient_view(today), chosen)

    assert http.post(client, PATIENT_VIEW, body) == {"cards": []}
    explained = http.explain(client, PATIENT_VIEW, body)
    assert explained["withheld"] == [
        {"card": "mg-suggest", "indicator": "info", "notAskedFor": True}
    ]


def test_advice_that_is_not_asked_for(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today, kidneyLabs=severe(today))
    assert ids(http.cards(client, PATIENT_VIEW, body)) == ["mg-avoid-renal"]

    assert http.cards(client, PATIENT_VIEW, asking(body, {"off-guideline": False})) == []
    assert http.cards(client, PATIENT_VIEW, asking(body, {"guideline": False})) != []


@pytest.mark.parametrize("chosen", [ALL_OFF, {"max-cards": 0}])
def test_safety_cards_are_returned_in_any_case(
    client: FlaskClient, today: date, chosen: Body
) -> None:
    calls = {
        "mg-low-severe": (
            PATIENT_VIEW,
            charts.patient_view(today, magnesiumLabs=low_magnesium(today)),
        ),
        "mg-hazard-renal": (
            PATIENT_VIEW,
            charts.patient_view(
                today,
                kidneyLabs=severe(today),
                medicationRequests=[
                    fhir.medication_request("476818", text="Magnesium glycinate", today=today)
                ],
            ),
        ),
        "rx-mg-renal-critical": (ORDER_SIGN, charts.order_sign(today, kidneyLabs=severe(today))),
    }
    for card, (service, body) in calls.items():
        plain = http.cards(client, service, body)
        assert card in ids(plain)
        asked = http.cards(client, service, asking(body, chosen))
        assert without_uuids(asked) == without_uuids(plain)


def test_safety_cards_come_first_and_take_the_places(client: FlaskClient, today: date) -> None:
    topiramate = fhir.draft_order(charts.TOPIRAMATE, text="Topiramate 25 mg", id="topiramate-1")
    taken = [fhir.medication_request("6853", text="Methyldopa", today=today)]
    body = fhir.hook_request(
        ORDER_SELECT,
        charts.chart(today, medicationRequests=taken),
        charts.patient(today),
        [topiramate, charts.magnesium_order(900)],
    )
    unchanged = ids(http.cards(client, ORDER_SELECT, body))
    assert "rx-mg-dose" in unchanged

    for most in range(4):
        asked = ids(http.cards(client, ORDER_SELECT, asking(body, {"max-cards": most})))
        checks = [card for card in unchanged if card.startswith("rx-")]
        assert asked == [
            *checks,
            *[c for c in unchanged if c not in checks][: max(most - len(checks), 0)],
        ]


def test_max_cards_never_widens(client: FlaskClient, today: date) -> None:
    for service, build in charts.CALLS.items():
        body = build(today)
        plain = without_uuids(http.cards(client, service, body))
        asked = http.cards(client, service, asking(body, {"max-cards": 1000, "guideline": True}))
        assert without_uuids(asked) == plain


@pytest.mark.parametrize(
    "chosen",
    [
        None,
        [],
        "guideline",
        7,
        True,
        {},
        {"guideline": "false", "max-cards": "0"},
        {"guideline": 0, "max-cards": False},
        {"guideline": None, "max-cards": None},
        {"max-cards": -1},
        {"max-cards": 0.0},
        {"max-cards": [0]},
        {"coverage-info": False, "unknown": {"deep": [1]}, "contraindication": False},
        {"Guideline": False},
        {"max-cards": 10**400},
    ],
    ids=str,
)
def test_what_is_unknown_or_malformed_is_ignored(
    client: FlaskClient, today: date, chosen: Any
) -> None:
    body = charts.patient_view(today)
    plain = without_uuids(http.cards(client, PATIENT_VIEW, body))
    assert without_uuids(http.cards(client, PATIENT_VIEW, asking(body, chosen))) == plain


@pytest.mark.parametrize("extension", [None, [], "x", 5, {"a": 10**400}, {OPTIONS: {"a": 10**400}}])
def test_an_extension_of_any_form_fails_no_call(
    client: FlaskClient, today: date, extension: Any
) -> None:
    body = {**charts.patient_view(today), "extension": extension}
    assert ids(http.cards(client, PATIENT_VIEW, body)) == ["mg-suggest"]


def test_a_malformed_option_leaves_the_others_as_they_are(client: FlaskClient, today: date) -> None:
    chosen = {"max-cards": 10**400, "other": 1e308, "guideline": False}
    assert http.cards(client, PATIENT_VIEW, asking(charts.patient_view(today), chosen)) == []


def test_options_are_read_beside_members_that_are_not_known(
    client: FlaskClient, today: date
) -> None:
    body = {"vendor": {"x": 1}, **asking(charts.patient_view(today), {"guideline": False})}
    assert http.cards(client, PATIENT_VIEW, body) == []


def test_a_suggestion_that_a_site_raised_to_critical_cannot_be_declined(
    tmp_path: Path, today: date
) -> None:
    raised = client_with(
        "cards: {mg-suggest: {indicator: critical}}\n", tmp_path, datetime.now(UTC)
    )
    body = asking(charts.patient_view(today), ALL_OFF)
    assert [c["indicator"] for c in http.cards(raised, PATIENT_VIEW, body)] == ["critical"]


# ------------------------------------------------------------------ the link to the order


def test_a_card_is_linked_to_its_order(client: FlaskClient, today: date) -> None:
    (check,) = http.cards(client, ORDER_SIGN, charts.order_sign(today))
    assert check["extension"][LINK] == [{"reference": "MedicationRequest/magnesium-1"}]
    (suggestion,) = http.cards(client, ORDER_SELECT, charts.order_select(today))
    assert suggestion["extension"][LINK] == [{"reference": "MedicationRequest/topiramate-1"}]
    (of_chart,) = http.cards(client, PATIENT_VIEW, charts.patient_view(today))
    assert LINK not in of_chart["extension"]


def test_one_card_on_several_orders_is_linked_to_all(client: FlaskClient, today: date) -> None:
    drafts = [charts.magnesium_order(100), charts.magnesium_order(100, "magnesium-2")]
    body = fhir.hook_request(ORDER_SIGN, charts.chart(today), charts.patient(today), drafts)
    (apart,) = [
        card
        for card in http.cards(client, ORDER_SIGN, body)
        if card["extension"][DECISION]["card"] == "rx-mg-interaction"
    ]
    assert apart["extension"][LINK] == [
        {"reference": "MedicationRequest/magnesium-1"},
        {"reference": "MedicationRequest/magnesium-2"},
    ]


def test_an_order_without_an_id_is_not_linked(client: FlaskClient, today: date) -> None:
    body = charts.order_sign(today)
    for entry in body["context"]["draftOrders"]["entry"]:
        entry.pop("fullUrl", None)
        del entry["resource"]["id"]
    (check,) = http.cards(client, ORDER_SIGN, body)
    assert LINK not in check["extension"]
