"""Check before the start whether the store can be used."""

from __future__ import annotations

from sqlite3 import Error as SqliteError

from cds_service.store.glance import is_in_order

_REASONS = (
    ("refused", "no server responds at its address"),
    ("timeout", "its server does not respond"),
    ("timed out", "its server does not respond"),
    ("translate host", "its host is not known"),
    ("resolve host", "its host is not known"),
    ("no such file", "its socket does not exist"),
    ("password", "its server refuses the user or the password"),
    ("authentication", "its server refuses the user or the password"),
    ("role", "its server does not know the user"),
    ("does not exist", "the database does not exist"),
    ("permission denied", "the user may not create its tables"),
    ("read-only", "it cannot be written"),
    ("readonly", "it cannot be written"),
    ("unable to open", "its file cannot be created or opened"),
    ("not a database", "its file is not a database"),
    ("malformed", "its file is damaged"),
    ("locked", "another process has it locked"),
    ("disk", "its disk is full or faulty"),
)
"""Words in driver messages and our own message. A driver message may contain a host, user or path."""


def why_unusable(url: str) -> str:
    """The reason why the store at a URL cannot be used, or "". Creates the tables if needed."""
    if is_in_order(url):
        return ""
    # Importing SQLAlchemy takes as long as all the rest of the start.
    from sqlalchemy.exc import SQLAlchemyError

    from cds_service.store.database import new_engine
    from cds_service.store.migrating import MigrationError

    try:
        new_engine(url).dispose()
    except MigrationError:
        return "its tables are not those of this service"
    except (SQLAlchemyError, SqliteError, OSError) as error:
        said = str(getattr(error, "orig", None) or error).lower()
        return next((ours for theirs, ours in _REASONS if theirs in said), type(error).__name__)
    return ""
