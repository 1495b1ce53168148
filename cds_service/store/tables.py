"""The tables. Times are whole milliseconds since 1970 (UTC), so that both databases calculate the
same.

The steps in `migrations/versions` create them. A change here needs a migration there.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

issued_card = Table(
    "issued_card",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("service", Text, nullable=False),
    Column("hook", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("indicator", Text, nullable=False),
    Column("knowledge", Text, nullable=False),
    Column("rules", Text, nullable=False, comment="separated by blanks"),
    Column("issued_ms", BigInteger, nullable=False),
    Column("week", Date, nullable=False, comment="the Monday, in UTC"),
    Column("site", Text, nullable=False, server_default=text("''"), comment="id and hash"),
    Index("issued_card_by_time", "issued_ms"),
)

withheld_card = Table(
    "withheld_card",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("service", Text, nullable=False),
    Column("hook", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("indicator", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("knowledge", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("rules", Text, nullable=False, comment="separated by blanks"),
    Column("decided_ms", BigInteger, nullable=False),
    Column("week", Date, nullable=False, comment="the Monday, in UTC"),
    Index("withheld_card_by_time", "decided_ms"),
)

shown_suggestion = Table(
    "shown_suggestion",
    metadata,
    Column("patient", String(32), primary_key=True, comment="an HMAC"),
    Column("card", Text, primary_key=True),
    Column("situation", String(16), nullable=False, comment="a hash"),
    Column("encounter", String(32), nullable=False, comment="an HMAC, or empty"),
    Column("shown_ms", BigInteger, nullable=False),
    Column("card_uuid", String(36), nullable=False),
    Index("shown_suggestion_by_time", "shown_ms"),
    Index("shown_suggestion_by_card", "card_uuid"),
)

issued_suggestion = Table(
    "issued_suggestion",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("card_uuid", String(36), nullable=False),
    Column("kind", Text, nullable=False),
    Column("recommended", Boolean, nullable=False),
    Index("issued_suggestion_by_card", "card_uuid"),
)

answered_call = Table(
    "answered_call",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("client", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="call or explain"),
    Column("status", Integer, nullable=False, comment="of HTTP"),
    Column("knowledge", Text, nullable=False),
    Column("cards", Text, nullable=False, comment="ids, separated by blanks"),
    Column("rules", Text, nullable=False, comment="ids, separated by blanks"),
    Column("unknown", Text, nullable=False, comment="prefetch keys, separated by blanks"),
    Index("answered_call_by_time", "at_ms"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("digest", String(40), primary_key=True),
    Column("service", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("card_uuid", String(36), comment="null: the client sent no UUID"),
    Column("outcome", Text, nullable=False),
    Column("outcome_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("reason", Text, comment="system|code, or other"),
    Column("comment", Text, comment="may hold patient data; kept only where configured"),
    Index("feedback_by_card", "card_uuid"),
    Index("feedback_by_time", "received_ms"),
)

accepted_suggestion = Table(
    "accepted_suggestion",
    metadata,
    Column("feedback_digest", String(40), primary_key=True),
    Column("suggestion_uuid", String(36), primary_key=True),
    Index("accepted_suggestion_by_uuid", "suggestion_uuid"),
)
