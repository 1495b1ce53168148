"""What was issued and what became of it, as plain values. `querying` takes them from the tables."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

OPEN_FOR = timedelta(days=1)
"""A card without feedback counts as ignored after this time; before, it may still be decided on."""


class Fate(StrEnum):
    """What became of a card."""

    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"
    IGNORED = "ignored"
    OPEN = "open"


class Issues(msgspec.Struct, frozen=True):
    """So many cards that are alike in all of this.

    `seconds` is the time to the decision. `None` if there was none, or if by the clocks of client
    and service it came before the card.
    """

    card: str
    service: str
    hook: str
    client: str
    knowledge: str
    rules: tuple[str, ...]
    week: date
    fate: Fate
    seconds: int | None
    count: int


class Overrides(msgspec.Struct, frozen=True):
    """So many overridden cards with one reason: "system|code", "other", or "" for none given."""

    card: str
    reason: str
    count: int


class Taken(msgspec.Struct, frozen=True):
    """How often a kind of suggestion was offered on a card, and taken."""

    card: str
    kind: str
    offered: int
    accepted: int


class History(msgspec.Struct, frozen=True):
    """Everything a report is made of. `unmatched`: feedback on cards that are not known."""

    since: datetime
    until: datetime
    issues: tuple[Issues, ...]
    overrides: tuple[Overrides, ...]
    taken: tuple[Taken, ...]
    feedback: int
    unmatched: int


class Comment(msgspec.Struct, frozen=True):
    """A free text of a clinician. It may hold patient data."""

    at: datetime
    card: str
    reason: str
    text: str
