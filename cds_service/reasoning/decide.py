"""From a chart to a decision: which question each hook asks, in the order that can end the matter.

Nothing is looked at that cannot change the answer; `/explain` asks for all of it.
"""

from __future__ import annotations

from cds_service.chart.chart import DRAFTS, Chart
from cds_service.reasoning.account import record
from cds_service.reasoning.decision import CardDecision, Decision
from cds_service.reasoning.gaps import gaps_met
from cds_service.reasoning.orders import Drafts
from cds_service.reasoning.policies import HookPolicy
from cds_service.reasoning.selecting import Locked, never_locked, select
from cds_service.site.showing import SHOW_ALL, Showing


def is_settled_by(drafts: Drafts) -> bool:
    """Whether orders are of drugs that no rule knows: silence, whatever the chart says.

    Most calls at prescribing time are of this kind, so nothing of the chart is read for them.
    """
    return not any(draft.use is not None or draft.unidentified for draft in drafts.selected)


def silence(hook: str, chart: Chart) -> Decision:
    """The decision where the draft orders alone settle that there is no card."""
    return Decision(
        service=hook,
        day=chart.today,
        gaps=chart.gaps(DRAFTS),
        not_readable=chart.not_readable(),
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
    """The decision for one call of a hook, which has this name and policy.

    With `complete` every fact and rule is evaluated and recorded, also where no card comes.
    `showing` is what the site has the client see, `locked` the lock-outs of this patient.
    """
    cards: list[CardDecision] = []
    rows = [row for row in chart.knowledge.policy.suggest if row.hook == hook]
    if not chart.person.deceased:
        cards = policy.cards(chart, drafts, rows)
    shown, withheld = select(cards, chart.today, chart.knowledge, showing, locked)
    decision = Decision(service=hook, day=chart.today, cards=shown, withheld=withheld)
    decision.gaps = gaps_met(chart)
    if complete:
        record(decision, chart, drafts, cards, rows)
    decision.not_readable = chart.not_readable()
    return decision
