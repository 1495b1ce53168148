"""Only two modules turn bytes of a call into values, so that nothing is lost without a record."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tables import each_row

ROOT = Path(__file__).resolve().parent.parent.parent / "cds_service"
ROOMS = ("chart", "reasoning", "fhir")
READERS = {Path("fhir/reading.py")}
"""What may decode and catch what fails. `chart/reading.py` records it and needs no `except`."""

FAILURES = frozenset(
    """
    DecodeError ValidationError MsgspecError RecursionError UnicodeDecodeError UnicodeError
    JSONDecodeError Exception BaseException KeyError TypeError AttributeError IndexError
    """.split()  # noqa: SIM905
)
DECODERS = frozenset({"Decoder", "decode", "loads", "load", "convert"})
FINE = {
    # A RecursionError while an order is encoded, which leaves an entry that is no readable order.
    (Path("fhir/drafts.py"), "RecursionError"),
}


def modules() -> list[Path]:
    found = (path for room in ROOMS for path in sorted((ROOT / room).glob("*.py")))
    return [p.relative_to(ROOT) for p in found if p.relative_to(ROOT) not in READERS]


def named(node: ast.expr | None) -> Iterator[str]:
    """The exceptions of an `except`; "" for one that names none, or names them in another way."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Tuple(elts=several):
            for one in several:
                yield from named(one)
        case _:
            yield ""


def caught(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            yield from named(node.type)
        if isinstance(node, ast.Call) and "suppress" in set(named(node.func)):
            yield from (name for argument in node.args for name in named(argument))


def decoding(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from DECODERS & set(named(node.func))


def parsed(text: str) -> ast.AST:
    return ast.parse(text)


@each_row("module", modules(), ids=str)
def test_nothing_else_swallows_what_cannot_be_read(module: Path) -> None:
    found = set(caught(parsed((ROOT / module).read_text(encoding="utf-8"))))
    assert {name for name in found & (FAILURES | {""}) if (module, name) not in FINE} == set()


@each_row("module", modules(), ids=str)
def test_nothing_else_decodes(module: Path) -> None:
    assert set(decoding(parsed((ROOT / module).read_text(encoding="utf-8")))) == set()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("try:\n  f()\nexcept msgspec.DecodeError:\n  pass", {"DecodeError"}),
        (
            "try:\n  f()\nexcept (ValueError, RecursionError):\n  pass",
            {"ValueError", "RecursionError"},
        ),
        ("try:\n  f()\nexcept:\n  pass", {""}),
        ("try:\n  f()\nexcept _FAILURES:\n  pass", {"_FAILURES"}),
        ("with contextlib.suppress(ValidationError):\n  f()", {"ValidationError"}),
        ("f()", set()),
    ],
)
def test_what_is_caught_is_seen(text: str, names: set[str]) -> None:
    assert set(caught(parsed(text))) == names


def test_what_is_decoded_is_seen() -> None:
    text = "msgspec.json.Decoder(str)\nmsgspec.convert(a, str)\njson.loads(x)\nshape.read(x)"
    assert set(decoding(parsed(text))) == {"Decoder", "convert", "loads"}


def test_the_modules_are_found() -> None:
    assert {Path("chart/conditions.py"), Path("reasoning/orders.py")} <= set(modules())
