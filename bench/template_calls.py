"""Calls of EHRs that follow the prefetch templates, and the background work for them.

    python -m bench.template_calls

Whole calls are measured in one process against `orjson.loads` of the same body. The store's thread,
which writes the record of a call, is measured against the same rows in bare SQLite. UUIDs from the
stock are measured against single UUIDs while two other threads are busy.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import orjson
from flask import Flask

from bench.bodies import template_request
from bench.in_process import caller, seconds
from bench.rows import Row, print_rows, spread
from cds_service import create_app
from cds_service.hooks.uuids import new_uuid
from cds_service.settings import read_settings
from cds_service.store.records import Record
from cds_service.store.store import Store
from cds_service.web.parts import parts_of

KILOBYTES = (25, 100, 1_000)
PATH = "/cds-services/magnesium-migraine-patient-view"
RECORDED = 200
"""The number of calls whose records are written in one batch."""
UUIDS = 5
"""For a call with a card: the card, its suggestions and its record."""


def measure(rounds: int = 40) -> Iterator[Row]:
    """All rows. The compared programs alternate, so that both get the same noise."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as directory:
        app = create_app(msgspec.structs.replace(read_settings(), data_dir=directory))
        today = datetime.now(UTC).date()
        for kilobytes in KILOBYTES:
            for migraine in (True, False):
                body = template_request(kilobytes, today, migraine=migraine)
                yield _call(caller(app, PATH, body), body, migraine, rounds)
        body = template_request(KILOBYTES[0], today, migraine=True)
        yield _records(app, caller(app, PATH, body), max(rounds // 4, 3))
    yield _uuids(rounds * 20)
    logging.disable(logging.NOTSET)


def _call(call: Callable[[], bytes], body: bytes, migraine: bool, rounds: int) -> Row:
    if bool(orjson.loads(call())["cards"]) is not migraine:
        raise SystemExit("bench: a wrong answer")
    pairs = [(seconds(call), seconds(lambda: orjson.loads(body))) for _ in range(rounds)]
    ratios = [service / baseline for service, baseline in pairs]
    return Row(
        what=f"as the templates ask, {'card' if migraine else 'silent'}: CPU against orjson.loads",
        size=f"{len(body) / 1024:,.0f} KB",
        measured=f"{statistics.median(s for s, _ in pairs) * 1000:.2f} ms",
        baseline=f"{statistics.median(f for _, f in pairs) * 1000:.2f} ms",
        value=statistics.median(ratios),
        spread=spread(ratios),
    )


def _records(app: Flask, call: Callable[[], bytes], rounds: int) -> Row:
    """Processor time of the store's thread for each call, including the start of the thread."""
    records: list[Record] = []
    stores: Any = parts_of(app).store
    stores.remember = records.append
    pairs = []
    with tempfile.TemporaryDirectory() as directory:
        store = Store(f"sqlite:///{directory}/bench.db", retention_days=1)
        for number in range(rounds + 1):
            records.clear()
            for _ in range(RECORDED):
                call()
            with _collector_off():
                taken = _written(store, records) / RECORDED
            if number:  # the first one opened the database
                pairs.append((taken, _bare_rows(RECORDED)))
        store.close()
    ratios = [service / baseline for service, baseline in pairs]
    return Row(
        what="the record of a call: CPU against bare SQLite",
        size=f"{RECORDED} calls in a batch",
        measured=f"{statistics.median(s for s, _ in pairs) * 1000:.3f} ms",
        baseline=f"{statistics.median(f for _, f in pairs) * 1000:.3f} ms",
        value=statistics.median(ratios),
        spread=spread(ratios),
    )


def _written(store: Store, records: Sequence[Record]) -> float:
    began = time.process_time()
    for record in records:
        store.remember(record)
    store.flush()
    return time.process_time() - began


def _bare_rows(calls: int) -> float:
    """Processor time of five rows of ten texts for each call, in one transaction of a new file."""
    with tempfile.TemporaryDirectory() as directory:
        connection = sqlite3.connect(f"{directory}/bare.db")
        columns = ",".join(f"c{n} text" for n in range(1, 10))
        connection.execute(f"create table bare (id text primary key, {columns}) without rowid")
        rows = [(str(uuid4()), *("a text of a record",) * 9) for _ in range(UUIDS * calls)]
        began = time.process_time()
        with connection:
            connection.executemany(f"insert into bare values ({','.join('?' * 10)})", rows)  # noqa: S608
        taken = (time.process_time() - began) / calls
        connection.close()
        return taken


def _uuids(rounds: int) -> Row:
    """The mean of the wall times, because rare long waits matter."""
    with _busy_threads(2):
        pairs = [(_wall(new_uuid), _wall(lambda: str(uuid4()))) for _ in range(rounds)]
    stock, single = (statistics.mean(times) for times in zip(*pairs, strict=True))
    return Row(
        what="UUIDs of a call beside busy threads: mean wall time against uuid4",
        size=f"{UUIDS} UUIDs",
        measured=f"{stock * 1000:.3f} ms",
        baseline=f"{single * 1000:.3f} ms",
        value=stock / single,
        spread="",
    )


def _wall(make: Callable[[], str]) -> float:
    time.sleep(0.0002)  # releases the lock, like waiting for a request
    began = time.perf_counter()
    for _ in range(UUIDS):
        make()
    return time.perf_counter() - began


@contextmanager
def _busy_threads(number: int) -> Iterator[None]:
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            sum(range(2_000))

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


@contextmanager
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    print_rows(list(measure(parser.parse_args().rounds)))


if __name__ == "__main__":
    os.environ.setdefault("CDS_LOG_LEVEL", "ERROR")
    main()
