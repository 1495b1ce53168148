"""Asks the tests about mutants: the tests are read once, and each mutant is a fork that runs some.

A plugin of pytest. It runs every test once with nothing changed, noting which line is reached by
which test. Then, for each mutant, a child process puts the changed function in place of the right
one and runs the tests that reach it, those that noticed the neighbours first, until one fails.
"""

from __future__ import annotations
import __future__

import ast
import functools
import gc
import importlib
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import coverage
import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.mutants import ROOMS, ROOT, Mutant

KILLED, SURVIVED, TIMED_OUT, UNREACHED, BROKEN = (
    "killed",
    "survived",
    "timed out",
    "not reached",
    "could not be applied",
)
_EXITS = {0: SURVIVED, 1: KILLED, 3: BROKEN}
_BROAD = 12
_MEMORY = 3 * 2**30
_ROOMS = tuple(f"{room.replace('/', '.')}." for room in ROOMS)
_CACHED = type(functools.lru_cache(lambda: None))


class CannotBeImportedError(Exception):
    """The module with this change in it is none: every test notices."""


class Verdict(NamedTuple):
    mutant: Mutant
    outcome: str
    noticed_by: str = ""


class Campaign:
    """`told` hears each verdict. `red` names the tests that failed with nothing changed."""

    def __init__(
        self, mutants: list[Mutant], jobs: int, most: int, told: Callable[[Verdict], None]
    ) -> None:
        self.red: list[str] = []
        self._mutants = mutants
        self._jobs = jobs
        self._most = most
        self._told = told
        self._reaching: dict[str, dict[int, list[int]]] = {}
        self._seconds: list[float] = []
        self._reached: Counter[int] = Counter()
        self._lines: dict[tuple[str, int], frozenset[int]] = {}
        self._noticed: dict[tuple[str, str], list[int]] = defaultdict(list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            self.red.append("a test that could not be collected")
            return True
        items = [item for item in session.items if item.get_closest_marker("shared") is None]
        self._run_once(items)
        if not self.red:
            self._run_mutants(items)
        return True

    def _run_once(self, items: list[pytest.Item]) -> None:
        cover = coverage.Coverage(
            data_file=None, config_file=False, include=[f"{ROOT}/{room}/*" for room in ROOMS]
        )
        cover.start()
        for number, item in enumerate(items):
            cover.switch_context(str(number))
            forget()
            before = time.perf_counter()
            following = items[number + 1] if number + 1 < len(items) else items[0]
            reports = runtestprotocol(item, log=False, nextitem=following)
            self._seconds.append(time.perf_counter() - before)
            self.red += [item.nodeid for report in reports if report.failed]
        cover.stop()
        data = cover.get_data()
        for path in data.measured_files():
            file = os.path.relpath(path, ROOT)
            by_line = data.contexts_by_lineno(path).items()
            self._reaching[file] = {
                line: [int(test) for test in tests if test] for line, tests in by_line
            }
            lines: dict[int, set[int]] = defaultdict(set)
            for line, tests in self._reaching[file].items():
                for test in tests:
                    lines[test].add(line)
            for test, reached in lines.items():
                self._lines[file, test] = frozenset(reached)
                self._reached[test] += len(reached)

    def _run_mutants(self, items: list[pytest.Item]) -> None:
        gc.collect()
        gc.freeze()
        running: dict[int, tuple[Mutant, int, list[int]]] = {}
        for mutant in self._mutants:
            tests = self._tests_for(mutant)
            if not tests:
                self._told(Verdict(mutant, UNREACHED))
                continue
            if len(running) >= self._jobs:
                self._gather(running, items)
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                os.close(reading)
                _child(mutant, [(n, items[n]) for n in tests], self._allowed(tests), writing)
            os.close(writing)
            running[child] = mutant, reading, tests
        while running:
            self._gather(running, items)

    def _tests_for(self, mutant: Mutant) -> list[int]:
        """Those that reach the changed line, or for a table its room; the likeliest first."""
        reaching = self._reaching.get(mutant.file, {})
        inside = _tests_at(mutant.at, reaching)
        if not inside:  # what is done on import, like the default of an argument
            inside = _tests_at(mutant.lines, reaching)
        if not inside:
            inside = sorted({n for tests in reaching.values() for n in tests})
        candidates = set(inside)
        noticed = [n for n in reversed(self._noticed[mutant.file, mutant.name]) if n in candidates]
        narrow = sorted(inside, key=lambda n: (self._reached[n], n))
        broad = narrow[: -_BROAD - 1 : -1]
        return list(dict.fromkeys([*noticed, *broad, *self._varied(mutant.file, narrow)]))[
            : self._most
        ]

    def _varied(self, file: str, tests: list[int]) -> list[int]:
        """The same tests so that each way through the file comes early, the rare ways first."""
        ways: dict[frozenset[int], list[int]] = defaultdict(list)
        for test in tests:
            ways[self._lines[file, test]].append(test)
        ranked = [
            (turn, len(same), test) for same in ways.values() for turn, test in enumerate(same)
        ]
        return [test for _, _, test in sorted(ranked)]

    def _allowed(self, tests: Iterable[int]) -> float:
        return 10 + 10 * sum(self._seconds[n] for n in tests)

    def _gather(
        self, running: dict[int, tuple[Mutant, int, list[int]]], items: list[pytest.Item]
    ) -> None:
        child, status = os.wait()
        mutant, reading, _ = running.pop(child)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        outcome = TIMED_OUT
        if os.WIFEXITED(status):
            outcome = _EXITS.get(os.WEXITSTATUS(status), KILLED)
        elif os.WTERMSIG(status) != signal.SIGALRM:
            outcome = KILLED
        if outcome == BROKEN:
            raise RuntimeError(f"{mutant}\n{said}")
        noticed = int(said) if outcome == KILLED and said else None
        if noticed is not None:
            self._noticed[mutant.file, mutant.name].append(noticed)
        self._told(Verdict(mutant, outcome, items[noticed].nodeid if noticed is not None else ""))


def _tests_at(lines: range, reaching: dict[int, list[int]]) -> list[int]:
    return sorted({test for line in lines for test in reaching.get(line, ())})


def _child(
    mutant: Mutant, tests: list[tuple[int, pytest.Item]], seconds: float, writing: int
) -> None:
    """Never returns: leaves with 0 where no test noticed, 1 where one did."""
    code = 3
    try:
        _keep_quiet()
        signal.setitimer(signal.ITIMER_REAL, seconds)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        apply(mutant)
        code = 0
        for place, (number, item) in enumerate(tests):
            following = tests[(place + 1) % len(tests)][1]
            if any(r.failed for r in runtestprotocol(item, log=False, nextitem=following)):
                os.write(writing, str(number).encode())
                code = 1
                break
    except CannotBeImportedError:
        code = 1
    except Exception:  # noqa: BLE001 - whatever it is, the parent says it
        os.write(writing, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _keep_quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    threading.excepthook = lambda _: None


def apply(mutant: Mutant) -> None:
    """Puts the changed function, or the changed table and what is built on it, in its place."""
    module = importlib.import_module(mutant.file.removesuffix(".py").replace("/", "."))
    if mutant.code.startswith(("def ", "async def ")):
        _change_function(module, mutant)
    else:
        _change_table(module, mutant)
    forget()


def forget() -> None:
    """Empties what is cached, so that changed code runs, and is seen to run."""
    for name, loaded in sys.modules.copy().items():
        if name.startswith(_ROOMS):
            for value in list(vars(loaded).values()):
                if isinstance(value, _CACHED):
                    value.cache_clear()


def _change_function(module: ModuleType, mutant: Mutant) -> None:
    space = dict(vars(module))
    _execute(mutant.code, f"{module.__file__}", space)
    changed = space[mutant.name.rpartition(".")[2]]
    function = _function(module, mutant.name)
    function.__code__ = changed.__code__.replace(co_freevars=function.__code__.co_freevars)
    function.__defaults__ = changed.__defaults__
    function.__kwdefaults__ = changed.__kwdefaults__


def _function(module: ModuleType, name: str) -> FunctionType:
    """The function itself, below its decorators: whoever holds it runs the changed code."""
    holder: Any = module
    *classes, last = name.split(".")
    for part in classes:
        holder = getattr(holder, part)
    thing = vars(holder)[last]
    for inner in ("__func__", "func", "fget", "__wrapped__"):
        thing = getattr(thing, inner, thing)
    if not isinstance(thing, FunctionType):
        raise TypeError(f"{name} is no function")
    return thing


def _change_table(module: ModuleType, mutant: Mutant) -> None:
    """Assigns again from the changed table on, and renews what other modules imported by name."""
    before = dict(vars(module))
    with open(f"{module.__file__}", encoding="utf-8") as source:  # noqa: PTH123
        tree = ast.parse(source.read())
    for statement in tree.body:
        if statement.lineno < mutant.lines.start or not isinstance(
            statement, ast.Assign | ast.AnnAssign
        ):
            continue
        this = statement.lineno == mutant.lines.start
        _execute(
            mutant.code if this else ast.unparse(statement), f"{module.__file__}", vars(module)
        )
    renewed = {name: value for name, value in vars(module).items() if before.get(name) is not value}
    for name, loaded in sys.modules.copy().items():
        if name.startswith(("cds_service.", "cards.")) and loaded is not module:
            for key, value in list(vars(loaded).items()):
                if key in renewed and value is before.get(key):
                    setattr(loaded, key, renewed[key])


def _execute(code: str, file: str, space: dict[str, Any]) -> None:
    flags = __future__.annotations.compiler_flag
    try:
        exec(compile(code, file, "exec", flags, dont_inherit=True), space)  # noqa: S102
    except Exception as problem:
        raise CannotBeImportedError from problem
