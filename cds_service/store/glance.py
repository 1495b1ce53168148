"""A quick check of a SQLite file without importing SQLAlchemy.

The import takes as long as the rest of the start, and readiness is checked first.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from cds_service.store.steps import HEAD

_SQLITE = "sqlite:///"
_LOCKED_SECONDS = 0.2


def is_in_order(url: str) -> bool:
    """Whether the file exists, is writable, and has the tables of this version.

    False is inconclusive: open the database to find out.
    """
    if not url.startswith(_SQLITE) or "?" in url:
        return False
    path = Path(url.removeprefix(_SQLITE))
    if not (path.is_file() and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return False
    try:
        with closing(sqlite3.connect(path, timeout=_LOCKED_SECONDS)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return found == [(HEAD,)]
