"""The lock-outs of one patient: earlier suggestions, looked up once and only if needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime

import msgspec

from cds_service.hooks.envelope import HookCall
from cds_service.reasoning.decision import CardDecision, OfferKind
from cds_service.site.lockouts import LockoutKeys, ShownBefore, locked_until, situation
from cds_service.site.showing import Showing

LookUp = Callable[[Sequence[str]], Sequence[ShownBefore] | None]
"""The suggestions shown under these pseudonyms of a patient, or `None` if the store is too slow."""


class Remembered(msgspec.Struct, frozen=True):
    """The data to store for a suggestion that is shown: only HMACs and a hash."""

    patient: str
    encounter: str
    situation: str


class PatientLockouts:
    """The lock-outs of the patient of one call."""

    def __init__(
        self, call: HookCall, keys: LockoutKeys, showing: Showing, now: datetime, look_up: LookUp
    ) -> None:
        self._days = showing.lockout_days
        self._now = now
        self._look_up = look_up
        self._names = keys.patient(call.client, call.tenant, call.patient_id)
        self._encounter = keys.encounter(call.client, call.tenant, call.encounter_id)
        self._before: Sequence[ShownBefore] | None = None

    def until(self, card: CardDecision) -> date | None:
        """The end of the lock-out of a card. If the store does not respond in time, the card is shown."""
        days = self._days.get(card.card, 0)
        if not days or not self._names:
            return None
        if self._before is None:
            self._before = self._look_up(self._names) or ()
        return locked_until(
            self._before, card.card, situation_of(card), self._encounter, days, self._now
        )

    def to_remember(self, card: CardDecision) -> Remembered | None:
        """The data to store for a card that is shown, or `None` if it has no lock-out."""
        if not self._days.get(card.card) or not self._names:
            return None
        return Remembered(self._names[0], self._encounter, situation_of(card))


def situation_of(card: CardDecision) -> str:
    """The values that make this suggestion equal to an earlier one: kidney class, doses and risks."""
    doses = [offer.plan for offer in card.offers if offer.kind is OfferKind.PLAN]
    risks = [fact.id for fact in card.because]
    kidney = card.kidney.kidney_class if card.kidney is not None else ""
    return situation(kidney, doses, risks)
