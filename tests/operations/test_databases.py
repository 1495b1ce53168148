"""A database that hangs, is locked or is away delays no hook call, and loses nothing acknowledged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from ..feedback.calling import stamp
from ..security.conftest import NORTH, PUBLIC, Ehr, clients, keys, published
from ..support import postgres
from ..support.serving import Reply, Running, serving
from ..support.waiting import wait_for
from .conftest import HOOK

__all__ = ["clients", "keys", "published"]

pytestmark = pytest.mark.server
SENDERS = 24


@pytest.fixture
def database() -> Iterator[postgres.Server]:
    try:
        with postgres.controlled() as server:
            yield server
    except postgres.MissingError as missing:
        pytest.skip(str(missing))


def send_feedback(server: Running, card: str) -> Reply:
    item = {"card": card, "outcome": "overridden", "outcomeTimestamp": stamp()}
    return server.ask("POST", f"{HOOK}/feedback", {"feedback": [item]})


def beside_feedback(server: Running, body: Any, calls: int = 20) -> tuple[set[int], list[Reply]]:
    """Hook calls while more feedback comes than there are threads; the answers to both."""
    with ThreadPoolExecutor(SENDERS) as pool:
        feedback = [pool.submit(send_feedback, server, str(uuid4())) for _ in range(SENDERS)]
        statuses = {server.ask("POST", HOOK, body).status for _ in range(calls)}
        return statuses, [sent.result() for sent in feedback]


def assert_refused(replies: list[Reply]) -> None:
    for reply in replies:
        assert reply.status == 503
        assert int(reply.headers["Retry-After"]) > 0
        assert reply.json["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("trouble", ["frozen", "stopped"])
def test_a_postgresql_in_trouble(
    tmp_path: Path, database: postgres.Server, body: Any, trouble: str
) -> None:
    begin, end = {
        "frozen": (database.freeze, database.thaw),
        "stopped": (database.stop, database.start),
    }[trouble]
    with serving(tmp_path, CDS_DATABASE_URL=database.url) as server:
        acknowledged = [str(uuid4()) for _ in range(5)]
        assert {send_feedback(server, card).status for card in acknowledged} == {200}
        begin()
        try:
            statuses, replies = beside_feedback(server, body)
            assert statuses == {200}
            assert_refused(replies)
            assert server.ask("GET", "/health").status == 200
            assert server.ask("GET", "/ready").status == 503
        finally:
            end()
        later = str(uuid4())
        wait_for(lambda: send_feedback(server, later).status == 200)
    engine = create_engine(database.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        kept = {str(row[0]) for row in connection.execute(text("SELECT card_uuid FROM feedback"))}
    engine.dispose()
    assert {*acknowledged, later} <= kept


def locked(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def test_a_locked_file_of_the_store(tmp_path: Path, body: Any) -> None:
    with serving(tmp_path) as server:
        assert send_feedback(server, str(uuid4())).status == 200
        with closing(locked(tmp_path / "cds.sqlite3")):
            statuses, replies = beside_feedback(server, body)
            assert statuses == {200}
            assert_refused(replies)
        wait_for(lambda: send_feedback(server, str(uuid4())).status == 200)


def test_a_locked_ledger_lets_nobody_in(
    tmp_path: Path, clients: dict[str, Any], keys: dict[str, Any]
) -> None:
    """No call is let in whose token could have been used before, and none waits long to learn it."""
    file = tmp_path / "clients.json"
    file.write_text(json.dumps(clients))
    with serving(tmp_path, CDS_CLIENTS_FILE=str(file), CDS_PUBLIC_URL=PUBLIC) as server:
        ehr = Ehr(server, NORTH, keys["ES384"], "north-1", "ES384", tenant="ward-a")
        call: Callable[[str], Reply] = lambda token: ehr.send(HOOK, token)  # noqa: E731
        used = ehr.token(HOOK)
        assert call(used).status == 200
        with closing(locked(tmp_path / "trust.sqlite3")), ThreadPoolExecutor(16) as pool:
            tokens = [ehr.token(HOOK) for _ in range(16)]
            assert_refused([*pool.map(call, tokens), call(used)])
            assert server.ask("GET", "/health").status == 200
        wait_for(lambda: call(ehr.token(HOOK)).status == 200)
        # A refused call did not use up its token; a used one stays used.
        assert call(tokens[0]).status == 200
        assert call(tokens[0]).status == 401
        assert call(used).status == 401
