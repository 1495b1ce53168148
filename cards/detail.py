"""The detail of a card, in the order of SPEC 6.6, as plain Markdown that is read at a glance.

Why this patient; the suggestion and its dose; the kidney; cautions and what could not be had; how
sure the evidence is; the sources. Whatever comes from the chart is escaped on its way in.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from cards.kidney import kidney_line
from cards.markdown import bullets, escape, link
from cards.naming import day, evidence_text, fact_lines
from cards.phrases import Phrases, filled, filled_lines, present
from cards.summary import is_urgent, known_values
from cds_service.chart.evidence import Evidence, Fact
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import Plan
from cds_service.reasoning.decision import (
    CardDecision,
    Caution,
    KidneyClass,
    MagnesiumState,
    OfferKind,
)

_REDUCED = frozenset({KidneyClass.MODERATE, KidneyClass.SEVERE})
_SPACING = "C5"
_KIDNEY = "kidney"


def detail(card: CardDecision, evidence_url: str, knowledge: Knowledge) -> str:
    """The whole detail."""
    return "\n\n".join(_sections(card, evidence_url, knowledge, Phrases(knowledge)))


def _sections(
    card: CardDecision, evidence_url: str, knowledge: Knowledge, phrases: Phrases
) -> Iterator[str]:
    suggests = is_suggestion(card, knowledge)
    why = "lead.why" if not card.safety else "lead.finding"
    yield from _section(phrases[why], _why(card, suggests, knowledge, phrases))
    action = "lead.suggestion" if suggests else "lead.action"
    yield from _section(phrases[action], _action(card, knowledge, phrases))
    yield from _kidney(card, knowledge, phrases)
    yield from _section(phrases["lead.cautions"], _cautions(card, knowledge, phrases))
    yield from _section(phrases["lead.missing"], _missing(card, phrases))
    if suggests:
        yield from _section(phrases["lead.evidence"], _honesty(knowledge))
    yield _sources(suggests, evidence_url, knowledge, phrases)


def _section(lead: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"**{lead}**\n\n{bullets(lines)}"


def is_suggestion(card: CardDecision, knowledge: Knowledge) -> bool:
    """Whether the card is one of those that can offer a dose plan."""
    return any(
        offer.kind == OfferKind.PLAN
        for row in knowledge.policy.offers
        if row.card == card.card
        for offer in row.offers
    )


# ------------------------------------------------------------------ why


def _why(card: CardDecision, suggests: bool, knowledge: Knowledge, phrases: Phrases) -> list[str]:
    lines = [
        _order(card, phrases),
        *fact_lines(_facts(card), knowledge, phrases),
        _serum_magnesium(card, suggests, phrases),
        phrases["why.biology"] if suggests else "",
    ]
    return present(lines)


def _facts(card: CardDecision) -> list[Fact]:
    """The facts, but for what the lines on serum magnesium and on the kidney say with its meaning."""
    said = card.magnesium.evidence if card.magnesium is not None else None
    facts = []
    for fact in card.because:
        if fact.id == _KIDNEY and _speaks_of_kidney(card):
            continue
        evidence = tuple(e for e in fact.evidence if said is None or e.resource != said.resource)
        if evidence or not fact.evidence:
            facts.append(msgspec.structs.replace(fact, evidence=evidence))
    return facts


def _order(card: CardDecision, phrases: Phrases) -> str:
    """The order the card is about, unless a fact names it with its evidence."""
    order = card.order
    if order is None or not order.label:
        return ""
    named = {e.resource for fact in card.because for e in fact.evidence}
    if order.reference and order.reference in named:
        return ""
    return phrases.say("why.order", order=escape(order.label))


def _serum_magnesium(card: CardDecision, suggests: bool, phrases: Phrases) -> str:
    magnesium = card.magnesium
    if magnesium is None or magnesium.evidence is None:
        return ""
    normal = magnesium.state is MagnesiumState.NORMAL
    if normal and card.safety and not _speaks_of_kidney(card):
        return ""  # it does not bear on the order
    plain = normal and not suggests
    line = filled(
        phrases["why.magnesium.normal.plain" if plain else f"why.magnesium.{magnesium.state}"],
        {"mg": escape(magnesium.text), "date": day(magnesium.evidence.date)},
    )
    note = escape(magnesium.evidence.note or "")
    return f"{line} ({note})" if line and note else line


# ------------------------------------------------------------ what to do


def _action(card: CardDecision, knowledge: Knowledge, phrases: Phrases) -> list[str]:
    plans = offered_plans(card, knowledge)
    values = known_values(card) | _limits(knowledge)
    lines = filled_lines(_advice(card, bool(plans), phrases), values, escape)
    if is_urgent(card):
        lines.insert(0, phrases["urgent"])
    lines.extend(_dose_lines(plans, phrases))
    if plans:
        lines.extend(_trial_lines(card, plans[0], knowledge, phrases))
    return lines


def _advice(card: CardDecision, has_plan: bool, phrases: Phrases) -> str:
    wanted = f"{card.card}.do"
    text = phrases.first_of(*([f"{wanted}.plan"] if has_plan else []), wanted)
    kidney = card.kidney
    if kidney is not None and kidney.kidney_class in _REDUCED:
        text = "\n".join(present([text, phrases.first_of(f"{card.card}.kidney")]))
    if not card.values.get("age"):
        text = phrases.first_of(f"{wanted}.no-age") or text
    if not any(caution.id == _SPACING for caution in card.cautions):
        text = phrases.first_of(f"{wanted}.alone") or text
    return text


def _limits(knowledge: Knowledge) -> dict[str, str]:
    dose = knowledge.parameters.dose
    return {
        "upper": plain_number(dose.upper_level_mg),
        "max": plain_number(dose.max_mg),
        "moderate": plain_number(dose.moderate_ckd_max_mg),
        "reduced": plain_number(dose.reduced_start_mg),
        "pregnancy": plain_number(dose.pregnancy_max_mg),
    }


def plain_number(number: Decimal) -> str:
    """A number as one writes it: 200, not 2E+2 or 200.0."""
    return f"{Decimal(number).normalize():f}"


def offered_plans(card: CardDecision, knowledge: Knowledge) -> list[Plan]:
    """The dose plans that the card offers, in its order."""
    by_id = {plan.id: plan for plan in knowledge.plans.plans}
    return [by_id[offer.plan] for offer in card.offers if offer.kind is OfferKind.PLAN]


def _dose_lines(plans: list[Plan], phrases: Phrases) -> Iterator[str]:
    for number, plan in enumerate(plans):
        steps = "; ".join(step.text for step in plan.steps)
        if number:
            alternative = phrases.say("plan.other", steps=steps)
            yield ". ".join(present([alternative, plan.note_specific.removesuffix(".")]))
        else:
            yield phrases.say("plan.first", steps=steps)


def _trial_lines(
    card: CardDecision, plan: Plan, knowledge: Knowledge, phrases: Phrases
) -> Iterator[str]:
    trial = knowledge.parameters.trial
    yield phrases.say("plan.trial", weeks=str(trial.weeks), percent=str(trial.responder_percent))
    risk_factors = {row.id for row in knowledge.policy.risk_factors}
    if any(fact.present and fact.id in risk_factors for fact in card.because):
        yield phrases.say("plan.recheck", weeks=str(trial.recheck_weeks))
    dose = knowledge.parameters.dose
    low = plan.max_mg_per_day <= dose.reduced_start_mg
    yield filled(
        phrases["plan.limit.low" if low else "plan.limit"],
        _limits(knowledge) | {"plan": str(plan.max_mg_per_day)},
    )


# ------------------------------------------------- kidney, cautions, gaps


def _speaks_of_kidney(card: CardDecision) -> bool:
    """Always on a suggestion; on a safety card only where the kidney bears on it."""
    kidney = card.kidney
    return kidney is not None and not (
        card.safety and kidney.kidney_class is KidneyClass.NORMAL and not kidney.flags
    )


def _kidney(card: CardDecision, knowledge: Knowledge, phrases: Phrases) -> Iterator[str]:
    if card.kidney is not None and _speaks_of_kidney(card):
        missing = frozenset(gap.key for gap in card.gaps)
        line = kidney_line(card.kidney, missing, knowledge)
        yield f"**{phrases['lead.kidney']}:** {line}"


def _cautions(card: CardDecision, knowledge: Knowledge, phrases: Phrases) -> list[str]:
    templates = {row.id: row.text for row in knowledge.policy.cautions}
    named = {e for fact in card.because for e in fact.evidence}
    return present([_caution(c, templates[c.id], named, phrases) for c in card.cautions])


def _caution(caution: Caution, template: str, named: set[Evidence], phrases: Phrases) -> str:
    """The line of a caution, with its evidence unless that was named among the reasons."""
    line = next(iter(filled_lines(template, caution.values, escape)), "")
    found = "; ".join(evidence_text(e, phrases) for e in caution.evidence if e not in named)
    return f"{line} ({found})" if line and found else line


def _missing(card: CardDecision, phrases: Phrases) -> list[str]:
    lines = [
        phrases.say("missing.line", what=escape(phrases.named("gap", gap.key)), why=escape(gap.why))
        for gap in card.gaps
    ]
    return [*lines, phrases["missing.check"]] if lines else []


# ------------------------------------------------------ evidence, sources


def _honesty(knowledge: Knowledge) -> list[str]:
    return [
        f"{line.text.removesuffix('.')} ({', '.join(line.references)})"
        for line in knowledge.evidence
    ]


def _sources(suggests: bool, url: str, knowledge: Knowledge, phrases: Phrases) -> str:
    cited = {r for line in knowledge.evidence for r in line.references} if suggests else set()
    ids = [reference for reference in knowledge.references if reference in cited]
    page = link(phrases["link.evidence"], url)
    parts = [*([", ".join(ids)] if ids else []), f"{page}, {escape(knowledge.version)}"]
    return f"**{phrases['lead.sources']}:** {'; '.join(parts)}"
