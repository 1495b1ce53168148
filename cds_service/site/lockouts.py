"""Lock-outs: a suggestion that was shown stays away from the same patient for a while.

The patient is known again only by an HMAC with a key of the site. Without a key nothing is kept and
nothing is locked. What differs in card, kidney class, dose or risk is not the same suggestion.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import msgspec

MIN_KEY_LENGTH = 32
_DIGEST_LENGTH = 32


class LockoutKeys(msgspec.Struct, frozen=True):
    """The site's keys: the present one first, then the one that is being replaced."""

    keys: tuple[str, ...] = ()

    def patient(self, client: str, tenant: str, patient_id: str) -> tuple[str, ...]:
        """The names under which a patient may be remembered, the present one first."""
        return tuple(_digest(key, "patient", client, tenant, patient_id) for key in self.keys)

    def encounter(self, client: str, tenant: str, encounter_id: str | None) -> str:
        """The name of an encounter, "" if the call named none."""
        if not encounter_id or not self.keys:
            return ""
        return _digest(self.keys[0], "encounter", client, tenant, encounter_id)


def _digest(key: str, *parts: str) -> str:
    # JSON keeps the parts apart: "a" + "bc" is not "ab" + "c".
    message = msgspec.json.encode(parts)
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()[:_DIGEST_LENGTH]


class ShownBefore(Protocol):
    """When a card was last shown for a patient, and in which situation."""

    @property
    def card(self) -> str: ...
    @property
    def situation(self) -> str: ...
    @property
    def encounter(self) -> str: ...
    @property
    def shown(self) -> datetime: ...


def situation(kidney_class: str, doses: Iterable[str], risks: Iterable[str]) -> str:
    """A short name of what makes a suggestion the same: kidney class, doses and risks."""
    parts = (kidney_class, sorted(set(doses)), sorted(set(risks)))
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def locked_until(
    before: Iterable[ShownBefore],
    card: str,
    now_situation: str,
    encounter: str,
    days: int,
    now: datetime,
) -> date | None:
    """The day (UTC) from which a card is shown again; `None` if it is shown now.

    Repeats on the same day and in the same encounter are shown.
    """
    today = now.astimezone(UTC).date()
    ends: list[date] = []
    for earlier in before:
        if earlier.card != card:
            continue
        day = earlier.shown.astimezone(UTC).date()
        same_visit = day == today or (encounter and encounter == earlier.encounter)
        if same_visit or earlier.situation != now_situation:
            return None
        ends.append(day + timedelta(days=days))
    return max((end for end in ends if end > today), default=None)
