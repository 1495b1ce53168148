"""The one sentence on top of a card."""

from __future__ import annotations

from cards.markdown import plain
from cards.phrases import Phrases, capital, filled
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import CardDecision, MagnesiumState

_DEFAULTS = ("kidney", "renal_reason", "mg", "drug", "product", "advice", "dose")


def summary(card: CardDecision, knowledge: Knowledge) -> str:
    """The card's template, filled; one line of at most the allowed number of characters."""
    phrases = Phrases(knowledge)
    values = {name: phrases[f"default.{name}"] for name in _DEFAULTS} | known_values(card)
    template = _without_empty_clauses(knowledge.cards[card.card].summary, values, phrases)
    text = capital(filled(template, values))
    if is_urgent(card):
        text = phrases.say("summary.urgent", summary=text)
    return plain(text, knowledge.parameters.cards.summary_max)


def known_values(card: CardDecision) -> dict[str, str]:
    """The values of a card that say something, with what its findings say of themselves."""
    values = {name: value for name, value in card.values.items() if value}
    if card.kidney is not None and card.kidney.reason:
        values.setdefault("renal_reason", card.kidney.reason)
        values.setdefault("kidney", card.kidney.reason)
    if card.magnesium is not None and card.magnesium.text:
        values.setdefault("mg", card.magnesium.text)
    return values


def is_urgent(card: CardDecision) -> bool:
    """A hazard with a magnesium at which signs of toxicity begin (SPEC 4.1)."""
    magnesium = card.magnesium
    return (
        card.safety
        and "hypermag" in card.card
        and magnesium is not None
        and magnesium.state is MagnesiumState.CRITICAL_HIGH
    )


def _without_empty_clauses(template: str, values: dict[str, str], phrases: Phrases) -> str:
    """No risk factor: its clause goes. No eGFR: what the kidney class rests on stands instead."""
    if "risk" not in values:
        template = template.replace(phrases["summary.clause.risk"], "")
    if "egfr" not in values:
        template = template.replace(phrases["summary.clause.egfr"], "{kidney}")
    return template
