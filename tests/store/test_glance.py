"""Whether a store on SQLite is ready is seen from its file; in all other cases it is opened to find out."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cds_service.store.database import Database
from cds_service.store.errors import StoreUnavailableError
from cds_service.store.glance import is_in_order
from cds_service.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with the tables of this version, closed."""
    path = tmp_path / "cds.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.check()
    database.close()
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_a_store_of_this_version_is_in_order(path: Path) -> None:
    assert is_in_order(f"sqlite:///{path}")


def test_a_store_is_ready_without_the_library_that_works_with_it(path: Path) -> None:
    code = (
        "import sys\nfrom cds_service.store.store import Store\n"
        f"Store('sqlite:///{path}', 30).check()\nprint('sqlalchemy' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "False"


SPOILT: dict[str, Callable[[Path], object]] = {
    "no file": lambda path: path.unlink(),
    "no database": lambda path: path.write_bytes(
        b"not a database, but as long as the head of one " * 9
    ),
    "empty": lambda path: path.write_bytes(b""),
    "older": lambda path: change(path, "UPDATE alembic_version SET version_num = '0001'"),
    "newer": lambda path: change(path, "UPDATE alembic_version SET version_num = '9999'"),
    "two versions": lambda path: change(path, "INSERT INTO alembic_version VALUES ('0001')"),
    "no tables": lambda path: change(path, "DROP TABLE alembic_version"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_any_other_file_is_not_in_order(what: str, path: Path) -> None:
    SPOILT[what](path)
    assert not is_in_order(f"sqlite:///{path}")


@pytest.mark.parametrize("writable", ["file", "folder"])
def test_a_file_that_cannot_be_written_is_not_in_order(
    writable: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = path if writable == "file" else path.parent
    monkeypatch.setattr(os, "access", lambda what, _: Path(what) != locked)
    assert not is_in_order(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["postgresql://host/cds", "sqlite://", "sqlite:////a/b?mode=ro"])
def test_nothing_is_said_of_other_databases(url: str) -> None:
    assert not is_in_order(url)


def test_what_is_not_in_order_is_opened(path: Path) -> None:
    path.write_bytes(b"not a database, but as long as the head of one " * 9)
    store = Store(f"sqlite:///{path}", 30)
    with pytest.raises(StoreUnavailableError):
        store.check()


def test_an_open_store_is_asked_itself(path: Path) -> None:
    store = Store(f"sqlite:///{path}", 30)
    store.purge()
    path.unlink()
    change(path, "CREATE TABLE other (id)")
    assert not is_in_order(f"sqlite:///{path}")
    store.check()
    store.close()
