"""The numbers of the sizing table in docs/operations.md: calls, memory and disk of one worker.

    .venv/bin/python -m bench.sizing

One worker of the production server gets calls that follow the prefetch templates. Calls per second
are given for one core that does nothing else (from the processor time of a call, which depends
little on other load), and as measured next to the load of the machine. Client and server share the
machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import orjson

from bench.bodies import template_request
from bench.load import Load, family, free_port, once, post, put_under_load, resident_mb, running

PATH = "/cds-services/magnesium-migraine-patient-view"
CONNECTIONS = 8
SETTLE_SECONDS = 2.0
"""The store writes its records at most a quarter of a second after a call."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of call, and whether it returns a card."""

    kilobytes: int
    has_card: bool

    @property
    def name(self) -> str:
        """As in the table."""
        return f"{'a card' if self.has_card else 'no card'}, {self.kilobytes} KB"

    @property
    def request(self) -> bytes:
        """The call in HTTP form."""
        today = datetime.now(UTC).date()
        return post(PATH, template_request(self.kilobytes, today, migraine=self.has_card))


KINDS = (Kind(25, True), Kind(25, False), Kind(100, True), Kind(100, False), Kind(1000, True))


def lines(seconds: float) -> Iterator[str]:
    """The rows of the table in Markdown."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ("tools.serve", "--port", str(port), "--workers", "1")
        with running(*command, port=port, CDS_DATA_DIR=folder) as server:
            once(port, KINDS[0].request)
            yield f"| memory after the start | {_memory(server.pid)} |"
            time.sleep(SETTLE_SECONDS)
            sizes = [_sizes(Path(folder))]
            for kind in KINDS:
                if bool(orjson.loads(once(port, kind.request))["cards"]) is not kind.has_card:
                    raise SystemExit("bench: a wrong answer")
                load = put_under_load(server, port, kind.request, CONNECTIONS, seconds)
                yield f"| calls with {kind.name} | {_calls(load)} |"
                time.sleep(SETTLE_SECONDS)
                sizes.append(_sizes(Path(folder)))
            yield f"| memory after these calls | {_memory(server.pid)} |"
        yield from _disk(sizes)


def _calls(load: Load) -> str:
    return (
        f"{1000 / load.cpu_ms:,.0f} per second and core"
        f" ({load.rate:,.0f} measured, half within {load.ms(0.5):.0f} ms)"
    )


def _memory(pid: int) -> str:
    """The largest process is the worker. The others are its parent and small helpers."""
    sizes = sorted((resident_mb(one) for one in family(pid)), reverse=True)
    return f"{sizes[0]:.0f} MB for a worker, {sum(sizes[1:]):.0f} MB for the other processes"


def _sizes(folder: Path) -> tuple[int, int]:
    """The bytes of the database, and the number of records in it."""
    with closing(sqlite3.connect(folder / "cds.sqlite3")) as connection:
        connection.execute("PRAGMA wal_checkpoint").fetchone()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (calls,) = connection.execute("SELECT count(*) FROM answered_call").fetchone()
    return pages * size, calls


def _disk(sizes: list[tuple[int, int]]) -> Iterator[str]:
    """Growth during the calls with a card, and during those without."""
    for has_card in (True, False):
        grown = [
            (after[0] - before[0], after[1] - before[1])
            for kind, (before, after) in zip(KINDS, pairwise(sizes), strict=True)
            if kind.has_card is has_card
        ]
        each = sum(size for size, _ in grown) / max(sum(calls for _, calls in grown), 1)
        what = "calls with a card" if has_card else "calls without a card"
        yield f"| disk for 1,000 {what} | {each / 1000:.2f} MB |"


def main() -> None:
    """Print the table with the machine, the day and the load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each kind of call")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    rows = list(lines(options.seconds))
    print("| what | one worker |\n|---|---|")
    print("\n".join(rows))
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python"
        f" {platform.python_version()}, load of the machine {before:.1f} before the run"
    )


if __name__ == "__main__":
    main()
