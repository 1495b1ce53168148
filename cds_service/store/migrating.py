"""Bringing a database to the tables of this version, once, whoever comes first."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, inspect, text

from cds_service.store.steps import HEAD, STEPS

_log = logging.getLogger(__name__)

SCRIPTS = Path(__file__).parent / "migrations"

# Any number, as long as nothing else on the database takes the same lock.
_LOCK = 4_867_204_613
# alembic keeps what it is doing in variables of its module: one database at a time in a process.
_ONE_AT_A_TIME = Lock()


class MigrationError(Exception):
    """The scripts could not be applied."""


def migrate(engine: Engine) -> None:
    """Apply what is missing. Several processes may call this at once: they take turns."""
    with engine.connect().execution_options(reading=True) as connection:
        if revision_of(connection) == HEAD:
            return
    # On SQLite the transaction itself keeps others out: it begins with the right to write.
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
    """The step that the database is at, `None` for an empty one."""
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
