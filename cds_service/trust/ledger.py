"""State that all workers share: the used tokens, and the key sets last fetched.

One machine uses a SQLite file. Several machines use a PostgreSQL database. Each decision is one
statement, so two workers cannot both be first. Callers wait only a short time. If the ledger does
not respond in that time, the call is refused.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cds_service.private_files import make_private
from cds_service.waiting import Bounded, TooSlowError

if TYPE_CHECKING:
    import psycopg

_PATIENCE_SECONDS = 0.4
# After a failure, callers are refused at once for this time. Otherwise they would wait one after
# the other.
_REST_SECONDS = 1.0
_DATABASE_SECONDS = 0.8
_CONNECT_SECONDS = 2
_PURGE_EVERY_SECONDS = 60.0
_TABLES = (
    """CREATE TABLE IF NOT EXISTS trust_seen (
    token {bytes} PRIMARY KEY, expires {float} NOT NULL
)""",
    "CREATE INDEX IF NOT EXISTS trust_seen_by_expiry ON trust_seen (expires)",
    """CREATE TABLE IF NOT EXISTS trust_key_set (
    url TEXT PRIMARY KEY, tried {float} NOT NULL DEFAULT 0, ended {float} NOT NULL DEFAULT 0,
    fetched {float} NOT NULL DEFAULT 0, body {bytes}
)""",
)
_SQLITE_TYPES = {"bytes": "BLOB", "float": "REAL"}
_POSTGRESQL_TYPES = {"bytes": "BYTEA", "float": "DOUBLE PRECISION"}


class LedgerError(Exception):
    """The ledger is unavailable. All calls are refused, because a token may have been used before."""


class KeySetRow(msgspec.Struct, frozen=True):
    """A key set as last fetched. Times are in seconds since 1970, 0 means never."""

    tried: float = 0.0
    ended: float = 0.0
    fetched: float = 0.0
    body: bytes = b""


class _Done(NamedTuple):
    """The rows that a statement returned, and the number of rows it changed."""

    row: Sequence[Any] | None
    changed: int


class Ledger(ABC):
    """The operations of the ledger. Each raises `LedgerError` if the ledger is unavailable."""

    def __init__(self) -> None:
        self._next_purge = 0.0
        self._down_until = 0.0

    def first_use(self, issuer: str, jti: str, expires: float, now: float) -> bool:
        """Record a token until it expires. Returns whether it was not recorded before."""
        token = hashlib.sha256(f"{len(issuer)}:{issuer}{jti}".encode()).digest()
        if now >= self._next_purge:
            self._do("DELETE FROM trust_seen WHERE expires < ?", now)
            self._next_purge = now + _PURGE_EVERY_SECONDS
        statement = "INSERT INTO trust_seen VALUES (?, ?) ON CONFLICT DO NOTHING"
        return self._do(statement, token, float(expires)).changed == 1

    def key_set(self, url: str) -> KeySetRow:
        """A key set as last fetched by any worker."""
        statement = "SELECT tried, ended, fetched, body FROM trust_key_set WHERE url = ?"
        row = self._do(statement, url).row
        if row is None:
            return KeySetRow()
        tried, ended, fetched, body = row
        return KeySetRow(tried, ended, fetched, bytes(body or b""))

    def claim_fetch(self, url: str, now: float, pause: float) -> bool:
        """Whether the caller may fetch a key set now: no worker has tried for `pause` seconds."""
        self._do("INSERT INTO trust_key_set (url) VALUES (?) ON CONFLICT DO NOTHING", url)
        statement = "UPDATE trust_key_set SET tried = ? WHERE url = ? AND tried NOT BETWEEN ? AND ?"
        return self._do(statement, now, url, now - pause, now).changed == 1

    def end_fetch(self, url: str, now: float, body: bytes | None) -> None:
        """Store a fetched key set. `None` leaves the stored key set unchanged."""
        if body is None:
            self._do("UPDATE trust_key_set SET ended = ? WHERE url = ?", now, url)
        else:
            statement = "UPDATE trust_key_set SET ended = ?, fetched = ?, body = ? WHERE url = ?"
            self._do(statement, now, now, body, url)

    def check(self) -> None:
        """Raise `LedgerError` if the ledger cannot be written."""
        self._do("DELETE FROM trust_seen WHERE expires < 0")

    def _do(self, statement: str, *values: object) -> _Done:
        if time.monotonic() < self._down_until:
            raise LedgerError("it failed a moment ago")
        try:
            return self._execute(statement, values)
        except LedgerError:
            self._down_until = time.monotonic() + _REST_SECONDS
            raise

    @abstractmethod
    def _execute(self, statement: str, values: Sequence[object]) -> _Done:
        """Execute one statement in its own transaction. Raises `LedgerError`."""

    @abstractmethod
    def close(self) -> None:
        """Close the file or connection."""


class FileLedger(Ledger):
    """A SQLite file, opened once in each process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        os.register_at_fork(after_in_child=self._forget)

    def _execute(self, statement: str, values: Sequence[object]) -> _Done:
        with self._using() as connection:
            done = connection.execute(statement, values)
            return _Done(done.fetchone() if done.description else None, done.rowcount)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one caller at a time. Callers wait for it only a short time."""
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            raise LedgerError("it is busy")
        try:
            if self._connection is None:
                self._connection = self._opened()
            yield self._connection
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(type(error).__name__) from None
        finally:
            self._lock.release()

    def _opened(self) -> sqlite3.Connection:
        make_private(self._path)
        connection = sqlite3.connect(
            self._path, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL").close()
        # No sync for each token. After a power failure, tokens of the last moments could be used
        # again until they expire, a few minutes later.
        connection.execute("PRAGMA synchronous=NORMAL").close()
        for table in _TABLES:
            connection.execute(table.format(**_SQLITE_TYPES)).close()
        return connection

    def _forget(self) -> None:
        """In a forked child: the connection belongs to the parent, and the lock may be held there."""
        self._lock = Lock()
        self._connection = None


class DatabaseLedger(Ledger):
    """Tables in PostgreSQL, shared by all machines."""

    def __init__(self, url: str) -> None:
        super().__init__()
        # Imported here, so that it does not count against the short time of a caller, and only with
        # PostgreSQL.
        import psycopg  # noqa: F401

        self._url = url
        self._lock = Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._bounded = Bounded(_DATABASE_SECONDS, "ledger")
        os.register_at_fork(after_in_child=self._forget)

    def _execute(self, statement: str, values: Sequence[object]) -> _Done:
        if not self._lock.acquire(timeout=_DATABASE_SECONDS):
            raise LedgerError("it is busy")
        try:
            return self._bounded.run(lambda: self._ask(statement.replace("?", "%s"), values))
        except TooSlowError as error:
            # The connection is abandoned together with the thread that is blocked on it.
            self._connection = None
            raise LedgerError(str(error)) from None
        finally:
            self._lock.release()

    def _ask(self, statement: str, values: Sequence[object]) -> _Done:
        import psycopg

        try:
            if self._connection is None:
                self._connection = self._opened()
            connection = self._connection
            done = connection.execute(statement.encode(), values)
            found = _Done(done.fetchone() if done.description else None, done.rowcount)
        except (psycopg.Error, OSError) as error:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            raise LedgerError(type(error).__name__) from None
        if self._connection is not connection:
            connection.close()  # the caller has stopped waiting
        return found

    def _opened(self) -> psycopg.Connection[Any]:
        import psycopg

        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name="cds-service trust",
        )
        # Two instances that start together must not both create the tables.
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(7034571)")
            for table in _TABLES:
                connection.execute(table.format(**_POSTGRESQL_TYPES).encode())
        return connection

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _forget(self) -> None:
        """In a forked child: the connection belongs to the parent, and the lock may be held there."""
        self._lock = Lock()
        self._connection = None


def ledger_of(database_url: str, data_dir: str) -> Ledger:
    """The ledger for the settings: PostgreSQL if the store uses it, otherwise a file."""
    if database_url.startswith("postgres"):
        plain = database_url.replace("postgresql+psycopg:", "postgresql:", 1)
        return DatabaseLedger(plain.replace("postgres:", "postgresql:", 1))
    return FileLedger(Path(data_dir) / "trust.sqlite3")
