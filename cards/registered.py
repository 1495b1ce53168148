"""Compare the registry of cards with the code when the service starts.

A card without a check would never be shown, and a check without a card has no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources.abc import Traversable

from cards.variants import CASES
from cds_service.knowledge.loader import Knowledge, KnowledgeError, load
from cds_service.knowledge.model import HazardRow, SafetyRow
from cds_service.reasoning.card_checks import HAZARD_CHECKS, ORDER_CHECKS, OTHER_ORDER_CHECKS


def load_knowledge(folder: Traversable | None = None) -> Knowledge:
    """The knowledge of a folder (default: the one in the package), compared with the code.

    Raises `KnowledgeError` with one line that names the missing entry and the side.
    """
    knowledge = load(folder)
    for line in mismatches(knowledge):
        raise KnowledgeError(f"knowledge file cards.json: {line}")
    return knowledge


def mismatches(knowledge: Knowledge) -> Iterator[str]:
    """Each card without a check, check without a card, and name that only one side knows."""
    policy = knowledge.policy
    orders = {row.card for row in policy.order_safety}
    hazards = {row.card for row in policy.hazards}
    yield from _both("check", orders, set(ORDER_CHECKS))
    yield from _both("check", hazards, set(HAZARD_CHECKS))
    for card in sorted(set(OTHER_ORDER_CHECKS) - orders):
        yield f"there is a check for {card}, but no card"
    cases = {case for card in knowledge.cards.values() for case in card.cases}
    yield from _both("special case", cases, set(CASES))
    rows: tuple[SafetyRow | HazardRow, ...] = (*policy.order_safety, *policy.hazards)
    for row in rows:
        check = ORDER_CHECKS.get(row.card) or HAZARD_CHECKS.get(row.card)
        if check is not None and row.grade and row.grade not in check.grades:
            yield f"grades of {row.card}: {row.grade} is not known"


def _both(what: str, named: set[str], written: set[str]) -> Iterator[str]:
    for name in sorted(named - written):
        yield f"the code has no {what} for {name}"
    for name in sorted(written - named):
        yield f"there is a {what} for {name} in the code, but no card"
