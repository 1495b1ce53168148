"""What is remembered, as plain values: nothing here says, or can be made to say, who the patient is."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    """A moment as it is stored: whole milliseconds since 1970 in UTC, the same on every database."""
    return (moment - _EPOCH) // _MILLISECOND


def moment_of(stored: int) -> datetime:
    """The moment of a stored number."""
    return _EPOCH + stored * _MILLISECOND


def week_of(moment: datetime) -> date:
    """The Monday of its week, in UTC."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


class IssuedSuggestion(msgspec.Struct, frozen=True):
    """A suggestion on an issued card: "plan", "labs", "update" or "delete"."""

    uuid: str
    kind: str
    recommended: bool = False


class IssuedCard(msgspec.Struct, frozen=True):
    """A card that was sent. `card` is its id in the knowledge, `rules` what led to it."""

    uuid: str
    service: str
    hook: str
    client: str
    card: str
    indicator: str
    knowledge: str
    issued: datetime
    rules: tuple[str, ...] = ()
    suggestions: tuple[IssuedSuggestion, ...] = ()


class AnsweredCall(msgspec.Struct, frozen=True):
    """That a client called, and what it was answered: also where that was no card, or an error.

    `unknown` are the prefetch keys of which the data were not known.
    """

    id: str
    at: datetime
    client: str
    service: str
    kind: str
    status: int
    knowledge: str
    cards: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


Record = IssuedCard | AnsweredCall
"""Whatever is remembered behind the back of a call."""


class Outcome(StrEnum):
    """What a clinician did with a card."""

    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"


OTHER_REASON = "other"
"""An override reason that no card of this service offers."""


class Feedback(msgspec.Struct, frozen=True):
    """What became of a card, as a client told it.

    `card` is the card's uuid, "" where the client sent something that is no UUID and hence none of
    our cards; `reason` is "system|code" of a reason we know, or `OTHER_REASON`, or "". `digest`
    tells repeated items from new ones.
    """

    digest: str
    service: str
    client: str
    card: str
    outcome: Outcome
    at: datetime
    suggestions: tuple[str, ...] = ()
    reason: str = ""
    comment: str = ""


def digest(*parts: str) -> str:
    """One short name for a list of texts, from which the texts cannot be read."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:40]
