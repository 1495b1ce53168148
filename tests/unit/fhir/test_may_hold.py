"""A name in JSON means the same however its characters are written."""

from __future__ import annotations

import pytest
from msgspec import Raw

from cds_service.chart.chart import open_chart
from cds_service.fhir.prefetch import REQUIRED, surely_sent
from cds_service.fhir.reading import may_hold
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.unit.chart.reading import TODAY, WOMAN, day, raw


@pytest.mark.parametrize(
    ("raw", "may"),
    [(b'{"a":1}', True), (rb'{"\u0061":1}', True), (b'{"b":1}', False), (b"", False)],
)
def test_a_text_may_be_written_with_escapes(raw: bytes, may: bool) -> None:
    assert may_hold(Raw(raw), b'"a"') is may


@pytest.mark.parametrize("name", ["OperationOutcome", r"Operation\u004futcome"])
def test_what_a_server_says_beside_its_results_is_read(name: str) -> None:
    entry = '[{"resource":{"resourceType":"' + name + '"}}]'
    said = '{"resourceType":"Bundle","entry":' + entry + "}"
    known = Raw(b'{"resourceType":"Bundle"}')
    assert surely_sent(dict.fromkeys(REQUIRED, known))
    assert not surely_sent(dict.fromkeys(REQUIRED, known) | {"conditions": Raw(said.encode())})


@pytest.mark.parametrize("name", [b'"bounds', rb'"\u0062ounds'])
def test_a_course_has_its_end(name: bytes) -> None:
    repeat = {"repeat": {"boundsPeriod": {"end": day(40)}}}
    order = fhir.medication_request("4603", text="a drug", id="r", today=TODAY)
    order["dosageInstruction"] = [{"timing": repeat}]
    body = fhir.hook_request(fhir.PATIENT_VIEW, {"medicationRequests": [order]}, WOMAN)
    sent = {key: raw(value) for key, value in body["prefetch"].items()}
    text = bytes(memoryview(sent["medicationRequests"]))
    sent["medicationRequests"] = Raw(text.replace(b'"bounds', name))
    (use,) = open_chart(sent, body["context"]["patientId"], TODAY, knowledge()).medications
    assert use.course_over
