"""What each kind of prefetch value means (the contract's table; CHECKLIST F-2..F-6, O-5)."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import charts, fhir, http
from ..support.cards import (
    card_id,
    decision,
    offers,
    recommended,
    unknown_keys,
    without_uuids,
)
from ..support.fhir import (
    OPTIONAL_KEYS,
    ORDER_SELECT,
    PATIENT_VIEW,
    PREFETCH_KEYS,
    REQUIRED_KEYS,
    SERVICES,
)
from ..support.outcomes import assert_outcome
from ..support.tables import each_row

ABSENT = object()
EMPTY_BUNDLE = {"resourceType": "Bundle", "type": "searchset", "total": 0}
OUTCOME_ENTRY = {"resource": fhir.operation_outcome("timed out"), "search": {"mode": "outcome"}}

NO_DATA: dict[str, Any] = {
    "null": None,
    "a Bundle without entry": EMPTY_BUNDLE,
    "a Bundle with an empty entry list": {**EMPTY_BUNDLE, "entry": []},
    "a Bundle without total": {"resourceType": "Bundle", "type": "searchset"},
}
NOT_KNOWN: dict[str, Any] = {
    "absent": ABSENT,
    "an OperationOutcome": fhir.operation_outcome("refused"),
    "a Bundle with only an OperationOutcome": {**EMPTY_BUNDLE, "entry": [OUTCOME_ENTRY]},
    "a text": "garbage",
    "a number": 12345,
    "a truth value": True,
    "a list": [],
    "an object without resourceType": {"a": 1},
    "an empty object": {},
    "a resource of another kind": {"resourceType": "Basic", "id": "x"},
    "entries that are no list": {"resourceType": "Bundle", "type": "searchset", "entry": "x"},
}


def with_value(body: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    if value is ABSENT:
        del body["prefetch"][key]
    else:
        body["prefetch"][key] = value
    return body


# ---------------------------------------------------------------- required keys


@each_row("value", NOT_KNOWN.values(), ids=NOT_KNOWN)
@each_row("key", REQUIRED_KEYS)
@each_row("service", SERVICES)
def test_a_required_key_that_is_not_known_is_a_412(
    client: FlaskClient, today: date, service: str, key: str, value: Any
) -> None:
    body = with_value(charts.CALLS[service](today), key, value)
    assert key in assert_outcome(http.call(client, service, body), 412)


@pytest.mark.parametrize("service", SERVICES)
def test_no_prefetch_at_all_names_every_required_key(
    client: FlaskClient, today: date, service: str
) -> None:
    body = charts.CALLS[service](today)
    del body["prefetch"]
    words = assert_outcome(http.call(client, service, body), 412)
    for key in REQUIRED_KEYS:
        assert key in words


@each_row("value", NO_DATA.values(), ids=NO_DATA)
@each_row("key", PREFETCH_KEYS)
@each_row("service", SERVICES)
def test_no_data_is_an_answer(
    client: FlaskClient, today: date, service: str, key: str, value: Any
) -> None:
    body = with_value(charts.CALLS[service](today), key, value)
    assert http.call(client, service, body).status_code == 200


@pytest.mark.parametrize("value", NO_DATA.values(), ids=NO_DATA)
@pytest.mark.parametrize("key", REQUIRED_KEYS[:2])
def test_without_a_patient_or_conditions_there_is_nothing_to_suggest(
    client: FlaskClient, today: date, key: str, value: Any
) -> None:
    body = with_value(charts.patient_view(today), key, value)
    assert http.cards(client, PATIENT_VIEW, body) == []


@pytest.mark.parametrize("service", SERVICES)
def test_everything_null_is_silent(client: FlaskClient, today: date, service: str) -> None:
    body = charts.CALLS[service](today)
    body["prefetch"] = dict.fromkeys(PREFETCH_KEYS)
    if (orders := fhir.orders_in(body)) is not None:
        orders["entry"] = []
        body["context"].update({"selections": []} if service == ORDER_SELECT else {})
    assert http.post(client, service, body) == {"cards": []}


# ---------------------------------------------------------------- optional keys


@each_row("value", NOT_KNOWN.values(), ids=NOT_KNOWN)
@each_row("key", OPTIONAL_KEYS)
def test_an_optional_key_that_is_not_known_is_named_on_the_card(
    client: FlaskClient, today: date, key: str, value: Any
) -> None:
    whole = http.cards(client, PATIENT_VIEW, charts.patient_view(today))[0]
    body = with_value(charts.patient_view(today), key, value)
    card = http.cards(client, PATIENT_VIEW, body)[0]
    why = decision(card)
    assert key in unknown_keys(card)
    assert card["detail"] != whole["detail"], "the detail does not say that something is missing"
    if key == "kidneyLabs":
        assert card_id(card) == "mg-check-renal"
        assert why["kidney"]["class"] == "UNKNOWN"
        assert offers(card) == ["labs"]
    else:
        assert card_id(card) == "mg-suggest"
        assert offers(card) == ["mg 200->400"]
        assert recommended(card) == []


@pytest.mark.parametrize("value", NO_DATA.values(), ids=NO_DATA)
@pytest.mark.parametrize("key", [key for key in OPTIONAL_KEYS if key != "kidneyLabs"])
def test_an_optional_key_without_data_is_not_unknown(
    client: FlaskClient, today: date, key: str, value: Any
) -> None:
    body = with_value(charts.patient_view(today), key, value)
    card = http.cards(client, PATIENT_VIEW, body)[0]
    assert unknown_keys(card) == []
    assert recommended(card) == ["mg 200->400"]


@pytest.mark.parametrize("key", OPTIONAL_KEYS)
def test_data_beside_an_operation_outcome_is_not_the_whole_truth(
    client: FlaskClient, today: date, key: str
) -> None:
    """A search that partly failed: what came is read, the rest is not known."""
    body = charts.patient_view(today)
    body["prefetch"][key].setdefault("entry", []).append(OUTCOME_ENTRY)
    card = http.cards(client, PATIENT_VIEW, body)[0]
    assert key in unknown_keys(card)
    assert recommended(card) != ["mg 200->400"]


# ------------------------------------------------------- a resource, not a Bundle


def test_one_resource_instead_of_a_bundle_is_read(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    body["prefetch"]["kidneyLabs"] = fhir.observation(
        fhir.EGFR, 48, fhir.EGFR_UNIT, 30, today=today
    )
    body["prefetch"]["conditions"] = fhir.condition("G43.829", today=today)
    card = http.cards(client, PATIENT_VIEW, body)[0]
    assert card_id(card) == "mg-suggest-reduced"
    assert unknown_keys(card) == []


def test_the_patient_in_a_bundle_is_read(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    usual = http.post(client, PATIENT_VIEW, body)
    body["prefetch"]["patient"] = fhir.bundle([body["prefetch"]["patient"]])
    assert without_uuids(http.post(client, PATIENT_VIEW, body)) == without_uuids(usual)


def test_entries_without_search_mode_or_full_url_are_read(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    usual = http.post(client, PATIENT_VIEW, body)
    for key in PREFETCH_KEYS[1:]:
        bundle = body["prefetch"][key]
        bundle.pop("link", None)
        bundle.pop("total", None)
        for entry in bundle.get("entry", []):
            del entry["fullUrl"], entry["search"]
    assert without_uuids(http.post(client, PATIENT_VIEW, body)) == without_uuids(usual)


# ---------------------------------------------------------------- one bad entry


@each_row(
    "bad",
    [
        None,
        "text",
        {},
        {"resource": None},
        {"resource": 5},
        {"resource": {}},
        {"resource": {"resourceType": 5}},
        {"resource": {"resourceType": "Appointment", "id": "a"}},
    ],
    ids=str,
)
@each_row("key", PREFETCH_KEYS[1:])
def test_one_bad_entry_never_loses_the_good_ones(
    client: FlaskClient, today: date, key: str, bad: Any
) -> None:
    body = charts.patient_view(today)
    entries = body["prefetch"][key].setdefault("entry", [])
    entries.insert(0, bad)
    card = http.cards(client, PATIENT_VIEW, body)[0]
    assert card_id(card) in {"mg-suggest", "mg-check-renal"}


@pytest.mark.parametrize("broken", [5, "x", [], {"coding": 5}, {"coding": [5]}], ids=str)
def test_an_unreadable_condition_does_not_hide_the_others(
    client: FlaskClient, today: date, broken: Any
) -> None:
    body = charts.patient_view(today)
    bad = {**fhir.condition("G70.00", id="broken", today=today), "code": broken}
    body["prefetch"]["conditions"]["entry"].append({"resource": bad})
    assert [card_id(card) for card in http.cards(client, PATIENT_VIEW, body)] == ["mg-suggest"]


def test_another_patient_under_the_patient_key_is_not_this_patient(
    client: FlaskClient, today: date
) -> None:
    body = charts.patient_view(today)
    body["prefetch"]["patient"]["id"] = "somebody-else"
    response = http.call(client, PATIENT_VIEW, body)
    assert response.status_code == 412 or response.get_json()["cards"] == []


NEXT_PAGE = {"relation": "next", "url": "https://ehr.invalid/fhir?page=2"}


NEWEST_FIRST = ("kidneyLabs", "magnesiumLabs", "pregnancyStatus")


@pytest.mark.parametrize("key", [key for key in OPTIONAL_KEYS if key not in NEWEST_FIRST])
def test_a_page_whose_next_cannot_be_fetched_is_not_the_whole_truth(
    client: FlaskClient, today: date, key: str
) -> None:
    body = charts.patient_view(today)
    body["prefetch"][key]["link"].append(NEXT_PAGE)
    card = http.cards(client, PATIENT_VIEW, body)[0]
    assert key in unknown_keys(card)
    assert recommended(card) != ["mg 200->400"]


@pytest.mark.parametrize("key", NEWEST_FIRST)
def test_the_first_page_of_a_search_that_is_newest_first_is_enough(
    client: FlaskClient, today: date, key: str
) -> None:
    """The template bounds it by _count: a next link to older results is the normal case."""
    answer = fhir.concept("60001007", "snomed", "Not pregnant")
    status = fhir.observation(fhir.PREGNANCY_STATUS, value_concept=answer, today=today)
    body = charts.patient_view(today, pregnancyStatus=[status])
    usual = http.post(client, PATIENT_VIEW, body)
    body["prefetch"][key]["link"].append(NEXT_PAGE)
    assert without_uuids(http.post(client, PATIENT_VIEW, body)) == without_uuids(usual)


@pytest.mark.parametrize("key", REQUIRED_KEYS[1:])
def test_a_required_page_whose_next_cannot_be_fetched(
    client: FlaskClient, today: date, key: str
) -> None:
    """A next link is legal (F-5); what it stands for is not known, what came is read."""
    body = charts.patient_view(today)
    body["prefetch"][key]["link"].append(NEXT_PAGE)
    card = http.cards(client, PATIENT_VIEW, body)[0]
    assert key in unknown_keys(card)
    assert recommended(card) == []


@pytest.mark.parametrize("key", REQUIRED_KEYS[1:])
def test_a_required_page_of_which_nothing_came(client: FlaskClient, today: date, key: str) -> None:
    body = charts.patient_view(today)
    body["prefetch"][key] = {**EMPTY_BUNDLE, "link": [NEXT_PAGE]}
    assert key in assert_outcome(http.call(client, PATIENT_VIEW, body), 412)


# ------------------------------------------------------------------------ withheld

SUPPRESSED = {
    "resource": {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "suppressed"}],
    },
    "search": {"mode": "outcome"},
}


@pytest.mark.parametrize("key", PREFETCH_KEYS)
def test_what_was_withheld_is_named_and_nothing_is_recommended(
    client: FlaskClient, today: date, key: str
) -> None:
    body = charts.patient_view(today)
    if key == "patient":
        body["prefetch"][key] = fhir.bundle([body["prefetch"][key]])
    elif not body["prefetch"][key].get("entry"):
        body["prefetch"][key]["entry"] = []
    body["prefetch"][key]["entry"].append(SUPPRESSED)
    (card,) = http.cards(client, PATIENT_VIEW, body)
    assert key in unknown_keys(card)
    assert "mg 200->400" not in recommended(card)


@pytest.mark.parametrize("key", REQUIRED_KEYS[1:])
@pytest.mark.parametrize("service", SERVICES)
def test_where_data_were_withheld_and_no_card_comes_the_log_says_so(
    client: FlaskClient,
    today: date,
    caplog: pytest.LogCaptureFixture,
    service: str,
    key: str,
) -> None:
    body = charts.CALLS[service](today, conditions=[fhir.condition("J45.909", today=today)])
    body["prefetch"][key]["entry"] = [*body["prefetch"][key].get("entry", []), SUPPRESSED]
    if key == "medicationRequests":
        order = fhir.medication_request("4603", today=today)
        body["prefetch"][key]["entry"].append({"resource": order})
    if (orders := fhir.orders_in(body)) is not None:
        draft = fhir.draft_order("723", text="Amoxicillin", id="a")
        orders["entry"] = [{"resource": draft}]
        body["context"].update({"selections": ["a"]} if service == ORDER_SELECT else {})
    with caplog.at_level(logging.INFO):
        assert http.cards(client, service, body) == []
    (record,) = [r for r in caplog.records if r.getMessage() == "request"]
    assert record.fields["withheld"] == {key: ["suppressed"]}  # type: ignore[attr-defined]
    assert key in record.fields["unknown"]  # type: ignore[attr-defined]
    metrics = client.get("/metrics").get_data(as_text=True)
    assert f'cds_withheld_data_total{{key="{key}",reason="suppressed"}}' in metrics


# ---------------------------------------------------------------------- not readable


def test_what_cannot_be_read_is_listed_and_counted(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    entries = body["prefetch"]["allergies"]["entry"]
    entries[0]["resource"]["clinicalStatus"] = 5
    entries += [{}] * 120
    told = http.explain(client, PATIENT_VIEW, body)
    assert (len(told["notReadable"]), told["notReadableCount"]) == (100, 121)
    empty = {"key": "allergies", "resource": "entry 1", "why": "holds no readable resource"}
    assert empty in told["notReadable"]
    body["prefetch"]["allergies"]["entry"] = entries[:1]
    (only,) = http.explain(client, PATIENT_VIEW, body)["notReadable"]
    assert (only["key"], only["element"]) == ("allergies", "clinicalStatus")
    assert http.explain(client, PATIENT_VIEW, charts.patient_view(today))["notReadable"] == []
