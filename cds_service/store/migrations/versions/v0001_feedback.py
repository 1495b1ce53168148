"""Issued cards, their suggestions, and feedback on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "issued_card",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("hook", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("indicator", sa.Text, nullable=False),
        sa.Column("knowledge", sa.Text, nullable=False),
        sa.Column("rules", sa.Text, nullable=False, comment="separated by blanks"),
        sa.Column("issued_ms", sa.BigInteger, nullable=False),
        sa.Column("week", sa.Date, nullable=False, comment="the Monday, in UTC"),
    )
    op.create_index("issued_card_by_time", "issued_card", ["issued_ms"])
    op.create_table(
        "issued_suggestion",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("card_uuid", sa.String(36), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("recommended", sa.Boolean, nullable=False),
    )
    op.create_index("issued_suggestion_by_card", "issued_suggestion", ["card_uuid"])
    op.create_table(
        "feedback",
        sa.Column("digest", sa.String(40), primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("card_uuid", sa.String(36), comment="null: the client sent no UUID"),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("outcome_ms", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, comment="system|code, or other"),
        sa.Column("comment", sa.Text, comment="may hold patient data; kept only where configured"),
    )
    op.create_index("feedback_by_card", "feedback", ["card_uuid"])
    op.create_index("feedback_by_time", "feedback", ["received_ms"])
    op.create_table(
        "accepted_suggestion",
        sa.Column("feedback_digest", sa.String(40), primary_key=True),
        sa.Column("suggestion_uuid", sa.String(36), primary_key=True),
    )
    op.create_index("accepted_suggestion_by_uuid", "accepted_suggestion", ["suggestion_uuid"])


def downgrade() -> None:
    """Remove the tables with all their data."""
    for table in ("accepted_suggestion", "feedback", "issued_suggestion", "issued_card"):
        op.drop_table(table)
