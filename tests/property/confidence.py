"""When one answer is more confident than another: defined once, in words that a clinician can check.

Two answers to the same question about the same patient are compared: *before*, from the chart as it
was, and *after*, from the chart with something damaged, cut or moved. Losing data must never make the
service more certain. *After* is **more confident** than *before* in exactly these cases:

1. It recommends magnesium (a start, or another dose), and *before* recommended none. "Recommended" is
   what the clinician finds chosen already. Recommended tests are never more confident, nor is the advice
   to delete a magnesium order.
2. It recommends a higher daily dose of magnesium than *before* recommended.
3. It offers magnesium, and *before* offered none, or less of it, and the card does not name what could
   not be read. Offered and not recommended is allowed where the card says what is unknown: the clinician
   can see that the service did not know.
4. A critical card is gone, and nothing names what could not be read: not the cards, not `unknown`, not
   `notReadable` of `/explain`.
5. A critical card on a draft order is gone, nothing of the draft orders is named as not read (so the order
   is still known to be one of magnesium), and no card at all is left.

From least to most confident the answers about starting magnesium are therefore: silence, "avoid" or tests
only; magnesium offered but not recommended; magnesium recommended at a low dose; at a higher dose. Among
the answers about danger, losing a critical card is the step that must not happen unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..support.cards import Card, daily_doses, suggestions, unknown_keys

OK = 200
SERVER_ERROR = 500
ORDERS = "draftOrders"

ANY_KEY = "any"
"""Stands for a key where the list of what was not read was cut: of the others only the number is known."""

Name = tuple[str, ...]
"""What names something that was not read: where it stands, and what is said of it."""


@dataclass(frozen=True)
class Answer:
    """What the service answers to a call, at the hook and at `/explain`."""

    status: int
    cards: tuple[Card, ...] = ()
    """The cards of the hook, without uuids."""
    unknown: frozenset[Name] = frozenset()
    """(key, why) of `unknown` of `/explain`."""
    not_readable: frozenset[Name] = frozenset()
    """(key, resource, element, why) of `notReadable` of `/explain`."""
    states: Mapping[str, Any] | None = None
    """The facts, the kidney class and the magnesium state that the decision rests on."""

    @property
    def is_served(self) -> bool:
        return self.status == OK

    @property
    def names(self) -> frozenset[Name]:
        on_cards = {(key, "on a card") for card in self.cards for key in unknown_keys(card)}
        return self.unknown | self.not_readable | on_cards

    @property
    def critical(self) -> frozenset[str]:
        return frozenset(_id(card) for card in self.cards if card["indicator"] == "critical")


def is_same(before: Answer, after: Answer) -> bool:
    """The cards are equal in every word, and the facts behind them have the same state."""
    return (before.status, before.cards, before.states) == (
        after.status,
        after.cards,
        after.states,
    )


def newly_named(before: Answer, after: Answer, key: str | None = None) -> frozenset[Name]:
    """What only `after` names as not read, of one key where one is given."""
    new = after.names - before.names
    return new if key is None else frozenset(name for name in new if name[0] in (key, ANY_KEY))


def more_confident(before: Answer, after: Answer) -> str | None:
    """Why `after` is more confident than `before`, in one line; None where it is not."""
    if not after.is_served:
        return None
    recommended = _largest(after, recommended=True), _largest(before, recommended=True)
    if recommended[0] > recommended[1]:
        return f"recommends {recommended[0]:g} mg a day, before {recommended[1]:g}"
    offered = _largest(after, named=False), _largest(before)
    if offered[0] > offered[1]:
        return f"offers {offered[0]:g} mg a day, before {offered[1]:g}, and names nothing"
    lost = before.critical - after.critical
    if lost and not newly_named(before, after):
        return f"{', '.join(sorted(lost))} is gone without a word"
    is_known_order = not newly_named(before, after, ORDERS)
    if is_known_order and not after.cards and any(card.startswith("rx-") for card in lost):
        return f"{', '.join(sorted(lost))} is gone, and no card is left on the order"
    return None


def _largest(answer: Answer, *, recommended: bool = False, named: bool = True) -> float:
    """The largest daily dose of magnesium that is offered; 0 where none is.

    With `recommended` only what is recommended counts; without `named` no card that says what is unknown.
    """
    doses = [
        dose
        for card in answer.cards
        if named or not unknown_keys(card)
        for suggestion in suggestions(card)
        if suggestion.get("isRecommended") or not recommended
        for dose in _doses(suggestion)
    ]
    return max(doses, default=0)


def _doses(suggestion: Mapping[str, Any]) -> Iterator[float]:
    for action in suggestion.get("actions", []):
        resource = action.get("resource") or {}
        if resource.get("resourceType") == "MedicationRequest":
            yield max(daily_doses(resource))


def _id(card: Card) -> str:
    return str(card["extension"]["org.magnesium-migraine.decision"]["card"])
