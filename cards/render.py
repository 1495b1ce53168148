"""A decision as CDS Hooks cards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cards.context import CardContext
from cards.detail import detail
from cards.phrases import Phrases
from cards.reason import EXTENSION, REFERENCE, reason
from cards.suggestions import behaviour, suggestions
from cards.summary import summary
from cards.units import in_units
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import OverrideReason
from cds_service.reasoning.decision import CardDecision, Decision

__all__ = ["CardContext", "render"]

Json = dict[str, Any]
TOPICS = "https://magnesium-migraine.org/fhir/CodeSystem/card-topic"
ASSOCIATED = "davinci-crd.associated-resource"
ORDER_FACTS = frozenset({"ordered_magnesium", "trigger_order"})
"""Facts whose evidence are draft orders. A card on several interacting drugs has several."""
# A reason to set aside a suggestion makes no sense on a warning about an order, but that a
# specialist team manages the patient is a reason on both.
_LOCAL_ON_SAFETY = frozenset({"under-specialist"})


def render(decision: Decision, call: CardContext, knowledge: Knowledge) -> list[Json]:
    """The cards of a decision, in its order."""
    return [_card(card, call, knowledge) for card in decision.cards]


def _card(card: CardDecision, call: CardContext, knowledge: Knowledge) -> Json:
    phrases = Phrases(knowledge)
    said = in_units(card, call.units, knowledge)
    shown: Json = {
        "uuid": call.new_uuid(),
        "summary": summary(said, call.now.date(), knowledge),
        "indicator": card.indicator,
        "detail": detail(said, knowledge),
        "source": _source(card, call, knowledge),
        "overrideReasons": _override_reasons(card, knowledge),
        "links": [
            {
                "label": phrases["link.evidence"],
                "url": f"{call.evidence_url}#{card.card}",
                "type": "absolute",
            }
        ],
        "extension": {EXTENSION: reason(card, knowledge, call.site), **_orders_of(card)},
    }
    offered = suggestions(card, call, knowledge)
    if offered:
        shown |= {"suggestions": offered, "selectionBehavior": behaviour(card)}
    return shown


def _orders_of(card: CardDecision) -> Json:
    """The draft orders that the card is about, as Da Vinci CRD 2.2 links them.

    An order without an id cannot be linked.
    """
    found = [card.order.reference] if card.order is not None else []
    facts = (fact for fact in card.because if fact.id in ORDER_FACTS)
    found += [evidence.resource for fact in facts for evidence in fact.evidence]
    linked = [{"reference": r} for r in dict.fromkeys(found) if REFERENCE.fullmatch(r)]
    return {ASSOCIATED: linked} if linked else {}


def _source(card: CardDecision, call: CardContext, knowledge: Knowledge) -> Json:
    phrases = Phrases(knowledge)
    topic = "safety" if card.safety else "prevention"
    return {
        "label": phrases["source.label" if knowledge.approved else "source.label.draft"],
        "url": call.evidence_url,
        "topic": {
            "system": TOPICS,
            "code": topic,
            "display": phrases[f"source.topic.{topic}"],
        },
    }


def _override_reasons(card: CardDecision, knowledge: Knowledge) -> list[Json]:
    reasons = knowledge.override_reasons
    local: Iterable[OverrideReason] = reasons.local_extra
    if card.safety:
        local = (r for r in local if r.code in _LOCAL_ON_SAFETY)
    general = reasons.safety_cards if card.safety else reasons.suggestion_cards
    return [{"system": r.system, "code": r.code, "display": r.display} for r in (*general, *local)]
