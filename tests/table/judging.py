"""Compares the service with the second evaluator over many cases and reports by kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import NamedTuple

import pytest
from flask.testing import FlaskClient

from tests.support import http
from tests.support.fhir import Resource
from tests.table import cases
from tests.table.cases import Shown
from tests.table.second_evaluator import Card, Case, Outcome, evaluate

MOST_GROUPS_SHOWN = 40
EXAMPLES_SHOWN = 2


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


def behaviour(card: Card) -> str | None:
    """SPEC 6.6: `any` with labs, `at-most-one` with drafts only, else nothing is said."""
    if "labs" in card.suggestions:
        return "any"
    only_drafts = card.suggestions and all(s.startswith("mg ") for s in card.suggestions)
    return "at-most-one" if only_drafts else None


def card_differences(expected: Card, kidney: str | None, got: Resource) -> Iterable[Difference]:
    if cases.kidney_of(got) != kidney:
        yield Difference(f"kidney.class of {expected.id}", str(kidney), str(cases.kidney_of(got)))
    if expected.recommended is not None and cases.recommended(got) != expected.recommended:
        yield Difference(
            f"isRecommended of {expected.id}",
            str(expected.recommended),
            str(cases.recommended(got)),
        )
    wanted = behaviour(expected)
    if wanted is not None and got.get("selectionBehavior") != wanted:
        yield Difference(
            f"selectionBehavior of {expected.id}", wanted, str(got.get("selectionBehavior"))
        )


def differences(expected: Outcome, status: int, cards: list[Resource]) -> Iterable[Difference]:
    if status != expected.status:
        yield Difference("status", str(expected.status), str(status))
        return
    got = [cases.shown(card) for card in cards]
    if got != expected.shown:
        yield Difference("cards", cards_text(expected.shown), cards_text(got))
        return
    for wanted, card in zip(expected.cards, cards, strict=True):
        yield from card_differences(wanted, expected.kidney, card)


def ask(
    client: FlaskClient, case: Case, body: Resource | None = None
) -> tuple[int, list[Resource]]:
    response = http.call(client, case.hook, cases.request(case) if body is None else body)
    found = response.get_json(silent=True) or {}
    return response.status_code, found.get("cards", [])


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


def assert_agreement(client: FlaskClient, space: Iterable[Case]) -> None:
    """Every case of the space, each once; all differences are reported together."""
    groups: dict[Difference, list[str]] = {}
    asked = 0
    for case in dict.fromkeys(space):
        asked += 1
        status, cards = ask(client, case)
        for difference in differences(evaluate(case), status, cards):
            groups.setdefault(difference, []).append(brief(case))
    assert asked, "an empty space proves nothing"
    if groups:
        pytest.fail(report(groups, asked), pytrace=False)
