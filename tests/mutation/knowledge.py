"""Changes the knowledge, one wrong change at a time, and looks whether anything notices.

`python -m tests.mutation.knowledge [--sample N] [--seed S] [--only REGEX]`. Fails when a change
survives that is not in `knowledge_survivors.toml`. How to read it: `docs/mutation.md`.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.mutation.code import UNJUDGED
from tests.mutation.knowledge_changes import MAY_SURVIVE, Change, every_change
from tests.mutation.knowledge_checks import Judge, Linting, changed_content, judging

SURVIVORS = Path(__file__).with_name("knowledge_survivors.toml")
_WHOLE_CLASSES = frozenset({"codes of a system removed"})


@dataclass
class Outcome:
    """What became of the changes of one kind."""

    made: int = 0
    by_lint: int = 0
    by_tests: int = 0
    listed: int = 0
    survived: int = 0


@dataclass
class Report:
    """What became of all of them."""

    kinds: dict[str, Outcome] = field(default_factory=dict)
    survivors: list[Change] = field(default_factory=list)
    listed: Counter[str] = field(default_factory=Counter)

    def of(self, change: Change) -> Outcome:
        return self.kinds.setdefault(change.kind, Outcome())

    def lines(self) -> Iterator[str]:
        width = max((len(kind) for kind in self.kinds), default=0)
        heads = ("made", "linter", "tests", "listed", "survived")
        yield f"{'kind':{width}}  {'  '.join(f'{h:>8}' for h in heads)}"
        total = Outcome()
        for kind, of in sorted(self.kinds.items()):
            yield _line(kind, width, of)
            for name in vars(total):
                setattr(total, name, getattr(total, name) + getattr(of, name))
        yield _line("all", width, total)


def _line(kind: str, width: int, of: Outcome) -> str:
    numbers = (of.made, of.by_lint, of.by_tests, of.listed, of.survived)
    return f"{kind:{width}}  {'  '.join(f'{n:8}' for n in numbers)}"


def excuses() -> list[tuple[re.Pattern[str], str]]:
    """The changes that may survive, and why."""
    rows = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return [(re.compile(row["change"]), row["reason"]) for row in rows]


def sampled(changes: Iterable[Change], number: int, seed: int) -> list[Change]:
    """One change of each kind in turn, and every value set without its codes of one system."""
    chance = random.Random(seed)  # noqa: S311
    by_kind: dict[str, list[Change]] = {}
    for change in changes:
        by_kind.setdefault(change.kind, []).append(change)
    chosen = [c for kind in _WHOLE_CLASSES for c in by_kind.pop(kind, [])]
    for some in by_kind.values():
        chance.shuffle(some)
    rest: list[Change] = []
    while len(rest) < number and any(by_kind.values()):
        rest += [some.pop() for some in by_kind.values() if some]
    return chosen + rest[:number]


def tell(line: str) -> None:
    sys.__stdout__.write(line + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def judge_all(judge: Judge, changes: list[Change], report: Report) -> None:
    linting = Linting()
    known = excuses()
    for n, change in enumerate(changes, 1):
        _judge_one(judge, linting, known, change, report)
        if n % 500 == 0:
            tell(f"  {n} of {len(changes)}")


def _judge_one(
    judge: Judge,
    linting: Linting,
    known: list[tuple[re.Pattern[str], str]],
    change: Change,
    report: Report,
) -> None:
    outcome = report.of(change)
    outcome.made += 1
    if change.kind in MAY_SURVIVE and not judge.reads(change):
        outcome.survived += 1
        return
    told, knowledge = linting.problem(change, changed_content(change))
    if told is not None or knowledge is None:
        outcome.by_lint += 1
        return
    reason = next((why for pattern, why in known if pattern.fullmatch(str(change))), None)
    if reason is not None:
        outcome.listed += 1
        report.listed[reason] += 1
    elif judge.noticed_by(change, knowledge, short=change.kind in MAY_SURVIVE):
        outcome.by_tests += 1
    else:
        outcome.survived += 1
        if change.kind not in MAY_SURVIVE:
            report.survivors.append(change)
            tell(f"  survived: {change}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="so many changes, over all kinds")
    parser.add_argument("--seed", type=int, help="of the sample; by default the day")
    parser.add_argument("--only", help="changes whose line holds this regular expression")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else datetime.now(UTC).date().toordinal()
    changes = [c for c in every_change() if not asked.only or re.search(asked.only, str(c))]
    if asked.sample is not None:
        changes = sampled(changes, asked.sample, seed)
        tell(f"{len(changes)} changes of the knowledge, sampled with --seed {seed}")
    else:
        tell(f"{len(changes)} changes of the knowledge")
    report = Report()
    start = time.monotonic()

    def work(judge: Judge) -> None:
        tests = judge.rehearse()
        tell(f"{tests} tests pass with the sound knowledge, {time.monotonic() - start:.0f} s")
        judge_all(judge, changes, report)

    judging(work)
    for line in report.lines():
        tell(line)
    tell(f"{time.monotonic() - start:.0f} s, {len(report.survivors)} survivors that are not listed")
    # A whole run tolerates none; in a sample what nobody has judged yet may appear.
    return 1 if len(report.survivors) > math.ceil((asked.sample or 0) * UNJUDGED) else 0


if __name__ == "__main__":
    sys.exit(main())
