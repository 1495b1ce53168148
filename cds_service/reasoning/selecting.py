"""Select the cards to show: leave out what the site withholds, then take the most serious ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import msgspec

from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import Card
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
    registry = knowledge.cards
    withheld = [w for card in cards if (w := _withheld(card, today, registry, showing, locked))]
    # Chosen by their own indicators: a card that a site raises never pushes another one out.
    chosen = most_serious(_without(cards, withheld), knowledge)
    surplus = _surplus(chosen, registry, showing)
    shown = [_as_shown(card, knowledge, showing) for card in _without(chosen, surplus)]
    shown.sort(key=lambda card: SEVERITY.index(card.indicator))
    return tuple(shown), (*withheld, *surplus)


def _without(cards: Sequence[CardDecision], withheld: Sequence[Withheld]) -> list[CardDecision]:
    left_out = {id(w.card) for w in withheld}
    return [card for card in cards if id(card) not in left_out]


def _surplus(
    chosen: Sequence[CardDecision], registry: Mapping[str, Card], showing: Showing
) -> list[Withheld]:
    """The suggestions and information cards above the number that the client asked for."""
    most = showing.options.max_cards
    if most is None:
        return []
    declinable = [c for c in chosen if showing.can_be_declined(registry[c.card], c.indicator)]
    room = max(most - (len(chosen) - len(declinable)), 0)
    return [Withheld(card, Why.OPTION) for card in declinable[room:]]


def _withheld(
    card: CardDecision,
    today: date,
    registry: Mapping[str, Card],
    showing: Showing,
    locked: Locked,
) -> Withheld | None:
    why = showing.why_withheld(card.card, today)
    if why is not None:
        return Withheld(card, why)
    entry = registry[card.card]
    if entry.kind in showing.options.not_wanted and showing.can_be_declined(entry, card.indicator):
        return Withheld(card, Why.OPTION)
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
