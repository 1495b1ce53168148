"""What a prefetch value means: data, no data, or not known; and one bad entry never loses the good."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from cds_service.fhir.prefetch import KINDS, REQUIRED, WITHHELD, Content, State
from cds_service.fhir.wire import Entry
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.support.wording import in_words
from tests.unit.chart.reading import content, raw

CONDITION = {"resourceType": "Condition", "id": "c"}
FAILURE = fhir.operation_outcome()
WARNING = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "warning", "code": "not-found"}],
}
INFORMATION = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "information", "code": "informational"}],
}
SUPPRESSED = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "warning", "code": "suppressed"}],
}
MATCH = {"search": {"mode": "match"}}
INCLUDE = {"search": {"mode": "include"}}
MEDICATION = {"resourceType": "Medication", "id": "m"}
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
    assert (found.state, found.known, in_words(found.why)) == (State.MISSING, False, "was not sent")


@each_row("key", KINDS)
@each_row(
    "value",
    [
        None,
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "searchset", "total": 0},
        {"resourceType": "Bundle", "entry": []},
        {"resourceType": "Bundle", "entry": None},
        bundle(entry({"resourceType": "Location"}, **INCLUDE)),
        bundle(entry(MEDICATION, **INCLUDE), entry({"resourceType": "Patient"}, **INCLUDE)),
        bundle(entry({"resourceType": "Observation"}, search={"mode": "outcome"})),
        bundle(entry(WARNING)),
        bundle(entry(WARNING), entry(INFORMATION)),
    ],
)
def test_there_is_no_data(key: str, value: Any) -> None:
    found = read(value, key)
    asked = [e for e in found.entries if e.resource.resourceType not in ("Medication", "Patient")]
    assert found.known
    assert asked in ([], [e for e in found.entries if e.mode in ("include", "outcome")])


@pytest.mark.parametrize("key", KINDS)
def test_a_medication_alone_is_no_answer_and_no_fault(key: str) -> None:
    found = read(bundle(entry(MEDICATION)), key)
    assert found.known
    assert not any(e.resource.resourceType != "Medication" for e in found.entries)


@pytest.mark.parametrize("key", KINDS)
def test_each_key_holds_its_types_and_no_others(key: str) -> None:
    kinds = KINDS[key].resource_types
    for kind in kinds:
        found = read({"resourceType": kind, "id": "1"}, key)
        assert (found.state, ids(found)) == (State.DATA, ["1"])
    mixed = [entry({"resourceType": k, "id": k}) for k in [*sorted(kinds), "Encounter"]]
    assert ids(read(bundle(*mixed), key)) == sorted(kinds)


@each_row(
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
        ({"resourceType": "Bundle", "entry": "odd"}, State.UNREADABLE, "entries cannot be read"),
        ({"resourceType": "Bundle", "entry": {}}, State.UNREADABLE, "entries cannot be read"),
        ({"resourceType": "Bundl", "entry": []}, State.UNREADABLE, "neither a Bundle"),
        ({"resourceType": 5, "entry": []}, State.UNREADABLE, "neither a Bundle"),
        ({"entry": []}, State.UNREADABLE, "neither a Bundle"),
        (bundle(5), State.UNREADABLE, "only malformed entries"),
        (bundle(entry(5), entry({})), State.UNREADABLE, "only malformed entries"),
        (bundle({}), State.UNREADABLE, "only malformed entries"),
        (bundle({"fullUrl": "urn:uuid:1"}), State.UNREADABLE, "only malformed entries"),
        (bundle({"response": {"status": "404"}}), State.UNREADABLE, "only malformed entries"),
        (bundle(entry({"resourceType": "Conditions"})), State.UNREADABLE, "only malformed"),
        # Entries that answer, none of the type that was asked for.
        (bundle(entry({"resourceType": "Location"})), State.UNREADABLE, "holds no Condition"),
        (bundle(entry({"resourceType": "Observation"})), State.UNREADABLE, "holds no Condition"),
        (bundle(entry({"resourceType": "Bundle"})), State.UNREADABLE, "holds no Condition"),
        (
            bundle(entry({"resourceType": "Location"}, search={"mode": "match"}), entry(WARNING)),
            State.UNREADABLE,
            "holds no Condition",
        ),
        (bundle(entry(SUPPRESSED)), State.REFUSED, "OperationOutcome"),
        (bundle(entry(SUPPRESSED), entry(WARNING)), State.REFUSED, "OperationOutcome"),
        (bundle(entry(SUPPRESSED), 5), State.REFUSED, "OperationOutcome"),
    ],
)
def test_what_is_not_known(value: Any, state: State, why: str) -> None:
    found = read(value)
    assert (found.state, found.known, found.entries) == (state, False, [])
    assert why in in_words(found.why)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"resourceType": "Bundle", "entry": [}',
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
        {},
        {"resource": 5},
        {"resource": []},
        {"resource": {}},
        {"resource": None},
        {"resource": {"resourceType": 5}},
        {"resource": {"resourceType": "Kondition"}},
        {"response": {"status": "500"}},
    ],
)
@pytest.mark.parametrize("position", [0, 1])
def test_a_malformed_entry_is_named_and_the_good_one_kept(bad: Any, position: int) -> None:
    entries: list[Any] = [entry(CONDITION, fullUrl="urn:uuid:1")]
    entries.insert(position, bad)
    found = read(bundle(*entries))
    assert found.state is State.DATA
    assert [(lost.resource, lost.element) for lost in found.unreadable] == [
        (f"entry {position}", "")
    ]
    assert ids(found) == ["c"]
    assert found.entries[0].full_url == "urn:uuid:1"


@pytest.mark.parametrize(
    ("changes", "elements"),
    [
        ({"code": "odd"}, ["code"]),
        ({"code": {"coding": [{"code": "x", "system": 5}]}}, ["code.coding[0].system"]),
        ({"code": {"coding": [None, {"code": "x"}], "text": 5}}, ["code.coding[0]", "code.text"]),
        ({"code": [{"text": "wrapped"}]}, ["code"]),
        ({"subject": "Patient/1"}, ["subject"]),
        ({"recordedDate": 2020, "onsetDateTime": {}}, ["recordedDate", "onsetDateTime"]),
        ({"clinicalStatus": 5}, ["clinicalStatus"]),
    ],
)
def test_one_odd_element_is_named_and_the_rest_of_the_resource_kept(
    changes: Resource, elements: list[str]
) -> None:
    odd = {**CONDITION, "verificationStatus": {"text": "confirmed"}, **changes}
    for value in (bundle(entry(odd), entry({**CONDITION, "id": "d"})), odd):
        found = read(value)
        assert found.state is State.DATA
        assert sorted(lost.element for lost in found.unread) == sorted(elements)
        assert {lost.resource for lost in found.unread} == {"Condition/c"}
        assert found.unreadable == ()
        assert found.entries[0].resource.verificationStatus.text == "confirmed"


def test_a_text_that_is_not_utf_8_is_no_text() -> None:
    found = KINDS["conditions"].read(Raw(b'{"resourceType": "Condition", "id": "\xff"}'))
    assert [lost.element for lost in found.unread] == ["id"]


def test_a_resource_without_a_readable_id_is_named_by_its_url_or_its_place() -> None:
    odd = {"resourceType": "Condition", "id": 5}
    found = read(bundle(entry(CONDITION), entry(odd), entry(odd, fullUrl="urn:uuid:9")))
    assert [lost.resource for lost in found.unread] == [
        "Condition (entry 1, without id)",
        "urn:uuid:9",
    ]


@pytest.mark.parametrize("members", [{"fullUrl": 5}, {"search": 5}, {"search": {"mode": 5}}])
def test_what_stands_beside_a_resource_is_named_too(members: Resource) -> None:
    found = read(bundle(entry(CONDITION, **members)))
    (name,) = members
    assert [lost.element.partition(".")[0] for lost in found.unread] == [name]
    assert ids(found) == ["c"]


@pytest.mark.parametrize("id", ["l", 5])
def test_a_malformed_entry_of_another_type_does_not_matter(id: Any) -> None:
    found = read(bundle(entry(CONDITION), entry({"resourceType": "Location", "id": id})))
    assert (found.state, len(found.entries)) == (State.DATA, 1)
    assert (found.unread, found.unreadable, found.others) == ((), (), ())


def test_clinical_resources_of_other_keys_are_kept_by_name() -> None:
    other = {"resourceType": "Observation", "id": "o"}
    nameless = {"resourceType": "Procedure"}
    for damage in ((), (5,)):
        found = read(
            bundle(
                entry(CONDITION),
                entry(other, fullUrl="urn:uuid:1"),
                entry(MEDICATION),
                entry(nameless),
                entry(nameless, fullUrl="urn:uuid:2"),
                *damage,
            )
        )
        assert [(o.kind, o.name, o.full_url) for o in found.others] == [
            ("Observation", "Observation/o", "urn:uuid:1"),
            ("Medication", "Medication/m", None),
            ("Procedure", "Procedure (entry 3)", None),
            ("Procedure", "urn:uuid:2", "urn:uuid:2"),
        ]


def outcome(*issues: Any) -> Resource:
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def issue(severity: Any, code: Any) -> Resource:
    return {k: v for k, v in {"severity": severity, "code": code}.items() if v is not None}


@each_row("damage", [(), (5,)])
@each_row(
    ("said", "withheld"),
    [
        *(
            (outcome(issue(severity, code)), (code,))
            for code in sorted(WITHHELD)
            for severity in ("information", "warning", "error", None)
        ),
        (outcome(issue("error", "not-found")), ("error",)),
        (outcome(issue("fatal", "informational")), ("error",)),
        (outcome(issue("warning", "not-found")), ()),
        (outcome(issue("information", "informational")), ()),
        (outcome(issue("warning", "processing")), ()),
        (outcome(issue("warning", " Suppressed ")), ("suppressed",)),
        (outcome(issue("warning", "processing"), issue("warning", "timeout")), ("timeout",)),
        (outcome(issue("error", "x"), issue("warning", "timeout")), ("error", "timeout")),
        # What cannot be read may have said anything.
        (outcome(issue("warning", None)), ("error",)),
        (outcome(issue(None, "processing")), ("error",)),
        (outcome(issue(["warning"], "processing")), ("error",)),
        (outcome(issue("warning", 5)), ("error",)),
        (outcome(5), ("error",)),
        (outcome(), ("error",)),
        ({"resourceType": "OperationOutcome"}, ("error",)),
        ({"resourceType": "OperationOutcome", "issue": "odd"}, ("error",)),
    ],
)
def test_an_outcome_among_the_entries(
    said: Resource, withheld: tuple[str, ...], damage: tuple[Any, ...]
) -> None:
    found = read(bundle(entry(CONDITION), entry(said, search={"mode": "outcome"}), *damage))
    assert (found.state, found.withheld, ids(found)) == (State.DATA, withheld, ["c"])
    alone = read(bundle(entry(said)))
    assert alone.state is (State.REFUSED if withheld else State.EMPTY)


def test_the_reasons_of_several_outcomes_stand_together_once() -> None:
    found = read(bundle(entry(CONDITION), entry(SUPPRESSED), entry(FAILURE), entry(SUPPRESSED)))
    assert found.withheld == ("suppressed", "error")


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
        # Nobody can tell.
        (bundle(entry(REQUEST), link=[{}]), True),
        # What was included is not among the matches that total counts.
        (bundle(entry(REQUEST, **MATCH), entry(MEDICATION, **INCLUDE), total=1), False),
        (bundle(entry(REQUEST, **MATCH), entry(MEDICATION, **INCLUDE), total=2), True),
        (bundle(entry(REQUEST), entry(MEDICATION), total=2), False),
        # The same entry by entry.
        (bundle(entry(REQUEST), BROKEN, total=1), False),
        (bundle(entry(REQUEST), BROKEN, total=9), True),
        (bundle(entry(REQUEST), BROKEN, link=NEXT), True),
        (bundle(entry(REQUEST), total="1"), True),
        (bundle(entry(REQUEST), total=1.5), True),
        (bundle(entry(REQUEST), link="odd"), True),
        (bundle(entry(REQUEST), link=[5, *NEXT]), True),
        (bundle(entry(REQUEST), link=[5]), True),
        (bundle(entry(REQUEST), link=[{"relation": 5}]), True),
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


def test_each_resource_comes_with_its_name() -> None:
    entries = [entry(CONDITION), entry({"resourceType": "Condition"}, fullUrl="urn:uuid:2")]
    found = [(r.resourceType, name) for r, name in read(bundle(*entries)).resources()]
    assert found == [("Condition", "Condition/c"), ("Condition", "urn:uuid:2")]
    nothing: Content[Any] = Content(State.DATA, entries=[Entry()])
    assert list(nothing.resources()) == []


def test_null_may_have_space_around_it() -> None:
    assert KINDS["conditions"].read(Raw(b"null ")).state is State.EMPTY


def test_the_readers_of_tests_read_the_same_way() -> None:
    assert content("conditions", [CONDITION]).state is State.DATA
