"""What must not change an answer: extras of any element, spellings of systems, dates cut short (SPEC 12.1).

The calls are shared out among a few tests, which name every call that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any

import pytest

from ..support.places import below, replaced, value_at
from . import calls
from .calls import Body, Call
from .changes import (
    PRECISIONS,
    SYSTEM_SPELLINGS,
    changed_data,
    dates_of,
    systems_back,
    with_dates_cut,
    with_extras,
    with_systems,
    without_extras,
)
from .confidence import SERVER_ERROR, Answer, more_confident
from .elements import seeded
from .service import Service

pytestmark = pytest.mark.slow

PARTS = 4
Faults = Iterator[str]


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


def some(every: int, part: int = 0) -> list[Call]:
    """One of `every` calls of each source; another `part`, other calls."""
    sources = (calls.sandbox(), calls.scenarios(), calls.cases(), calls.variants()[::3])
    return [call for source in sources for call in source[part % every :: every]]


def loaded(service: Service, chosen: Sequence[Call]) -> Iterator[tuple[Call, Body, Answer]]:
    """The calls that have a body, with the answer to each."""
    for call in chosen:
        body, answer = service.usual(call)
        if body is not None:
            yield call, body, answer


def difference(
    before: Answer, after: Answer, back: Callable[[Any], Any] = lambda cards: cards
) -> str:
    """What differs of cards, facts, and the keys named as unknown; `back` undoes what is only echoed."""
    if after.status != before.status:
        return f"{before.status} -> {after.status}"
    if back(list(after.cards)) != list(before.cards):
        return "other cards"
    if after.states != before.states:
        return f"{before.states} -> {after.states}"
    named = {name[0] for name in before.names}, {name[0] for name in after.names}
    return "" if named[0] == named[1] else f"named {named[0]} -> {named[1]}"


# ---------------------------------------------------- (b) ids, extensions and siblings


@pytest.mark.parametrize("part", range(PARTS))
def test_ids_extensions_and_siblings_of_all_elements_change_nothing(
    service: Service, part: int
) -> None:
    def faults() -> Faults:
        for call, body, before in loaded(service, some(2 * PARTS, 2 * part)):
            after = service.ask(body["hook"], changed_data(body, with_extras), call.now)
            yield _said(call, difference(before, after, without_extras))

    assert not [said for said in faults() if said]


def test_nor_do_those_of_any_one_element(service: Service) -> None:
    """Each alone: what is only right because all have one would show."""

    def faults() -> Faults:
        for call, body, before in loaded(service, some(24)):
            for changed in _one_element_more(body, seeded(call.name)):
                after = service.ask(body["hook"], changed, call.now)
                yield _said(call, difference(before, after, without_extras))

    assert not [said for said in faults() if said]


def _one_element_more(body: Body, random: Random) -> Iterator[Body]:
    data = body.get("prefetch") or {}
    places = [place for place in below(data) if _is_element(value_at(data, place))]
    for place in random.sample(places, min(10, len(places))):
        yield replaced(body, ("prefetch", *place), with_extras(value_at(data, place)))


def _is_element(value: Any) -> bool:
    return isinstance(value, dict) and "resourceType" not in value


# ------------------------------------------------------------------ (c) dates cut short


def doubt(before: Answer, after: Answer) -> str:
    """Whether a chart that says less was answered with a server error, or with more confidence."""
    if after.status >= SERVER_ERROR:
        return str(after.status)
    return more_confident(before, after) or ""


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("part", range(PARTS))
def test_dates_cut_short_are_answered_and_never_more_confident(
    service: Service, part: int, precision: str
) -> None:
    def faults() -> Faults:
        for call, body, before in loaded(service, some(2 * PARTS, 2 * part + 1)):
            cut = changed_data(body, lambda value: with_dates_cut(value, precision))
            yield _said(call, doubt(before, service.ask(body["hook"], cut, call.now)))

    assert not [said for said in faults() if said]


def test_nor_are_those_of_one_key_or_one_element(service: Service) -> None:
    def faults() -> Faults:
        for call, body, before in loaded(service, some(16, 3)):
            for cut in (*_one_key(body), *_one_date(body, seeded(call.name))):
                yield _said(call, doubt(before, service.ask(body["hook"], cut, call.now)))

    assert not [said for said in faults() if said]


def _one_key(body: Body) -> Iterator[Body]:
    for key, value in (body.get("prefetch") or {}).items():
        for precision in ("year", "month"):
            cut = with_dates_cut(value, precision)
            if cut != value:
                yield replaced(body, ("prefetch", key), cut)


def _one_date(body: Body, random: Random) -> Iterator[Body]:
    places = list(dates_of(body))
    for place in random.sample(places, min(10, len(places))):
        length = random.choice(list(PRECISIONS.values()))
        yield replaced(body, place, value_at(body, place)[:length])


# -------------------------------------------------------------- (d) systems (U-7)


@pytest.mark.parametrize("spelling", SYSTEM_SPELLINGS)
def test_another_spelling_of_code_systems_changes_nothing(service: Service, spelling: str) -> None:
    spell = SYSTEM_SPELLINGS[spelling]

    def faults() -> Faults:
        part = list(SYSTEM_SPELLINGS).index(spelling)
        for call, body, before in loaded(service, some(12, part)):
            other = changed_data(body, lambda value: with_systems(value, spell))
            after = service.ask(body["hook"], other, call.now)
            said = difference(before, after, partial(systems_back, body=body, spelling=spell))
            yield _said(call, said)

    assert not [said for said in faults() if said]


def _said(call: Call, fault: str) -> str:
    return f"{call.name}: {fault}" if fault else ""
