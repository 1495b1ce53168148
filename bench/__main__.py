"""`python -m bench`: prints one table; with --check, exits 1 where something became slower.

--quick measures only what a busy machine can tell: processor time in this process, and memory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from bench import cold_start, in_process, knowledge_size, memory, over_http, workers
from bench.rows import NOISE, Row

_COLUMNS = ("what", "of", "measured", "floor", "figure", "quartiles", "to reach", "held")


def rows_of(options: argparse.Namespace) -> Iterator[Row]:
    """What is to be measured, one after the other."""
    yield from in_process.measure(options.rounds, again=2 if options.check else 0)
    yield memory.measure()
    if not options.quick:
        yield from knowledge_size.measure()
        yield from over_http.measure()
        yield from cold_start.measure()
        yield from workers.measure()


def table_of(rows: list[Row]) -> Table:
    """All that was measured."""
    table = Table()
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in _COLUMNS[:2] else "right")
    for row in rows:
        budget = row.budget
        table.add_row(
            row.what,
            row.size,
            row.measured,
            row.floor,
            f"{row.figure:.2f}",
            row.spread,
            "" if budget is None else f"{budget.reach:g}",
            "" if budget is None or budget.held is None else f"{budget.held:g}",
        )
    return table


def main() -> int:
    """Measure, print, and say whether the budgets hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="leave out what needs a quiet machine")
    parser.add_argument("--check", action="store_true", help="exit 1 where a limit is broken")
    options = parser.parse_args()
    rows = list(rows_of(options))
    console = Console(width=170)
    console.print(table_of(rows))
    for row in rows:
        if row.missed:
            console.print(f"not reached: {row.what}, {row.size}: {row.figure:.2f}")
    broken = [row for row in rows if row.broken]
    for row in broken:
        limit = row.budget.limit if row.budget else 0.0
        console.print(
            f"SLOWER: {row.what}, {row.size}: {row.figure:.2f} is above {limit:.2f},"
            f" which is its limit and {NOISE - 1:.0%} for noise"
        )
    return 1 if broken and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
