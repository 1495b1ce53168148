"""Several calls go into one commit, and none suffers for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from cds_service.store.errors import StoreRefusedError, StoreUnavailableError
from cds_service.store.grouping import Grouping

from ..support.waiting import wait_for

BAD, DOWN = "bad", "down"


class Writer:
    """Remembers its groups; the first one waits until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[Sequence[str]]] = []
        self.began = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, calls: Sequence[Sequence[str]]) -> list[int]:
        self.began.set()
        assert self.go_on.wait(10)
        said = [item for call in calls for item in call]
        if DOWN in said:
            raise StoreUnavailableError("down")
        if BAD in said:
            raise StoreRefusedError("bad")
        self.groups.append(list(calls))
        return [len(call) for call in calls]


def outcomes(first: str, *others: str) -> tuple[Writer, list[object]]:
    """One call, and while it is being written, the others; what each got."""
    writer = Writer()
    grouping: Grouping[str] = Grouping(writer)

    def call(item: str) -> object:
        try:
            return grouping.commit([item])
        except (StoreRefusedError, StoreUnavailableError) as error:
            return type(error)

    with ThreadPoolExecutor(10) as pool:
        results = [pool.submit(call, first)]
        assert writer.began.wait(10)
        results += [pool.submit(call, item) for item in others]
        while len(grouping._waiting) < len(others):
            threading.Event().wait(0.01)
        writer.go_on.set()
        return writer, [result.result(10) for result in results]


def test_what_waits_goes_together() -> None:
    writer, got = outcomes("a", "b", "c", "d")
    assert got == [1, 1, 1, 1]
    assert [sorted(call[0] for call in group) for group in writer.groups] == [
        ["a"],
        ["b", "c", "d"],
    ]


def test_what_cannot_be_written_is_refused_alone() -> None:
    _, got = outcomes("a", "b", BAD, "d")
    assert got == [1, 1, StoreRefusedError, 1]


def test_all_hear_that_the_store_is_down() -> None:
    _, got = outcomes("a", "b", DOWN)
    assert got == [1, StoreUnavailableError, StoreUnavailableError]


def test_nobody_is_left_waiting_by_a_mistake() -> None:
    def broken(_: Sequence[Sequence[str]]) -> list[int]:
        raise ZeroDivisionError

    grouping: Grouping[str] = Grouping(broken)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            grouping.commit(["a"])
    assert not grouping._waiting


def test_a_commit_that_hangs_holds_no_caller_for_long() -> None:
    writer = Writer()
    grouping: Grouping[str] = Grouping(writer, seconds=0.3)
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="took too long"):
        grouping.commit(["a"])
    assert time.monotonic() - started < 1
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="hangs"):
        grouping.commit(["b"])
    assert time.monotonic() - started < 0.2, "who comes later is refused at once"
    writer.go_on.set()
    wait_for(lambda: grouping._busy_since is None)
    assert grouping.commit(["c"]) == 1


def test_what_nobody_waits_for_any_more_is_not_written() -> None:
    writer = Writer()
    grouping: Grouping[str] = Grouping(writer, seconds=0.3)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(grouping.commit, ["a"])
        assert writer.began.wait(5)
        second = pool.submit(grouping.commit, ["b"])
        for call in (first, second):
            with pytest.raises(StoreUnavailableError):
                call.result(5)
    writer.go_on.set()
    wait_for(lambda: grouping._busy_since is None and not grouping._waiting)
    assert grouping.commit(["c"]) == 1
    assert writer.groups == [[["a"]], [["c"]]]


def test_nothing_is_dropped_between_one_turn_and_the_next() -> None:
    written: list[str] = []

    def write(calls: Sequence[Sequence[str]]) -> list[int]:
        written.extend(item for call in calls for item in call)
        return [len(call) for call in calls]

    grouping: Grouping[str] = Grouping(write)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda n: grouping.commit([str(n)]), range(5_000))) == 5_000
    assert sorted(written, key=int) == [str(n) for n in range(5_000)]
