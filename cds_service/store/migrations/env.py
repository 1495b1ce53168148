"""Run the scripts on the connection that `cds_service.store.migrating` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from cds_service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Alembic thinks that SQLite cannot; with BEGIN IMMEDIATE it can.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
