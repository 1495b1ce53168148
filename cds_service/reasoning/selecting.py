"""Select the cards to show: leave out what the site withholds, then take the most serious ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import msgspec

from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import CardDecision, Withheld
from cds_service.reasoning.suggest import DEFICIENCY
from cds_service.site.showing import SEVERITY, Showing, Why

Locked = Callable[[CardDecision], date | None]
"""The date until which a card is locked for this patient, or `None` if it is shown."""


def never_locked(_: CardDecision) -> None:
    """No lock-outs: for a service that stores none."""


def select(
    cards: Sequence[CardDecision],
    today: date,
    knowledge: Knowledge,
    showing: Showing,
    locked: Locked,
) -> tuple[tuple[CardDecision, ...], tuple[Withheld, ...]]:
    """The cards to show, and those that were decided and are withheld."""
    withheld = [w for card in cards if (w := _withheld(card, today, showing, locked))]
    left_out = {id(w.card) for w in withheld}
    kept = [card for card in cards if id(card) not in left_out]
    # Chosen by their own indicators: a card that a site raises never pushes another one out.
    shown = [_as_shown(card, knowledge, showing) for card in most_serious(kept, knowledge)]
    shown.sort(key=lambda card: SEVERITY.index(card.indicator))
    return tuple(shown), tuple(withheld)


def _withheld(card: CardDecision, today: date, showing: Showing, locked: Locked) -> Withheld | None:
    why = showing.why_withheld(card.card, today)
    if why is not None:
        return Withheld(card, why)
    until = locked(card) if card.card in showing.lockout_days else None
    return Withheld(card, Why.LOCKED, until) if until is not None else None


def most_serious(cards: Sequence[CardDecision], knowledge: Knowledge) -> list[CardDecision]:
    """A limited number of cards, the most serious first (SPEC 6.5).

    The card on a dangerously low magnesium is never left out (SPEC 12.7.20, 12.7.24).
    """
    ranked = sorted(cards, key=lambda c: SEVERITY.index(c.indicator))
    limit = knowledge.parameters.cards.max
    shown, left = ranked[:limit], ranked[limit:]
    low = [card for card in left if knowledge.cards[card.card].kind == DEFICIENCY]
    if low and shown[-1].indicator == low[0].indicator:
        shown = [*shown[:-1], low[0]]
    return shown


def _as_shown(card: CardDecision, knowledge: Knowledge, showing: Showing) -> CardDecision:
    if not showing.indicators:
        return card
    indicator = showing.indicator(knowledge.cards[card.card], card.indicator)
    return (
        card if indicator == card.indicator else msgspec.structs.replace(card, indicator=indicator)
    )
