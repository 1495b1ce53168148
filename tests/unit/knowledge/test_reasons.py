"""Each reason of the code has one sentence in the wording catalogue, and no sentence is left over."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from cds_service import reasons
from cds_service.knowledge.wording import reason_mismatches
from cds_service.reasons import PLACES
from tests.support.decisions import knowledge
from tests.support.wording import in_words

ROOT = Path(__file__).resolve().parents[3]
NAMED = {
    name: value
    for name, value in vars(reasons).items()
    if not isinstance(value, type) and getattr(value, "code", None) in PLACES
}
"""The fixed reasons, and what makes those with values."""


@cache
def uses() -> tuple[tuple[Path, str, ast.Call | None], ...]:
    return tuple(_uses())


def _uses() -> Iterator[tuple[Path, str, ast.Call | None]]:
    """Each use of a name of `cds_service.reasons` in the product, with the call if it is one."""
    for folder in ("cds_service", "cards"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            calls = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    if node.value.id == "reasons":
                        yield path, node.attr, calls.get(id(node))
                elif isinstance(node, ast.Name) and node.id in NAMED:
                    yield path, node.id, calls.get(id(node))


def test_the_catalogue_and_the_code_agree() -> None:
    assert len(PLACES) > 150
    assert list(reason_mismatches(knowledge().wording.reasons)) == []


def test_a_difference_is_named() -> None:
    sentences = dict(knowledge().wording.reasons)
    sentences.pop("not-sent")
    sentences["new"] = "is new"
    sentences["status-is"] = "has some status"
    sentences["is-null"] = "is {value}"
    assert list(reason_mismatches(sentences)) == [
        "there is no sentence for the reason not-sent",
        "nothing gives the reason new",
        "reason is-null has places for value, and is given nothing",
        "reason status-is has places for nothing, and is given status",
    ]


def test_no_two_reasons_say_the_same() -> None:
    """Gaps with one text are said once, so one text may not have two codes."""
    every = knowledge().wording.reasons.values()
    sentences = [said for said in every if said != "{items}"]
    assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize("name", sorted(NAMED))
def test_each_reason_is_given(name: str) -> None:
    assert name in {used for _, used, _ in uses()}


def test_each_reason_is_given_its_values() -> None:
    wrong = [
        (path.name, name, len(call.args))
        for path, name, call in uses()
        if call is not None and name in NAMED and len(call.args) != len(PLACES[NAMED[name].code])
    ]
    assert wrong == [("prefetch.py", "either", 1)]  # `*resource_types`, which are two


def test_reasons_are_said_with_their_values() -> None:
    found = reasons.with_failure(reasons.IN_PART, reasons.server_status(503))
    assert in_words(found) == (
        "holds only a part of the data, and the FHIR server answered with status 503"
    )
    assert in_words(reasons.combined([reasons.IS_NULL, reasons.IS_MISSING])) == (
        "is null; is missing"
    )
    assert in_words(reasons.all_of(("a", "b", "c"))) == "a, b and c"
    assert in_words(reasons.listed(("a", "b"))) == "a, b"
    assert reasons.combined([reasons.IS_NULL]) == reasons.IS_NULL
