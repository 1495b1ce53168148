"""While the store is opened for the first time, it is not taken for one that cannot be reached."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.store import store as module
from cds_service.store.errors import StoreError, StoreOpeningError, StoreUnavailableError
from cds_service.store.store import Store

from ..support.outcomes import assert_outcome
from ..support.waiting import wait_for


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Nobody else can read or write the file, for as long as the block lasts."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def opens(store: Store) -> bool:
    with suppress(StoreUnavailableError):
        store.check()
        return True
    return False


def test_an_opening_that_takes_long_is_told_from_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "cds.sqlite3"
    with closing(Store(f"sqlite:///{file}", 30)) as store:
        with locked(file), pytest.raises(StoreOpeningError):
            store.check()
        wait_for(lambda: opens(store))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("DROP TABLE alembic_version")
        with pytest.raises(StoreError) as raised:
            store.check()
        assert not isinstance(raised.value, StoreOpeningError)


def test_an_opening_that_takes_too_long_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OPENING_SECONDS", 0.0)
    file = tmp_path / "cds.sqlite3"
    with closing(Store(f"sqlite:///{file}", 30)) as store, locked(file):
        with pytest.raises(StoreUnavailableError) as raised:
            store.check()
        assert not isinstance(raised.value, StoreOpeningError)


def test_ready_says_that_the_service_is_starting(tmp_path: Path) -> None:
    client = create_app(Settings(data_dir=str(tmp_path))).test_client()
    with locked(tmp_path / "cds.sqlite3"):
        reply = client.get("/ready")
    assert "The service is starting" in assert_outcome(reply, 503)
    assert reply.headers["Retry-After"] == "1"
    wait_for(lambda: client.get("/ready").status_code == 200)
