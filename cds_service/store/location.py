"""Where the database is."""

from __future__ import annotations

from pathlib import Path

FILE = "cds.sqlite3"


def database_url(url: str, data_dir: str) -> str:
    """The URL as configured, or that of the file in the data directory."""
    if not url:
        return f"sqlite:///{Path(data_dir).absolute() / FILE}"
    # Hosts of databases still hand out the old name.
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres:") else url
