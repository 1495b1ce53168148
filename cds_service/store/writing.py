"""Write records into tables. Existing records are not changed, so writing can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, Update, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from cds_service.store.records import (
    OTHER_REASON,
    AnsweredCall,
    Feedback,
    IssuedCard,
    Outcome,
    Record,
    ShownSuggestion,
    WithheldCard,
    milliseconds,
    week_of,
)
from cds_service.store.tables import (
    accepted_suggestion,
    answered_call,
    feedback,
    issued_card,
    issued_suggestion,
    shown_suggestion,
    withheld_card,
)

_Row = dict[str, Any]
_DIALECTS: Mapping[str, Any] = {"postgresql": postgresql, "sqlite": sqlite}
"""What makes statements of each database: only their dialects know ON CONFLICT."""


def write_records(connection: Connection, records: Iterable[Record]) -> None:
    """Write a batch of records, each kind with one statement."""
    by_kind: dict[type[Record], list[Any]] = {}
    for record in records:
        by_kind.setdefault(type(record), []).append(record)
    for kind, cards_group in by_kind.items():
        _WRITERS[kind](connection, cards_group)


def _write_cards(connection: Connection, cards: Sequence[IssuedCard]) -> None:
    _insert(connection, issued_card, [_card(card) for card in cards])
    _insert(
        connection,
        issued_suggestion,
        [
            {
                "uuid": suggestion.uuid,
                "card_uuid": card.uuid,
                "kind": suggestion.kind,
                "recommended": suggestion.recommended,
            }
            for card in cards
            for suggestion in card.suggestions
        ],
    )


def _write_calls(connection: Connection, calls: Sequence[AnsweredCall]) -> None:
    _insert(connection, answered_call, [_call(call) for call in calls])


def _write_withheld(connection: Connection, cards: Sequence[WithheldCard]) -> None:
    _insert(connection, withheld_card, [_withheld(card) for card in cards])


def _write_shown(connection: Connection, shown: Sequence[ShownSuggestion]) -> None:
    """Each patient has one row for a card: the newest. A repeated or late write changes nothing."""
    # One row for a patient and card in a statement, in one order for all writers: no deadlock.
    newest = {(s.patient, s.card): s for s in sorted(shown, key=lambda s: s.shown)}
    rows = [_shown(item) for _, item in sorted(newest.items())]
    if rows:
        connection.execute(_newest_shown(connection.dialect.name), rows)


@cache
def _newest_shown(dialect: str) -> Any:
    insert = _DIALECTS[dialect].insert(shown_suggestion)
    new = insert.excluded
    changes = {name: new[name] for name in ("situation", "encounter", "shown_ms", "card_uuid")}
    return insert.on_conflict_do_update(
        index_elements=["patient", "card"],
        set_=changes,
        where=shown_suggestion.c.shown_ms <= new.shown_ms,
    )


def write_feedback(connection: Connection, items: Iterable[Feedback], received: datetime) -> int:
    """Store the items. Returns how many of them were new."""
    # All callers use the same order, so two calls with the same items only wait for each other.
    ordered = sorted(items, key=lambda item: item.digest)
    statement = _insert_into(connection, feedback).execution_options(preserve_rowcount=True)
    new = 0
    for item in ordered:
        is_new = connection.execute(statement, _feedback(item, received)).rowcount
        new += is_new
        if is_new and _settles(item):
            connection.execute(_renewal(item.card, received))
    _insert(
        connection,
        accepted_suggestion,
        [
            {"feedback_digest": item.digest, "suggestion_uuid": suggestion}
            for item in ordered
            for suggestion in sorted(item.suggestions)
        ],
    )
    return new


def _settles(item: Feedback) -> bool:
    """Whether a clinician took a suggestion up or said no to it, or not now.

    Each reason that our cards offer means one of these. Another reason can mean anything.
    """
    if not item.card:
        return False
    return item.outcome is Outcome.ACCEPTED or item.reason not in ("", OTHER_REASON)


def _renewal(card_uuid: str, received: datetime) -> Update:
    """The lock-out of a card begins again with the feedback on it."""
    at = milliseconds(received)
    shown = shown_suggestion.c
    found = (shown.card_uuid == card_uuid) & (shown.shown_ms < at)
    return update(shown_suggestion).where(found).values(shown_ms=at)


# A new kind of record needs a table, a migration and a row here.
_WRITERS: Mapping[type[Record], Callable[[Connection, Sequence[Any]], None]] = {
    IssuedCard: _write_cards,
    WithheldCard: _write_withheld,
    ShownSuggestion: _write_shown,
    AnsweredCall: _write_calls,
}


def _card(card: IssuedCard) -> _Row:
    return {
        "uuid": card.uuid,
        "service": card.service,
        "hook": card.hook,
        "client": card.client,
        "card": card.card,
        "indicator": card.indicator,
        "knowledge": card.knowledge,
        "rules": " ".join(card.rules),
        "issued_ms": milliseconds(card.issued),
        "week": week_of(card.issued),
        "site": card.site,
    }


def _withheld(card: WithheldCard) -> _Row:
    return {
        "uuid": card.uuid,
        "service": card.service,
        "hook": card.hook,
        "client": card.client,
        "card": card.card,
        "indicator": card.indicator,
        "why": card.why,
        "knowledge": card.knowledge,
        "site": card.site,
        "rules": " ".join(card.rules),
        "decided_ms": milliseconds(card.decided),
        "week": week_of(card.decided),
    }


def _shown(item: ShownSuggestion) -> _Row:
    return {
        "patient": item.patient,
        "card": item.card,
        "situation": item.situation,
        "encounter": item.encounter,
        "shown_ms": milliseconds(item.shown),
        "card_uuid": item.card_uuid,
    }


def _call(call: AnsweredCall) -> _Row:
    return {
        "id": call.id,
        "at_ms": milliseconds(call.at),
        "client": call.client,
        "service": call.service,
        "kind": call.kind,
        "status": call.status,
        "knowledge": call.knowledge,
        "cards": " ".join(call.cards),
        "rules": " ".join(call.rules),
        "unknown": " ".join(call.unknown),
    }


def _feedback(item: Feedback, received: datetime) -> _Row:
    return {
        "digest": item.digest,
        "service": item.service,
        "client": item.client,
        "card_uuid": item.card or None,
        "outcome": item.outcome.value,
        "outcome_ms": milliseconds(item.at),
        "received_ms": milliseconds(received),
        "reason": item.reason or None,
        "comment": item.comment or None,
    }


def _insert(connection: Connection, table: Table, rows: list[_Row]) -> None:
    if rows:
        connection.execute(_insert_into(connection, table), rows)


def _insert_into(connection: Connection, table: Table) -> Insert:
    insert: Insert = _DIALECTS[connection.dialect.name].insert(table).on_conflict_do_nothing()
    return insert
