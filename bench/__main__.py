"""`python -m bench` prints one table. With --check it exits with 1 if something became slower.

--quick measures only values that are reliable on a busy machine: processor time in this process,
and memory.
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
    """The benchmarks, in the order in which they run."""
    yield from in_process.measure(options.rounds, again=2 if options.check else 0)
    yield memory.measure()
    if not options.quick:
        yield from template_calls.measure(options.rounds)
        yield from knowledge_size.measure()
        yield from over_http.measure()
        yield from cold_start.measure()
        yield from workers.measure()


def main() -> int:
    """Measure, print, and return whether all limits are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--quick", action="store_true", help="skip benchmarks that need a quiet machine"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is exceeded")
    options = parser.parse_args()
    rows = list(rows_of(options))
    print_rows(rows)
    for row in rows:
        if row.missed:
            CONSOLE.print(f"target not met: {row.what}, {row.size}: {row.value:.2f}")
    broken = [row for row in rows if row.broken]
    for row in broken:
        limit = row.budget.fails_above if row.budget else 0.0
        CONSOLE.print(
            f"SLOWER: {row.what}, {row.size}: {row.value:.2f} is above {limit:.2f},"
            f" which is its limit and {NOISE - 1:.0%} for noise"
        )
    return 1 if broken and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
