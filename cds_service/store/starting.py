"""Whether the store can be used at all: asked once, before the service starts."""

from __future__ import annotations

from sqlite3 import Error as SqliteError

from cds_service.store.glance import is_in_order

_REASONS = (
    ("refused", "nothing answers at its address"),
    ("timeout", "its server does not answer"),
    ("timed out", "its server does not answer"),
    ("translate host", "its host is not known"),
    ("resolve host", "its host is not known"),
    ("no such file", "its socket is not there"),
    ("password", "its server refuses the user or the password"),
    ("authentication", "its server refuses the user or the password"),
    ("role", "its server does not know the user"),
    ("does not exist", "there is no such database"),
    ("permission denied", "the user may not make its tables"),
    ("read-only", "it cannot be written to"),
    ("readonly", "it cannot be written to"),
    ("unable to open", "its file cannot be made or opened"),
    ("not a database", "its file is not a database"),
    ("malformed", "its file is damaged"),
    ("locked", "another process has it locked"),
    ("disk", "its disk is full or fails"),
)
"""Words in what a driver says, and what we say: its own text may hold a host, a user or a path."""


def why_unusable(url: str) -> str:
    """Why the store of a database URL cannot be used; "" if it can. Makes its tables if needed."""
    if is_in_order(url):
        return ""
    # SQLAlchemy takes as long as all the rest of the start.
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
