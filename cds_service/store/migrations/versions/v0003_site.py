"""What a site file adds: its version on issued cards, cards not returned, and shown suggestions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column and make the tables."""
    op.add_column(
        "issued_card",
        sa.Column(
            "site", sa.Text, nullable=False, server_default=sa.text("''"), comment="id and hash"
        ),
    )
    op.create_table(
        "withheld_card",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("hook", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("indicator", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("knowledge", sa.Text, nullable=False),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("rules", sa.Text, nullable=False, comment="separated by blanks"),
        sa.Column("decided_ms", sa.BigInteger, nullable=False),
        sa.Column("week", sa.Date, nullable=False, comment="the Monday, in UTC"),
    )
    op.create_index("withheld_card_by_time", "withheld_card", ["decided_ms"])
    op.create_table(
        "shown_suggestion",
        sa.Column("patient", sa.String(32), primary_key=True, comment="an HMAC"),
        sa.Column("card", sa.Text, primary_key=True),
        sa.Column("situation", sa.String(16), nullable=False, comment="a hash"),
        sa.Column("encounter", sa.String(32), nullable=False, comment="an HMAC, or empty"),
        sa.Column("shown_ms", sa.BigInteger, nullable=False),
        sa.Column("card_uuid", sa.String(36), nullable=False),
    )
    op.create_index("shown_suggestion_by_time", "shown_suggestion", ["shown_ms"])
    op.create_index("shown_suggestion_by_card", "shown_suggestion", ["card_uuid"])


def downgrade() -> None:
    """Remove them, with all that is in them."""
    op.drop_table("shown_suggestion")
    op.drop_table("withheld_card")
    op.drop_column("issued_card", "site")
