"""The ids of a request: accepted if they are only 128 bits in hexadecimal, otherwise replaced."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from cds_service.correlation import correlation_of
from cds_service.web.operate.lines import JsonLines

from ...support import charts
from ...support.fhir import PATIENT_VIEW

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
UUID = "9F0CF21b-3b5c-4d6c-9e7a-0a1b2c3d4e5f"
HEX_32, HEX_16 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")


def ids(**headers: str) -> Any:
    return correlation_of({f"HTTP_{name.upper()}": value for name, value in headers.items()})


@pytest.mark.parametrize("request_id", [UUID, TRACE, TRACE.upper()])
def test_a_request_id_is_kept(request_id: str) -> None:
    assert ids(x_request_id=request_id).request == request_id


@pytest.mark.parametrize(
    "request_id",
    [
        *("", "Smith", "1234567890", "Smith-Jane-1980-01-01", UUID + "0", UUID[:-1], TRACE[:-1]),
        *(TRACE + "\n", f"{UUID},{UUID}", TRACE.replace("4", "\u0664"), "a" * 100_000, f" {UUID}"),
    ],
)
def test_another_request_id_is_replaced(request_id: str) -> None:
    made = ids(x_request_id=request_id).request
    assert made != request_id
    assert HEX_32.fullmatch(made)


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"00-{TRACE}-{PARENT}-03", True),
        (f"01-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-00-of-a-later-version", False),
    ],
)
def test_a_trace_is_continued(header: str, sampled: bool) -> None:
    found = ids(traceparent=header)
    assert (found.trace, found.sampled) == (TRACE, sampled)
    assert found.span != PARENT
    assert found.traceparent == f"00-{TRACE}-{found.span}-0{int(sampled)}"


@pytest.mark.parametrize(
    "header",
    [
        *("", "x", TRACE, f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01"),
        *(f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{PARENT}-01-more", f"00-{TRACE}-{PARENT}"),
        *(f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-1", f"00-{TRACE}-{PARENT}-01\n"),
        *(f"0-{TRACE}-{PARENT}-01", f"00-{TRACE}0-{PARENT}-01", f"cc-{TRACE}-{PARENT}-01.more"),
        f"cc-{TRACE}-{PARENT}-01-{'a' * 512}",
    ],
)
def test_another_traceparent_is_replaced(header: str) -> None:
    found = ids(traceparent=header)
    assert found.trace != TRACE
    assert HEX_32.fullmatch(found.trace)
    assert not found.sampled


@given(st.text(), st.text())
def test_only_hexadecimal_digits_get_through(request_id: str, traceparent: str) -> None:
    found = ids(x_request_id=request_id, traceparent=traceparent)
    assert re.fullmatch(r"[0-9A-Fa-f-]{32,36}", found.request)
    assert HEX_32.fullmatch(found.trace)
    assert HEX_16.fullmatch(found.span)


def test_each_request_has_its_own() -> None:
    made = [ids() for _ in range(100)]
    assert len({one.request for one in made}) == 100
    assert len({one.trace for one in made}) == 100
    assert len({one.span for one in made}) == 100


def call(client: FlaskClient, path: str, **headers: str) -> Any:
    body = charts.CALLS[PATIENT_VIEW](datetime.now(UTC).date())
    return client.post(path, json=body, headers=headers)


@pytest.mark.parametrize("path", [f"/cds-services/{PATIENT_VIEW}", "/nothing-here"])
def test_the_ids_are_in_the_response_and_in_the_line(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.INFO, logger="cds_service")
    sent = {"X-Request-ID": UUID, "traceparent": f"00-{TRACE}-{PARENT}-01"}
    reply = call(client, path, **sent)
    assert reply.headers["X-Request-ID"] == UUID
    version, trace, span, flags = reply.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    (record,) = [r for r in caplog.records if r.getMessage() == "request"]
    line = json.loads(JsonLines().format(record))
    assert {name: line[name] for name in ("request", "trace", "span")} == {
        "request": UUID,
        "trace": TRACE,
        "span": span,
    }


def test_made_ids_are_in_the_response_and_in_the_line(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="cds_service")
    reply = call(client, "/nothing-here", **{"X-Request-ID": "Smith", "traceparent": "Smith"})
    (record,) = [r for r in caplog.records if r.getMessage() == "request"]
    line = json.loads(JsonLines().format(record))
    assert line["request"] == reply.headers["X-Request-ID"]
    assert reply.headers["traceparent"] == f"00-{line['trace']}-{line['span']}-00"
    assert "Smith" not in str(line) + str(reply.headers)
