"""From a chart to a decision, with the questions of each hook in the order that can end a call
early.

Without `complete`, nothing is evaluated that cannot change the response. `/explain` evaluates
everything.
"""

from __future__ import annotations

from cds_service.chart.chart import DRAFTS, Chart
from cds_service.reasoning.account import record
from cds_service.reasoning.decision import CardDecision, Decision
from cds_service.reasoning.gaps import gaps_met
from cds_service.reasoning.orders import Drafts
from cds_service.reasoning.policies import HookPolicy
from cds_service.reasoning.selecting import Locked, never_locked, select
from cds_service.reasoning.silence import Silence, why_silent
from cds_service.site.showing import SHOW_ALL, Showing


def is_settled_by(drafts: Drafts) -> bool:
    """Whether all orders are of drugs that no rule covers: no card, whatever the chart contains.

    Most calls at prescribing time are of this kind, so the chart is not read for them.
    """
    return not any(draft.use is not None or draft.unidentified for draft in drafts.selected)


def decision_without_chart(hook: str, chart: Chart) -> Decision:
    """The decision if the draft orders alone show that there is no card."""
    return Decision(
        service=hook,
        day=chart.today,
        gaps=chart.gaps(DRAFTS),
        not_readable=chart.not_readable(),
        silence=Silence.ORDERS_NOT_COVERED.value,
    )


def decide(
    hook: str,
    policy: HookPolicy,
    chart: Chart,
    drafts: Drafts,
    complete: bool = False,
    showing: Showing = SHOW_ALL,
    locked: Locked = never_locked,
) -> Decision:
    """The decision for one call of a hook with this name and policy.

    With `complete` every fact and rule is evaluated and recorded, even if there is no card.
    `showing` is the site's choice of cards to return, and `locked` the lock-outs of this patient.
    """
    cards: list[CardDecision] = []
    rows = [row for row in chart.knowledge.policy.suggest if row.hook == hook]
    if not chart.person.deceased:
        cards = policy.cards(chart, drafts, rows)
    shown, withheld = select(cards, chart.today, chart.knowledge, showing, locked)
    decision = Decision(service=hook, day=chart.today, cards=shown, withheld=withheld)
    decision.gaps = gaps_met(chart)
    if not shown:
        decision.silence = why_silent(chart, drafts, rows, is_withheld=bool(withheld)).value
    if complete:
        record(decision, chart, drafts, cards, rows)
    decision.not_readable = chart.not_readable()
    return decision
