"""The table that the benchmarks fill, and the budgets that it is held against."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

CONSOLE = Console(width=170)
NOISE = 1.4
"""How much worse than its limit a figure may be before the check fails: two runs on one machine that
does other things as well differ by as much."""


class Budget(msgspec.Struct, frozen=True):
    """What a figure is to reach. Where it does not yet, `held` is what it must not fall behind."""

    reach: float
    held: float | None = None

    @property
    def limit(self) -> float:
        """The figure above which the check fails, noise added."""
        return (self.held if self.held is not None else self.reach) * NOISE


class Row(msgspec.Struct, frozen=True):
    """One measurement: medians, the floor of the same run, and the figure that the budget is for."""

    what: str
    size: str
    measured: str
    floor: str
    figure: float
    spread: str
    budget: Budget | None = None

    @property
    def missed(self) -> bool:
        """Whether it is above what is to be reached."""
        return self.budget is not None and self.figure > self.budget.reach

    @property
    def broken(self) -> bool:
        """Whether it is above its limit: then something became slower."""
        return self.budget is not None and self.figure > self.budget.limit


_COLUMNS = ("what", "of", "measured", "floor", "figure", "quartiles", "to reach", "held")


def print_rows(rows: Sequence[Row]) -> None:
    """Print all that was measured as one table."""
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
    CONSOLE.print(table)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The quartiles, as text."""
    low, _, high = quartiles(values)
    return f"{low:.{digits}f}-{high:.{digits}f}"
