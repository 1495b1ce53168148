"""Migrate a database to the tables of this version. The first process that needs it does so once."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, inspect, text

from cds_service.store.steps import HEAD, STEPS

_log = logging.getLogger(__name__)

SCRIPTS = Path(__file__).parent / "migrations"

# Any number that no other program uses for a lock on this database.
_LOCK = 4_867_204_613
# alembic has state in module variables, so only one database at a time can be migrated in a
# process.
_ONE_AT_A_TIME = Lock()


class MigrationError(Exception):
    """The migration scripts failed."""


def migrate(engine: Engine) -> None:
    """Apply the missing steps. Several processes may call this at the same time: they take turns."""
    with engine.connect().execution_options(reading=True) as connection:
        if revision_of(connection) == HEAD:
            return
    # On SQLite the transaction itself excludes other processes, because it begins with the write
    # lock.
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = revision_of(connection)
        if found == HEAD:
            return
        if found is not None and found not in STEPS:
            _log.warning("the database is of a newer version; it is used as it is")
            return
        _upgrade(connection)


def revision_of(connection: Connection) -> str | None:
    """The current step of the database, or `None` if it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        with _ONE_AT_A_TIME:
            command.upgrade(config, "head")
    except CommandError:
        raise MigrationError from None
