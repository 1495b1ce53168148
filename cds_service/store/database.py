"""The connection to the database. It is opened on demand, once in each process."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import Error as SqliteError
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from cds_service.private_files import make_private
from cds_service.store.errors import StoreRefusedError, StoreUnavailableError
from cds_service.store.migrating import MigrationError, migrate

_log = logging.getLogger(__name__)

# How long a writer waits for another one. This is far longer than any of our transactions.
_PATIENCE_SECONDS = 2
_ASK_AGAIN_SECONDS = 0.005
# How long SQLite itself retries a lock before this code does. Its pauses grow to 20 ms in this
# time.
_LOCKED_SECONDS = 0.05
_CONNECT_SECONDS = 2
_CONNECTIONS = 5
# After a failure, callers are refused at once for this time. Otherwise each would wait, and so
# would hook calls that are served by the same threads.
_REST_SECONDS = 2.0


class Database:
    """Transactions on one database, whose tables are created on demand."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._lock = Lock()
        self._turn: AbstractContextManager[object] = (
            Lock() if url.startswith("sqlite:") else nullcontext()
        )
        self._down_until = 0.0
        os.register_at_fork(after_in_child=self._forget)

    @contextmanager
    def write_transaction(self) -> Iterator[Connection]:
        """A transaction that is committed to disk when the block ends without an error."""
        # One transaction at a time in a process. SQLite has only one writer anyway. The others
        # would sleep for growing times, in threads that serve calls.
        with self._turn, self._own_errors(), self._opened().begin() as connection:
            yield connection

    @contextmanager
    def read_transaction(self) -> Iterator[Connection]:
        """A consistent read view of the data. It does not block writers."""
        with self._own_errors(), self._opened().connect() as connection:
            yield connection.execution_options(reading=True)

    def rows(self, statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows of one SELECT with `?` for each value, by the driver itself.

        For the one question on the path of a hook call: SQLAlchemy would take three times as long.
        """
        with self._own_errors():
            engine = self._opened()
            if engine.dialect.paramstyle != "qmark":
                statement = statement.replace("?", "%s")
            raw = engine.raw_connection()
            try:
                cursor = raw.cursor()
                cursor.execute(statement, values)
                return cursor.fetchall()
            except engine.dialect.loaded_dbapi.Error as error:
                raise StoreUnavailableError(type(error).__name__) from None
            finally:
                raw.close()

    def check(self) -> None:
        """Query the database to check it. Raises `StoreUnavailableError`."""
        with self.read_transaction() as connection:
            connection.execute(text("SELECT version_num FROM alembic_version"))

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        """Convert errors to our own. Driver messages may quote a statement, a password or a path."""
        try:
            yield
        except _UNAVAILABLE as error:
            self._down_until = time.monotonic() + _REST_SECONDS
            raise StoreUnavailableError(type(error).__name__) from None
        except SQLAlchemyError as error:
            raise StoreRefusedError(type(error).__name__) from None

    def _opened(self) -> Engine:
        if time.monotonic() < self._down_until:
            raise StoreUnavailableError("it failed a moment ago")
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def _open(self) -> Engine:
        try:
            return _patiently(self._made)
        except _UNAVAILABLE:
            raise
        except (SQLAlchemyError, MigrationError) as error:
            # A wrong URL or foreign tables: the store stays unavailable until an operator corrects
            # it.
            _log.error("the store cannot be opened: %s", type(error).__name__)
            raise StoreUnavailableError(type(error).__name__) from None

    def _made(self) -> Engine:
        return new_engine(self._url)

    def _forget(self) -> None:
        """In a forked child: the connections belong to the parent."""
        self._lock = Lock()
        if isinstance(self._turn, type(self._lock)):
            self._turn = Lock()
        if self._engine is not None:
            self._engine.dispose(close=False)
            self._engine = None


# SqliteError: SQLAlchemy does not wrap errors during connecting.
_LOCKED = (OperationalError, SqliteError)
_UNAVAILABLE = (*_LOCKED, InterfaceError, InternalError, PoolTimeoutError, OSError)


def new_engine(url: str) -> Engine:
    """Connect to a database and create its tables. Raises the errors of the drivers."""
    engine = _engine_for(url)
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _engine_for(url: str) -> Engine:
    parsed = make_url(url)
    return _KINDS[parsed.get_backend_name()](parsed)


def _sqlite(url: URL) -> Engine:
    if url.database is None:
        raise ArgumentError
    make_private(Path(url.database))
    engine = create_engine(
        url,
        pool_size=_CONNECTIONS,
        connect_args={"timeout": _LOCKED_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    _write_ahead(engine)
    return engine


def _prepare_sqlite(connection: SqliteConnection, _: ConnectionPoolEntry) -> None:
    # The code begins transactions explicitly. The driver must not do so.
    connection.isolation_level = None
    # A commit must survive a power failure.
    connection.execute("PRAGMA synchronous=FULL").close()


def _begin_sqlite(connection: Connection) -> None:
    """Request the write lock at the beginning, because a later upgrade fails if another process has
    written.

    SQLite retries with growing pauses, up to 0.1 s. A process with short transactions would starve
    next to one that writes all the time.
    """
    if connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("BEGIN")
        return
    _patiently(lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"))


Result = TypeVar("Result")


def _patiently(attempt: Callable[[], Result]) -> Result:
    """Retry until no other process has locked the database."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return attempt()
        except _LOCKED as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(_ASK_AGAIN_SECONDS)


def _write_ahead(engine: Engine) -> None:
    """Let readers work in parallel with a writer. The setting is stored in the file."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode=WAL").close()
    finally:
        raw.close()


def _postgresql(url: URL) -> Engine:
    import psycopg  # imported here, because most deployments use the file

    arguments: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "options": f"-c statement_timeout={_PATIENCE_SECONDS * 1000}",
        "application_name": "cds-service",
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        module=psycopg,
        pool_size=_CONNECTIONS,
        pool_pre_ping=True,
        pool_timeout=_PATIENCE_SECONDS,
        connect_args={k: v for k, v in arguments.items() if k not in url.query},
    )


_KINDS = {"sqlite": _sqlite, "postgresql": _postgresql}
