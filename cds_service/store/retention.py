"""Delete data older than the retention time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, select

from cds_service.store.database import Database
from cds_service.store.records import milliseconds
from cds_service.store.tables import (
    accepted_suggestion,
    answered_call,
    feedback,
    issued_card,
    issued_suggestion,
    shown_suggestion,
    withheld_card,
)

# Each batch is one transaction, so that deleting a year of data does not block others for long.
_AT_ONCE = 2_000


def purge(database: Database, before: datetime) -> int:
    """Delete cards, calls and feedback before a time. Returns the number of deleted rows.

    Feedback on a card is deleted with the card, however late it came, because it has no use without
    the card.
    """
    oldest_kept = milliseconds(before)
    return sum(
        _in_pieces(database, table, key, condition) for table, key, condition in _old(oldest_kept)
    )


def _old(oldest_kept: int) -> Iterator[tuple[Table, Column[str], ColumnElement[bool]]]:
    cards = select(issued_card.c.uuid).where(issued_card.c.issued_ms < oldest_kept)
    late = feedback.c.card_uuid.in_(cards)
    gone = select(feedback.c.digest).where((feedback.c.received_ms < oldest_kept) | late)
    # Dependent rows first. If the process dies in between, the next run still finds the rest.
    yield (
        accepted_suggestion,
        accepted_suggestion.c.feedback_digest,
        accepted_suggestion.c.feedback_digest.in_(gone),
    )
    yield feedback, feedback.c.digest, (feedback.c.received_ms < oldest_kept) | late
    yield issued_suggestion, issued_suggestion.c.uuid, issued_suggestion.c.card_uuid.in_(cards)
    yield issued_card, issued_card.c.uuid, issued_card.c.issued_ms < oldest_kept
    yield withheld_card, withheld_card.c.uuid, withheld_card.c.decided_ms < oldest_kept
    yield (
        shown_suggestion,
        shown_suggestion.c.card_uuid,
        shown_suggestion.c.shown_ms < oldest_kept,
    )
    yield answered_call, answered_call.c.id, answered_call.c.at_ms < oldest_kept


def _in_pieces(
    database: Database, table: Table, key: Column[str], condition: ColumnElement[bool]
) -> int:
    total = 0
    while True:
        with database.write_transaction() as connection:
            removed = _remove(connection, table, key, condition)
        total += removed
        if removed == 0:
            return total


def _remove(
    connection: Connection, table: Table, key: Column[str], condition: ColumnElement[bool]
) -> int:
    some = select(key).where(condition).distinct().limit(_AT_ONCE)
    return connection.execute(delete(table).where(key.in_(some))).rowcount
