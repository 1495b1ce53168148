"""Files that only the account of the service may read: databases with feedback, tokens and records."""

from __future__ import annotations

from pathlib import Path

_OWNER_ONLY_FOLDER = 0o700
_OWNER_ONLY_FILE = 0o600
_FOR_OTHERS = 0o077


def make_private(file: Path) -> None:
    """Create a file and its folder if they are missing, and remove access for other accounts.

    SQLite gives its side files the permissions of the database. Raises `OSError` if the file
    belongs to another account or cannot be created.
    """
    file.parent.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    file.touch(mode=_OWNER_ONLY_FILE)
    for path in (file, *(file.with_name(file.name + side) for side in ("-wal", "-shm"))):
        if path.exists() and path.stat().st_mode & _FOR_OTHERS:
            path.chmod(_OWNER_ONLY_FILE)
