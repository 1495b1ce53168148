"""The record of a card that is sent. It contains nothing of the patient, the user or the wording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cds_service.hooks.answering import Answer
from cds_service.hooks.services import Service
from cds_service.hooks.uuids import new_uuid
from cds_service.reasoning.decision import CardDecision, Decision
from cds_service.store.records import IssuedCard, IssuedSuggestion, ShownSuggestion, WithheldCard

Json = Mapping[str, Any]

# The action of a suggestion shows its kind. A new order is a plan or tests.
_KINDS = {
    ("create", "MedicationRequest"): "plan",
    ("create", "ServiceRequest"): "labs",
    ("update", "MedicationRequest"): "update",
}


def issued(
    decision: Decision,
    cards: Sequence[Json],
    service: Service,
    client: str,
    knowledge: str,
    now: datetime,
    site: str = "",
) -> Iterator[IssuedCard]:
    """The records of the cards of one response."""
    for decided, card in zip(decision.cards, cards, strict=True):
        yield IssuedCard(
            uuid=card["uuid"],
            service=service.id,
            hook=service.hook,
            client=client,
            card=decided.card,
            indicator=decided.indicator,
            knowledge=knowledge,
            issued=now,
            rules=_rules(decided),
            suggestions=tuple(_suggestion(s) for s in card.get("suggestions", ())),
            site=site,
        )


def withheld(
    decision: Decision,
    service: Service,
    client: str,
    knowledge: str,
    now: datetime,
    site: str,
) -> Iterator[WithheldCard]:
    """The records of the cards that were decided and not returned."""
    for one in decision.withheld:
        yield WithheldCard(
            uuid=new_uuid(),
            service=service.id,
            hook=service.hook,
            client=client,
            card=one.card.card,
            indicator=one.card.indicator,
            why=one.why,
            knowledge=knowledge,
            site=site,
            decided=now,
            rules=_rules(one.card),
        )


def shown(answer: Answer, now: datetime) -> Iterator[ShownSuggestion]:
    """What is remembered of the patient, where a card that was returned has a lock-out."""
    for remembered, card, decided in zip(
        answer.remember, answer.cards, answer.decision.cards, strict=False
    ):
        if remembered is not None:
            yield ShownSuggestion(
                patient=remembered.patient,
                card=decided.card,
                situation=remembered.situation,
                encounter=remembered.encounter,
                shown=now,
                card_uuid=card["uuid"],
            )


def _rules(card: CardDecision) -> tuple[str, ...]:
    """The matching row of the kidney table, and the facts that caused the card."""
    facts = {fact.id.replace(" ", "_") for fact in card.because if fact.present}
    row = card.kidney.rule if card.kidney is not None else ""
    return (*([f"kidney:{row}"] if row else ()), *sorted(facts))


def _suggestion(suggestion: Json) -> IssuedSuggestion:
    action = suggestion["actions"][0]
    resource_type = action.get("resource", {}).get("resourceType", "")
    return IssuedSuggestion(
        suggestion["uuid"],
        _KINDS.get((action["type"], resource_type), action["type"]),
        suggestion.get("isRecommended", False),
    )
