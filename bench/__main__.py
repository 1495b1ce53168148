"""`python -m bench`: prints one table; exits 1 where a ratio is above its budget plus noise."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.table import Table

from bench import in_process, memory


def main() -> int:
    """Measures, prints, and says whether the budgets hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="exit 1 where a budget is missed")
    options = parser.parse_args()
    rows = in_process.measure(options.rounds)
    table = Table(title="body bytes to response bytes, in process; floor: orjson.loads of the body")
    for column in (
        "case",
        "resources",
        "body KB",
        "ms",
        "floor ms",
        "ratio",
        "quartiles",
        "budget",
    ):
        table.add_column(column, justify="left" if column == "case" else "right")
    missed = []
    for row in rows:
        budget = "" if row.budget is None else f"{row.budget:.2f}"
        table.add_row(
            row.case,
            f"{row.resources:,}",
            f"{row.body_kb:,.0f}",
            f"{row.service_ms:.2f}",
            f"{row.floor_ms:.2f}",
            f"{row.ratio:.2f}",
            f"{row.low:.2f}-{row.high:.2f}",
            budget,
        )
        if row.budget is not None and row.ratio > row.budget * in_process.NOISE:
            missed.append(f"{row.case} at {row.resources:,} resources: {row.ratio:.2f}")
    console = Console(width=110)
    console.print(table)
    size, peak = memory.measure()
    console.print(
        f"peak memory for a body of {size:.1f} MB: {peak:.1f} times the body (budget {memory.BUDGET})"
    )
    if peak > memory.BUDGET * in_process.NOISE:
        missed.append(f"peak memory: {peak:.1f} times the body")
    for line in missed:
        console.print(f"over budget: {line}")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
