"""No pattern of the product takes more than linear time, whatever text it meets.

CPython's `re` holds the interpreter's lock, so one slow match stops a worker: its event loop, its
health check and every time limit. The patterns are found by themselves, so that a new one is tried
without being named here.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.tables import each_row

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("cds_service", "cards")
LENGTHS = (250, 1_000, 4_000, 16_000)
LINEAR = 4.0
SLACK = 2.5
"""Times that linear growth may seem to be on a busy machine; quadratic growth would be four times."""
LEAST_SECONDS = 0.004
"""Below this the clock measures the machine, not the pattern."""
Pattern = re.Pattern[Any]


_RECORD = """
import importlib, json, pkgutil, re, sys
made = {}
compiled = re.compile
def recorded(pattern, flags=0):
    result = compiled(pattern, flags)
    place = sys._getframe(1)
    module = place.f_globals.get("__name__", "")
    if module.startswith(PACKAGES):
        made[result] = f"{module}:{place.f_lineno}"
    return result
re.compile = recorded
for package in PACKAGES:
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if "migrations" not in found.name and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
from cds_service.knowledge.loader import load
load()
print(json.dumps([
    [place, p.pattern if isinstance(p.pattern, str) else p.pattern.decode("latin-1"),
     isinstance(p.pattern, str), p.flags & ~re.UNICODE.value]
    for p, place in made.items()
]))
"""


@cache
def patterns() -> dict[str, Pattern]:
    """Each pattern that the product compiles when it is imported and its knowledge is loaded."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", f"PACKAGES = {PACKAGES!r}\n{_RECORD}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Pattern] = {}
    for place, source, is_text, flags in json.loads(done.stdout):
        pattern = re.compile(source if is_text else source.encode("latin-1"), flags)
        number = sum(1 for other in found if other.startswith(place))
        found[f"{place}-{number}" if number else place] = pattern
    return found


def texts(pattern: Pattern, length: int) -> Iterator[str]:
    """Texts that make a pattern try again and again: what it repeats, and then something else."""
    source = (
        pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    )
    literal = sorted(
        set(re.sub(r"\\[a-zA-Z]|[\\()\[\]{}|?*+^$]", " ", source)) | set('a0 <\n"\\/.,-')
    )
    words = set(re.findall(r"[A-Za-z/_]{3,}|[^\sA-Za-z0-9]{2,}", re.sub(r"\\[a-zA-Z]", "", source)))
    pieces = [
        *literal,
        *sorted(words),
        "1 ",
        "a ",
        "a/",
        "1,",
        "1.",
        "\\a",
        "<a",
        "a\n",
        "0 0",
        "&#",
    ]
    for piece in pieces:
        for start, end in (("", "\n!"), ("1", "\n1\n1"), ('"', ""), ("Patient/a", "\nx")):
            yield start + piece * (length // len(piece)) + end


def seconds(action: Callable[[], object]) -> float:
    """Processor time; where it can be noticed, the best of three."""
    taken: list[float] = []
    while len(taken) < 3:
        started = time.process_time()
        action()
        taken.append(time.process_time() - started)
        if taken[-1] < LEAST_SECONDS:
            break
    return min(taken)


def methods(place: str) -> set[str]:
    """How the product uses a pattern: a search begins at each character, a match at the first only.

    Found by the name that the line of its compilation gives it.
    """
    module, _, line = place.partition("-")[0].partition(":")
    file = ROOT / f"{module.replace('.', '/')}.py"
    if not file.is_file():
        file = ROOT / module.replace(".", "/") / "__init__.py"
    lines = file.read_text(encoding="utf-8").splitlines()
    named = next(
        (m[1] for at in range(int(line) - 1, -1, -1) if (m := _ASSIGNED.match(lines[at]))), ""
    )
    sources = "\n".join(path.read_text(encoding="utf-8") for path in _FILES) if named else ""
    found = set(re.findall(rf"\b{named}\.({_METHODS})\b", sources)) if named else set()
    return found or {"search", "fullmatch", "sub"}


_ASSIGNED = re.compile(r"^\s*(?:self\.)?(\w+)(?:: [^=]+)? = ")
_METHODS = "search|match|fullmatch|sub|finditer|findall|split"
_FILES = [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))]


def uses(pattern: Pattern, names: Iterable[str]) -> Iterator[Callable[[str], object]]:
    is_text = isinstance(pattern.pattern, str)
    empty: Any = "" if is_text else b""

    def using(name: str) -> Callable[[str], object]:
        method = getattr(pattern, name)

        def use(text: str) -> object:
            given: Any = text if is_text else text.encode()
            if name == "sub":
                return method(empty, given)
            return list(method(given)) if name == "finditer" else method(given)

        return use

    yield from map(using, sorted(names))


def slow_text(pattern: Pattern, names: Iterable[str] = ("search", "sub")) -> str:
    """A text for which a pattern needs more than linear time, shortened; "" if none was found."""
    for use in uses(pattern, names):
        for longer in zip(*(texts(pattern, length) for length in LENGTHS), strict=True):
            before = seconds(lambda: use(longer[0]))  # noqa: B023 - called at once
            for text in longer[1:]:
                taken = seconds(lambda: use(text))  # noqa: B023 - called at once
                if taken > LEAST_SECONDS and taken > LINEAR * SLACK * max(before, 0.0002):
                    return f"{text[:12]!r}... of {len(text)} characters takes {taken:.3f} s"
                before = taken
    return ""


@pytest.mark.slow
def test_a_pattern_takes_linear_time() -> None:
    slow = {place: slow_text(pattern, methods(place)) for place, pattern in patterns().items()}
    assert {place: text for place, text in slow.items() if text} == {}


@pytest.mark.parametrize(
    "source",
    [
        r"<+(?=[A-Za-z/!?])",
        r"\d{1,6}\s*(\D.*)?x",
        r"(?:.*/)?Patient/([^/]+)(?:/_h/.*)?$",
        r"(a+)+b",
    ],
)
def test_the_search_finds_slow_patterns(source: str) -> None:
    """Patterns of the kinds that stopped a worker; with the last the texts are cut short."""
    pattern = re.compile(source)
    if source == "(a+)+b":
        started = time.process_time()
        pattern.match("a" * 22)
        assert time.process_time() - started > LEAST_SECONDS
        return
    assert slow_text(pattern)


def test_there_are_patterns_to_look_at() -> None:
    assert len(patterns()) > 15
    assert any(isinstance(p.pattern, bytes) for p in patterns().values())


@each_row("path", _FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_patterns_are_compiled_where_they_are_found(path: Path) -> None:
    """When a module is imported or knowledge is loaded: one made for a call would escape these tests."""
    allowed = {"escape", "Pattern", "Match", "RegexFlag", "ASCII", "IGNORECASE"}
    if path.is_relative_to(ROOT / "cds_service" / "knowledge"):
        allowed |= {"compile"}
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        for node in ast.walk(function):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "re"
            ):
                assert node.attr in allowed, f"line {node.lineno}: re.{node.attr}"
