"""The state of a database, without a migration: its step and the number of rows of each table."""

from __future__ import annotations

from sqlalchemy import create_engine, func, inspect, make_url, select

from cds_service.store.migrating import revision_of
from cds_service.store.tables import metadata


def state_of(url: str) -> tuple[str | None, dict[str, int]]:
    """The step (`None` for an empty database) and the rows of our tables that exist.

    Raises the errors of SQLAlchemy.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed)
    try:
        with engine.connect() as connection:
            present = set(inspect(connection).get_table_names())
            counts = {
                table.name: connection.scalar(select(func.count()).select_from(table)) or 0
                for table in metadata.sorted_tables
                if table.name in present
            }
            return revision_of(connection), counts
    finally:
        engine.dispose()
