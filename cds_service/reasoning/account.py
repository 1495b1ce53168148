"""The account of a decision for `/explain`: all facts and rules, including those that had no effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState
from cds_service.knowledge.model import SuggestRow
from cds_service.reasoning import blocks, cautions, indication, medicines, person, renal_risk, risk
from cds_service.reasoning.coindications import other_use
from cds_service.reasoning.decision import CardDecision, Decision, Outcome, RuleOutcome
from cds_service.reasoning.gaps import all_gaps
from cds_service.reasoning.kidney import kidney_function, outcome_of
from cds_service.reasoning.magnesium import serum_magnesium
from cds_service.reasoning.orders import Draft, Drafts, trigger_of
from cds_service.reasoning.suggest import eligibility
from cds_service.reasoning.uncounted import uncounted
from cds_service.reasoning.undecided import perhaps_silenced, undecided
from cds_service.reasons import Reason, Said

NOT_STOPPED = "not stopped before"
NO_SUGGESTION = "no suggestion"
"""Names of rules, which programs look for in `/explain`."""


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
        None if taken else medicines.supplement(chart).why,
    )
    for feature in renal_risk.features(chart):
        label = reasons.renal_risk(feature.label or feature.id)
        fact_id = f"renal_risk.{feature.id}"
        yield Fact(fact_id, feature.state, feature.evidence, feature.why, label)


def _rules(
    decision: Decision,
    chart: Chart,
    drafts: Drafts,
    fired: Sequence[CardDecision],
    rows: Sequence[SuggestRow],
) -> Iterator[RuleOutcome]:
    if chart.person.deceased:
        yield RuleOutcome("alive", Outcome.BLOCKED, reasons.HAS_DIED)
    yield from eligibility(chart)
    yield _stopped(chart, rows)
    yield _indication(chart)
    for row in chart.knowledge.policy.kidney:
        outcome = outcome_of(row, chart)
        yield RuleOutcome(f"kidney: {row.id}", outcome, f"{row.title} -> {row.kidney_class}")
    for draft in drafts.orders:
        yield _order(draft, chart)
    silenced = perhaps_silenced(drafts)
    if silenced is True:
        yield RuleOutcome(NO_SUGGESTION, Outcome.BLOCKED, reasons.ALREADY_ORDERED)
    elif isinstance(silenced, Reason):
        yield RuleOutcome(NO_SUGGESTION, Outcome.UNKNOWN, silenced)
    yield from _cards(decision, chart, drafts, fired, rows)
    if len(fired) > len(decision.cards) + len(decision.withheld):
        rule = f"at most {chart.knowledge.parameters.cards.max} cards"
        yield RuleOutcome(rule, Outcome.MET, reasons.most_serious_shown(len(fired)))


def _indication(chart: Chart) -> RuleOutcome:
    menstrual = indication.menstrual(chart).present
    otherwise = reasons.MENSTRUAL_PATTERN if menstrual else reasons.NO_RISK_FACTOR
    why = ", ".join(r.id for r in risk.present_factors(chart)) or otherwise
    if indication.is_indicated(chart):
        return RuleOutcome("indication", Outcome.MET, why)
    return RuleOutcome(
        "indication", Outcome.UNKNOWN if _risk_unknown(chart) else Outcome.NOT_MET, why
    )


def _risk_unknown(chart: Chart) -> bool:
    return indication.menstrual(chart).unknown or any(r.unknown for r in risk.factors(chart))


def _stopped(chart: Chart, rows: Sequence[SuggestRow]) -> RuleOutcome:
    """Stopped magnesium: no card if the table says so, otherwise no recommendation (M-15)."""
    stopped = medicines.stopped_before(chart)
    if not stopped.present:
        outcome = Outcome.UNKNOWN if stopped.unknown else Outcome.MET
        return RuleOutcome(NOT_STOPPED, outcome, stopped.why or "")
    names = ", ".join(dict.fromkeys(e.resource for e in stopped.evidence))
    if any(row.silent_if_stopped for row in rows):
        return RuleOutcome(NOT_STOPPED, Outcome.BLOCKED, names)
    return RuleOutcome(NOT_STOPPED, Outcome.NOT_MET, reasons.not_recommended(names))


def _order(draft: Draft, chart: Chart) -> RuleOutcome:
    """The meaning of an order for the rules."""
    rule = f"order {draft.ref.reference or draft.ref.label or draft.kind}"
    if draft.use is None and draft.unidentified is not None:
        return RuleOutcome(rule, Outcome.UNKNOWN, draft.unidentified)
    if draft.use is None:
        return RuleOutcome(rule, Outcome.NOT_MET, reasons.NOT_ACTED_ON)
    kind = trigger_of(draft, chart)
    other = other_use(draft, chart) if kind == "preventive" else None
    if other is not None and other.present:
        names = ", ".join(dict.fromkeys(e.display or e.resource for e in other.evidence))
        return RuleOutcome(rule, Outcome.NOT_MET, reasons.used_for(names))
    meaning: Said = kind or reasons.CHECKED_BESIDE_MAGNESIUM
    if draft.is_magnesium():
        meaning = "magnesium"
    return RuleOutcome(rule, Outcome.MET if draft.selected else Outcome.NOT_MET, meaning)


def _cards(
    decision: Decision,
    chart: Chart,
    drafts: Drafts,
    fired: Sequence[CardDecision],
    rows: Sequence[SuggestRow],
) -> Iterator[RuleOutcome]:
    shown = {c.card for c in decision.cards} | {w.card.card for w in decision.withheld}
    held_back = {c.card for c in fired} - shown
    unknown = undecided(chart, drafts, rows)
    for card in chart.knowledge.cards:
        if card in shown:
            yield RuleOutcome(card, Outcome.FIRED)
        elif card in held_back:
            why = reasons.not_shown(chart.knowledge.parameters.cards.max)
            yield RuleOutcome(card, Outcome.FIRED, why)
        elif card in unknown:
            yield RuleOutcome(card, Outcome.UNKNOWN, unknown[card])
        else:
            yield RuleOutcome(card, Outcome.NOT_MET)
