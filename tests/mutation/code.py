"""Breaks reasoning, chart and cards in one place at a time: does a test notice? (`make mutate`)

    python -m tests.mutation.code                              everything
    python -m tests.mutation.code --only cds_service/reasoning/kidney.py
    python -m tests.mutation.code --sample 40                  another sample each day

What no test notices must be listed in survivors.toml with the reason why that is right. open.json
holds what survived and has not been judged: a debt, which a sample lets pass and a whole run does not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.mutation.mutants import ROOMS, ROOT, Mutant, files, mutants_of
from tests.mutation.running import KILLED, TIMED_OUT, Campaign, Verdict

SURVIVORS = Path(__file__).with_name("survivors.toml")
OPEN = Path(__file__).with_name("open.json")
LAST = ROOT / ".cache" / "mutation.json"
# What reads charts, decides and words cards, one thing at a time, and then from request to card.
TESTS = (
    "tests/unit/chart",
    "tests/unit/reasoning",
    *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "tests/unit").glob("test_cards_*.py")),
    "tests/scenarios",
    "tests/table/test_boundaries.py",
    "tests/charts/test_accounts.py",
)
Key = tuple[str, str, str, str]
UNJUDGED = 0.08
"""The share of a sample that may go unnoticed: three times what a whole run found, for chance."""


def listed(path: Path = SURVIVORS) -> dict[Key, str]:
    """Mutants that are known to change nothing that anybody could see, each with the reason."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    found: dict[Key, str] = {}
    for entry in content.get("survivor", ()):
        for now in entry["now"]:
            if not entry["reason"].strip():
                raise ValueError(f"no reason is given for {entry['function']}: {now}")
            found[entry["file"], entry["function"], entry["was"], now] = entry["reason"]
    return found


def not_yet_judged() -> set[Key]:
    """Survivors that nobody has looked at yet: a sample lets them pass, the whole run does not."""
    return {(key[0], key[1], key[2], key[3]) for key in json.loads(OPEN.read_text("utf-8"))}


class Tally:
    """Hears the verdicts, and says what matters while it goes."""

    def __init__(self, known: dict[Key, str], total: int) -> None:
        self.verdicts: list[Verdict] = []
        self._known = known
        self._total = total
        self._started = time.monotonic()
        self._said = 0.0

    def hear(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        now = time.monotonic()
        if verdict in self.unlisted:
            say(f"{verdict.outcome}: {verdict.mutant}")
        if now - self._said > 30:
            self._said = now
            say(f"... {len(self.verdicts)} of {self._total}, {now - self._started:.0f} s")

    @property
    def unlisted(self) -> list[Verdict]:
        noticed = (KILLED, TIMED_OUT)
        return [
            v for v in self.verdicts if v.outcome not in noticed and v.mutant.key not in self._known
        ]

    def stale(self) -> list[Key]:
        """Entries whose mutant is noticed by now, or is no more."""
        survived = {v.mutant.key for v in self.verdicts if v.outcome not in (KILLED, TIMED_OUT)}
        return [key for key in self._known if key not in survived]

    def table(self) -> str:
        rows = [f"{'':32}{'mutants':>8}{'noticed':>9}{'in time':>9}{'listed':>8}{'unlisted':>10}"]
        unlisted = {id(v) for v in self.unlisted}
        for room in (*ROOMS, ""):
            found = [v for v in self.verdicts if v.mutant.file.startswith(room)]
            count = Counter(v.outcome for v in found)
            open_ = sum(id(v) in unlisted for v in found)
            noticed = count[KILLED] + count[TIMED_OUT]
            rows.append(
                f"{room or 'together':32}{len(found):>8}{noticed:>9}"
                f"{count[KILLED]:>9}{len(found) - noticed - open_:>8}{open_:>10}"
            )
        return "\n".join(rows)


def say(text: str) -> None:
    print(text, file=sys.__stdout__, flush=True)


def sampled(mutants: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """A sample in the order of the files."""
    chosen = random.Random(seed).sample(range(len(mutants)), min(size, len(mutants)))  # noqa: S311
    return [mutants[n] for n in sorted(chosen)]


def main(arguments: list[str] | None = None) -> int:
    asked = _arguments(arguments)
    chosen = [f for start in asked.only or ROOMS for f in files() if f.startswith(start)]
    mutants = [m for file in chosen for m in mutants_of(file) if asked.function in ("", m.name)]
    if asked.again:
        last = {tuple(key) for key in json.loads(LAST.read_text(encoding="utf-8"))}
        mutants = [m for m in mutants if m.key in last]
    if asked.sample:
        say(f"{asked.sample} of {len(mutants)} mutants, seed {asked.seed}")
        mutants = sampled(mutants, asked.sample, asked.seed)
    known = listed()
    if asked.sample:
        known |= dict.fromkeys(not_yet_judged(), "not yet judged")
    tally = Tally(known, len(mutants))
    campaign = Campaign(mutants, asked.jobs, asked.most, tally.hear)
    # Hypothesis draws the same examples in each run.
    os.environ["CI"] = "1"
    options = ["--quiet", "--capture=sys", "--no-header", "--no-summary", "-p", "no:cacheprovider"]
    code = pytest.main([*options, *asked.tests], plugins=[campaign])
    if campaign.red or code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        say("\n".join(["Nothing was tried: tests fail with nothing changed.", *campaign.red]))
        return 2
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps([v.mutant.key for v in tally.unlisted]), encoding="utf-8")
    part = asked.sample or asked.only or asked.function or asked.again
    return _judged(tally, not part, tolerated(asked.sample))


def tolerated(sample: int) -> int:
    """How many of a sample may go unnoticed and unlisted. A whole run tolerates none.

    Code that has changed since the last whole run has changes that nobody has judged yet: about one in
    forty, as before. A sample shows that it is not more; the whole run names each.
    """
    return math.ceil(sample * UNJUDGED)


def _judged(tally: Tally, everything: bool, tolerated: int) -> int:
    say(tally.table())
    stale = tally.stale() if everything else []
    for file, function, was, now in stale:
        say(f"listed, but noticed or gone: {file} {function}\n    - {was}\n    + {now}")
    for verdict in tally.unlisted:
        say(f"{verdict.outcome}, not listed: {verdict.mutant}")
    return 1 if stale or len(tally.unlisted) > tolerated else 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.code")
    today = datetime.now(UTC)
    parser.add_argument("--sample", type=int, default=0, help="only so many, another lot each day")
    parser.add_argument("--seed", type=int, default=today.toordinal(), help="which sample")
    parser.add_argument("--only", nargs="*", default=[], help="files or folders")
    parser.add_argument("--function", default="", help="one function or table by name")
    parser.add_argument(
        "--again", action="store_true", help="those unnoticed and unlisted last time"
    )
    parser.add_argument(
        "--most", type=int, default=None, help="tests asked about each: a quick look"
    )
    parser.add_argument("--tests", nargs="*", default=TESTS, help="these instead: a quick look")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
