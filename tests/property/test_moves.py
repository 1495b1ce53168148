"""Where a resource stands, and how it is referred to, never changes a decision (SPEC 12.1 U-3, U-5).

A Medication may stand anywhere in a call. A clinical resource under the key of another kind is never
read as absent: the answer is the same, or 412, or the resource is named.
"""

from __future__ import annotations

from functools import cache

import pytest

from . import calls
from .calls import Body, Call
from .confidence import Answer, is_same, more_confident, newly_named
from .moves import (
    ORDERS,
    PLACES,
    REFERENCES,
    bundles,
    can_move,
    misplaced_unrequested,
    moved,
    resources,
)
from .service import Service
from .test_spellings import decided

pytestmark = pytest.mark.slow

EVERY = 10
"""One of so many calls is asked in each way; all ways together ask every call at least twice."""


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


@cache
def with_medicines() -> tuple[Call, ...]:
    every = [*calls.sandbox(), *calls.cases(), *calls.scenarios()[::3]]
    return tuple(call for call in every if (body := call.load()) is not None and _orders(body))


def _orders(body: Body) -> bool:
    return any(
        resource.get("resourceType") in ORDERS
        for _, bundle in bundles(body)
        for resource in resources(bundle)
    )


def after_moving(service: Service, call: Call, place: str, form: str) -> str:
    """What changed, "" where nothing did."""
    body, usual = service.usual(call)
    if body is None or not can_move(body, place):
        return ""
    other = service.ask(body["hook"], moved(body, place, form), call.now)
    if usual.status != other.status:
        return f"{call.name}: {usual.status} -> {other.status}"
    if not usual.is_served or decided(usual) == decided(other):
        return ""
    return f"{call.name}: {decided(usual)} -> {decided(other)}"


WAYS = [
    *((place, form) for place in PLACES for form in REFERENCES if form != "contained"),
    ("the same Bundle", "contained"),
]
"""What is contained has no other place."""


@pytest.mark.parametrize(("place", "form"), WAYS)
def test_a_medication_may_stand_anywhere(service: Service, place: str, form: str) -> None:
    number = WAYS.index((place, form))
    some = with_medicines()[number % EVERY :: EVERY]
    wrong = [said for call in some if (said := after_moving(service, call, place, form))]
    assert not wrong, "\n".join(wrong[:5])


STRAYED = [*calls.sandbox()[::12], *calls.scenarios()[::80]]


@pytest.mark.parametrize("call", STRAYED, ids=lambda call: call.name)
def test_a_clinical_resource_under_another_key_is_never_read_as_absent(
    service: Service, call: Call
) -> None:
    body, before = service.usual(call)
    assert body is not None
    wrong = []
    for source, target, stray in misplaced_unrequested(body):
        after = service.ask(body["hook"], stray, call.now)
        said = fault(before, after, source, target)
        if said:
            wrong.append(f"{source} -> {target}: {said}")
    assert not wrong, "\n".join(wrong[:5])


def fault(before: Answer, after: Answer, source: str, target: str) -> str:
    if after.status == 412 or is_same(before, after):
        return ""
    if not after.is_served:
        return str(after.status)
    named = newly_named(before, after, source) or newly_named(before, after, target)
    return more_confident(before, after) or ("" if named else "changed without a word")
