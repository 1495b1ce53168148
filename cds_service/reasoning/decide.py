"""From a chart to a decision: which question each hook asks, in the order that can end the matter.

Nothing is looked at that cannot change the answer; `/explain` asks for all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cds_service.chart.chart import DRAFTS, Chart
from cds_service.chart.reading import NotReadable
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.account import record
from cds_service.reasoning.coindications import other_use
from cds_service.reasoning.decision import CardDecision, Decision
from cds_service.reasoning.gaps import gaps_met
from cds_service.reasoning.hazards import hazards
from cds_service.reasoning.order_safety import order_cards
from cds_service.reasoning.orders import Drafts, ordered_labs, read_drafts, trigger_of
from cds_service.reasoning.suggest import DEFICIENCY, Trigger, eligible, low_severe, suggestion

SEVERITY = ("critical", "warning", "info")


def orders_of(hook: str, chart: Chart, context: Mapping[str, Any]) -> Drafts:
    """The draft orders of a call; none where the hook has none."""
    if hook == "patient-view":
        return Drafts()
    return read_drafts(chart, context, all_selected=hook == "order-sign")


def is_settled_by(hook: str, drafts: Drafts) -> bool:
    """Whether a call is about orders of drugs that no rule knows: silence, whatever the chart says.

    Most calls at prescribing time are of this kind, so nothing of the chart is read for them.
    """
    if hook == "patient-view":
        return False
    return not any(draft.use is not None or draft.unidentified for draft in drafts.selected)


def silence(hook: str, chart: Chart) -> Decision:
    """The decision where the draft orders alone settle that there is no card."""
    return Decision(
        service=hook,
        day=chart.today,
        gaps=chart.gaps(DRAFTS),
        not_readable=chart.not_readable(),
    )


def decide(hook: str, chart: Chart, drafts: Drafts, complete: bool = False) -> Decision:
    """The decision for one call of a hook ("patient-view", "order-select", "order-sign").

    With `complete` every fact and rule is evaluated and recorded, also where no card comes.
    """
    cards: list[CardDecision] = []
    if not chart.person.deceased:
        cards = _POLICIES[hook](chart, drafts)
    shown = _most_serious(cards, chart.knowledge)
    decision = Decision(service=hook, day=chart.today, cards=shown)
    decision.gaps = gaps_met(chart)
    if complete:
        record(decision, chart, drafts, cards)
    decision.not_readable = chart.not_readable()
    if complete:  # however the EHR ordered its entries
        decision.not_readable = tuple(sorted(decision.not_readable, key=_name_of))
    return decision


def _most_serious(cards: list[CardDecision], knowledge: Knowledge) -> tuple[CardDecision, ...]:
    """At most so many cards, the most serious first (SPEC 6.5).

    A dangerously low magnesium is not the warning that is left out (SPEC 12.7.20, 12.7.24).
    """
    ranked = sorted(cards, key=lambda c: SEVERITY.index(c.indicator))
    limit = knowledge.parameters.cards.max
    shown, left = ranked[:limit], ranked[limit:]
    low = [card for card in left if knowledge.cards[card.card].kind == DEFICIENCY]
    if low and shown[-1].indicator == low[0].indicator:
        shown = [*shown[:-1], low[0]]
    return tuple(shown)


def _name_of(lost: NotReadable) -> tuple[str, str, str, str]:
    return lost.key, lost.resource, lost.element, lost.why


def _patient_view(chart: Chart, drafts: Drafts) -> list[CardDecision]:
    found = hazards(chart)
    cards = [card for _, card in found]
    if any(row.stops for row, _ in found):
        return cards
    (row,) = (r for r in chart.knowledge.policy.suggest if r.hook == "patient-view")
    labs, trigger = ordered_labs(drafts, chart), Trigger(row.trigger)
    low = low_severe(chart, row, trigger, labs)
    if low is not None:
        return [*cards, low]
    if cards or not eligible(chart):
        return cards
    card = suggestion(chart, row, trigger, labs)
    return [card] if card is not None else []


def _order_select(chart: Chart, drafts: Drafts) -> list[CardDecision]:
    cards = order_cards(chart, drafts)
    triggers = _triggers(chart, drafts)
    # One suggestion is enough: the first trigger of the table that gives a card.
    for row in chart.knowledge.policy.suggest:
        if row.hook == "order-select" and row.trigger in triggers:
            trigger, labs = triggers[row.trigger], ordered_labs(drafts, chart)
            card = low_severe(chart, row, trigger, labs)
            if card is None and not drafts.silences_suggestions and eligible(chart):
                card = suggestion(chart, row, trigger, labs)
            if card is not None:
                return [*cards, card]
    return cards


def _triggers(chart: Chart, drafts: Drafts) -> dict[str, Trigger]:
    """What the selected orders trigger; not a preventive that is explained by another disease."""
    triggers: dict[str, Trigger] = {}
    for draft in drafts.selected:
        kind = trigger_of(draft, chart)
        other = other_use(draft, chart) if kind == "preventive" else None
        if kind and not (other is not None and other.present):
            triggers.setdefault(kind, Trigger(kind, draft.ref, draft.use))
    return triggers


def _order_sign(chart: Chart, drafts: Drafts) -> list[CardDecision]:
    return order_cards(chart, drafts)


_POLICIES: dict[str, Callable[[Chart, Drafts], list[CardDecision]]] = {
    "patient-view": _patient_view,
    "order-select": _order_select,
    "order-sign": _order_sign,
}
