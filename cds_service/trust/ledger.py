"""What all workers of a host must agree on: which tokens were seen, and the key sets last fetched.

A SQLite file. One statement decides each question, so no two workers can both be first.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import msgspec

_PATIENCE_SECONDS = 0.4
# After a failure, callers are refused at once for so long. Else each would wait in its turn.
_REST_SECONDS = 1.0
_PURGE_EVERY_SECONDS = 60.0
_OWNER_ONLY = 0o700
_TABLES = """
CREATE TABLE IF NOT EXISTS seen (
    token BLOB PRIMARY KEY, expires REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_by_expiry ON seen (expires);
CREATE TABLE IF NOT EXISTS key_set (
    url TEXT PRIMARY KEY, tried REAL NOT NULL DEFAULT 0, ended REAL NOT NULL DEFAULT 0,
    fetched REAL NOT NULL DEFAULT 0, body BLOB NOT NULL DEFAULT x''
) WITHOUT ROWID;
"""


class LedgerError(Exception):
    """The file cannot be used. Then nobody can be let in: a token might have been seen before."""


class KeySetRow(msgspec.Struct, frozen=True):
    """A key set as last fetched; times in seconds since 1970, 0 for never."""

    tried: float = 0.0
    ended: float = 0.0
    fetched: float = 0.0
    body: bytes = b""


class Ledger:
    """The file, opened once in each process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._next_purge = 0.0
        self._down_until = 0.0
        os.register_at_fork(after_in_child=self._forget)

    def first_use(self, issuer: str, jti: str, expires: float, now: float) -> bool:
        """Whether a token was not seen before; from now on it was, until it expires."""
        token = hashlib.sha256(f"{len(issuer)}:{issuer}{jti}".encode()).digest()
        with self._using() as connection:
            if now >= self._next_purge:
                connection.execute("DELETE FROM seen WHERE expires < ?", (now,))
                self._next_purge = now + _PURGE_EVERY_SECONDS
            done = connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (token, expires))
            return done.rowcount == 1

    def key_set(self, url: str) -> KeySetRow:
        """A key set as last fetched by any worker."""
        with self._using() as connection:
            row = connection.execute(
                "SELECT tried, ended, fetched, body FROM key_set WHERE url = ?", (url,)
            ).fetchone()
        return KeySetRow(*row) if row else KeySetRow()

    def claim_fetch(self, url: str, now: float, pause: float) -> bool:
        """Whether the caller may fetch a key set: nobody has tried for so many seconds."""
        with self._using() as connection:
            connection.execute("INSERT OR IGNORE INTO key_set (url) VALUES (?)", (url,))
            done = connection.execute(
                "UPDATE key_set SET tried = ? WHERE url = ? AND tried NOT BETWEEN ? AND ?",
                (now, url, now - pause, now),
            )
            return done.rowcount == 1

    def end_fetch(self, url: str, now: float, body: bytes | None) -> None:
        """Keep what was fetched; `None` leaves the key set as it was."""
        with self._using() as connection:
            if body is None:
                connection.execute("UPDATE key_set SET ended = ? WHERE url = ?", (now, url))
            else:
                connection.execute(
                    "UPDATE key_set SET ended = ?, fetched = ?, body = ? WHERE url = ?",
                    (now, now, body, url),
                )

    def check(self) -> None:
        """Raises `LedgerError` if the file cannot be written."""
        with self._using() as connection:
            connection.execute("DELETE FROM seen WHERE expires < 0")

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one caller at a time. Nobody waits for it longer than a moment."""
        if time.monotonic() < self._down_until:
            raise LedgerError("it failed a moment ago")
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            raise LedgerError("it is busy")
        try:
            if self._connection is None:
                self._connection = self._opened()
            yield self._connection
        except (sqlite3.Error, OSError) as error:
            self._down_until = time.monotonic() + _REST_SECONDS
            raise LedgerError(type(error).__name__) from None
        finally:
            self._lock.release()

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL").close()
        # Without a sync for each token: after a power failure, tokens of the last moments may be
        # taken once more, for the few minutes until they expire.
        connection.execute("PRAGMA synchronous=NORMAL").close()
        connection.executescript(_TABLES)
        return connection

    def _forget(self) -> None:
        """In a forked child: the connection is the parent's, and so may be the lock."""
        self._lock = Lock()
        self._connection = None
