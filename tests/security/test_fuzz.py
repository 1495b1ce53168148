"""Real requests, spoilt byte by byte and value by value: an answer or an honest error, never a 5xx."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service import create_app
from cds_service.settings import Settings

from ..support import charts
from ..support.fhir import SERVICES

pytestmark = pytest.mark.slow

EXAMPLES = 150
ALLOWED = {200, 400, 412, 413}
# What has broken readers of JSON before.
TOKENS = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"-", b"1e999", b"-0"),
    *(b"9" * 5000, b"[" * 2000, b"\xff", b"\xed\xa0\x80", b'"\\ud800"', b"\x00", b"\xef\xbb\xbf"),
    *(b"NaN", b"Infinity", b'"hook":"x",', b"/**/", b"1" * 30 + b"." + b"1" * 30),
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 10**30, 1e300, "", " ", "x" * 3000, "\ud800", "\x00", [], {}, [[]]),
    *([None], {"": None}, {"resourceType": "Bundle"}, {"resourceType": 5}, "2024-13-45", "0000"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    return create_app(Settings(data_dir=str(tmp_path_factory.mktemp("fuzz")))).test_client()


def real(service: str) -> dict[str, Any]:
    return charts.CALLS[service](datetime.now(UTC).date())


def _spot(size: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, size), st.integers(0, 40))


@st.composite
def spoilt_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(_spot(len(body)))
        kind = draw(st.sampled_from(["cut", "insert", "repeat", "end", "byte"]))
        if kind == "cut":
            body = body[:at] + body[at + length :]
        elif kind == "insert":
            body = body[:at] + draw(st.sampled_from(TOKENS)) + body[at:]
        elif kind == "repeat":
            body = body[: at + length] + body[at:]
        elif kind == "end":
            body = body[:at]
        else:
            body = body[:at] + draw(st.binary(min_size=1, max_size=2)) + body[at + 1 :]
    return body


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        found.append((value, name))
        if isinstance(item, dict | list):
            _places(item, found)
    return found


@st.composite
def spoilt_values(draw: st.DrawFn, service: str) -> bytes:
    body = real(service)
    for _ in range(draw(st.integers(1, 4))):
        places = _places(body, [])
        if not places:
            break
        owner, name = draw(st.sampled_from(range(len(places))).map(places.__getitem__))
        if draw(st.booleans()) and isinstance(owner, dict):
            del owner[name]
        else:
            owner[name] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    return json.dumps(body).encode()


def check(client: FlaskClient, path: str, body: bytes) -> None:
    reply = client.post(path, data=body, content_type="application/json")
    assert reply.status_code in ALLOWED, (reply.status_code, body[:300])
    answer = json.loads(reply.data)
    if reply.status_code == 200:
        assert answer
    else:
        assert answer["resourceType"] == "OperationOutcome"
        assert all(issue["details"]["text"] for issue in answer["issue"])


SPOILING: dict[str, Callable[[str], st.SearchStrategy[bytes]]] = {
    "bytes": lambda service: spoilt_bytes(json.dumps(real(service)).encode()),
    "values": spoilt_values,
}


@pytest.mark.parametrize("how", SPOILING)
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", ["cds-services", "explain"])
def test_a_spoilt_request_is_answered(
    client: FlaskClient, kind: str, service: str, how: str
) -> None:
    @settings(max_examples=EXAMPLES)
    @given(SPOILING[how](service))
    def answered(body: bytes) -> None:
        check(client, f"/{kind}/{service}", body)

    answered()


FEEDBACK = {
    "feedback": [
        {
            "card": "4e0a3a1e-3fe7-4ff6-ab28-303ec76b953d",
            "outcome": "overridden",
            "overrideReason": {"reason": {"code": "a", "system": "urn:x"}, "userComment": "no"},
            "outcomeTimestamp": "2026-11-01T08:08:08.123Z",
        }
    ]
}


@pytest.mark.parametrize("service", SERVICES)
def test_spoilt_feedback_is_answered(client: FlaskClient, service: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(spoilt_bytes(json.dumps(FEEDBACK).encode()))
    def answered(body: bytes) -> None:
        check(client, f"/cds-services/{service}/feedback", body)

    answered()


@pytest.mark.parametrize(
    "body",
    [b"[" * 10**6, b'{"a":' * 10**6, b'{"prefetch":{"x":' + b"[" * 10**5, b'"' * 10**6],
    ids=["lists", "objects", "prefetch", "quotes"],
)
def test_depth_is_refused_not_survived(client: FlaskClient, body: bytes) -> None:
    for service in SERVICES:
        reply = client.post(f"/cds-services/{service}", data=body, content_type="application/json")
        assert reply.status_code in {400, 413}


def test_millions_of_tiny_values_are_refused_at_once(client: FlaskClient) -> None:
    body = real(SERVICES[0])
    body["prefetch"]["conditions"]["entry"] = []
    text = json.dumps(body).encode()
    for values in (b"{}," * 2_000_000, b'{"a":1},' * 800_000, b'{"resource":{}},' * 400_000):
        spoilt = text.replace(b'"entry": []', b'"entry": [' + values + b"{}]")
        reply = client.post(
            f"/cds-services/{SERVICES[0]}", data=spoilt, content_type="application/json"
        )
        assert reply.status_code == 413
