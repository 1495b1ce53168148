"""How far a run is: a bar on a terminal, a line for each phase elsewhere. Counts and times alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Bar:
    """The progress of one phase, in bytes."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress = progress
        self._task = task

    def advance(self, size: int) -> None:
        """So much more is done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, size)


@contextmanager
def phase(title: str, total: int, *, unit: str = "bytes") -> Iterator[Bar]:
    """Show a phase on standard error while it lasts."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        console.print(title, highlight=False)
        yield Bar(None, None)
        return
    done = TextColumn("{task.completed:.0f} of {task.total:.0f} " + unit)
    rate = [TransferSpeedColumn() if unit == "bytes" else done]
    columns = (TextColumn("{task.description}"), BarColumn(), *rate)
    with Progress(
        *columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console
    ) as progress:
        yield Bar(progress, progress.add_task(title, total=total))
