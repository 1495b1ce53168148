"""Records of calls: client, service and outcome."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "answered_call",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False, comment="call or explain"),
        sa.Column("status", sa.Integer, nullable=False, comment="of HTTP"),
        sa.Column("knowledge", sa.Text, nullable=False),
        sa.Column("cards", sa.Text, nullable=False, comment="ids, separated by blanks"),
        sa.Column("rules", sa.Text, nullable=False, comment="ids, separated by blanks"),
        sa.Column("unknown", sa.Text, nullable=False, comment="prefetch keys, separated by blanks"),
    )
    op.create_index("answered_call_by_time", "answered_call", ["at_ms"])


def downgrade() -> None:
    """Remove the table with all its data."""
    op.drop_table("answered_call")
