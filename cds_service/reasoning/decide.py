"""From a chart to a decision: which question each hook asks, in the order that can end the matter.

Nothing is looked at that cannot change the answer; `/explain` asks for all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState
from cds_service.reasoning.decision import (
    CardDecision,
    Decision,
    KidneyClass,
    RuleOutcome,
)
from cds_service.reasoning.findings import Findings
from cds_service.reasoning.order_safety import magnesium_order_cards, other_order_cards
from cds_service.reasoning.orders import Draft, Drafts, ordered_labs, read_drafts, trigger_of
from cds_service.reasoning.suggest import Trigger, eligibility, eligible, suggestion
from cds_service.reasoning.uncounted import uncounted

SEVERITY = ("critical", "warning", "info")


def decide(hook: str, chart: Chart, context: Mapping[str, Any], complete: bool = False) -> Decision:
    """The decision for one call of a hook ("patient-view", "order-select", "order-sign").

    With `complete` every fact and rule is evaluated and recorded, also where no card comes.
    """
    drafts = Drafts()
    if hook != "patient-view":
        drafts = read_drafts(chart, context, all_selected=hook == "order-sign")
    findings = Findings(chart, drafts.gaps)
    cards: list[CardDecision] = []
    if not chart.person.deceased:
        cards = _POLICIES[hook](findings, drafts)
    limit = chart.knowledge.parameters.cards.max
    shown = tuple(sorted(cards, key=lambda c: SEVERITY.index(c.indicator))[:limit])
    gaps = (*chart.gaps_met(), *drafts.gaps)
    decision = Decision(service=hook, day=chart.today, cards=shown, gaps=gaps)
    if complete:
        _record(decision, findings, drafts, len(cards))
    return decision


def concerns_nobody(hook: str, chart: Chart, context: Mapping[str, Any]) -> bool:
    """Whether a call is about orders of drugs that no rule knows: silence, whatever the chart says.

    Most calls at prescribing time are of this kind, so nothing of the chart is read for them.
    """
    if hook == "patient-view":
        return False
    drafts = read_drafts(chart, context, all_selected=hook == "order-sign")
    return not any(draft.use is not None or draft.unidentified for draft in drafts.selected)


def _patient_view(findings: Findings, drafts: Drafts) -> list[CardDecision]:
    hazards = _hazards(findings)
    if hazards or not eligible(findings):
        return hazards
    return _suggest(findings, "patient-view", Trigger("chart"), drafts)


def _order_select(findings: Findings, drafts: Drafts) -> list[CardDecision]:
    cards = _order_cards(findings, drafts)
    if drafts.silences_suggestions:
        return cards
    triggers: dict[str, Trigger] = {}
    for draft in drafts.selected:
        kind = trigger_of(draft, findings.chart)
        if kind:
            triggers.setdefault(kind, Trigger(kind, draft.ref, draft.use))
    if not triggers or not eligible(findings):
        return cards
    # One suggestion is enough: the first trigger of the table that gives a card.
    for row in findings.chart.knowledge.policy.suggest:
        if row.hook == "order-select" and row.trigger in triggers:
            found = _suggest(findings, "order-select", triggers[row.trigger], drafts)
            if found:
                return [*cards, *found]
    return cards


def _order_sign(findings: Findings, drafts: Drafts) -> list[CardDecision]:
    return _order_cards(findings, drafts)


_POLICIES: dict[str, Callable[[Findings, Drafts], list[CardDecision]]] = {
    "patient-view": _patient_view,
    "order-select": _order_select,
    "order-sign": _order_sign,
}


def _suggest(findings: Findings, hook: str, trigger: Trigger, drafts: Drafts) -> list[CardDecision]:
    chart = findings.chart
    row = next(
        r for r in chart.knowledge.policy.suggest if r.hook == hook and r.trigger == trigger.id
    )
    card = suggestion(findings, row, trigger, ordered_labs(drafts, chart))
    return [card] if card is not None else []


def _order_cards(findings: Findings, drafts: Drafts) -> list[CardDecision]:
    cards: list[CardDecision] = []
    for draft in drafts.selected:
        cards += magnesium_order_cards(findings, draft, drafts)
        cards += other_order_cards(findings, draft, drafts)
    return cards


def _hazards(findings: Findings) -> list[CardDecision]:
    """Magnesium taken by mouth, as needed or not, against kidney function and level (SPEC 6.1)."""
    taken = findings.oral_magnesium
    if not taken:
        return []
    fired = {
        "mg-hazard-renal": findings.kidney.kidney_class is KidneyClass.SEVERE,
        "mg-hazard-hypermag": findings.magnesium_high,
    }
    magnesium = Fact("current_magnesium", FactState.PRESENT, tuple(u.evidence for u in taken))
    kidney, serum = findings.kidney, findings.magnesium
    level = {"mg-hazard-renal": kidney.evidence, "mg-hazard-hypermag": serum.evidence}
    names = {"mg-hazard-renal": "kidney", "mg-hazard-hypermag": "serum_magnesium"}
    cards = []
    for row in findings.chart.knowledge.policy.hazards:
        if not fired[row.card]:
            continue
        evidence = level[row.card]
        found = Fact(names[row.card], FactState.PRESENT, (evidence,) if evidence else ())
        cards.append(
            CardDecision(
                card=row.card,
                indicator=findings.chart.knowledge.cards[row.card].indicator,
                values={
                    "renal_reason": kidney.reason,
                    "mg": serum.text,
                    "product": ", ".join(dict.fromkeys(u.label for u in taken)),
                },
                because=(magnesium, found),
                gaps=findings.gaps,
                kidney=kidney,
                magnesium=serum,
                safety=True,
            )
        )
    return cards


def _record(decision: Decision, findings: Findings, drafts: Drafts, fired: int) -> None:
    """Everything that was or could have been asked, for `/explain`."""
    chart = findings.chart
    decision.kidney = findings.kidney
    decision.magnesium = findings.magnesium
    decision.facts = (
        findings.adult,
        findings.migraine,
        findings.menstrual,
        *findings.risks,
        *findings.blocks,
        findings.slow_conduction,
        findings.diarrhoea,
        Fact(
            "oral_magnesium",
            FactState.PRESENT if findings.oral_magnesium else findings.supplement.state,
            tuple(u.evidence for u in findings.oral_magnesium),
            findings.supplement.why,
        ),
        *(Fact(f"renal risk: {f.id}", f.state, f.evidence, f.why) for f in findings.renal_risks),
    )
    decision.gaps = findings.gaps
    decision.set_aside = (*chart.set_aside(), *uncounted(findings))
    decision.rules = tuple(_rules(decision, findings, drafts, fired))


def _order_rule(draft: Draft, chart: Chart) -> RuleOutcome:
    """What an order is to the rules."""
    rule = f"order {draft.ref.reference or draft.ref.label or draft.kind}"
    if draft.unidentified:
        return RuleOutcome(rule, "unknown", draft.unidentified)
    if draft.use is None:
        return RuleOutcome(rule, "not met", "nothing this service acts on")
    meaning = trigger_of(draft, chart) or "checked beside magnesium"
    if draft.is_magnesium():
        meaning = "magnesium"
    return RuleOutcome(rule, "met" if draft.selected else "not met", meaning)


def _rules(decision: Decision, findings: Findings, drafts: Drafts, fired: int) -> list[RuleOutcome]:
    shown = {c.card for c in decision.cards}
    rules: list[RuleOutcome] = []
    if findings.chart.person.deceased:
        rules.append(RuleOutcome("alive", "blocked", "the patient has died: no cards"))
    rules += eligibility(findings)
    rules.append(
        RuleOutcome(
            "indication",
            "met" if findings.indicated else "not met",
            ", ".join(r.id for r in findings.present_risks)
            or ("menstrual pattern" if findings.menstrual.present else "no risk factor"),
        )
    )
    rules += [
        RuleOutcome(
            f"kidney: {row.id}",
            "met" if row.id == findings.kidney.rule else "not met",
            f"{row.title} -> {row.kidney_class}",
        )
        for row in findings.chart.knowledge.policy.kidney
    ]
    for draft in drafts.orders:
        rules.append(_order_rule(draft, findings.chart))
    if drafts.silences_suggestions:
        rules.append(RuleOutcome("no suggestion", "blocked", "magnesium is already being ordered"))
    rules += [
        RuleOutcome(card, "fired" if card in shown else "not met", "")
        for card in findings.chart.knowledge.cards
    ]
    if fired > len(decision.cards):
        rules.append(
            RuleOutcome("at most three cards", "met", f"{fired} cards, the most serious shown")
        )
    return rules
