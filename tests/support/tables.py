"""A table of cases as one test, which names every row that fails.

`pytest.mark.parametrize` makes a test of each row. For long tables, read from data files for the
most part, that costs more than the checks themselves: each row is collected by every worker,
scheduled and reported.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

Test = Callable[..., None]
Names = Callable[[Any], object] | Iterable[str] | None


def each_row(
    names: str | Sequence[str], rows: Iterable[Any], ids: Names = None
) -> Callable[[Test], Test]:
    """Run a test for each row, like `pytest.mark.parametrize` with the same arguments.

    Every row runs, and the failure lists each row that failed with its reason. Fixtures are shared
    by all rows, so use it only where a row leaves nothing behind. Fails for an empty table.
    """
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = [(row,) if len(wanted) == 1 else tuple(row) for row in rows]
    titles = _titles(table, ids)

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run_table(*arguments: Any, **fixtures: Any) -> None:
            failures = []
            for title, row in zip(titles, table, strict=True):
                try:
                    test(*arguments, **dict(zip(wanted, row, strict=True)), **fixtures)
                except (Exception, pytest.fail.Exception) as problem:  # noqa: BLE001 - listed below
                    failures.append(f"{title}: {str(problem) or type(problem).__name__}")
            if failures or not table:
                listed = "\n".join([f"{len(failures)} of {len(table)} rows failed", *failures])
                pytest.fail(listed, pytrace=False)

        signature = inspect.signature(test)
        fixtures = [p for name, p in signature.parameters.items() if name not in wanted]
        run_table.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
        return run_table

    return decorate


def _titles(table: Sequence[tuple[Any, ...]], ids: Names) -> list[str]:
    if ids is None:
        return ["-".join(map(str, row)) for row in table]
    if callable(ids):
        return ["-".join(str(ids(value)) for value in row) for row in table]
    return [str(title) for title in ids]
