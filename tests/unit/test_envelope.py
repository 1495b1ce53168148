"""The envelope of a call: what is decoded, what is left as bytes, and how a refusal is worded."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.prefetch import KINDS
from cds_service.hooks import envelope
from cds_service.hooks.envelope import HookCall, read_call
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.schema import envelope_members, issues_of, validator_for
from cds_service.hooks.services import services_of
from cds_service.knowledge.loader import load
from tests.support.tables import each_row

SENTINEL = "Zq7SENTINEL"
HOOKS = ("patient-view", "order-select", "order-sign")
Json = dict[str, Any]


def call(**changes: Any) -> Json:
    context = {"userId": "Practitioner/1", "patientId": "p1"}
    whole = {"hook": "patient-view", "hookInstance": "i", "context": context, "prefetch": {}}
    return {**whole, **changes}


def order_call(**context: Any) -> Json:
    filled = {"userId": "Practitioner/1", "patientId": "p1", "selections": [], "draftOrders": {}}
    return call(hook="order-select", context={**filled, **context})


def read(body: Json | bytes, hook: str = "patient-view") -> HookCall:
    return read_call(body if isinstance(body, bytes) else json.dumps(body).encode(), hook)


def refused(body: Json | bytes, hook: str = "patient-view") -> tuple[Issue, ...]:
    with pytest.raises(BadCallError) as caught:
        read(body, hook)
    assert caught.value.status == 400
    return caught.value.issues


def text_of(raw: msgspec.Raw) -> bytes:
    return memoryview(raw).tobytes()


def places(issues: tuple[Issue, ...]) -> list[str]:
    return [issue.where for issue in issues]


# ------------------------------------------------------------------ what is read


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf" + json.dumps(call()).encode()) == read(call())


@each_row("odd", [5, "x", [], {}, None, True])
@each_row("member", ["token_type", "expires_in", "scope", "subject", "patient"])
def test_of_the_authorization_only_the_token_is_needed(member: str, odd: Any) -> None:
    authorization = {"access_token": "t", member: odd}
    found = read(call(fhirServer="https://x", fhirAuthorization=authorization))
    assert found.token is not None


@pytest.mark.parametrize("entry", [5, None, "x", {}, {"resource": "x"}, {"resource": None}])
def test_an_entry_that_is_no_order_is_no_fault_of_the_call(entry: Any) -> None:
    context = {"userId": "u", "patientId": "p", "draftOrders": {"entry": [entry]}}
    assert read(call(hook="order-sign", context=context), "order-sign").context == context


def test_a_call_is_read() -> None:
    context = {"userId": "Practitioner/1", "patientId": "p1", "encounterId": "e1", "ward": [1]}
    authorization = {"access_token": "t", "expires_in": 300}
    found = read(
        call(context=context, fhirServer="https://ehr.invalid", fhirAuthorization=authorization)
    )
    assert (found.hook.name, found.hook_instance) == ("patient-view", "i")
    assert (found.patient_id, found.user_id, found.encounter_id) == ("p1", "Practitioner/1", "e1")
    assert found.context == context
    assert found.fhir_server == "https://ehr.invalid"
    assert found.token is not None
    assert found.token.header() == "Bearer t"
    assert "Bearer t" not in repr(found)


def test_prefetch_values_stay_the_bytes_they_came_as() -> None:
    body = b'{"hook":"patient-view", "hookInstance":"i", "context":{"userId":"u","patientId":"p"},'
    body += b'"prefetch": {"patient" : {"a": 1.50 ,"b":[ ]} , "conditions":null}}'
    found = read(body)
    assert {key: text_of(raw) for key, raw in found.prefetch.items()} == {
        "patient": b'{"a": 1.50 ,"b":[ ]}',
        "conditions": b"null",
    }


@pytest.mark.parametrize(
    ("sent", "bare"),
    [
        ("p1", "p1"),
        (" p1 ", "p1"),
        ("Patient/p1", "p1"),
        ("https://ehr.invalid/fhir/Patient/p1", "p1"),
        ("Patient/p1/_history/3", "p1"),
        ("urn:uuid:1", "urn:uuid:1"),
    ],
)
def test_the_patient_may_come_as_a_reference(sent: str, bare: str) -> None:
    found = read(call(context={"userId": "u", "patientId": sent}))
    assert found.patient_id == bare
    assert found.context["patientId"] == bare


@pytest.mark.parametrize("sent", [None, "", "absent"])
def test_an_encounter_that_says_nothing_is_none(sent: str | None) -> None:
    context = {"userId": "u", "patientId": "p", "encounterId": sent}
    if sent == "absent":
        del context["encounterId"]
    assert read(call(context=context)).encounter_id is None


@pytest.mark.parametrize("name", ["prefetch", "fhirServer", "fhirAuthorization"])
def test_an_optional_member_that_is_null_counts_as_absent(name: str) -> None:
    found = read(call(**{name: None}))
    assert (found.prefetch, found.fhir_server, found.token) == ({}, None, None)


def test_numbers_of_an_order_keep_their_digits() -> None:
    entry = {"resource": {"dose": "@", "count": 2}}
    body = json.dumps(order_call(draftOrders={"entry": [entry]})).replace('"@"', "100.50")
    resource = read(body.encode(), "order-select").context["draftOrders"]["entry"][0]["resource"]
    assert resource == {"dose": Decimal("100.50"), "count": 2}
    assert str(resource["dose"]) == "100.50"


def rearranged(body: Json) -> bytes:
    return json.dumps(dict(reversed(body.items())), indent=3).encode()


def with_unknown_members(body: Json) -> bytes:
    return json.dumps({"a": {"hook": 1}, **body, "b": [1, {"x": None}], "extension": {}}).encode()


def with_escaped_names(body: Json) -> bytes:
    return json.dumps(body).replace('"prefetch"', '"pre\\u0066etch"').encode()


@pytest.mark.parametrize("write", [rearranged, with_unknown_members, with_escaped_names])
def test_the_writing_of_a_call_does_not_matter(write: Callable[[Json], bytes]) -> None:
    body = call(prefetch={"patient": {"id": 'a"b\\', "x": ["}", "{"]}, "": None, "é": "\u2028"})
    usual, other = read(body), read(write(body))
    assert list(other.prefetch) == list(usual.prefetch)
    for key, raw in usual.prefetch.items():
        assert json.loads(text_of(other.prefetch[key])) == json.loads(text_of(raw))
    assert other.context == usual.context


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    extra=st.dictionaries(st.text(max_size=8), JSON, max_size=3),
    prefetch=st.dictionaries(st.sampled_from(tuple(KINDS)) | st.text(max_size=8), JSON, max_size=4),
    indent=st.none() | st.integers(0, 3),
    ascii_only=st.booleans(),
)
def test_any_members_beside_the_known_ones_are_tolerated(
    extra: Json, prefetch: Json, indent: int | None, ascii_only: bool
) -> None:
    body = {**extra, **call(prefetch=prefetch)}
    body = {k: v for k, v in body.items() if k not in {"fhirServer", "fhirAuthorization"}}
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_only)
    found = read(text.encode())
    assert {k: json.loads(text_of(v)) for k, v in found.prefetch.items()} == prefetch


# --------------------------------------------------------------- what is refused


def test_every_fault_is_named_at_once() -> None:
    issues = refused({"hook": 1, "context": {"patientId": ""}, "prefetch": []})
    assert places(issues) == [
        "$.context.patientId",
        "$.context.userId",
        "$.hook",
        "$.hookInstance",
        "$.prefetch",
    ]


@pytest.mark.parametrize(
    ("body", "where", "text", "code"),
    [
        (call(hookInstance=" "), "$.hookInstance", "must not be empty", "value"),
        (call(hook="order-sign"), "$.hook", 'must be "patient-view" here', "value"),
        (call(context=[]), "$.context", "must be an object", "structure"),
        (call(prefetch="x"), "$.prefetch", "must be an object", "structure"),
        (call(fhirServer=5), "$.fhirServer", "must be a string", "structure"),
        (
            call(fhirAuthorization={"access_token": "t"}),
            "$.fhirServer",
            "is missing: fhirAuthorization requires it",
            "required",
        ),
        (
            call(context={"userId": "u", "patientId": "Patient/"}),
            "$.context.patientId",
            "must not be empty",
            "value",
        ),
    ],
)
def test_a_fault_is_named_by_place_and_kind(body: Json, where: str, text: str, code: str) -> None:
    assert refused(body) == (Issue(code, text, where),)


@pytest.mark.parametrize(
    ("context", "where"),
    [
        ({"selections": None}, "$.context.selections"),
        ({"selections": ["a", 5]}, "$.context.selections[1]"),
        ({"draftOrders": [{}]}, "$.context.draftOrders"),
        ({"draftOrders": {"resourceType": "Patient"}}, "$.context.draftOrders.resourceType"),
        ({"draftOrders": {"entry": {}}}, "$.context.draftOrders.entry"),
        ({"draftOrders": {"entry": "x"}}, "$.context.draftOrders.entry"),
        ({"draftOrders": {"value": {"entry": []}}}, "$.context.draftOrders"),
    ],
)
def test_a_fault_in_the_orders_is_found(context: Json, where: str) -> None:
    assert places(refused(order_call(**context), "order-select")) == [where]


@pytest.mark.parametrize(
    "orders",
    [{}, {"entry": None}, {"entry": [{}]}, {"entry": [{"fullUrl": "urn:x"}, {"resource": None}]}],
)
def test_orders_that_are_no_valid_fhir_are_tolerated(orders: Json) -> None:
    assert read(order_call(draftOrders=orders), "order-select").context["draftOrders"] == orders


WHOLE = json.dumps(call(prefetch={"patient": {}, "conditions": {}}))
REPEATED = {
    "a member of the call": (WHOLE.replace('"hook":', '"hook": "x", "hook":'), "$"),
    "prefetch itself": (WHOLE.replace('"prefetch":', '"prefetch": null, "prefetch":'), "$"),
    "an unknown member": (WHOLE.replace('"hook":', '"a": 1, "a": 22, "hook":'), "$"),
    "a prefetch key": (WHOLE.replace('"conditions"', '"patient"'), "$.prefetch"),
    "a context field": (WHOLE.replace('"userId":', '"userId": "x", "userId":'), "$.context"),
}


@pytest.mark.parametrize(("text", "where"), REPEATED.values(), ids=REPEATED)
def test_a_name_that_occurs_twice_is_refused(text: str, where: str) -> None:
    (issue,) = refused(text.encode())
    assert issue.where == where
    assert "twice" in issue.text


def test_a_repeated_prefetch_key_beside_unknown_members_is_refused() -> None:
    text = WHOLE.replace('"conditions"', '"patient"').replace('"hook":', '"a": 1, "hook":')
    assert places(refused(text.encode())) == ["$.prefetch"]


DEEP = b"[" * 50_000 + b"]" * 50_000
IN_CONTEXT = json.dumps(call(context={"userId": "u", "patientId": "p", "x": "@"}))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"\n ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "not valid JSON (byte 0)"),
        (b'{"hook": NaN}', "not valid JSON (byte 9)"),
        (b'{"hook": "\\ud800"}', "not valid JSON"),
        (b'{"hook": "\xff"}', "not UTF-8 (byte 10)"),
        (b'{"x": ' + DEEP + b"}", "nested too deeply"),
        (DEEP, "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (IN_CONTEXT.replace('"@"', "9" * 5000).encode(), "number out of range"),
        (IN_CONTEXT.replace('"@"', "1.5e9999").encode(), "number out of range"),
        (IN_CONTEXT.replace('"@"', "0.5e-9999").encode(), "number out of range"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_json_object_is_refused(body: bytes, said: str) -> None:
    (issue,) = refused(body)
    assert said in issue.text


def test_a_context_too_deep_to_be_taken_apart_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipping over a value allows more depth than building it does."""

    def too_deep(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(envelope.json, "loads", too_deep)
    assert refused(call()) == (Issue("invalid", "is nested too deeply", "$.context"),)


@pytest.mark.parametrize(
    "wrong", [SENTINEL, [SENTINEL], {SENTINEL: SENTINEL}, {"access_token": [SENTINEL]}]
)
@pytest.mark.parametrize("name", ["hook", "hookInstance", "context", "fhirAuthorization"])
def test_a_refusal_never_tells_a_value(name: str, wrong: Any) -> None:
    if (name, wrong) != ("hookInstance", SENTINEL):  # any text will do there
        assert SENTINEL not in str(refused(call(**{name: wrong})))


def test_a_refusal_of_what_is_no_json_tells_nothing_of_it() -> None:
    assert SENTINEL not in str(refused(f'{{"{SENTINEL}": {SENTINEL}}}'.encode()))


# ------------------------------------------------------------------ the schemas


@pytest.mark.parametrize("hook", HOOKS)
def test_the_rules_of_a_hook_are_compiled_once(hook: str) -> None:
    assert validator_for(hook) is validator_for(hook)
    assert "$ref" not in json.dumps(validator_for(hook).schema)


def test_a_rule_without_a_phrase_is_still_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    validator = type(validator_for("patient-view"))({"properties": {"hook": {"enum": ["y"]}}})
    monkeypatch.setattr("cds_service.hooks.schema.validator_for", lambda _: validator)
    assert issues_of("patient-view", {"hook": "xx"}) == [
        Issue("invalid", "is not allowed here", "$.hook")
    ]


def test_the_members_that_are_looked_at() -> None:
    assert set(envelope_members()) == {
        *("hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization")
    }


# ----------------------------------------------------------------- the services


def test_every_key_that_is_read_is_asked_for() -> None:
    for service in services_of(load()).values():
        assert set(service.prefetch) == set(KINDS)
        assert set(service.codes) <= set(KINDS)
        for key, tokens in service.codes.items():
            assert tokens
            assert len(set(tokens)) == len(tokens)
            assert ",".join(f"{system}|{code}" for system, code in tokens) in service.prefetch[key]


def test_codes_that_the_rules_never_use_are_not_asked_for() -> None:
    services = services_of(load())
    asked = {code for s in services.values() for _, code in s.codes["magnesiumLabs"]}
    assert asked == {"19123-9", "2601-3", "21377-7"}, "2597-3, in red cells, never counts"


def test_a_service_document_is_json() -> None:
    for service in services_of(load()).values():
        assert json.loads(msgspec.json.encode(service.document()))["id"] == service.id


# --------------------------------------------------------------- what is too much


def test_other_members_are_skipped_up_to_a_number() -> None:
    few = {f"x{n}": [n] for n in range(envelope.MOST_NAMES - 20)}
    assert read(json.dumps({**few, **call()}).encode()).hook.name == "patient-view"
    for body, where in (
        ({f"x{n}": n for n in range(envelope.MOST_NAMES + 1)} | call(), "$"),
        (call(prefetch={f"x{n}": n for n in range(envelope.MOST_NAMES + 1)}), "$.prefetch"),
    ):
        with pytest.raises(BadCallError) as refusal:
            read(json.dumps(body).encode())
        assert refusal.value.status == 413
        assert places(refusal.value.issues) == [where]


@pytest.mark.parametrize(
    ("name", "status"),
    [("a" * 500, 200), ("a" * 501, 413), ("\\n" * 90, 200), ("\\n" * 5_000, 400)],
)
def test_a_name_has_a_longest_form(name: str, status: int) -> None:
    body = b'{"%s": 1, ' % name.encode() + json.dumps(call())[1:].encode()
    if status == 200:
        assert read(body).hook.name == "patient-view"
        return
    with pytest.raises(BadCallError) as refusal:
        read(body)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"hookInstance": "a" * 2_049}, "$.hookInstance"),
        ({"context": {"userId": "a" * 2_049, "patientId": "1"}}, "$.context.userId"),
        ({"context": {"userId": "u", "patientId": "a" * 2_049}}, "$.context.patientId"),
        (
            {"context": {"userId": "u", "patientId": "1", "encounterId": "a" * 2_049}},
            "$.context.encounterId",
        ),
    ],
)
def test_ids_have_a_longest_form(change: Json, where: str) -> None:
    assert places(refused(call(**change))) == [where]


def test_a_context_has_a_largest_size() -> None:
    context = {"userId": "u", "patientId": "1", "x": "a" * envelope.MOST_CONTEXT_BYTES}
    with pytest.raises(BadCallError) as refusal:
        read(json.dumps(call(context=context)).encode())
    assert refusal.value.status == 413
    assert places(refusal.value.issues) == ["$.context"]


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        ("Patient/1", "1"),
        ("https://ehr.example/fhir/Patient/1", "1"),
        ("https://ehr.example/fhir/Patient/1/_history/2", "1"),
        ("1", "1"),
        ("urn:uuid:1", "urn:uuid:1"),
        ("OtherPatient/1", "OtherPatient/1"),
        ("Patient/a/_history/" * 80 + "x", "a"),
    ],
)
def test_a_patient_may_be_given_as_a_reference(written: str, bare: str) -> None:
    assert (
        read(json.dumps(call(context={"userId": "u", "patientId": written})).encode()).patient_id
        == bare
    )
