"""The values for the placeholders of a card, from the decision."""

from __future__ import annotations

from decimal import Decimal

from cards.phrases import Phrases
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import CardDecision

_DOSES = ("dose", "ordered", "current")


def known_values(card: CardDecision, knowledge: Knowledge) -> dict[str, str]:
    """The non-empty values of a card, with the values of its findings."""
    phrases = Phrases(knowledge)
    values = {name: phrases.words(value) for name, value in card.values.items() if value}
    if card.kidney is not None and card.kidney.reason is not None:
        kidney = phrases.words(card.kidney.reason)
        values.setdefault("renal_reason", kidney)
        values.setdefault("kidney", kidney)
    if card.magnesium is not None and card.magnesium.text:
        values.setdefault("mg", card.magnesium.text)
    values |= _doses_in_words(values, phrases)
    if "form" in values:
        values["form"] = phrases.label("form", values["form"])
    return values


def _doses_in_words(values: dict[str, str], phrases: Phrases) -> dict[str, str]:
    """Doses as they are called: nothing is elemental that is not known to be (SPEC 12.2 N-7).

    The dose of an order that could not be worked out is quoted.
    """
    said = "dose.up_to" if "up_to" in values else "dose.elemental"
    words = {
        f"{name}_words": phrases.fill(said, mg=values[name]) for name in _DOSES if name in values
    }
    if "form" in values and "dose" not in values:
        quoted = phrases.fill("dose.quoted", said=values.get("said", ""))
        words["dose_words"] = quoted or phrases["dose.unread"]
    return words


def plain_number(number: Decimal) -> str:
    """A number as one writes it: 200, not 2E+2 or 200.0."""
    return f"{Decimal(number).normalize():f}"
