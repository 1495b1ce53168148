"""Run the scripts on the connection of `cds_service.store.migrating`, in its transaction."""

from __future__ import annotations

from alembic import context

from cds_service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Alembic assumes that SQLite does not support this. With BEGIN IMMEDIATE it does.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
