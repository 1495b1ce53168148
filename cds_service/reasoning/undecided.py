"""The cards that could not be decided, and why. `/explain` reports them as unknown, not as "not met".

A card that was not shown is undecided if unknown data could have given it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.knowledge.model import SuggestRow
from cds_service.reasoning import indication, medicines, person, risk
from cds_service.reasoning.card_checks import HAZARD_CHECKS, ORDER_CHECKS, OTHER_ORDER_CHECKS
from cds_service.reasoning.decision import KidneyClass, MagnesiumState
from cds_service.reasoning.hazards import hazards
from cds_service.reasoning.kidney import is_of_class
from cds_service.reasoning.magnesium import serum_magnesium
from cds_service.reasoning.magnesium_order import MagnesiumOrder
from cds_service.reasoning.medicines import is_oral_magnesium
from cds_service.reasoning.orders import Drafts
from cds_service.reasoning.policies import triggers_of
from cds_service.reasoning.suggest import conditions
from cds_service.reasoning.verdicts import (
    Verdict,
    all_hold,
    any_holds,
    inverse,
    of_fact,
    why_open,
)
from cds_service.reasons import Reason

Rows = Sequence[SuggestRow]
CHART = "chart"
"""The trigger of the hooks that ask about the chart, not about orders."""


def undecided(chart: Chart, drafts: Drafts, rows: Rows) -> dict[str, Reason]:
    """The cards that could not be decided. `rows` are the hook's rows of `suggest`."""
    if chart.person.deceased:
        return {}
    found = (
        *_of_orders(chart, drafts),
        *_of_hazards(chart, rows),
        *_suggested(chart, drafts, rows),
    )
    return {card: why for card, verdict in reversed(found) if (why := why_open(verdict))}


def perhaps_silenced(drafts: Drafts) -> Verdict:
    """Whether magnesium is already being ordered (SPEC 6.2, 11.7)."""
    unidentified = (d.unidentified for d in drafts.starting if d.unidentified is not None)
    return any_holds(drafts.silences_suggestions, *unidentified)


def _of_orders(chart: Chart, drafts: Drafts) -> Iterator[tuple[str, Verdict]]:
    for draft in drafts.selected:
        if draft.unidentified is not None:  # it may be magnesium
            for card in ORDER_CHECKS:
                yield card, draft.unidentified
        if draft.use is not None and is_oral_magnesium(draft.use):
            order = MagnesiumOrder(draft, draft.use, chart, drafts)
            policy = chart.knowledge.policy.order_safety
            for card in {row.card for row in policy if order.subtype in row.subtypes}:
                yield card, ORDER_CHECKS[card].perhaps(order)
        elif draft.use is not None:
            for card, check in OTHER_ORDER_CHECKS.items():
                yield card, check.perhaps(chart, draft.use, drafts)


def _of_hazards(chart: Chart, rows: Rows) -> Iterator[tuple[str, Verdict]]:
    """Only of a hook that looks for hazards."""
    if not any(row.trigger == CHART for row in rows):
        return
    taken = medicines.takes_magnesium(chart)
    for card, check in HAZARD_CHECKS.items():
        found = check.find(chart) is not None
        yield card, all_hold(taken, found or check.perhaps(chart))


def _suggested(chart: Chart, drafts: Drafts, rows: Rows) -> Iterator[tuple[str, Verdict]]:
    found = hazards(chart) if any(row.trigger == CHART for row in rows) else []
    eligible = all_hold(
        *(of_fact(f) if wanted else inverse(of_fact(f)) for _, wanted, f in conditions(chart))
    )
    start = all_hold(eligible, not found, inverse(perhaps_silenced(drafts)))
    indicated = _indicated(chart)
    for row in rows:
        trigger = _trigger(chart, drafts, row)
        needed = indicated if row.needs_indication else True
        for kidney_class, card in row.cards.items():
            stopped = bool(medicines.stopped(chart)) and card in row.silent_if_stopped
            kidney = is_of_class(chart, KidneyClass(kidney_class))
            if card and not stopped:
                yield card, all_hold(trigger, kidney, needed, start)
        stops = any(hazard.stops for hazard, _ in found)
        yield row.low_severe, all_hold(trigger, not stops, _low_severe(chart))


def _trigger(chart: Chart, drafts: Drafts, row: SuggestRow) -> Verdict:
    if row.trigger == CHART or row.trigger in triggers_of(chart, drafts):
        return True
    unidentified = (d.unidentified for d in drafts.selected if d.unidentified is not None)
    return next(unidentified, False)


def _low_severe(chart: Chart) -> Verdict:
    """Whether magnesium may be dangerously low, with migraine and an indication (M-10)."""
    serum, age = serum_magnesium(chart), person.age(chart)
    from_years = chart.knowledge.parameters.age.low_severe_from_years
    low: Verdict = serum.state is MagnesiumState.SEVERE_LOW
    if not low and serum.unknown:
        low = serum.why or reasons.MAGNESIUM_NOT_KNOWN
    old_enough: Verdict = reasons.NO_BIRTH_DATE if age is None else age >= from_years
    # A result so low is an indication itself (RF6).
    return all_hold(of_fact(indication.migraine(chart)), old_enough, low)


def _indicated(chart: Chart) -> Verdict:
    alone = chart.knowledge.parameters.migraine.menstrual_qualifies_alone
    menstrual = of_fact(indication.menstrual(chart)) if alone else False
    return any_holds(menstrual, *(of_fact(factor) for factor in risk.factors(chart)))
