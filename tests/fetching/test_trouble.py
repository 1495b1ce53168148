"""Each request is killed, stalled, cut short and garbled in turn, and every outcome is looked at.

Whatever happens: a required key that could not be had is a 412 that names it and says why, another
key is named on the card, and no answer is empty because a server was down.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from ..support import http
from ..support.cards import card_id, offers, recommended, unknown_keys
from ..support.fhir import OPTIONAL_KEYS, PATIENT_VIEW, PREFETCH_KEYS, REQUIRED_KEYS
from ..support.outcomes import assert_outcome
from ..support.tables import each_row
from . import ehr
from .calling import TOKEN, call_at, serving, why_unknown
from .conftest import Serve, Service
from .ehr import Json, Reply, say

OUTCOME: Json = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "exception", "diagnostics": "Zq7SECRETx9"}],
}

# For servers that never answer; all others are given time.
SHORT = {"fhir_total_ms": 2_500, "fhir_request_ms": 1_500}


def packed(body: Json, *, half: bool = False) -> Reply:
    """An answer in gzip, whole or cut in the middle."""
    data = gzip.compress(json.dumps(body).encode())
    return say(data[: len(data) // 2] if half else data, headers={"Content-Encoding": "gzip"})


TROUBLE: dict[str, tuple[Callable[[Json], Reply], str]] = {
    "killed": (lambda _: ehr.kill(), "broke off"),
    "stalled": (lambda _: ehr.stall(), "in time"),
    "stalled within": (ehr.stall_within, "in time"),
    "dripping": (ehr.drip, "in time"),
    "dripping headers": (lambda _: ehr.drip_head(), "in time"),
    "cut short": (ehr.truncate, "broke off"),
    "chunks cut short": (lambda body: ehr.chunked(body, whole=False), "broke off"),
    "no HTTP": (lambda _: ehr.garble_http(), "broke off"),
    "no JSON": (lambda _: say(b"\x00\xff{]"), "not what was asked for"),
    "half a JSON": (lambda _: say(b'{"resourceType": "Bundle", "entry": ['), "not what was asked"),
    "null": (lambda _: say(b"null"), "not what was asked for"),
    "nothing": (lambda _: say(b""), "not what was asked for"),
    "another kind": (lambda _: say({"resourceType": "Basic"}), "not what was asked for"),
    "deep nesting": (lambda _: say(b"[" * 100_000), "not what was asked for"),
    "an OperationOutcome": (lambda _: say(OUTCOME), "with an OperationOutcome"),
    "HTML": (lambda _: say(b"<html>", content_type="text/html"), "not FHIR JSON"),
    "FHIR XML": (lambda b: say(b, content_type="application/fhir+xml"), "not FHIR JSON"),
    "no content type": (lambda body: say(body, content_type=None), "not FHIR JSON"),
    "no gzip": (lambda b: say(b, headers={"Content-Encoding": "gzip"}), "not FHIR JSON"),
    "half a gzip": (lambda b: packed(b, half=True), "broke off"),
    "packed otherwise": (lambda b: say(b, headers={"Content-Encoding": "br"}), "not FHIR JSON"),
    "large when unpacked": (lambda _: packed({"x": " " * 300_000}), "larger than"),
    "too large": (lambda _: say(b"[" + b" " * 300_000 + b"]"), "larger than"),
    "401": (lambda _: say(OUTCOME, 401), "status 401"),
    "403": (lambda _: say(OUTCOME, 403), "status 403"),
    "404": (lambda _: say(OUTCOME, 404), "status 404"),
    "429": (lambda _: say(OUTCOME, 429), "status 429"),
    "500": (lambda _: say(OUTCOME, 500), "status 500"),
    "503 for long": (lambda _: say(OUTCOME, 503, headers={"Retry-After": "60"}), "status 503"),
    "204": (lambda _: say(b"", 204), "status 204"),
    "a redirect": (
        lambda _: say(b"", 302, headers={"Location": "http://127.0.0.1:9/fhir/Patient/pat-1"}),
        "redirect",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_with_one_key_is_told(
    serve: Serve, service: Service, whole: Json, trouble: str
) -> None:
    """Each key has a server of its own, which is in trouble with this key. All are asked at once."""
    reply, reason = TROUBLE[trouble]
    servers = {key: serve(serving(whole["prefetch"], **{key: reply})) for key in PREFETCH_KEYS}
    bounds = SHORT if reason == "in time" else {}
    app = service(*(s.base for s in servers.values()), **bounds, fhir_max_bytes=200_000).application

    def answer_of(key: str) -> TestResponse:
        body = call_at(servers[key].base, whole)
        return http.call(app.test_client(), PATIENT_VIEW, body)

    started = time.monotonic()
    with ThreadPoolExecutor(len(servers)) as callers:
        answers = dict(zip(servers, callers.map(answer_of, servers), strict=True))
    assert time.monotonic() - started < 8

    @each_row("key", PREFETCH_KEYS)
    def check(key: str) -> None:
        look_at_answer(answers[key], key, reason)

    check()


def look_at_answer(response: TestResponse, key: str, reason: str) -> None:
    said = response.get_data(as_text=True)
    assert "Zq7SECRETx9" not in said
    assert TOKEN not in said
    if key in REQUIRED_KEYS:
        words = assert_outcome(response, 412)
        assert f"The prefetch key {key} was not sent, and " in words
        assert reason in words
        if "larger" not in reason:  # which may have used up what all the keys have together
            assert [k for k in PREFETCH_KEYS if f"key {k} " in words] == [key]
    else:
        look_at_card(response, key, reason)


def look_at_card(response: TestResponse, key: str, reason: str) -> None:
    if response.status_code == 412:
        assert "larger than" in reason
        return
    card = response.get_json()["cards"][0]
    assert key in unknown_keys(card)
    assert reason in why_unknown(card, key)
    if "larger than" in reason:  # other keys may have been left without
        assert not any(label.startswith("mg") for label in recommended(card))
    elif key == "kidneyLabs":
        assert card_id(card) == "mg-check-renal"
        assert offers(card) == ["labs"]
    else:
        assert card_id(card) == "mg-suggest"
        assert recommended(card) == []


def test_a_server_that_is_down_gives_no_empty_answer(service: Service, whole: Json) -> None:
    with ehr.running(serving(whole["prefetch"])) as server:
        base = server.base
    client = service(base)
    words = assert_outcome(http.call(client, PATIENT_VIEW, call_at(base, whole)), 412)
    assert words.count("could not be reached") == len(REQUIRED_KEYS)


@pytest.mark.parametrize("key", ["conditions", "allergies"])
def test_what_the_ehr_refused_is_asked_of_its_server(
    serve: Serve, service: Service, whole: Json, key: str
) -> None:
    server = serve(serving(whole["prefetch"]))
    body = call_at(server.base, whole, "none")
    body["prefetch"] = {**whole["prefetch"], key: OUTCOME}
    card = http.cards(service(server.base), PATIENT_VIEW, body)[0]
    assert len(server.asked) == 1
    assert unknown_keys(card) == []


def test_what_is_refused_twice_is_told_with_both_reasons(
    serve: Serve, service: Service, whole: Json
) -> None:
    server = serve(serving(whole["prefetch"], conditions=lambda _: say(OUTCOME, 403)))
    body = call_at(server.base, whole, "none")
    body["prefetch"] = {**whole["prefetch"], "conditions": OUTCOME}
    words = assert_outcome(http.call(service(server.base), PATIENT_VIEW, body), 412)
    assert (
        "was answered with an OperationOutcome, and the FHIR server answered with status 403"
        in (words)
    )


UNREADABLE: dict[str, Any] = {
    "a text": "x",
    "another kind": {"resourceType": "Basic"},
    "only malformed entries": {"resourceType": "Bundle", "entry": [{"resource": 5}]},
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("key", PREFETCH_KEYS)
def test_what_is_unreadable_is_fetched(
    serve: Serve, service: Service, whole: Json, key: str, value: Any
) -> None:
    server = serve(serving(whole["prefetch"]))
    body = call_at(server.base, whole, "none")
    body["prefetch"] = {**whole["prefetch"], key: value}
    card = http.cards(service(server.base), PATIENT_VIEW, body)[0]
    assert len(server.asked) == 1
    assert unknown_keys(card) == []
    assert recommended(card) == ["mg 200->400"]


def test_what_was_sent_is_not_asked_for(serve: Serve, service: Service, whole: Json) -> None:
    server = serve(serving(whole["prefetch"]))
    body = call_at(server.base, whole, "none")
    http.cards(service(server.base), PATIENT_VIEW, body)
    assert server.asked == []


def test_null_is_an_answer_and_is_not_asked_for(
    serve: Serve, service: Service, whole: Json
) -> None:
    server = serve(serving(whole["prefetch"]))
    body = call_at(server.base, whole, *OPTIONAL_KEYS)
    body["prefetch"] |= dict.fromkeys(OPTIONAL_KEYS)
    http.cards(service(server.base), PATIENT_VIEW, body)
    assert server.asked == []


# ---------------------------------------------------------------- trying again


def twice(first: Reply, then: Json) -> Callable[[Json], Reply]:
    """Trouble once, and then the answer."""
    replies = iter([first])
    return lambda _: next(replies, say(then))


@pytest.mark.parametrize(
    "first",
    [
        ehr.kill(),
        ehr.garble_http(),
        say(b"", 429, headers={"Retry-After": "0"}),
        say(b"", 503, headers={"Retry-After": "0"}),
        say(b"", 503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    ],
    ids=["killed", "garbled", "429", "503", "503 until a date"],
)
def test_one_more_try_where_it_helps(
    serve: Serve, service: Service, whole: Json, first: Reply
) -> None:
    again = twice(first, whole["prefetch"]["conditions"])
    server = serve(serving(whole["prefetch"], conditions=again))
    card = http.cards(service(server.base), PATIENT_VIEW, call_at(server.base, whole))[0]
    assert unknown_keys(card) == []
    assert len(server.of("Condition")) == 2


def test_a_server_is_left_alone_for_as_long_as_it_asks(
    serve: Serve, service: Service, whole: Json
) -> None:
    again = twice(say(b"", 429, headers={"Retry-After": "1"}), whole["prefetch"]["conditions"])
    server = serve(serving(whole["prefetch"], conditions=again))
    client = service(server.base)
    http.cards(client, PATIENT_VIEW, call_at(server.base, whole))
    first, second = server.of("Condition")
    assert second.at - first.at >= 1


@pytest.mark.parametrize(
    "reply",
    [
        say(b"", 429),
        say(b"", 503, headers={"Retry-After": "30"}),
        say(b"", 503, headers={"Retry-After": "soon"}),
        say(b"", 500, headers={"Retry-After": "0"}),
        say(b"", 401, headers={"Retry-After": "0"}),
        ehr.stall(),
    ],
    ids=["429", "503 for long", "503 vague", "500", "401", "stalled"],
)
def test_no_second_try_where_it_does_not_help(
    serve: Serve, service: Service, whole: Json, reply: Reply
) -> None:
    server = serve(serving(whole["prefetch"], conditions=lambda _: reply))
    http.call(service(server.base, **SHORT), PATIENT_VIEW, call_at(server.base, whole))
    assert len(server.of("Condition")) == 1


def test_at_most_two_tries(serve: Serve, service: Service, whole: Json) -> None:
    server = serve(serving(whole["prefetch"], conditions=lambda _: ehr.kill()))
    http.call(service(server.base), PATIENT_VIEW, call_at(server.base, whole))
    assert len(server.of("Condition")) == 2


def test_time_is_up_for_all_together(serve: Serve, service: Service, whole: Json) -> None:
    """Each page comes quickly, but there is no end of pages."""

    def endless(body: Json) -> Reply:
        time.sleep(0.1)
        link = {"relation": "next", "url": f"{server.base}/Condition?page={time.monotonic()}"}
        return say({**body, "link": [link]})

    server = serve(serving(whole["prefetch"], conditions=endless))
    client = service(server.base, fhir_max_pages=1000, **SHORT)
    started = time.monotonic()
    card = http.cards(client, PATIENT_VIEW, call_at(server.base, whole))[0]
    assert 0.9 < time.monotonic() - started < 4
    assert "in time" in why_unknown(card, "conditions")
