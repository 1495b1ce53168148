"""Back up and restore the SQLite file of the store.

A plain copy of the file is not a backup, because recent transactions are in its side files. SQLite
copies a consistent state while other processes write.

Source: https://www.sqlite.org/backup.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from cds_service.private_files import make_private
from cds_service.store.steps import STEPS

_SIDE_FILES = ("-wal", "-shm")
_LOCKED_SECONDS = 0.5


class CopyError(Exception):
    """The copy was not made. The message is one line with the reason."""


def back_up(source: Path, copy: Path) -> str:
    """Write a consistent copy to a new file that only this account can read. Returns its step.

    Raises `CopyError`. Then there is no new file.
    """
    if not source.is_file():
        raise CopyError(f"There is no database at {source}.")
    if copy.exists():
        raise CopyError(f"{copy} exists already. Name a new file.")
    with _unfinished(copy) as unfinished:
        _copy(source, unfinished)
        step = _checked(unfinished)
        unfinished.rename(copy)
    return step


def restore(copy: Path, target: Path) -> Path | None:
    """Replace the database by a backup. Returns where the database before is kept.

    Raises `CopyError` if the copy is not a backup of this service, the database is in use, or the
    one that an earlier restore replaced is still there. Then nothing changes.
    """
    if not copy.is_file():
        raise CopyError(f"There is no file at {copy}.")
    step = _checked(copy)
    if step not in STEPS:
        raise CopyError(f"{copy} is from a newer version (step {step}). Install that version.")
    with _unfinished(target) as unfinished:
        _copy(copy, unfinished)
        kept = _set_aside(target)
        unfinished.rename(target)
    return kept


def _copy(source: Path, copy: Path) -> None:
    make_private(copy)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(copy)) as writing,
        ):
            reading.backup(writing)
            # One file is easier to move. The service sets the mode again.
            writing.execute("PRAGMA journal_mode=DELETE").close()
    except sqlite3.Error as error:
        raise CopyError(f"{source} cannot be copied to {copy.parent}: {error}.") from None


def _checked(copy: Path) -> str:
    """The migration step of a file that is whole and has our tables."""
    uri = f"{copy.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            state = connection.execute("PRAGMA quick_check(1)").fetchone()
            if state != ("ok",):
                raise CopyError(f"{copy} is damaged.")
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        raise CopyError(f"{copy} is not a backup of this service.") from None
    return str(row[0]) if row else ""


def _set_aside(target: Path) -> Path | None:
    """Rename the database to be replaced, if there is one.

    Raises `CopyError` if it is in use, or if an earlier one is still kept under the new name.
    """
    if not target.exists():
        for side in _SIDE_FILES:
            target.with_name(target.name + side).unlink(missing_ok=True)
        return None
    kept = target.with_name(f"{target.name}.replaced")
    if kept.exists():
        raise CopyError(f"{kept} is kept from an earlier restore. Move or delete it first.")
    try:
        with closing(sqlite3.connect(target, timeout=_LOCKED_SECONDS)) as connection:
            # Fails if another connection is open, and moves what is in the side files to the file.
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        raise CopyError(f"{target} is in use ({error}). Stop the service first.") from None
    except sqlite3.DatabaseError:
        pass  # damaged, which is a reason to restore
    for side in _SIDE_FILES:  # those of a damaged file may have its newest data
        with suppress(FileNotFoundError):
            target.with_name(target.name + side).rename(kept.with_name(kept.name + side))
    target.rename(kept)
    return kept


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """A name next to the path, so that an interrupted copy does not look like a whole one."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        yield unfinished
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CopyError(f"{path} cannot be written: {reason}.") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
