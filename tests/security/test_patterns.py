"""No pattern of the product takes more than linear time, whatever text it meets.

CPython's `re` holds the interpreter's lock, so one slow match stops a worker: its event loop, its
health check and every time limit. The patterns are found by themselves, so that a new one is tried
without being named here.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("cds_service", "cards")
# Modules that end the process, or start something, when they are imported.
_NOT_IMPORTED = re.compile(r"__main__$|migrations")
LENGTHS = (250, 1_000, 4_000, 16_000)
LINEAR = 4.0
SLACK = 2.5
"""Times that linear growth may seem to be on a busy machine; quadratic growth would be four times."""
LEAST_SECONDS = 0.004
"""Below this the clock measures the machine, not the pattern."""
Pattern = re.Pattern[Any]


def modules() -> Iterator[Any]:
    for package in PACKAGES:
        root = importlib.import_module(package)
        yield root
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not _NOT_IMPORTED.search(found.name):
                yield importlib.import_module(found.name)


def patterns() -> dict[str, Pattern]:
    """Each compiled pattern that a module of the product holds, by its place."""
    found: dict[int, tuple[str, Pattern]] = {}
    for module in modules():
        for name, value in vars(module).items():
            for place, pattern in _inside(f"{module.__name__}.{name}", value):
                found.setdefault(id(pattern), (place, pattern))
    return dict(found.values())


def _inside(place: str, value: Any) -> Iterator[tuple[str, Pattern]]:
    if isinstance(value, re.Pattern):
        yield place, value
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, item in enumerate(value):
            yield from _inside(f"{place}[{number}]", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _inside(f"{place}[{key}]", item)
    elif isinstance(value, type):
        for name, item in vars(value).items():
            yield from (
                pair for pair in [(f"{place}.{name}", item)] if isinstance(item, re.Pattern)
            )


PATTERNS = patterns()


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


_SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
)


def methods(place: str) -> set[str]:
    """How the product uses a pattern: a search begins at each character, a match at the first only."""
    name = place.rpartition(".")[2].partition("[")[0]
    found = set(
        re.findall(rf"\b{name}\.(search|match|fullmatch|sub|finditer|findall|split)\b", _SOURCES)
    )
    return found or {"search", "fullmatch", "sub"}


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


@pytest.mark.parametrize("place", sorted(PATTERNS))
def test_a_pattern_takes_linear_time(place: str) -> None:
    assert slow_text(PATTERNS[place], methods(place)) == ""


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
    assert len(PATTERNS) > 15
    assert any(isinstance(p.pattern, bytes) for p in PATTERNS.values())


@pytest.mark.parametrize(
    "path",
    [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_patterns_are_compiled_where_they_are_found(path: Path) -> None:
    """At the top of a module: a pattern inside a function would escape the tests above."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for node in ast.walk(function):
                named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                if named and node.value.id == "re":
                    assert node.attr in {"escape", "Pattern", "Match", "RegexFlag"}, (
                        f"line {node.lineno}: re.{node.attr}"
                    )
