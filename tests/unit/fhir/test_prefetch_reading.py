"""What a prefetch value means: data, no data, or not known; and one bad entry never loses the good."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from cds_service.fhir.prefetch import KINDS, REQUIRED, Content, State
from cds_service.fhir.wire import Entry
from tests.support import fhir
from tests.support.fhir import Resource
from tests.unit.chart.reading import content, raw

CONDITION = {"resourceType": "Condition", "id": "c"}
FAILURE = fhir.operation_outcome()
WARNING = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}
NEXT = [{"relation": "next", "url": "https://ehr.example.org/2"}]


def read(value: Any, key: str = "conditions") -> Content[Any]:
    return KINDS[key].read(raw(value))


def bundle(*entries: Any, **members: Any) -> Resource:
    return {"resourceType": "Bundle", "type": "searchset", "entry": list(entries), **members}


def entry(resource: Any, **members: Any) -> Resource:
    return {"resource": resource, **members}


def ids(found: Content[Any]) -> list[str]:
    return [e.resource.id for e in found.entries if e.resource is not None]


def test_the_keys() -> None:
    assert tuple(KINDS) == fhir.PREFETCH_KEYS
    assert fhir.REQUIRED_KEYS == REQUIRED


@pytest.mark.parametrize("key", KINDS)
def test_an_absent_key_is_not_known(key: str) -> None:
    found = KINDS[key].read(None)
    assert (found.state, found.known, found.why) == (State.MISSING, False, "was not sent")


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.parametrize(
    "value",
    [
        None,
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "searchset", "total": 0},
        {"resourceType": "Bundle", "entry": []},
        {"resourceType": "Bundle", "entry": None},
        bundle(entry({"resourceType": "Location"})),
        bundle({"fullUrl": "urn:uuid:1"}),
        bundle(entry(WARNING)),
    ],
)
def test_there_is_no_data(key: str, value: Any) -> None:
    found = read(value, key)
    assert (found.state, found.known, found.entries) == (State.EMPTY, True, [])


@pytest.mark.parametrize("key", KINDS)
def test_each_key_holds_its_types_and_no_others(key: str) -> None:
    kinds = KINDS[key].resource_types
    for kind in kinds:
        found = read({"resourceType": kind, "id": "1"}, key)
        assert (found.state, ids(found)) == (State.DATA, ["1"])
    mixed = [entry({"resourceType": k, "id": k}) for k in [*sorted(kinds), "Encounter"]]
    assert ids(read(bundle(*mixed), key)) == sorted(kinds)


@pytest.mark.parametrize(
    ("value", "state", "why"),
    [
        (FAILURE, State.REFUSED, "OperationOutcome"),
        (WARNING, State.REFUSED, "OperationOutcome"),
        (bundle(entry(FAILURE)), State.REFUSED, "OperationOutcome"),
        ({"resourceType": "Patient"}, State.UNREADABLE, "neither a Bundle nor a Condition"),
        ({"resourceType": ["Bundle"]}, State.UNREADABLE, "neither a Bundle nor a Condition"),
        ({"resourceType": {"a": 1}}, State.UNREADABLE, "neither a Bundle nor a Condition"),
        ({}, State.UNREADABLE, "neither a Bundle nor a Condition"),
        ([], State.UNREADABLE, "neither a Bundle nor a Condition"),
        ("text", State.UNREADABLE, "neither a Bundle nor a Condition"),
        (5, State.UNREADABLE, "neither a Bundle nor a Condition"),
        (True, State.UNREADABLE, "neither a Bundle nor a Condition"),
        ({"resourceType": "Condition", "id": 5}, State.UNREADABLE, "a malformed Condition"),
        (bundle(entry="odd"), State.UNREADABLE, "neither a Bundle nor a Condition"),
        (bundle(5), State.UNREADABLE, "only malformed entries"),
        (bundle(entry(5), entry({})), State.UNREADABLE, "only malformed entries"),
    ],
)
def test_what_is_not_known(value: Any, state: State, why: str) -> None:
    found = read(value)
    assert (found.state, found.known, found.entries) == (state, False, [])
    assert why in found.why


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"resourceType": "Bundle", "entry": [}',
        b'{"resourceType": "Condition", "id": "\xff"}',
        b"[" * 100_000,
        b"nul",
        b"",
    ],
)
def test_what_is_not_json(body: bytes) -> None:
    found = KINDS["conditions"].read(Raw(body))
    assert (found.state, found.known) == (State.UNREADABLE, False)


@pytest.mark.parametrize(
    "bad",
    [
        5,
        None,
        "x",
        [],
        {"resource": 5},
        {"resource": []},
        {"resource": {}},
        {"resource": {"resourceType": 5}},
        {"resource": {"resourceType": "Condition", "id": 5}},
        {"resource": {"resourceType": "Condition", "code": "odd"}},
        {"resource": {"resourceType": "Condition", "subject": "Patient/1"}},
        {"resource": {"resourceType": "Condition", "recordedDate": 2020}},
        {"resource": {"resourceType": "OperationOutcome", "issue": "odd"}},
        {"resource": {"resourceType": "OperationOutcome", "issue": [5]}},
    ],
)
@pytest.mark.parametrize("position", [0, 1])
def test_a_malformed_entry_is_named_and_the_good_one_kept(bad: Any, position: int) -> None:
    entries: list[Any] = [entry(CONDITION, fullUrl="urn:uuid:1")]
    entries.insert(position, bad)
    found = read(bundle(*entries))
    assert (found.state, found.unreadable) == (State.DATA, (f"entry {position}",))
    assert ids(found) == ["c"]
    assert found.entries[0].full_url == "urn:uuid:1"


def test_a_malformed_entry_of_another_type_does_not_matter() -> None:
    found = read(bundle(entry(CONDITION), entry({"resourceType": "Location", "id": 5})))
    assert (found.state, len(found.entries)) == (State.DATA, 1)


@pytest.mark.parametrize(
    ("severity", "failed"),
    [
        ("error", True),
        ("fatal", True),
        (None, True),
        (["warning"], True),
        ("warning", False),
        ("information", False),
    ],
)
def test_an_outcome_among_the_entries(severity: Any, failed: bool) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": severity}]}
    found = read(bundle(entry(CONDITION), entry(outcome, search={"mode": "outcome"})))
    assert (found.state, found.failed, len(found.entries)) == (State.DATA, failed, 1)


def test_an_outcome_without_an_issue_is_no_failure() -> None:
    found = read(bundle(entry(CONDITION), entry({"resourceType": "OperationOutcome"})))
    assert not found.failed


MATCH = {"search": {"mode": "match"}}
INCLUDE = {"search": {"mode": "include"}}
MEDICATION = {"resourceType": "Medication", "id": "m"}
REQUEST = {"resourceType": "MedicationRequest", "id": "r"}
BROKEN = entry({"resourceType": "MedicationRequest", "id": 5})


@pytest.mark.parametrize(
    ("value", "partial"),
    [
        (bundle(entry(REQUEST)), False),
        (bundle(entry(REQUEST), total=1), False),
        (bundle(entry(REQUEST), total=2), True),
        (bundle(entry(REQUEST), total=0), False),
        (bundle(total=3), True),
        (bundle(entry(REQUEST), link=NEXT), True),
        (bundle(link=NEXT), True),
        (bundle(entry(REQUEST), link=[{"relation": "self"}]), False),
        (bundle(entry(REQUEST), link=[{}]), False),
        # What was included is not among the matches that total counts.
        (bundle(entry(REQUEST, **MATCH), entry(MEDICATION, **INCLUDE), total=1), False),
        (bundle(entry(REQUEST, **MATCH), entry(MEDICATION, **INCLUDE), total=2), True),
        (bundle(entry(REQUEST), entry(MEDICATION), total=2), False),
        # The same entry by entry.
        (bundle(entry(REQUEST), BROKEN, total=1), False),
        (bundle(entry(REQUEST), BROKEN, total=9), True),
        (bundle(entry(REQUEST), BROKEN, link=NEXT), True),
        (bundle(entry(REQUEST), total="1"), False),
        (bundle(entry(REQUEST), total="9"), False),
        (bundle(entry(REQUEST), link="odd"), False),
        (bundle(entry(REQUEST), link=[5, *NEXT]), True),
        (bundle(entry(REQUEST), link=[5]), False),
        (bundle(entry(REQUEST, search="odd"), total=2), True),
        (bundle(entry(REQUEST, search={"mode": 5}), entry(MEDICATION), total=2), False),
        (bundle(entry(REQUEST, fullUrl=5), total=1), False),
    ],
)
def test_whether_the_server_has_more(value: Any, partial: bool) -> None:
    found = read(value, "medicationRequests")
    assert found.partial is partial
    assert found.known


@pytest.mark.parametrize(
    ("members", "full_url", "mode"),
    [
        ({}, None, None),
        ({"fullUrl": "urn:uuid:1", "search": {"mode": "match"}}, "urn:uuid:1", "match"),
        ({"fullUrl": None, "search": None}, None, None),
        ({"fullUrl": 5, "search": 5}, None, None),
        ({"search": {"mode": 5}}, None, None),
        ({"search": {}}, None, None),
    ],
)
def test_the_full_url_and_the_mode_of_an_entry(
    members: dict[str, Any], full_url: str | None, mode: str | None
) -> None:
    for beside in ((), (5,)):  # read as a whole, and entry by entry
        found: Entry[Any] = read(bundle(entry(CONDITION, **members), *beside)).entries[0]
        assert (found.full_url, found.mode) == (full_url, mode)


def test_null_may_have_space_around_it() -> None:
    assert KINDS["conditions"].read(Raw(b"null ")).state is State.EMPTY


def test_the_readers_of_tests_read_the_same_way() -> None:
    assert content("conditions", [CONDITION]).state is State.DATA
