"""One way to decode: strictly, else element by element, and what is lost is named by its path."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from cds_service.fhir.drafts import draft_entries, medication_references, medications_sent
from cds_service.fhir.reading import Shape
from cds_service.fhir.wire import CodeableConcept, Coding, Period

from ...support.wording import in_words


class Inner(msgspec.Struct):
    text: str | None = None
    number: Decimal | None = None


class Outer(msgspec.Struct):
    name: str = ""
    yes: bool | None = None
    count: int | None = None
    inner: Inner | None = None
    several: list[Inner] | None = None
    either: Inner | str | None = None
    many: list[Inner] | Inner | None = None
    raw: Raw = Raw()
    members: dict[str, Any] | None = None
    anything: Any = None


SHAPE: Shape[Outer] = Shape(Outer)


def read(text: str) -> tuple[Outer | None, list[tuple[str, str]]]:
    value, unread = SHAPE.read(text.encode())
    return value, [(part.element, in_words(part.why)) for part in unread]


def test_what_fits_is_read_strictly() -> None:
    assert read('{"name": "a", "inner": {"number": "1.50"}}') == (
        Outer(name="a", inner=Inner(number=Decimal("1.50"))),
        [],
    )


@pytest.mark.parametrize(
    ("text", "value", "unread"),
    [
        ('{"name": 5, "count": 2}', Outer(count=2), [("name", "is not a string")]),
        ('{"yes": "no", "name": "a"}', Outer(name="a"), [("yes", "is not true or false")]),
        ('{"count": 1.5}', Outer(), [("count", "is not a whole number")]),
        ('{"inner": 5}', Outer(), [("inner", "is not an object")]),
        ('{"name": null}', Outer(), [("name", "is not a string")]),
        (
            '{"inner": {"number": "x", "text": "t"}}',
            Outer(inner=Inner(text="t")),
            [("inner.number", "is not a number")],
        ),
        (
            '{"several": [{"text": "a"}, 5, null, {"text": 5}]}',
            Outer(several=[Inner(text="a"), Inner()]),
            [
                ("several[1]", "is not an object"),
                ("several[2]", "is not an object"),
                ("several[3].text", "is not a string"),
            ],
        ),
        ('{"several": {"text": "a"}}', Outer(), [("several", "is not a list")]),
        ('{"members": 5}', Outer(), [("members", "is not an object")]),
        # Of alternatives the one that fits, else the one of which most can be read.
        ('{"either": "a", "name": 5}', Outer(either="a"), [("name", "is not a string")]),
        ('{"either": {"text": 5}}', Outer(either=Inner()), [("either.text", "is not a string")]),
        ('{"either": 5}', Outer(), [("either", "is not an object")]),
        ('{"either": null, "name": 5}', Outer(), [("name", "is not a string")]),
        ('{"many": {"text": 5}}', Outer(many=Inner()), [("many.text", "is not a string")]),
        ('{"many": [5]}', Outer(many=[]), [("many[0]", "is not an object")]),
        # What is not looked at is kept as it is.
        ('{"anything": [1], "name": 5}', Outer(anything=[1]), [("name", "is not a string")]),
    ],
)
def test_what_does_not_fit_is_named_and_the_rest_kept(
    text: str, value: Outer, unread: list[tuple[str, str]]
) -> None:
    assert read(text) == (value, unread)


def test_bytes_that_nobody_decodes_are_kept() -> None:
    value, _ = SHAPE.read(b'{"raw": {"a": [1]}, "name": 5}')
    assert value is not None
    assert memoryview(value.raw).tobytes() == b'{"a": [1]}'


@pytest.mark.parametrize(
    ("text", "value", "element"),
    [
        ('{"value": {"start": "2020"}}', None, ""),
        ('{"strat": "2020"}', None, ""),
        ('{"extension": [], "_start": {}, "id": "x"}', Period(), None),
        ("{}", Period(), None),
        ('{"start": "2020", "value": 5}', Period(start="2020"), None),
    ],
)
def test_an_object_that_holds_nothing_that_fhir_defines_there_is_none(
    text: str, value: Any, element: str | None
) -> None:
    found, unread = Shape(Period).read(text.encode())
    assert found == value
    assert [part.element for part in unread] == ([] if element is None else [element])


def test_so_are_the_objects_inside() -> None:
    text = b'{"coding": [{"value": 1}, {"version": "2"}, {"code": "a"}], "text": "t"}'
    found, unread = Shape(CodeableConcept).read(text)
    assert found == CodeableConcept(coding=[Coding(), Coding(code="a")], text="t")
    assert [(part.element, in_words(part.why)) for part in unread] == [
        ("coding[0]", "holds nothing that FHIR defines there")
    ]


def test_a_struct_that_names_no_other_members_takes_any_but_a_wrapped_value() -> None:
    assert read('{"inner": {"other": 1}}') == (Outer(inner=Inner()), [])
    assert read('{"inner": {"value": 1}}')[1] == [
        ("inner", "holds nothing that FHIR defines there")
    ]


@pytest.mark.parametrize("text", ["5", "[]", '"x"', "{", "", "nul", "[" * 100_000])
def test_what_is_no_object_is_nothing(text: str) -> None:
    assert read(text) == (None, [("", "is not an object")])


def test_a_shape_may_ask_for_all_or_nothing() -> None:
    assert SHAPE.exact(b'{"name": "a"}') == Outer(name="a")
    assert SHAPE.exact(b'{"name": 5}') is None


@pytest.mark.parametrize(
    ("expected", "text", "value", "why"),
    [
        (list[Coding], "null", None, "is not a list"),
        (list[Coding] | CodeableConcept, "null", None, "is null"),
        (Period | None, "null", None, None),
        (str, '"a"', "a", None),
        (str, "5", None, "is not a string"),
    ],
)
def test_null_is_a_value_only_where_it_may_be(
    expected: Any, text: str, value: Any, why: str | None
) -> None:
    found, unread = Shape(expected).read(text.encode())
    assert (found, [in_words(part.why) for part in unread]) == (value, [why] if why else [])


# ------------------------------------------------------------------- references of drafts

MEDICATION = {
    "resourceType": "Medication",
    "id": "m",
    "ingredient": [
        {"itemReference": {"reference": "Medication/part"}},
        {"itemReference": {"reference": "#inside"}},
        {"itemCodeableConcept": {"text": "magnesium"}},
    ],
}


@pytest.mark.parametrize(
    ("resource", "references"),
    [
        ({"medicationReference": {"reference": "Medication/1"}}, ["Medication/1"]),
        ({"medicationReference": {"reference": "#1"}}, []),
        ({"medicationReference": {"display": "x"}}, []),
        ({"medicationReference": 5}, []),
        (
            {"medicationCodeableConcept": {}, "medicationReference": {"reference": "Medication/1"}},
            [],
        ),
        (
            {"medicationCodeableConcept": 5, "medicationReference": {"reference": "Medication/1"}},
            ["Medication/1"],
        ),
        ({}, []),
    ],
)
def test_to_which_medications_the_drafts_refer(resource: Any, references: list[str]) -> None:
    order = {"resourceType": "MedicationRequest", **resource}
    context = {"draftOrders": {"entry": [None, {"resource": order}]}}
    assert list(medication_references(context)) == references
    assert list(medications_sent(context)) == []


def test_a_medication_among_the_drafts_refers_to_what_it_is_made_of() -> None:
    context = {"draftOrders": {"entry": [{}, {"resource": MEDICATION}]}}
    assert list(medication_references(context)) == ["Medication/part"]
    assert list(medications_sent(context)) == ["m"]
    odd = {"draftOrders": {"entry": [{"resource": {**MEDICATION, "ingredient": 5, "id": 5}}]}}
    assert list(medication_references(odd)) == []
    assert list(medications_sent(odd)) == []


@pytest.mark.parametrize("orders", [None, {}, {"entry": 5}, "odd"])
def test_without_drafts_there_are_none(orders: Any) -> None:
    assert list(draft_entries({"draftOrders": orders})) == []
