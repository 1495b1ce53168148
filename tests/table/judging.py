"""Compares the service with the second evaluator over many cases and reports by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import NamedTuple

import msgspec
import pytest
from flask.testing import FlaskClient

from cds_service.hooks.answering import Answering
from cds_service.hooks.envelope import read_call
from cds_service.hooks.errors import BadCallError
from cds_service.site.force import InForce
from tests.support import http
from tests.support.cards import selection_behavior
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.table import answers, cases
from tests.table.answers import Shown
from tests.table.facts import Card, Case, Outcome
from tests.table.second_evaluator import evaluate

OK = 200
ANSWERING = Answering(InForce(knowledge()))
MOST_GROUPS_SHOWN = 40
EXAMPLES_SHOWN = 2
Space = Callable[[], Iterable[Case]]


class Difference(NamedTuple):
    what: str
    expected: str
    got: str


def brief(value: object) -> str:
    """A value as it would be written by hand: without the members that are as usual."""
    if isinstance(value, tuple | frozenset):
        return "{" + ", ".join(brief(item) for item in sorted(value, key=repr)) + "}"
    if not is_dataclass(value) or isinstance(value, type):
        return str(value)
    said = [(f, getattr(value, f.name)) for f in fields(value)]
    unusual = [f"{f.name}={brief(v)}" for f, v in said if v != f.default]
    return f"{type(value).__name__}({', '.join(unusual)})"


def cards_text(shown: Iterable[Shown]) -> str:
    lines = [f"{card} {level} [{', '.join(labels)}]" for card, level, labels in shown]
    return "; ".join(lines) or "no card"


class Wanted(NamedTuple):
    """A card, and the kidneys that must be its reason."""

    expected: Card
    kidney: str | None
    flags: frozenset[str]


def card_differences(wanted: Wanted, got: Resource) -> Iterable[Difference]:
    expected = wanted.expected
    rows: list[tuple[str, object, object]] = [
        ("kidney.class", wanted.kidney, answers.kidney_of(got))
    ]
    if expected.recommended is not None:
        rows.append(("isRecommended", expected.recommended, answers.recommended(got)))
    behaviour = selection_behavior(expected.suggestions) if expected.suggestions else None
    rows.append(("selectionBehavior", behaviour, got.get("selectionBehavior")))
    rows.append(("tests lacking", set(), answers.tests_lacking(got)))
    rows.append(("flags lacking", frozenset(), wanted.flags - answers.flags_of(got)))
    for what, said, found in rows:
        if said != found:
            yield Difference(f"{what} of {expected.id}", brief(said), brief(found))


def differences(expected: Outcome, status: int, cards: list[Resource]) -> Iterable[Difference]:
    if status != expected.status:
        yield Difference("status", str(expected.status), str(status))
        return
    got = [answers.shown(card) for card in cards]
    if got != expected.shown:
        yield Difference("cards", cards_text(expected.shown), cards_text(got))
        return
    for card, answered in zip(expected.cards, cards, strict=True):
        wanted = Wanted(card, expected.kidney, expected.flags)
        yield from card_differences(wanted, answered)


def ask(
    client: FlaskClient, case: Case, body: Resource | None = None
) -> tuple[int, list[Resource]]:
    response = http.call(client, case.hook, cases.request(case) if body is None else body)
    found = response.get_json(silent=True) or {}
    return response.status_code, found.get("cards", [])


def decided(case: Case) -> tuple[int, list[Resource]]:
    """The status and the cards for the request of a case, from its bytes, without the web server."""
    try:
        call = read_call(msgspec.json.encode(cases.request(case)), case.hook)
        answer = ANSWERING.answer(call, "https://cds.example.org")
    except BadCallError as refusal:
        return refusal.status, []
    return OK, msgspec.json.decode(msgspec.json.encode(answer.cards))


def report(groups: dict[Difference, list[str]], asked: int) -> str:
    wrong = sum(len(examples) for examples in groups.values())
    lines = [f"{wrong} differences in {asked} cases, of {len(groups)} kinds"]
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    for difference, examples in ordered[:MOST_GROUPS_SHOWN]:
        lines.append(f"{len(examples)} x {difference.what}")
        lines.append(f"    expected {difference.expected}")
        lines.append(f"    got      {difference.got}")
        lines.extend(f"    e.g. {example}" for example in examples[:EXAMPLES_SHOWN])
    return "\n".join(lines)


def assert_agreement(space: Iterable[Case]) -> None:
    """Every case of the space, each once; all differences are reported together."""
    groups: dict[Difference, list[str]] = {}
    asked = 0
    for case in dict.fromkeys(space):
        asked += 1
        status, cards = decided(case)
        for difference in differences(evaluate(case), status, cards):
            groups.setdefault(difference, []).append(brief(case))
    assert asked, "an empty space proves nothing"
    if groups:
        pytest.fail(report(groups, asked), pytrace=False)
