"""Backups of the SQLite file: consistent, private, never half written, and restored whole."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cds_service.cli.main import main
from cds_service.store.copying import CopyError, back_up, restore
from cds_service.store.database import Database
from cds_service.store.location import sqlite_file
from cds_service.store.steps import HEAD

Run = Callable[..., tuple[int, str, str]]
ROWS = 50


def add_rows(file: Path, first: int, number: int = ROWS) -> sqlite3.Connection:
    """Rows in a transaction that is committed, on a connection that stays open: they are in the
    side file, where a plain copy does not look.
    """
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO issued_suggestion (uuid, card_uuid, kind, recommended) VALUES (?, '', '', 0)",
        [(f"{n:036}",) for n in range(first, first + number)],
    )
    connection.execute("COMMIT")
    return connection


def rows(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM issued_suggestion").fetchone()
        return int(count)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database of the service, with its tables."""
    path = tmp_path / "data" / "cds.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.check()
    database.close()
    return path


@pytest.fixture
def busy(file: Path) -> Iterator[Path]:
    """The same, with rows in the side file."""
    with closing(add_rows(file, 0)):
        yield file


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_backup_has_what_is_committed_and_no_more(busy: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(busy, isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("DELETE FROM issued_suggestion")
        assert back_up(busy, copy) == HEAD
        writing.execute("ROLLBACK")
    assert rows(copy) == ROWS
    assert copy.stat().st_mode & 0o077 == 0
    assert names(tmp_path) == {"copy.sqlite3", "data"}


def test_a_plain_copy_is_no_backup(busy: Path, tmp_path: Path) -> None:
    """The reason for the command."""
    (tmp_path / "plain").write_bytes(busy.read_bytes())
    assert rows(tmp_path / "plain") == 0


def test_a_backup_is_restored_over_a_later_state(file: Path, tmp_path: Path) -> None:
    add_rows(file, 0).close()
    copy = tmp_path / "copy"
    back_up(file, copy)
    add_rows(file, ROWS).close()
    kept = restore(copy, file)
    assert kept is not None
    assert (rows(file), rows(kept), rows(copy)) == (ROWS, 2 * ROWS, ROWS)
    assert file.stat().st_mode & 0o077 == 0
    Database(f"sqlite:///{file}").check()


@pytest.mark.parametrize("loss", ["file", "folder", "damage"])
def test_a_backup_is_restored_after_a_loss(busy: Path, tmp_path: Path, loss: str) -> None:
    copy = tmp_path / "copy"
    back_up(busy, copy)
    if loss == "damage":
        busy.write_bytes(b"noise" * 2000)
    else:
        busy.unlink()
    if loss == "folder":
        for left in busy.parent.iterdir():
            left.unlink()
        busy.parent.rmdir()
    # Side files of the lost database must not be read into the restored one.
    assert (restore(copy, busy) is not None) is (loss == "damage")
    assert rows(busy) == ROWS


def test_the_side_files_of_a_damaged_database_are_kept(busy: Path, tmp_path: Path) -> None:
    """Its newest data may be in them, and a person may still read them."""
    copy = tmp_path / "copy"
    back_up(busy, copy)
    newest = busy.with_name("cds.sqlite3-wal").read_bytes()
    busy.write_bytes(b"noise" * 2000)
    kept = restore(copy, busy)
    assert kept is not None
    assert kept.with_name(kept.name + "-wal").read_bytes() == newest
    assert rows(busy) == ROWS


def test_a_second_restore_does_not_overwrite_the_database_of_the_first(
    file: Path, tmp_path: Path
) -> None:
    """A person who restored the wrong backup still has the database before."""
    copy = tmp_path / "copy"
    back_up(file, copy)
    add_rows(file, 0).close()
    kept = restore(copy, file)
    assert kept is not None
    with pytest.raises(CopyError, match="is kept from an earlier restore"):
        restore(copy, file)
    assert (rows(file), rows(kept)) == (0, ROWS)
    assert names(file.parent) == {"cds.sqlite3", "cds.sqlite3.replaced"}


def test_a_database_in_use_is_not_replaced(busy: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    back_up(busy, copy)
    before = busy.read_bytes()
    with pytest.raises(CopyError, match=r"in use .* Stop the service first"):
        restore(copy, busy)
    assert busy.read_bytes() == before
    assert names(busy.parent) == {"cds.sqlite3", "cds.sqlite3-wal", "cds.sqlite3-shm"}


def no_database(copy: Path) -> None:
    copy.write_text("text")


def foreign(copy: Path) -> None:
    copy.unlink()
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("CREATE TABLE other (id)")


def half(copy: Path) -> None:
    content = copy.read_bytes()
    copy.write_bytes(content[: len(content) // 2])


def newer(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def without_step(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.commit()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (no_database, "is not a backup of this service"),
        (foreign, "is not a backup of this service"),
        (half, "is damaged|is not a backup of this service"),
        (newer, r"is from a newer version \(step 9999\)"),
        (without_step, r"is from a newer version \(step \)"),
        (Path.unlink, "There is no file at"),
    ],
)
def test_another_file_is_not_restored(
    file: Path, tmp_path: Path, fault: Callable[[Path], None], said: str
) -> None:
    add_rows(file, 0).close()
    copy = tmp_path / "copy"
    back_up(file, copy)
    fault(copy)
    with pytest.raises(CopyError, match=said):
        restore(copy, file)
    assert rows(file) == ROWS
    assert names(file.parent) == {"cds.sqlite3"}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("CDS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> tuple[int, str, str]:
        code = main(["database", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_the_commands(file: Path, run: Run) -> None:
    add_rows(file, 0).close()
    code, output, _ = run("show")
    assert code == 0
    assert f"SQLite, migration step {HEAD} (this version: {HEAD})" in output
    assert re.search(rf"issued_suggestion +│ {ROWS} ", output)
    assert run("backup", "copy") == (0, f"The backup is in copy (step {HEAD}).\n", "")
    assert run("backup", "copy") == (2, "", "copy exists already. Name a new file.\n")
    code, output, _ = run("restore", "copy")
    assert (code, output.splitlines()) == (
        0,
        [
            "copy is restored. Start the service.",
            f"The database before is in {file}.replaced. Delete it later.",
        ],
    )
    file.unlink()
    assert run("restore", "copy") == (0, "copy is restored. Start the service.\n", "")
    assert rows(file) == ROWS


@pytest.mark.parametrize("task", [("show",), ("backup", "copy")])
def test_without_a_database(run: Run, tmp_path: Path, task: tuple[str, ...]) -> None:
    code, output, error = run(*task)
    assert (code, output) == (2, "")
    assert error.startswith(f"There is no database at {tmp_path}/data/cds.sqlite3.")
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("file")
def test_a_copy_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    code, _, error = run("backup", "taken/copy")
    assert (code, error.count("\n")) == (2, 1)
    assert error == "taken/copy cannot be written: Not a directory.\n"


def test_a_damaged_database_is_named(file: Path, run: Run) -> None:
    file.write_bytes(b"noise" * 2000)
    assert run("show") == (2, "", "The database cannot be read: DatabaseError.\n")
    code, _, error = run("restore", "none")
    assert (code, error) == (2, "There is no file at none.\n")


def test_another_database_has_programs_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_DATABASE_URL", "postgresql://cds@db/cds")
    for task in (("backup", "copy"), ("restore", "copy")):
        code, _, error = run(*task)
        assert code == 2
        assert "Use pg_dump and pg_restore" in error


def test_the_state_of_each_kind_of_database(
    url: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_DATABASE_URL", url)
    if sqlite_file(url) is None:
        _, output, _ = run("show")
        assert "PostgreSQL, migration step none" in output
    database = Database(url)
    database.check()
    database.close()
    _, output, _ = run("show")
    assert f"migration step {HEAD} (this version: {HEAD})" in output
    assert "│ feedback " in output
