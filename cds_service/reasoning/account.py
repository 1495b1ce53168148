"""The account of a decision: everything that was or could have been asked, for `/explain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState
from cds_service.knowledge.model import SuggestRow
from cds_service.reasoning import blocks, cautions, indication, medicines, person, renal_risk, risk
from cds_service.reasoning.card_checks import HAZARD_CHECKS, ORDER_CHECKS
from cds_service.reasoning.coindications import other_use
from cds_service.reasoning.decision import CardDecision, Decision, RuleOutcome
from cds_service.reasoning.gaps import all_gaps
from cds_service.reasoning.kidney import kidney_function, outcome_of
from cds_service.reasoning.magnesium import serum_magnesium
from cds_service.reasoning.magnesium_order import MagnesiumOrder
from cds_service.reasoning.medicines import is_oral_magnesium
from cds_service.reasoning.orders import Draft, Drafts, trigger_of
from cds_service.reasoning.suggest import eligibility
from cds_service.reasoning.uncounted import uncounted


def record(
    decision: Decision,
    chart: Chart,
    drafts: Drafts,
    fired: Sequence[CardDecision],
    rows: Sequence[SuggestRow],
) -> None:
    """Writes the account of a decision.

    `fired` are all cards, also those that are not shown; `rows` are the hook's rows of `suggest`.
    """
    decision.kidney = kidney_function(chart)
    decision.magnesium = serum_magnesium(chart)
    decision.facts = tuple(_facts(chart))
    decision.gaps = all_gaps(chart)
    decision.set_aside = (*chart.set_aside(), *uncounted(chart))
    decision.rules = tuple(_rules(decision, chart, drafts, fired, rows))


def _facts(chart: Chart) -> Iterator[Fact]:
    yield from (person.adult(chart), indication.migraine(chart), indication.menstrual(chart))
    yield from risk.factors(chart)
    yield from blocks.all_blocks(chart)
    yield from (cautions.gut_intolerance(chart), medicines.stopped_before(chart))
    yield from (cautions.slow_conduction(chart), cautions.diarrhoea(chart))
    taken = medicines.oral_magnesium(chart)
    yield Fact(
        "oral_magnesium",
        FactState.PRESENT if taken else medicines.supplement(chart).state,
        tuple(u.evidence for u in taken),
        "" if taken else medicines.supplement(chart).why,
    )
    for feature in renal_risk.features(chart):
        yield Fact(f"renal risk: {feature.id}", feature.state, feature.evidence, feature.why)


def _rules(
    decision: Decision,
    chart: Chart,
    drafts: Drafts,
    fired: Sequence[CardDecision],
    rows: Sequence[SuggestRow],
) -> Iterator[RuleOutcome]:
    if chart.person.deceased:
        yield RuleOutcome("alive", "blocked", "the patient has died: no cards")
    yield from eligibility(chart)
    yield _stopped(chart, rows)
    yield RuleOutcome(
        "indication",
        "met"
        if indication.is_indicated(chart)
        else "unknown"
        if _risk_unknown(chart)
        else "not met",
        ", ".join(r.id for r in risk.present_factors(chart))
        or ("menstrual pattern" if indication.menstrual(chart).present else "no risk factor"),
    )
    for row in chart.knowledge.policy.kidney:
        outcome = outcome_of(row, chart)
        yield RuleOutcome(f"kidney: {row.id}", outcome, f"{row.title} -> {row.kidney_class}")
    for draft in drafts.orders:
        yield _order(draft, chart)
    if drafts.silences_suggestions:
        yield RuleOutcome("no suggestion", "blocked", "magnesium is already being ordered")
    yield from _cards(decision, chart, drafts, fired)
    if len(fired) > len(decision.cards) + len(decision.withheld):
        why = f"{len(fired)} cards, the most serious shown"
        yield RuleOutcome(_most(chart), "met", why)


def _most(chart: Chart) -> str:
    return f"at most {chart.knowledge.parameters.cards.max} cards"


def _risk_unknown(chart: Chart) -> bool:
    return indication.menstrual(chart).unknown or any(r.unknown for r in risk.factors(chart))


def _stopped(chart: Chart, rows: Sequence[SuggestRow]) -> RuleOutcome:
    """Magnesium that was stopped: silence where the table says so, else no recommendation (M-15)."""
    stopped = medicines.stopped_before(chart)
    if not stopped.present:
        outcome = "unknown" if stopped.unknown else "met"
        return RuleOutcome("not stopped before", outcome, stopped.why)
    names = ", ".join(dict.fromkeys(e.resource for e in stopped.evidence))
    if any(row.silent_if_stopped for row in rows):
        return RuleOutcome("not stopped before", "blocked", names)
    return RuleOutcome("not stopped before", "not met", f"not recommended: {names}")


def _order(draft: Draft, chart: Chart) -> RuleOutcome:
    """What an order is to the rules."""
    rule = f"order {draft.ref.reference or draft.ref.label or draft.kind}"
    if draft.unidentified:
        return RuleOutcome(rule, "unknown", draft.unidentified)
    if draft.use is None:
        return RuleOutcome(rule, "not met", "nothing this service acts on")
    kind = trigger_of(draft, chart)
    other = other_use(draft, chart) if kind == "preventive" else None
    if other is not None and other.present:
        names = ", ".join(dict.fromkeys(e.display or e.resource for e in other.evidence))
        return RuleOutcome(rule, "not met", f"no reason given, and used for {names} too")
    meaning = "magnesium" if draft.is_magnesium() else kind or "checked beside magnesium"
    return RuleOutcome(rule, "met" if draft.selected else "not met", meaning)


def _cards(
    decision: Decision, chart: Chart, drafts: Drafts, fired: Sequence[CardDecision]
) -> Iterator[RuleOutcome]:
    shown = {c.card for c in decision.cards} | {w.card.card for w in decision.withheld}
    held_back = {c.card for c in fired} - shown
    unknown = dict(_unknown(chart, drafts))
    for card in chart.knowledge.cards:
        if card in shown:
            yield RuleOutcome(card, "fired", "")
        elif card in held_back:
            yield RuleOutcome(card, "fired", f"not shown: {_most(chart)}")
        elif card in unknown:
            yield RuleOutcome(card, "unknown", unknown[card])
        else:
            yield RuleOutcome(card, "not met", "")


def _unknown(chart: Chart, drafts: Drafts) -> Iterator[tuple[str, str]]:
    """The cards of which it cannot be said whether they hold, and why."""
    ordered = [d for d in drafts.selected if d.use is not None and is_oral_magnesium(d.use)]
    orders = [MagnesiumOrder(d, d.use, chart, drafts) for d in ordered if d.use is not None]
    found = [
        (card, check.unknown(order)) for order in orders for card, check in ORDER_CHECKS.items()
    ]
    if medicines.oral_magnesium(chart):
        found += [(card, check.unknown(chart)) for card, check in HAZARD_CHECKS.items()]
    return ((card, why) for card, why in found if why)
