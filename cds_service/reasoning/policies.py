"""The questions of each kind of hook, about the opened chart or about the orders (SPEC 6).

A hook selects one of these policies. Its rows of the table `suggest` give the card for each
trigger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cds_service.chart.chart import Chart
from cds_service.knowledge.model import SuggestRow
from cds_service.reasoning.coindications import other_use
from cds_service.reasoning.decision import CardDecision
from cds_service.reasoning.hazards import hazards
from cds_service.reasoning.order_safety import order_cards
from cds_service.reasoning.orders import Drafts, ordered_labs, trigger_of
from cds_service.reasoning.suggest import Trigger, eligible, low_severe, suggestion

Rows = Sequence[SuggestRow]


class HookPolicy(msgspec.Struct, frozen=True):
    """The cards of a hook, and the triggers for which the table `suggest` must have a row."""

    cards: Callable[[Chart, Drafts, Rows], list[CardDecision]]
    triggers: frozenset[str] = frozenset()


def _of_the_chart(chart: Chart, drafts: Drafts, rows: Rows) -> list[CardDecision]:
    """Hazards of current magnesium, otherwise a suggestion (SPEC 6.1)."""
    found = hazards(chart)
    cards = [card for _, card in found]
    if any(row.stops for row, _ in found):
        return cards
    (row,) = rows
    labs, trigger = ordered_labs(drafts, chart), Trigger(row.trigger)
    low = low_severe(chart, row, trigger, labs)
    if low is not None:
        return [*cards, low]
    if cards or not eligible(chart):
        return cards
    card = suggestion(chart, row, trigger, labs)
    return [card] if card is not None else []


def _of_selected_orders(chart: Chart, drafts: Drafts, rows: Rows) -> list[CardDecision]:
    """Checks of the selected orders, and a suggestion next to a drug that triggers one (SPEC 6.2)."""
    cards = order_cards(chart, drafts)
    triggers = triggers_of(chart, drafts)
    # One suggestion is enough: the first trigger of the table that gives a card.
    for row in rows:
        if row.trigger in triggers:
            trigger, labs = triggers[row.trigger], ordered_labs(drafts, chart)
            card = low_severe(chart, row, trigger, labs)
            if card is None and not drafts.silences_suggestions and eligible(chart):
                card = suggestion(chart, row, trigger, labs)
            if card is not None:
                return [*cards, card]
    return cards


def triggers_of(chart: Chart, drafts: Drafts) -> dict[str, Trigger]:
    """The triggers of the selected orders, except a preventive that another disease explains."""
    triggers: dict[str, Trigger] = {}
    for draft in drafts.selected:
        kind = trigger_of(draft, chart)
        other = other_use(draft, chart) if kind == "preventive" else None
        if kind and not (other is not None and other.present):
            triggers.setdefault(kind, Trigger(kind, draft.ref, draft.use))
    return triggers


def _of_orders(chart: Chart, drafts: Drafts, _: Rows) -> list[CardDecision]:
    """Only checks of the orders, without a suggestion (SPEC 6.3)."""
    return order_cards(chart, drafts)


CHART = HookPolicy(_of_the_chart, frozenset({"chart"}))
SELECTED_ORDERS = HookPolicy(_of_selected_orders, frozenset({"diuretic", "preventive", "acute"}))
ORDERS = HookPolicy(_of_orders)
