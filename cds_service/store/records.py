"""The stored records, as plain values. None of them contains patient identity."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    """A time as it is stored: whole milliseconds since 1970 in UTC, the same on every database."""
    return (moment - _EPOCH) // _MILLISECOND


def moment_of(stored: int) -> datetime:
    """The time of a stored number."""
    return _EPOCH + stored * _MILLISECOND


def week_of(moment: datetime) -> date:
    """The Monday of the week of a time, in UTC."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


class IssuedSuggestion(msgspec.Struct, frozen=True):
    """A suggestion on an issued card: "plan", "labs", "update" or "delete"."""

    uuid: str
    kind: str
    recommended: bool = False


class IssuedCard(msgspec.Struct, frozen=True):
    """A card that was sent. `card` is its id in the knowledge, `rules` are the rules that caused it."""

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
    site: str = ""


class WithheldCard(msgspec.Struct, frozen=True):
    """A card that was decided and not returned. `why` is "silentHere", "neverHere", "lockedUntil" ..."""

    uuid: str
    service: str
    hook: str
    client: str
    card: str
    indicator: str
    why: str
    knowledge: str
    site: str
    decided: datetime
    rules: tuple[str, ...] = ()


class ShownSuggestion(msgspec.Struct, frozen=True):
    """A suggestion that was shown for a patient. `patient` and `encounter` are HMACs."""

    patient: str
    card: str
    situation: str
    encounter: str
    shown: datetime
    card_uuid: str


class AnsweredCall(msgspec.Struct, frozen=True):
    """A call by a client and its outcome, also for errors and calls without a card.

    `unknown` contains the prefetch keys whose data were unknown.
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


Record = IssuedCard | WithheldCard | ShownSuggestion | AnsweredCall
"""All records that are written in the background."""


class Outcome(StrEnum):
    """The decision of a clinician on a card."""

    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"


OTHER_REASON = "other"
"""Stands for an override reason that no card of this service offers."""


class Feedback(msgspec.Struct, frozen=True):
    """Feedback on a card, as the client reported it.

    `card` is the card's uuid. It is "" if the client sent text that is not a UUID and so cannot be
    one of our cards. `reason` is "system|code" of a known reason, `OTHER_REASON`, or "". `digest`
    identifies repeated items.
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
    """A short hash of a list of texts. The texts cannot be recovered from it."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:40]
