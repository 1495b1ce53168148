"""The record of a call, and what is made from it: the log line, the metrics, the audit record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from cds_service.correlation import Correlation
from cds_service.store.records import AnsweredCall
from cds_service.trust.clients import Client
from cds_service.web.operate import metrics
from cds_service.web.operate.record import (
    LOGGED,
    CallRecord,
    answered_call,
    current_record,
    log_fields,
)

NOW = datetime(2026, 11, 28, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "route": "/cds-services/<service_id>",
    "method": "POST",
    "status": 200,
    "seconds": 0.00123,
    "ids": Correlation("f" * 32, "e" * 32, "d" * 16),
    "kind": "call",
    "service": "magnesium-migraine-patient-view",
    "call": "0123456789abcdef",
    "sent": ["patient"],
    "not_sent": ["allergies"],
    "fetched": {"allergies": "unreadable"},
    "cards": ["mg-suggest"],
    "indicators": ["info"],
    "unknown": ["allergies"],
    "withheld": {"allergies": ["forbidden"]},
    "not_shown": {"mg-avoid-renal": "silentHere"},
    "silence": "no_migraine",
    "kidney": "NORMAL",
    "rules": ("kidney:normal",),
    "refused": "login",
    "items": 2,
    "new": 0,
    "error": "LookupError",
    "at": "calls/hook_calls.py:1 call_service",
}


def made_from(record: CallRecord) -> tuple[dict[str, Any], list[Any], AnsweredCall]:
    counted = [(counter._name, labels) for counter, labels in metrics.counts(record)]
    return log_fields(record, "2.0.0"), counted, answered_call(record, "id", NOW, "2.0.0")


def test_an_empty_record_says_nothing_of_a_call() -> None:
    fields, counted, _ = made_from(CallRecord())
    assert set(fields) == {"route", "method", "status", "ms", "knowledge"}
    assert counted == [("cds_requests", ("none", "", "", "0"))]


def test_a_full_record_is_logged_in_full() -> None:
    fields, _, _ = made_from(CallRecord(**VALUES))
    assert fields == {name: VALUES[name] for name in LOGGED} | {
        "route": "/cds-services/<service_id>",
        "method": "POST",
        "status": 200,
        "ms": 1.23,
        "knowledge": "2.0.0",
        "request": "f" * 32,
        "trace": "e" * 32,
        "span": "d" * 16,
    }


def test_a_full_record_is_counted() -> None:
    _, counted, _ = made_from(CallRecord(**VALUES))
    route, service = VALUES["route"], VALUES["service"]
    assert counted == [
        ("cds_requests", (route, service, "", "200")),
        ("cds_cards", ("mg-suggest", "info")),
        ("cds_kidney_classes", ("NORMAL",)),
        ("cds_refused", ("login",)),
        ("cds_unknown_data", ("allergies",)),
        ("cds_withheld_data", ("allergies", "forbidden")),
        ("cds_cards_not_shown", ("mg-avoid-renal", "silentHere")),
        ("cds_silent_calls", (service, "no_migraine")),
        ("cds_fetches", ("allergies", "unreadable")),
    ]


def test_a_full_record_is_kept() -> None:
    _, _, kept = made_from(CallRecord(**VALUES))
    assert kept == AnsweredCall(
        id="id",
        at=NOW,
        client="",
        service="magnesium-migraine-patient-view",
        kind="call",
        status=200,
        knowledge="2.0.0",
        cards=("mg-suggest",),
        rules=("kidney:normal",),
        unknown=("allergies",),
    )


@pytest.mark.parametrize("name", VALUES)
def test_nothing_is_recorded_for_nothing(name: str) -> None:
    """Each field goes into the line, a metric or the audit; the card needs its indicator."""
    pair = {"cards": "indicators", "indicators": "cards"}.get(name, name)
    changed = CallRecord(**{one: VALUES[one] for one in (name, pair)})
    assert made_from(changed) != made_from(CallRecord())


def test_the_values_here_are_all_that_is_recorded() -> None:
    assert set(CallRecord.__struct_fields__) - set(VALUES) == {"started", "caller", "tenant"}


def test_a_known_caller_is_named_as_configured_and_kept_by_issuer() -> None:
    caller = Client("Ward 7", "https://ehr.example")
    fields, counted, kept = made_from(CallRecord(caller=caller))
    assert fields["client"] == "Ward 7"
    assert counted[0][1][2] == "Ward 7"
    assert kept.client == "https://ehr.example"


def test_an_address_that_is_none_of_ours_has_no_route_and_no_method() -> None:
    record = CallRecord()
    record.answered(None, "INVENTED", 404)
    assert (record.route, record.method, record.status) == ("none", "none", 404)


def test_a_request_has_one_record(app: Flask) -> None:
    with app.test_request_context():
        first = current_record()
        assert current_record() is first
    with app.test_request_context():
        assert current_record() is not first
