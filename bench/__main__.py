"""`python -m bench`: prints one table; with --check, exits 1 where something became slower.

--quick measures only what a busy machine can tell: processor time in this process, and memory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from bench import (
    cold_start,
    in_process,
    knowledge_size,
    memory,
    over_http,
    template_calls,
    workers,
)
from bench.rows import CONSOLE, NOISE, Row, print_rows


def rows_of(options: argparse.Namespace) -> Iterator[Row]:
    """What is to be measured, one after the other."""
    yield from in_process.measure(options.rounds, again=2 if options.check else 0)
    yield memory.measure()
    if not options.quick:
        yield from template_calls.measure(options.rounds)
        yield from knowledge_size.measure()
        yield from over_http.measure()
        yield from cold_start.measure()
        yield from workers.measure()


def main() -> int:
    """Measure, print, and say whether the budgets hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="leave out what needs a quiet machine")
    parser.add_argument("--check", action="store_true", help="exit 1 where a limit is broken")
    options = parser.parse_args()
    rows = list(rows_of(options))
    print_rows(rows)
    for row in rows:
        if row.missed:
            CONSOLE.print(f"not reached: {row.what}, {row.size}: {row.figure:.2f}")
    broken = [row for row in rows if row.broken]
    for row in broken:
        limit = row.budget.limit if row.budget else 0.0
        CONSOLE.print(
            f"SLOWER: {row.what}, {row.size}: {row.figure:.2f} is above {limit:.2f},"
            f" which is its limit and {NOISE - 1:.0%} for noise"
        )
    return 1 if broken and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
