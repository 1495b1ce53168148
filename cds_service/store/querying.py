"""The queries of a report. The database does the counting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    select,
)

from cds_service.store.database import Database
from cds_service.store.history import (
    OPEN_FOR,
    CardOutcome,
    Comment,
    History,
    IssuedCards,
    OverrideCounts,
    SuggestionCounts,
    Withheld,
)
from cds_service.store.records import Outcome, ShownSuggestion, milliseconds, moment_of
from cds_service.store.tables import (
    accepted_suggestion,
    feedback,
    issued_card,
    issued_suggestion,
    withheld_card,
)


def read_history(connection: Connection, since: datetime, until: datetime) -> History:
    """The history of the cards issued from `since` until before `until`."""
    span = milliseconds(since), milliseconds(until)
    received, unmatched = connection.execute(_received(*span)).one()
    return History(
        since=since,
        until=until,
        issues=tuple(_issues(row) for row in connection.execute(_fates(*span)).mappings()),
        overrides=tuple(
            OverrideCounts(**row) for row in connection.execute(_reasons(*span)).mappings()
        ),
        taken=tuple(
            SuggestionCounts(**row) for row in connection.execute(_suggestions(*span)).mappings()
        ),
        feedback=received,
        unmatched=unmatched or 0,
        withheld=tuple(Withheld(**row) for row in connection.execute(_withheld(*span)).mappings()),
    )


_SHOWN = (
    "SELECT patient, card, situation, encounter, shown_ms, card_uuid"
    " FROM shown_suggestion WHERE patient IN (?, ?)"
)


def read_shown(database: Database, patients: Sequence[str]) -> list[ShownSuggestion]:
    """What was last shown under the names of a patient: one for each key, at most two."""
    return [
        ShownSuggestion(patient, card, situation, encounter, moment_of(shown), card_uuid)
        for patient, card, situation, encounter, shown, card_uuid in database.rows(
            _SHOWN, (patients[0], patients[-1])
        )
    ]


def read_comments(connection: Connection, since: datetime) -> Sequence[Comment]:
    """The comments received from `since` on, newest first."""
    statement = (
        select(feedback.c.received_ms, issued_card.c.card, feedback.c.reason, feedback.c.comment)
        .join_from(feedback, issued_card, _same_card(feedback.c), isouter=True)
        .where(feedback.c.received_ms >= milliseconds(since), feedback.c.comment.is_not(None))
        .order_by(feedback.c.received_ms.desc(), feedback.c.digest)
    )
    return [
        Comment(moment_of(received), card or "", reason or "", text)
        for received, card, reason, text in connection.execute(statement)
    ]


def _issues(row: RowMapping) -> IssuedCards:
    seconds = row["seconds"]
    return IssuedCards(
        **{
            **row,
            "rules": tuple(row["rules"].split()),
            "outcome": CardOutcome(row["outcome"]),
            "seconds": seconds if seconds is not None and seconds >= 0 else None,
        }
    )


def _same_card(told: Any) -> ColumnElement[bool]:
    """Match feedback to a card only if service and client are the same."""
    return and_(
        told.card_uuid == issued_card.c.uuid,
        told.service == issued_card.c.service,
        told.client == issued_card.c.client,
    )


def _decisions(first: int) -> CTE:
    """The outcome of each card. A card with an accepted suggestion is accepted.

    The result does not depend on the order in which feedback arrives or on its timestamps.
    """
    accepted = feedback.c.outcome == Outcome.ACCEPTED.value
    return (
        select(
            feedback.c.card_uuid,
            feedback.c.service,
            feedback.c.client,
            func.max(case((accepted, 1), else_=0)).label("accepted"),
            func.coalesce(
                func.min(case((accepted, feedback.c.outcome_ms))), func.min(feedback.c.outcome_ms)
            ).label("decided_ms"),
        )
        # Feedback cannot be earlier than the card.
        .where(feedback.c.card_uuid.is_not(None), feedback.c.received_ms >= first)
        .group_by(feedback.c.card_uuid, feedback.c.service, feedback.c.client)
        .cte("decision")
    )


def _issued_between(first: int, end: int) -> ColumnElement[bool]:
    return and_(issued_card.c.issued_ms >= first, issued_card.c.issued_ms < end)


def _fates(first: int, end: int) -> Select[Any]:
    decision = _decisions(first)
    settled = end - OPEN_FOR // timedelta(milliseconds=1)
    outcome = case(
        (decision.c.accepted == 1, literal(CardOutcome.ACCEPTED.value)),
        (decision.c.accepted == 0, literal(CardOutcome.OVERRIDDEN.value)),
        (issued_card.c.issued_ms < settled, literal(CardOutcome.IGNORED.value)),
        else_=literal(CardOutcome.OPEN.value),
    ).label("outcome")
    waited = decision.c.decided_ms - issued_card.c.issued_ms
    # Clocks differ slightly. A decision less than a second before the card counts as simultaneous.
    seconds = case(
        (decision.c.decided_ms.is_(None), null()),
        (waited < -1000, -1),
        (waited < 0, 0),
        else_=waited // 1000,
    ).label("seconds")
    columns = (
        issued_card.c.card,
        issued_card.c.service,
        issued_card.c.hook,
        issued_card.c.client,
        issued_card.c.knowledge,
        issued_card.c.site,
        issued_card.c.rules,
        issued_card.c.week,
        outcome,
        seconds,
    )
    cards_group = (
        select(*columns)
        .join_from(issued_card, decision, _same_card(decision.c), isouter=True)
        .where(_issued_between(first, end))
        .subquery("alike")
    )
    return select(*cards_group.c, func.count().label("count")).group_by(*cards_group.c)


def _reasons(first: int, end: int) -> Select[Any]:
    """The reason of the last override of each card that was overridden and never accepted."""
    decision = _decisions(first)
    nth = func.row_number().over(
        partition_by=(feedback.c.card_uuid, feedback.c.service, feedback.c.client),
        order_by=(feedback.c.outcome_ms.desc(), feedback.c.digest),
    )
    last = (
        select(
            feedback.c.card_uuid,
            feedback.c.service,
            feedback.c.client,
            func.coalesce(feedback.c.reason, "").label("reason"),
            nth.label("nth"),
        )
        .where(feedback.c.card_uuid.is_not(None), feedback.c.received_ms >= first)
        .subquery("last")
    )
    return (
        select(issued_card.c.card, last.c.reason, func.count().label("count"))
        .join_from(issued_card, decision, _same_card(decision.c))
        .join(last, and_(_same_card(last.c), last.c.nth == 1))
        .where(_issued_between(first, end), decision.c.accepted == 0)
        .group_by(issued_card.c.card, last.c.reason)
    )


def _suggestions(first: int, end: int) -> Select[Any]:
    taken = (
        select(accepted_suggestion.c.suggestion_uuid)
        .distinct()
        .join(feedback, feedback.c.digest == accepted_suggestion.c.feedback_digest)
        .where(
            feedback.c.outcome == Outcome.ACCEPTED.value,
            feedback.c.card_uuid == issued_suggestion.c.card_uuid,
            accepted_suggestion.c.suggestion_uuid == issued_suggestion.c.uuid,
        )
        .exists()
    )
    return (
        select(
            issued_card.c.card,
            issued_suggestion.c.kind,
            func.count().label("offered"),
            func.sum(case((taken, 1), else_=0)).label("accepted"),
        )
        .join_from(
            issued_suggestion, issued_card, issued_card.c.uuid == issued_suggestion.c.card_uuid
        )
        .where(_issued_between(first, end))
        .group_by(issued_card.c.card, issued_suggestion.c.kind)
    )


def _received(first: int, end: int) -> Select[int, int | None]:
    unmatched = case((issued_card.c.uuid.is_(None), 1), else_=0)
    return (
        select(func.count(), func.sum(unmatched))
        .join_from(feedback, issued_card, _same_card(feedback.c), isouter=True)
        .where(feedback.c.received_ms >= first, feedback.c.received_ms < end)
    )


def _withheld(first: int, end: int) -> Select[Any]:
    columns = (
        withheld_card.c.card,
        withheld_card.c.hook,
        withheld_card.c.why,
        withheld_card.c.week,
    )
    return (
        select(*columns, func.count().label("count"))
        .where(withheld_card.c.decided_ms >= first, withheld_card.c.decided_ms < end)
        .group_by(*columns)
        .order_by(*columns)
    )
