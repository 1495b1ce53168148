"""Issued cards and their outcomes as plain values. `querying` reads them from the tables."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

OPEN_FOR = timedelta(days=1)
"""A card without feedback counts as ignored after this time. Until then it counts as open."""


class CardOutcome(StrEnum):
    """The outcome of a card."""

    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"
    IGNORED = "ignored"
    OPEN = "open"


class IssuedCards(msgspec.Struct, frozen=True):
    """The number of cards with the same values of all these fields.

    `seconds` is the time to the decision. It is `None` if there was no decision, or if it came
    before the card by the clocks of client and service.
    """

    card: str
    service: str
    hook: str
    client: str
    knowledge: str
    site: str
    rules: tuple[str, ...]
    week: date
    outcome: CardOutcome
    seconds: int | None
    count: int


class OverrideCounts(msgspec.Struct, frozen=True):
    """The number of overridden cards with one reason: "system|code", "other", or "" for no reason."""

    card: str
    reason: str
    count: int


class SuggestionCounts(msgspec.Struct, frozen=True):
    """How often a kind of suggestion was offered on a card, and how often it was accepted."""

    card: str
    kind: str
    offered: int
    accepted: int


class Withheld(msgspec.Struct, frozen=True):
    """So many cards that were decided and not returned, for one reason, in one week."""

    card: str
    hook: str
    why: str
    week: date
    count: int


class History(msgspec.Struct, frozen=True):
    """All data of a report. `unmatched` counts feedback on unknown cards."""

    since: datetime
    until: datetime
    issues: tuple[IssuedCards, ...]
    overrides: tuple[OverrideCounts, ...]
    taken: tuple[SuggestionCounts, ...]
    feedback: int
    unmatched: int
    withheld: tuple[Withheld, ...] = ()


class Comment(msgspec.Struct, frozen=True):
    """A free text of a clinician. It may contain patient data."""

    at: datetime
    card: str
    reason: str
    text: str
