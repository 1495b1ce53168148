"""Chart, reasoning, fhir, fetching and cards hold no English sentence: it would be in one language only.

Sentences belong in the knowledge: the wording catalogue and the texts of the tables.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("cds_service/chart", "cds_service/reasoning", "cds_service/fhir", "cds_service/fetching"),
    "cards",
)
_TWO_WORDS = re.compile(r"[A-Za-z]{2,}[,;:]? +[A-Za-z(]|[A-Za-z]{2,} +\{|\} +[A-Za-z]{2,}")

ALLOWED: dict[str, str] = {
    # Names of rules in `/explain`, which programs look for in every language.
    "not stopped before": "the name of a rule",
    "no suggestion": "the name of a rule",
    "not met": "a code of what came of a rule",
    "no {}": "the name of a rule",
    "order {}": "the name of a rule",
    "at most {} cards": "the name of a rule",
    # Names of places in a call that have no id, as in `Condition (entry 3)`.
    "entry {}": "the name of a place",
    "{} (entry {})": "the name of a place",
    "{} (entry {}, without id)": "the name of a place",
    "MedicationRequest (draft)": "the name of a place",
    # Words that are looked for in what the EHR sent, or in the knowledge.
    "reaction to": "words of records of allergies",
    "not pregnant": "words of a pregnancy status",
    "magnesium oxide": "the name of a salt in the knowledge",
    "magnesium hydroxide": "the name of a salt in the knowledge",
    "magnesium glycinate": "the name of a salt in the knowledge",
    # Technical.
    "fact {}": "a key in a set, which is not shown",
    "Bearer {}": "the header of HTTP",
    '<div xmlns="http://www.w3.org/1999/xhtml" lang="{}" xml:lang="{}"><p>{}</p>{}</div>': "markup",
}
# The start stops with these lines, which are for operators.
OF_OPERATORS = frozenset({"cards/registered.py"})


def sentences(module: ast.Module) -> Iterator[str]:
    """The literals with two words or more: not docstrings, errors, patterns, or lists of words."""
    parents = {child: node for node in ast.walk(module) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            text = "".join(v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        above = list(_above(node, parents))
        if any(isinstance(n, ast.JoinedStr | ast.Raise) for n in above) or _is_apart(above):
            continue
        if _TWO_WORDS.search(text):
            yield text


def _above(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in parents:
        node = parents[node]
        yield node


def _is_apart(above: list[ast.AST]) -> bool:
    """Whether it is a docstring, a pattern of `re`, or a list of words that is split."""
    if isinstance(above[0], ast.Expr):
        return True
    if isinstance(above[0], ast.Attribute) and above[0].attr == "split":
        return True
    call = next((n for n in above if isinstance(n, ast.Call)), None)
    return call is not None and isinstance(call.func, ast.Attribute) and call.func.attr == "compile"


def modules() -> list[Path]:
    found = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [path.relative_to(ROOT) for path in found]


def found_in(path: Path) -> list[str]:
    return list(sentences(ast.parse((ROOT / path).read_text(encoding="utf-8"))))


def test_no_module_holds_a_sentence() -> None:
    wrong = [
        f"{path}: {text!r}"
        for path in modules()
        if path.as_posix() not in OF_OPERATORS
        for text in found_in(path)
        if text not in ALLOWED
    ]
    assert wrong == []


def test_nothing_is_allowed_that_is_not_there() -> None:
    written = {text for path in modules() for text in found_in(path)}
    assert sorted(ALLOWED.keys() - written) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('why = "was not sent"', ["was not sent"]),
        ('why = f"is {status}"', ["is {}"]),
        ('why = f"{count} cards"', ["{} cards"]),
        ('def f():\n    "What it does, in words."', []),
        ('raise ValueError(f"is not {name}")', []),
        ('words = "one two three".split()', []),
        ('x = re.compile("one two")', []),
        ('x = "one"', []),
    ],
)
def test_what_is_a_sentence(code: str, found: list[str]) -> None:
    assert list(sentences(ast.parse(code))) == found
