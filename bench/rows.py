"""The result table of the benchmarks, and their budgets."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

CONSOLE = Console(width=170)
NOISE = 1.4
"""How far a value may be above its limit before the check fails. Two runs on a busy machine differ
by as much.
"""


class Budget(msgspec.Struct, frozen=True):
    """The target of a value. If it is not met yet, `at_most` is the value that must not be exceeded."""

    target: float
    at_most: float | None = None

    @property
    def fails_above(self) -> float:
        """The value above which the check fails, including noise."""
        return (self.at_most if self.at_most is not None else self.target) * NOISE


class Row(msgspec.Struct, frozen=True):
    """One measurement: medians, the baseline of the same run, and the value that the budget applies to."""

    what: str
    size: str
    measured: str
    baseline: str
    value: float
    spread: str
    budget: Budget | None = None

    @property
    def missed(self) -> bool:
        """Whether the value is above its target."""
        return self.budget is not None and self.value > self.budget.target

    @property
    def broken(self) -> bool:
        """Whether the value is above its limit, which means that something became slower."""
        return self.budget is not None and self.value > self.budget.fails_above


_COLUMNS = ("benchmark", "input", "measured", "baseline", "value", "quartiles", "target", "limit")


def print_rows(rows: Sequence[Row]) -> None:
    """Print all measurements as one table."""
    table = Table()
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in _COLUMNS[:2] else "right")
    for row in rows:
        budget = row.budget
        table.add_row(
            row.what,
            row.size,
            row.measured,
            row.baseline,
            f"{row.value:.2f}",
            row.spread,
            "" if budget is None else f"{budget.target:g}",
            "" if budget is None or budget.at_most is None else f"{budget.at_most:g}",
        )
    CONSOLE.print(table)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The quartiles, as text."""
    low, _, high = quartiles(values)
    return f"{low:.{digits}f}-{high:.{digits}f}"
