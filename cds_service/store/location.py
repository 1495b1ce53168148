"""The address of the database."""

from __future__ import annotations

from pathlib import Path

FILE = "cds.sqlite3"


def database_url(url: str, data_dir: str) -> str:
    """The configured URL, or the URL of the file in the data directory."""
    if not url:
        return f"sqlite:///{Path(data_dir).absolute() / FILE}"
    # Database hosts still give out the old name.
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres:") else url


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, or `None` for another database."""
    kind, _, rest = url.partition(":///")
    return Path(rest.partition("?")[0]) if kind == "sqlite" else None
