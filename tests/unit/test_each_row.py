"""A table of cases as one test: every row runs, and every failure is listed."""

from __future__ import annotations

import pytest

from ..support.tables import each_row

seen: list[str] = []


@each_row(("word", "length"), [("one", 3), ("three", 5)])
def test_every_row_runs(word: str, length: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert len(word) == length
    assert tmp_path_factory, "fixtures are there beside the row"


def test_each_row_that_fails_is_listed() -> None:
    @each_row("word, length", [("one", 4), ("two", 3), ("six", 5), ("ten", None)])
    def check(word: str, length: int) -> None:
        seen.append(word)
        assert len(word) + 0 * length == length, "another length"

    with pytest.raises(pytest.fail.Exception) as failed:
        check()
    assert seen == ["one", "two", "six", "ten"]
    first, *listed = str(failed.value).splitlines()
    assert first == "3 of 4 rows failed"
    assert [line for line in listed if line.startswith(("one-4: another", "six-5: another"))]
    assert [line for line in listed if line.startswith("ten-None: unsupported operand")]
    assert not [line for line in listed if line.startswith("two-")]


def test_a_row_has_the_name_that_it_is_given() -> None:
    @each_row("number", [1, 2], ids=lambda number: f"row {number}")
    def check(number: int) -> None:
        pytest.fail("no" * (number > 0))

    with pytest.raises(pytest.fail.Exception, match="row 1: no\nrow 2: no"):
        check()


def test_an_empty_table_proves_nothing() -> None:
    @each_row("number", [])
    def check(number: int) -> None:
        assert number

    with pytest.raises(pytest.fail.Exception, match="0 of 0 rows"):
        check()
