"""The account of a decision: everything that was or could have been asked, for `/explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cds_service.chart.evidence import Fact, FactState
from cds_service.reasoning import kidney
from cds_service.reasoning.coindications import other_use
from cds_service.reasoning.decision import CardDecision, Decision, RuleOutcome
from cds_service.reasoning.findings import Findings, is_oral_magnesium
from cds_service.reasoning.magnesium_order import MagnesiumOrder
from cds_service.reasoning.orders import Draft, Drafts, trigger_of
from cds_service.reasoning.suggest import eligibility
from cds_service.reasoning.uncounted import uncounted

PATIENT_VIEW = "patient-view"
ORDER_FACTS: dict[str, Callable[[Findings], Fact]] = {
    "rx-mg-hypermag": lambda findings: findings.hypermagnesaemia,
    "rx-mg-allergy": lambda findings: findings.allergy,
    "rx-mg-avblock": lambda findings: findings.heart_block,
    "rx-mg-nmj": lambda findings: findings.neuromuscular,
    "rx-mg-bowel": lambda findings: findings.bowel_obstruction,
    "rx-mg-duplicate": lambda findings: findings.supplement,
    "rx-mg-pregnancy": lambda findings: findings.pregnancy,
}
"""The fact on which a check of a magnesium order rests."""
HAZARD_FACTS: dict[str, Callable[[Findings], Fact]] = {
    "mg-hazard-hypermag": lambda findings: findings.hypermagnesaemia,
    "mg-hazard-bowel": lambda findings: findings.bowel_obstruction,
    "mg-hazard-nmj": lambda findings: findings.neuromuscular,
}
"""The fact on which a hazard of magnesium that is taken rests."""


def record(
    decision: Decision, findings: Findings, drafts: Drafts, fired: Sequence[CardDecision]
) -> None:
    """Writes the account of a decision; `fired` are all cards, also those that are not shown."""
    chart = findings.chart
    decision.kidney = findings.kidney
    decision.magnesium = findings.magnesium
    decision.facts = tuple(_facts(findings))
    decision.gaps = findings.gaps
    decision.set_aside = (*chart.set_aside(), *uncounted(findings))
    decision.rules = tuple(_rules(decision, findings, drafts, fired))


def _facts(findings: Findings) -> Iterator[Fact]:
    yield from (findings.adult, findings.migraine, findings.menstrual)
    yield from findings.risks
    yield from findings.blocks
    yield from (findings.gut_intolerance, findings.stopped_before)
    yield from (findings.slow_conduction, findings.diarrhoea)
    taken = findings.oral_magnesium
    yield Fact(
        "oral_magnesium",
        FactState.PRESENT if taken else findings.supplement.state,
        tuple(u.evidence for u in taken),
        "" if taken else findings.supplement.why,
    )
    for risk in findings.renal_risks:
        yield Fact(f"renal risk: {risk.id}", risk.state, risk.evidence, risk.why)


def _rules(
    decision: Decision, findings: Findings, drafts: Drafts, fired: Sequence[CardDecision]
) -> Iterator[RuleOutcome]:
    if findings.chart.person.deceased:
        yield RuleOutcome("alive", "blocked", "the patient has died: no cards")
    yield from eligibility(findings)
    yield _stopped(findings, decision.service)
    yield RuleOutcome(
        "indication",
        "met" if findings.indicated else "unknown" if _risk_unknown(findings) else "not met",
        ", ".join(r.id for r in findings.present_risks)
        or ("menstrual pattern" if findings.menstrual.present else "no risk factor"),
    )
    for row in findings.chart.knowledge.policy.kidney:
        outcome = kidney.outcome_of(row, findings.kidney, findings.chart)
        yield RuleOutcome(f"kidney: {row.id}", outcome, f"{row.title} -> {row.kidney_class}")
    for draft in drafts.orders:
        yield _order(draft, findings)
    if drafts.silences_suggestions:
        yield RuleOutcome("no suggestion", "blocked", "magnesium is already being ordered")
    yield from _cards(decision, findings, drafts, fired)
    if len(fired) > len(decision.cards):
        why = f"{len(fired)} cards, the most serious shown"
        yield RuleOutcome("at most three cards", "met", why)


def _risk_unknown(findings: Findings) -> bool:
    return findings.menstrual.unknown or any(r.unknown for r in findings.risks)


def _stopped(findings: Findings, service: str) -> RuleOutcome:
    """Magnesium that was stopped: silence at patient-view, else no recommendation (M-15)."""
    stopped = findings.stopped_before
    if not stopped.present:
        outcome = "unknown" if stopped.unknown else "met"
        return RuleOutcome("not stopped before", outcome, stopped.why)
    names = ", ".join(dict.fromkeys(e.resource for e in stopped.evidence))
    if service == PATIENT_VIEW:
        return RuleOutcome("not stopped before", "blocked", names)
    return RuleOutcome("not stopped before", "not met", f"not recommended: {names}")


def _order(draft: Draft, findings: Findings) -> RuleOutcome:
    """What an order is to the rules."""
    chart = findings.chart
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
    decision: Decision, findings: Findings, drafts: Drafts, fired: Sequence[CardDecision]
) -> Iterator[RuleOutcome]:
    shown = {c.card for c in decision.cards}
    held_back = {c.card for c in fired} - shown
    unknown = dict(_unknown(findings, drafts))
    for card in findings.chart.knowledge.cards:
        if card in shown:
            yield RuleOutcome(card, "fired", "")
        elif card in held_back:
            yield RuleOutcome(card, "fired", "not shown: at most three cards")
        elif card in unknown:
            yield RuleOutcome(card, "unknown", unknown[card])
        else:
            yield RuleOutcome(card, "not met", "")


def _unknown(findings: Findings, drafts: Drafts) -> Iterator[tuple[str, str]]:
    """The cards of which nobody can say whether they hold, and why."""
    ordered = [d for d in drafts.selected if d.use is not None and is_oral_magnesium(d.use)]
    taken = findings.oral_magnesium
    facts = (ORDER_FACTS if ordered else {}) | (HAZARD_FACTS if taken else {})
    for card, fact_of in facts.items():
        fact = fact_of(findings)
        if fact.unknown:
            yield card, fact.why
    orders = [MagnesiumOrder(d, d.use, findings, drafts) for d in ordered if d.use is not None]
    for dose in (d for order in orders for d in order.doses_of(order.added_to)):
        if dose.mg is None:
            yield "rx-mg-dose", f"a dose was not read: {dose.why or dose.said}"
    for dose in (findings.dose_of(u) for u in taken if u.regular):
        if dose.mg is None:
            yield "mg-hazard-dose", f"a dose was not read: {dose.why or dose.said}"
