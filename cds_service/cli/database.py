"""`database`: the state of the store, a backup of its SQLite file, and its restoration."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from cds_service.cli.errors import CommandError
from cds_service.cli.printing import console
from cds_service.settings import read_settings
from cds_service.store.copying import CopyError, back_up, restore
from cds_service.store.location import database_url, sqlite_file
from cds_service.store.steps import HEAD

_POSTGRESQL = (
    "CDS_DATABASE_URL names a PostgreSQL database. Use pg_dump and pg_restore: docs/operations.md"
)


def show() -> None:
    """The kind of the database, its migration step and the number of rows. Nothing is migrated."""
    from sqlalchemy.exc import SQLAlchemyError

    from cds_service.store.inspecting import state_of

    url = _url()
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        raise CommandError(f"There is no database at {file}. The first start creates it.")
    try:
        step, counts = state_of(url)
    except (SQLAlchemyError, OSError) as error:
        raise CommandError(f"The database cannot be read: {type(error).__name__}.") from None
    kind = "SQLite" if file else "PostgreSQL"
    console().print(f"{kind}, migration step {step or 'none'} (this version: {HEAD})")
    table = Table("table", "rows")
    for name, count in counts.items():
        table.add_row(name, str(count))
    console().print(table)


def make_backup(file: str) -> None:
    """Write a consistent copy of the SQLite file. The service may run."""
    try:
        step = back_up(_file(), Path(file))
    except CopyError as error:
        raise CommandError(str(error)) from None
    console().print(f"The backup is in {file} (step {step}).", soft_wrap=True)


def restore_backup(file: str) -> None:
    """Replace the SQLite file by a backup. The service must be stopped."""
    try:
        kept = restore(Path(file), _file())
    except CopyError as error:
        raise CommandError(str(error)) from None
    out = console()
    out.print(f"{file} is restored. Start the service.", soft_wrap=True)
    if kept is not None:
        out.print(f"The database before is in {kept}. Delete it later.", soft_wrap=True)


def _file() -> Path:
    file = sqlite_file(_url())
    if file is None:
        raise CommandError(_POSTGRESQL)
    return file


def _url() -> str:
    settings = read_settings()
    return database_url(settings.database_url, settings.data_dir)
