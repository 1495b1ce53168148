"""What makes a call well-formed, and what is tolerated (CHECKLIST C-1..C-16)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import charts, fhir, http
from ..support.cards import actions, card_id, without_uuids
from ..support.fhir import (
    ENCOUNTER_DISCHARGE,
    MEDICATION_REFILL,
    ORDER_SELECT,
    ORDER_SIGN,
    ORDERS_AT,
    PATIENT_VIEW,
    SERVICES,
    hook_of,
)
from ..support.outcomes import assert_outcome

Body = dict[str, Any]
Change = Callable[[Body], None]

MISSING = object()
WRONG_TYPES: list[Any] = [MISSING, None, 5, True, [], {}, ""]


def changed(body: Body, path: tuple[str, ...], value: Any) -> Body:
    """A copy with one member replaced, or removed when the value is MISSING."""
    result = copy.deepcopy(body)
    owner = result
    for name in path[:-1]:
        owner = owner[name]
    if value is MISSING:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return result


def named(value: Any) -> str:
    return "missing" if value is MISSING else repr(value)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def body(service: str, today: date) -> Body:
    return charts.CALLS[service](today)


# ----------------------------------------------------------------- what must be


@pytest.mark.parametrize("value", WRONG_TYPES, ids=named)
@pytest.mark.parametrize(
    "path",
    [("hook",), ("hookInstance",), ("context",), ("context", "userId"), ("context", "patientId")],
    ids=".".join,
)
def test_a_required_field_missing_or_of_the_wrong_type(
    client: FlaskClient, service: str, body: Body, path: tuple[str, ...], value: Any
) -> None:
    if service == MEDICATION_REFILL and path[-1] == "userId" and value in (MISSING, None, ""):
        return  # nobody need be at a refill
    words = assert_outcome(http.call(client, service, changed(body, path, value)), 400)
    if path == ("context",) and value == {}:
        return  # the complaint may name the fields inside
    assert path[-1] in words, f"the field is not named: {words}"


@pytest.mark.parametrize("value", [MISSING, None, 5, "x", []], ids=named)
@pytest.mark.parametrize("service", [ORDER_SELECT, ORDER_SIGN, MEDICATION_REFILL])
def test_orders_are_required_on_the_order_hooks(
    client: FlaskClient, service: str, body: Body, value: Any
) -> None:
    member = ORDERS_AT[hook_of(service)]
    wrong = changed(body, ("context", member), value)
    assert member in assert_outcome(http.call(client, service, wrong), 400)


@pytest.mark.parametrize("value", [MISSING, None, 5, "", []], ids=named)
@pytest.mark.parametrize("service", [ENCOUNTER_DISCHARGE])
def test_an_encounter_is_required_at_discharge(
    client: FlaskClient, service: str, body: Body, value: Any
) -> None:
    wrong = changed(body, ("context", "encounterId"), value)
    assert "encounterId" in assert_outcome(http.call(client, service, wrong), 400)


@pytest.mark.parametrize("value", [MISSING, None, ""], ids=named)
@pytest.mark.parametrize("service", [MEDICATION_REFILL])
def test_nobody_need_be_at_a_refill(
    client: FlaskClient, service: str, body: Body, value: Any
) -> None:
    without = changed(body, ("context", "userId"), value)
    assert list(map(card_id, http.cards(client, service, without))) == ["rx-mg-renal-caution"]


@pytest.mark.parametrize("value", [MISSING, None, 5, "x", {}, [5]], ids=named)
def test_selections_are_required_on_order_select(
    client: FlaskClient, today: date, value: Any
) -> None:
    wrong = changed(charts.order_select(today), ("context", "selections"), value)
    assert "selections" in assert_outcome(http.call(client, ORDER_SELECT, wrong), 400)


def test_the_hook_must_be_the_one_of_the_service(client: FlaskClient, today: date) -> None:
    for service in SERVICES:
        for other in SERVICES:
            if other != service:
                response = http.call(client, service, charts.CALLS[other](today))
                assert "hook" in assert_outcome(response, 400)


@pytest.mark.parametrize("value", [5, "x", [], True], ids=named)
def test_prefetch_must_be_an_object(
    client: FlaskClient, service: str, body: Body, value: Any
) -> None:
    wrong = changed(body, ("prefetch",), value)
    assert "prefetch" in assert_outcome(http.call(client, service, wrong), 400)


def test_a_well_formed_call_is_answered(client: FlaskClient, service: str, body: Body) -> None:
    response = http.call(client, service, body)
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.get_json()["cards"]


# ------------------------------------------------------------- what is tolerated


def add(path: tuple[str, ...], name: str, value: Any) -> Change:
    def change(body: Body) -> None:
        owner: Any = body
        for step in path:
            owner = owner[step]
        owner[name] = value

    return change


TOLERATED: dict[str, Change] = {
    "an unknown field": add((), "somethingNew", {"a": [1, None]}),
    "an extension": add((), "extension", {"com.example.vendor": {"a": 1}}),
    "an extension in the context": add(("context",), "extension", {"com.example": "x"}),
    "an unknown context field": add(("context",), "ward", "B12"),
    "an encounter": add(("context",), "encounterId", "enc-77"),
    "a null encounter": add(("context",), "encounterId", None),
    "an unknown prefetch key": add(("prefetch",), "coverage", {"resourceType": "Bundle"}),
    "a FHIR server without a token": add((), "fhirServer", "https://ehr.invalid/fhir"),
    "the user field of old drafts": add((), "user", "Practitioner/example"),
    "a practitioner role": add(("context",), "userId", "PractitionerRole/7"),
    "a unit on the patient": add(("prefetch", "patient"), "extension", [{"url": "urn:x"}]),
}


@pytest.mark.parametrize("change", TOLERATED.values(), ids=TOLERATED)
def test_more_than_asked_for_changes_nothing(
    client: FlaskClient, service: str, body: Body, change: Change
) -> None:
    usual = http.post(client, service, body)
    more = copy.deepcopy(body)
    change(more)
    if service == ENCOUNTER_DISCHARGE and more["context"]["encounterId"] is None:
        return  # there it is required
    answer = http.post(client, service, more)
    assert _clinical(answer) == _clinical(usual)


def _clinical(answer: Body) -> list[Any]:
    """Cards without what rightly differs: uuids, and who and where a draft is ordered."""
    found: list[Any] = without_uuids(answer["cards"])
    for card in found:
        for action in actions(card):
            for name in ("requester", "encounter"):
                action.get("resource", {}).pop(name, None)
    return found


# --------------------------------------------------- requests of three versions


def _version_1(body: Body) -> None:
    """1.0: no extension, the FHIR server always told, the context flat."""
    body["fhirServer"] = "https://ehr.invalid/fhir"
    body["user"] = "Practitioner/example"


def _version_2(body: Body) -> None:
    body["fhirServer"] = "https://ehr.invalid/fhir"
    body["extension"] = {"com.example.timestamp": "2026-11-22"}


def _version_3(body: Body) -> None:
    body["context"]["userId"] = "PractitionerRole/7"
    body["extension"] = {"org.example.more": {"deep": [1, 2, {"er": True}]}}


@pytest.mark.parametrize("version", [_version_1, _version_2, _version_3])
def test_requests_of_every_version(
    client: FlaskClient, service: str, body: Body, version: Change
) -> None:
    version(body)
    assert http.cards(client, service, body)


def test_patient_view_for_a_patient_as_user(client: FlaskClient, today: date) -> None:
    body = charts.patient_view(today)
    body["context"]["userId"] = f"Patient/{fhir.PATIENT_ID}"
    assert http.cards(client, PATIENT_VIEW, body)


# ------------------------------------------------- draft orders as clients send


def _no_bundle_type(body: Body) -> None:
    del body["context"]["draftOrders"]["type"]


def _no_intent(body: Body) -> None:
    del _draft(body)["intent"]


def _no_medication(body: Body) -> None:
    del _draft(body)["medicationCodeableConcept"]


def _dose_of_stu3(body: Body) -> None:
    _draft(body)["dosageInstruction"] = [{"doseQuantity": {"value": 1, "unit": "tablet"}}]


def _dose_and_rate_as_object(body: Body) -> None:
    dose = {"doseQuantity": {"value": 400, "unit": "mg"}}
    _draft(body)["dosageInstruction"] = [{"doseAndRate": dose}]


def _other_orders(body: Body) -> None:
    entries = body["context"]["draftOrders"]["entry"]
    for kind in ("DeviceRequest", "NutritionOrder", "ServiceRequest", "VisionPrescription"):
        entries.append({"resource": {"resourceType": kind, "id": kind.lower(), "status": "draft"}})


def _entries_without_resources(body: Body) -> None:
    body["context"]["draftOrders"]["entry"] += [{}, {"fullUrl": "urn:uuid:1"}, {"resource": None}]


def _an_order_without_id(body: Body) -> None:
    del _draft(body)["id"]


def _no_entries(body: Body) -> None:
    body["context"]["draftOrders"] = {"resourceType": "Bundle"}


def _signed_again(body: Body) -> None:
    _draft(body)["status"] = "active"


def _draft(body: Body) -> Body:
    found: Body = body["context"]["draftOrders"]["entry"][0]["resource"]
    return found


@pytest.mark.parametrize(
    "change",
    [
        _no_bundle_type,
        _no_intent,
        _no_medication,
        _dose_of_stu3,
        _dose_and_rate_as_object,
        _other_orders,
        _entries_without_resources,
        _an_order_without_id,
        _no_entries,
        _signed_again,
    ],
)
@pytest.mark.parametrize("service", [ORDER_SELECT, ORDER_SIGN])
def test_incomplete_draft_orders_are_normal(
    client: FlaskClient, service: str, body: Body, change: Change
) -> None:
    change(body)
    assert http.call(client, service, body).status_code == 200


@pytest.mark.parametrize("change", [_no_bundle_type, _no_intent, _other_orders, _signed_again])
def test_a_magnesium_order_is_recognised_all_the_same(
    client: FlaskClient, today: date, change: Change
) -> None:
    body = charts.order_sign(today)
    change(body)
    assert http.cards(client, ORDER_SIGN, body)


@pytest.mark.parametrize(
    "selections", [[], ["MedicationRequest/none-of-these"], ["topiramate-1"], ["x/y/z"]]
)
def test_selections_that_name_no_draft(
    client: FlaskClient, today: date, selections: list[str]
) -> None:
    body = charts.order_select(today)
    body["context"]["selections"] = selections
    assert http.call(client, ORDER_SELECT, body).status_code == 200
