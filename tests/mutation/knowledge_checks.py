"""Whether anything notices a wrong change: the schemas and the linter, then the tests that read.

The tests are collected once, with a loader that refuses, so that no test may hold the sound
knowledge. Each change is then judged in a fork of this process, in which the loader gives the
changed knowledge. Test modules that read knowledge while they are imported are imported there.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import signal
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest
from _pytest.runner import runtestprotocol
from jsonschema import Draft202012Validator

from cds_service.knowledge import drugs, lint, loader, terminology
from cds_service.knowledge.loader import Knowledge, KnowledgeError
from tests.mutation.knowledge_changes import DATA, Change, read

ROOT = Path(__file__).resolve().parents[2]
_load = loader.load

TESTS = (
    "tests/unit/knowledge",
    "tests/unit/reasoning",
    "tests/unit/chart",
    *(f"tests/unit/{p.name}" for p in sorted((ROOT / "tests/unit").glob("test_cards_*.py"))),
    "tests/unit/web/test_evidence_page.py",
    "tests/http/test_discovery.py",
    "tests/scenarios/test_scenarios.py",
    "tests/table/test_boundaries.py",
)
"""Tests that read the knowledge and take milliseconds."""
_NOT_THESE = {"shared_dir", "folder"}
"""Fixtures of tests that compare with the specification's own files, or that read a copy."""
_SLOW = ("test_linting.py", "test_cards_markdown.py")
_OPTIONS = (
    *("-p", "no:cacheprovider", "-p", "no:schemathesis", "--import-mode=importlib", "-q"),
    *("-o", "addopts=", "--rootdir", str(ROOT)),
)
_SECONDS = 300
_KEPT_ROWS = 3


class ReadTooEarlyError(Exception):
    """A module asks for the knowledge while it is imported."""


# ------------------------------------------------------------------------ changed knowledge


class Overlay(Traversable):
    """A file or folder of the knowledge, with one file changed in memory."""

    def __init__(self, path: Path, changed: Mapping[str, bytes], root: Path = DATA) -> None:
        self._path, self._changed, self._root = path, changed, root

    @property
    def name(self) -> str:
        return self._path.name

    def iterdir(self) -> Iterator[Overlay]:
        return (Overlay(p, self._changed, self._root) for p in self._path.iterdir())

    def read_bytes(self) -> bytes:
        changed = self._changed.get(self._path.relative_to(self._root).as_posix())
        return self._path.read_bytes() if changed is None else changed

    def joinpath(self, *descendants: str | os.PathLike[str]) -> Overlay:
        return Overlay(self._path.joinpath(*descendants), self._changed, self._root)

    def read_text(self, encoding: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8")

    def is_dir(self) -> bool:
        return self._path.is_dir()

    def is_file(self) -> bool:
        return self._path.is_file()

    def open(self, mode: str = "r", *_: Any, **__: Any) -> IO[Any]:
        found = io.BytesIO(self.read_bytes())
        return found if "b" in mode else io.TextIOWrapper(found, encoding="utf-8")


def changed_content(change: Change) -> Any:
    content = read(change.file)
    change.edit(content)
    return content


def load_changed(file: str, content: Any) -> Knowledge:
    """The knowledge with one file changed; raises `KnowledgeError` where a start would fail."""
    return _load(Overlay(DATA, {file: json.dumps(content).encode()}))


class Linting:
    """The schemas and the linter. Of a long table only the rows that changed are looked at."""

    def __init__(self) -> None:
        self._validators: dict[str, Draft202012Validator] = {}

    def problem(self, change: Change, content: Any) -> tuple[str | None, Knowledge | None]:
        """What the linter says first, or the knowledge, of which it says nothing."""
        told = self._shape(change.file, content)
        if told:
            return told, None
        try:
            knowledge = load_changed(change.file, content)
        except KnowledgeError as error:
            return str(error), None
        except Exception as error:  # noqa: BLE001 - whatever stops the start is noticed at the start
            return f"{change.file}: {type(error).__name__}", None
        return next(lint.problems_of(knowledge), None), knowledge

    def _shape(self, file: str, content: Any) -> str | None:
        schema = "valueset" if file.startswith("valuesets/") else lint.SCHEMAS[file]
        if schema not in self._validators:
            text = (lint.HERE / f"schemas/{schema}.schema.json").read_text(encoding="utf-8")
            self._validators[schema] = Draft202012Validator(json.loads(text))
        errors = self._validators[schema].iter_errors(_shortened(content, read(file)))
        return next((f"{file}: {e.json_path}: {e.message[:160]}" for e in errors), None)


def _shortened(content: Any, sound: Any) -> Any:
    """The sound rows of the long tables left out, but for a few."""
    if not isinstance(content, dict):
        return content
    shown = dict(content)
    for member in ("codes", "products"):
        rows, before = content.get(member), sound.get(member)
        if isinstance(rows, list):
            shown[member] = [r for n, r in enumerate(rows) if n < _KEPT_ROWS or r not in before]
        elif isinstance(rows, dict):
            kept = set(list(rows)[:_KEPT_ROWS])
            shown[member] = {k: v for k, v in rows.items() if k in kept or v != before[k]}
    return shown


# ---------------------------------------------------------------------------------- the tests


class Source:
    """Stands in the place of the loader: gives one knowledge, or refuses."""

    def __init__(self) -> None:
        self.knowledge: Knowledge | None = None

    def __call__(
        self,
        folder: Traversable | None = None,
        changes: Mapping[str, Any] | None = None,
        products: Sequence[Any] = (),
    ) -> Knowledge:
        # What a site changes is made from files, so it is made from the files as they are.
        if folder is not None or changes or products:
            return _load(folder, changes, products)
        if self.knowledge is None:
            raise ReadTooEarlyError
        return self.knowledge


class FirstFailure:
    """A plugin that keeps what failed first."""

    def __init__(self) -> None:
        self.told: str | None = None
        self.ran = 0

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [i for i in items if _counts(i)]
        self.ran = len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._look(report)

    def _look(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if report.failed and self.told is None:
            self.told = f"{report.nodeid}\n{report.longrepr}"


class Judge:
    """A pytest session that stays open: it collects once and judges each change in a fork."""

    def __init__(self, work: Callable[[Judge], None]) -> None:
        self.source = Source()
        self._work = work
        self._early: list[Path] = []
        self._broken: list[str] = []
        self._items: list[pytest.Item] = []
        self._session: pytest.Session | None = None
        self._readers: dict[Hashable, list[int]] = {}
        self._recent: dict[str, list[str]] = {}
        self._tables: list[int] = []
        self.failure: BaseException | None = None

    # -- as a plugin

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            if "ReadTooEarlyError" in str(report.longrepr):
                self._early.append(ROOT / report.nodeid)
            else:
                self._broken.append(f"{report.nodeid}\n{report.longrepr}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        try:
            self._session = session
            self._items = [i for i in session.items if _counts(i)]
            self._tables = [
                n for n, i in enumerate(self._items) if i.path.name.startswith("test_expected_")
            ]
            for name, module in list(sys.modules.items()):
                if Path(getattr(module, "__file__", None) or "") in self._early:
                    del sys.modules[name]
            _refuse("\n".join(self._broken))
            self._work(self)
        except BaseException as error:  # noqa: BLE001 - told by whoever started the session
            self.failure = error
        return True

    # -- as a judge

    def rehearse(self) -> int:
        """All tests with the sound knowledge: none may fail. Notes which test reads what."""
        answer = self._forked(self._sound_run)
        if isinstance(answer, str) or answer["failed"]:
            told = answer if isinstance(answer, str) else answer["failed"]
            _refuse(f"With the sound knowledge this fails:\n{told}")
        self._readers = answer["readers"]
        return int(answer["ran"])

    def noticed_by(self, change: Change, knowledge: Knowledge, short: bool = False) -> str | None:
        """The first test that fails with this knowledge. `short`: only tests that read the code."""
        order = self._order(change, short)
        if not order:
            return None
        told: str | None = self._forked(lambda: self._changed_run(knowledge, order, short))
        found = told and told.partition("\n")[0]
        if found:
            recent = self._recent.setdefault(change.file, [])
            recent[:] = [found, *(r for r in recent if r != found)][:12]
        return found

    def reads(self, change: Change) -> bool:
        """Whether any test looks up the code that changes."""
        return any(key in self._readers for key in change.touches)

    def _order(self, change: Change, short: bool) -> list[int]:
        """The last tests that noticed a change of this file, the tables of expectations, all others."""
        reading = [n for key in change.touches for n in self._readers.get(key, ())]
        if short:
            return list(dict.fromkeys(reading))
        by_id = {item.nodeid: n for n, item in enumerate(self._items)}
        lately = [by_id[r] for r in self._recent.get(change.file, ()) if r in by_id]
        every = range(len(self._items))
        return list(dict.fromkeys((*lately[:4], *self._tables, *reading, *lately, *every)))

    def _changed_run(self, knowledge: Knowledge, order: list[int], short: bool) -> str | None:
        self.source.knowledge = knowledge
        found = self._first_failure([self._items[n] for n in order])
        if found is None and not short:
            found, _ = self._early_readers()
        return found

    def _sound_run(self) -> dict[str, Any]:
        self.source.knowledge = _load()
        readers: dict[Hashable, list[int]] = {}
        current = [0]

        def reads(*key: Hashable) -> None:
            found = readers.setdefault(key, [])
            if not found or found[-1] != current[0]:
                found.append(current[0])

        _listen(self.source.knowledge, reads)
        for n, item in enumerate(self._items):
            current[0] = n
            told = self._failure_of(item, self._items[n + 1] if n + 1 < len(self._items) else None)
            if told:
                return {"failed": told}
        current[0] = -1
        readers = {key: [n for n in found if n >= 0] for key, found in readers.items()}
        told, ran = self._early_readers()
        return {"failed": told, "readers": readers, "ran": len(self._items) + ran}

    def _early_readers(self) -> tuple[str | None, int]:
        """Runs the tests of modules that read the knowledge when they are imported."""
        if not self._early:
            return None, 0
        inner = FirstFailure()
        with contextlib.redirect_stdout(io.StringIO()):
            pytest.main(["-x", *_OPTIONS, *map(str, self._early)], plugins=[inner])
        return inner.told, inner.ran

    def _first_failure(self, items: list[pytest.Item]) -> str | None:
        for item, after in zip(items, (*items[1:], None), strict=True):
            if told := self._failure_of(item, after):
                return told
        return None

    def _failure_of(self, item: pytest.Item, after: pytest.Item | None) -> str | None:
        for report in runtestprotocol(item, log=False, nextitem=after):
            if report.failed:
                return f"{item.nodeid}\n{report.longrepr}"
        return None

    def _forked(self, work: Callable[[], Any]) -> Any:
        """What `work` gives in a fork of this process, which ends with it."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _as_child(work, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        # A run that ended without a word was ended by its alarm: that is noticed too.
        return pickle.loads(answer) if answer else "a run that did not end"  # noqa: S301


def _refuse(why: str) -> None:
    """Ends the run, if there is a reason."""
    if why:
        raise SystemExit(why)


def _as_child(work: Callable[[], Any], writing: int) -> None:
    signal.alarm(_SECONDS)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - whatever breaks under a change notices it
        answer = f"{type(error).__name__}: {error}"[:300]
    with os.fdopen(writing, "wb") as pipe:
        pickle.dump(answer, pipe)
    os._exit(0)


def _counts(item: pytest.Item) -> bool:
    used = set(getattr(item, "fixturenames", ()))
    return not (
        used & _NOT_THESE
        or item.get_closest_marker("shared")
        or item.path.name in _SLOW
        or item.path.parent.name == "mutation"
    )


def _listen(knowledge: Knowledge, reads: Callable[..., None]) -> None:
    """Tells of each code, drug and text that is looked up."""
    hits, by_rxnorm = terminology.Terminology.hits, drugs.Drugs.by_rxnorm
    by_atc, by_text = drugs.Drugs.by_atc, drugs.Drugs.by_text

    def telling_hits(self: Any, system: str | None, code: str | None) -> Any:
        for hit in (found := hits(self, system, code)):
            reads("code", hit.entry.system, hit.entry.code)
        return found

    def telling_rxnorm(self: Any, code: str) -> Any:
        reads("rxnorm", code)
        return by_rxnorm(self, code)

    def telling_atc(self: Any, code: str, display: str = "") -> Any:
        reads("code", drugs.ATC, code)
        return by_atc(self, code, display)

    def telling_text(self: Any, text: str) -> Any:
        found = by_text(self, text)
        for name in found.ingredients if found is not None else ():
            reads("drug", name)
        return found

    terminology.Terminology.hits = telling_hits  # type: ignore[method-assign]
    drugs.Drugs.by_rxnorm = telling_rxnorm  # type: ignore[method-assign]
    drugs.Drugs.by_atc = telling_atc  # type: ignore[method-assign]
    drugs.Drugs.by_text = telling_text  # type: ignore[method-assign]

    class Telling(dict[str, str]):
        def __getitem__(self, key: str) -> str:
            reads("text", key)
            return super().__getitem__(key)

        def get(self, key: str, default: Any = None) -> Any:
            reads("text", key)
            return super().get(key, default)

    msgspec.structs.force_setattr(knowledge.wording, "texts", Telling(knowledge.wording.texts))


def judging(work: Callable[[Judge], None]) -> None:
    """Opens the session and lets `work` ask the judge."""
    judge = Judge(work)
    loader.load = judge.source
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            pytest.main([*_OPTIONS, *(str(ROOT / t) for t in TESTS)], plugins=[judge])
    finally:
        loader.load = _load
    if judge.failure is not None:
        raise judge.failure
    if judge._session is None or not judge._items:
        raise SystemExit(said.getvalue())
