"""The short cut for calls whose chart is read: it says the same as the usual way, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.prefetch import KINDS, Content, State
from cds_service.hooks import envelope
from cds_service.hooks.cutting import Cut, cut
from cds_service.hooks.errors import BadCallError
from tests.support import fhir

Json = dict[str, Any]
TODAY = date(2026, 5, 1)
HOOK = "patient-view"


def body(**prefetch: Any) -> Json:
    """A call about somebody with migraine, with every key in the order of the discovery document."""
    chart: Json = {key: fhir.bundle([]) for key in KINDS}
    chart["patient"] = fhir.patient(TODAY, age=40, sex="female")
    chart["conditions"] = fhir.bundle([fhir.condition("G43.909", text="Migraine")])
    chart["kidneyLabs"] = fhir.bundle(
        [fhir.observation("98979-8", 90, "mL/min", days_ago=3, today=TODAY)]
    )
    return {
        "hook": HOOK,
        "hookInstance": "i",
        "context": {"userId": "Practitioner/1", "patientId": "pat-1"},
        "prefetch": chart | prefetch,
    }


def text_of(call: Json) -> bytes:
    return json.dumps(call, separators=(",", ":")).encode()


def said(content: Content[Any]) -> bytes:
    """What a content says, to compare."""
    return msgspec.json.encode(content)


def outcome(text: bytes, hook: str = HOOK) -> Any:
    """What is read from a body: its members and the contents of its keys, or the refusal."""
    try:
        call = envelope.read_call(text, hook)
    except BadCallError as error:
        return error.status, error.issues
    contents = {
        key: said(call.contents[key] if key in call.contents else kind.read(call.prefetch.get(key)))
        for key, kind in KINDS.items()
    }
    return call.hook_instance, call.context, sorted(call.prefetch), contents


def in_the_usual_way(text: bytes, monkeypatch: pytest.MonkeyPatch, hook: str = HOOK) -> Any:
    with monkeypatch.context() as patched:
        patched.setattr(envelope, "cut", lambda *_: None)
        return outcome(text, hook)


def test_a_chart_with_migraine_is_cut_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(body())
    pieces = cut(text, HOOK)
    assert isinstance(pieces, Cut)
    assert pieces.contents["conditions"].state is State.DATA
    assert pieces.contents["allergies"].state is State.EMPTY
    assert outcome(text) == in_the_usual_way(text, monkeypatch)
    assert envelope.read_call(text, HOOK).contents == pieces.contents


def test_a_chart_without_migraine_is_left_alone() -> None:
    asthma = fhir.bundle([fhir.condition("J45.909", text="Asthma")])
    assert cut(text_of(body(conditions=asthma)), HOOK) is None


def test_a_hook_of_which_nothing_is_known_is_read_in_the_usual_way() -> None:
    assert cut(text_of(body()), "appointment-book") is None


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_an_order_is_cut_where_it_speaks_of_magnesium(hook: str) -> None:
    def ordering(name: str) -> bytes:
        order = {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"text": name}}
        call = body() | {"hook": hook}
        context = call["context"] | {"draftOrders": {"entry": [{"resource": order}]}}
        return text_of(call | {"context": context})

    assert cut(ordering("Magnesium oxide 400 mg"), hook) is not None
    assert cut(ordering("Metformin 500 mg"), hook) is None


def _with_name_inside(call: Json) -> bytes:
    """A text in the chart that holds the name of a key, as it would stand in the body."""
    call["prefetch"]["conditions"]["entry"][0]["resource"]["code"]["text"] = '","kidneyLabs":{"x'
    return text_of(call)


def _in_other_order(call: Json) -> bytes:
    return text_of(call | {"prefetch": dict(sorted(call["prefetch"].items()))})


def _without(key: str) -> Callable[[Json], bytes]:
    def made(call: Json) -> bytes:
        del call["prefetch"][key]
        return text_of(call)

    return made


def _replaced(old: bytes, new: bytes) -> Callable[[Json], bytes]:
    def made(call: Json) -> bytes:
        text = text_of(call)
        assert old in text, old
        return text.replace(old, new, 1)

    return made


def _of(**prefetch: Any) -> Callable[[Json], bytes]:
    return lambda call: text_of(call | {"prefetch": call["prefetch"] | prefetch})


REFUSED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}
ALLERGY = {"resourceType": "AllergyIntolerance", "id": 7}
BROKEN = {"resourceType": "Bundle", "entry": [{}, {"resource": ALLERGY}]}
SHAPES: dict[str, Callable[[Json], bytes]] = {
    "as usual": text_of,
    "with white space": lambda call: json.dumps(call, indent=2).encode() + b"\n \n",
    "keys in another order": _in_other_order,
    "a name within a text": _with_name_inside,
    **{f"without {key}": _without(key) for key in KINDS},
    **{f"{key} is null": _of(**{key: None}) for key in KINDS},
    **{f"{key} was refused": _of(**{key: REFUSED}) for key in KINDS},
    "a malformed entry": _of(allergies=BROKEN),
    "garbage in a value": _of(magnesiumLabs="none"),
    "one key more": _of(vitalSigns=fhir.bundle([])),
    "extension at the end": lambda call: text_of(call | {"extension": {"a.b": 1}}),
    "prefetch first": lambda call: text_of(dict(reversed(call.items()))),
    "a key twice": _replaced(b'"allergies":', b'"allergies":null,"allergies":'),
    "a later key twice": _replaced(b'"pregnancyStatus":', b'"magnesiumLabs":{},"pregnancyStatus":'),
    "the last key twice": _replaced(b'"kidneyProcedures":', b'"patient":{},"kidneyProcedures":'),
    "context twice": _replaced(b'"context":', b'"context":{},"context":'),
    "prefetch twice": _replaced(b'"prefetch":', b'"prefetch":{},"prefetch":'),
    "two commas": _replaced(b',"allergies"', b',,"allergies"'),
    "no comma": _replaced(b',"allergies"', b' "allergies"'),
    "no colon": _replaced(b'"allergies":', b'"allergies" '),
    "half a null": _replaced(b'"allergies":', b'"allergies":nul,"x":'),
    "more than null": _replaced(b'"allergies":', b'"allergies":null0,"x":'),
    "a brace too many": lambda call: text_of(call) + b"}",
    "a brace too few": lambda call: text_of(call)[:-1],
    "no braces": lambda call: text_of(call)[:-2],
    "cut short": lambda call: text_of(call)[: len(text_of(call)) // 2],
    "something behind": lambda call: text_of(call) + b" 1",
    "bracket instead of brace": lambda call: text_of(call)[:-2] + b"]}",
    "no prefetch": lambda call: text_of({**call, "prefetch": None}),
    "a value left out": _replaced(b'"allergies":', b'"allergies":,"x":'),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_the_form_the_same_is_read(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = SHAPES[shape](body())
    assert outcome(text) == in_the_usual_way(text, monkeypatch)


def test_the_forms_are_of_both_kinds() -> None:
    ways = {shape: cut(made(body()), HOOK) is not None for shape, made in SHAPES.items()}
    assert ways["as usual"]
    assert ways["with white space"]
    assert ways["a malformed entry"]
    assert ways["allergies is null"]
    assert not ways["keys in another order"]
    assert not ways["more than null"]
    assert not ways["without patient"]
    assert not ways["a value left out"]


@given(st.data())
def test_any_damage_gives_the_same_answer(data: st.DataObject) -> None:
    text = text_of(body())
    at = data.draw(st.integers(0, len(text) - 1))
    what = data.draw(
        st.sampled_from([b"", b'"', b"{", b"}", b"[", b",", b":", b" ", b"0", b"null"])
    )
    length = data.draw(st.integers(0, 3))
    damaged = text[:at] + what + text[at + length :]
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert outcome(damaged) == in_the_usual_way(damaged, monkeypatch)


def test_cutting_changes_no_answer() -> None:
    """The clock of the answer is fixed, so what is compared is the whole of it."""
    from cds_service.hooks.answering import Answering
    from cds_service.knowledge.loader import load

    text = text_of(body())
    answering = Answering(
        load(), lambda: datetime(2026, 5, 1, 12, tzinfo=UTC), lambda: "00000000-0000-4000-8000-0"
    )
    call = envelope.read_call(text, HOOK)
    usual = msgspec.structs.replace(call, contents={})
    assert call.contents
    url = "https://cds.example.org"
    one, other = (answering.answer(c, url, complete=True) for c in (call, usual))
    assert answering.explain(one) == answering.explain(other)


def test_what_was_read_when_cutting_is_not_read_again_to_see_what_to_fetch() -> None:
    """The value sent is spoilt after the cut: whoever read it once more would find nothing."""
    from cds_service.fetching.fetching import Question, _completed

    call = envelope.read_call(text_of(body()), HOOK)
    spoilt = dict.fromkeys(call.prefetch, msgspec.Raw(b"null"))
    question = Question(prefetch=spoilt, context=call.context, templates={}, read=call.contents)
    contents = _completed(question, None, _NobodyAsked(), 1)  # type: ignore[arg-type]
    assert contents == dict(call.contents)


class _NobodyAsked:
    """Asks no server: every key was sent."""

    def ask(self, searches: Any, _: int) -> None:
        assert not list(searches)
