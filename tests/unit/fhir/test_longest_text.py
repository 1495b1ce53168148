"""A text over the bound is not readable and named; it is never cut and then read, and its code counts."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.fhir.reading import Shape
from cds_service.fhir.wire import LONGEST_TEXT, CodeableConcept, Text

from ...support import charts, http
from ...support.fhir import PATIENT_VIEW
from ...support.wording import in_words

LONG = "<" * (LONGEST_TEXT + 1)


def test_the_longest_text_is_read_and_one_that_is_longer_is_not() -> None:
    text: Shape[str] = Shape(Text)
    fits = "ä" * LONGEST_TEXT
    assert text.read(f'"{fits}"'.encode()) == (fits, ())
    value, (unread,) = text.read(f'"{fits}a"'.encode())
    assert value is None
    assert in_words(unread.why) == f"is longer than {LONGEST_TEXT} characters"


def test_what_stands_beside_a_text_that_is_too_long_is_read() -> None:
    concept: Shape[CodeableConcept] = Shape(CodeableConcept)
    raw = {"coding": [{"system": "s", "code": "c", "display": LONG}], "text": LONG}
    value, unread = concept.read(json.dumps(raw).encode())
    assert value is not None
    (coding,) = value.coding or ()
    assert (coding.system, coding.code, coding.display, value.text) == ("s", "c", None, None)
    assert {part.element for part in unread} == {"coding[0].display", "text"}


@pytest.mark.parametrize("key", ["conditions", "medicationRequests", "kidneyLabs", "allergies"])
def test_it_is_named_where_it_was_sent(client: FlaskClient, today: date, key: str) -> None:
    body = charts.patient_view(today)
    for entry in body["prefetch"][key]["entry"]:
        for name in ("code", "medicationCodeableConcept"):
            if name in entry["resource"]:
                entry["resource"][name]["text"] = LONG
    told: dict[str, Any] = http.explain(client, PATIENT_VIEW, body)
    assert key in {part["key"] for part in told["notReadable"]}
    assert key in {gap["key"] for gap in told["unknown"]}
    assert LONG[:100] not in str(told)
