"""How facts, evidence and results of the chart are said. Everything returned here is Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from cards.markdown import escape
from cards.phrases import Phrases
from cds_service.chart.evidence import Evidence, Fact
from cds_service.knowledge.loader import Knowledge

MOST_EVIDENCE = 3
_DATE_LENGTH = len("2026-01-31")
_UNIT_TEXT = {"mL/min/{1.73_m2}": "mL/min/1.73 m²"}


def fact_label(fact_id: str, knowledge: Knowledge, phrases: Phrases) -> str:
    """What a fact is called: risk factors as the policy labels them."""
    for row in knowledge.policy.risk_factors:
        if row.id == fact_id:
            return row.label[:1].upper() + row.label[1:]
    label = phrases.named("fact", fact_id)
    return escape(label[:1].upper() + label[1:])


def fact_lines(facts: Iterable[Fact], knowledge: Knowledge, phrases: Phrases) -> list[str]:
    """One line for each piece of evidence of the facts that the chart shows."""
    lines = []
    for fact in facts:
        if fact.present:
            lines.extend(_fact_lines(fact, fact_label(fact.id, knowledge, phrases), phrases))
    return lines


def _fact_lines(fact: Fact, label: str, phrases: Phrases) -> list[str]:
    if not fact.evidence:
        return [label]
    shown = fact.evidence[:MOST_EVIDENCE]
    lines = [
        phrases.say("evidence.line", label=label, what=evidence_text(e, phrases)) for e in shown
    ]
    left_out = len(fact.evidence) - len(shown)
    if left_out:
        lines.append(phrases.say("list.more", label=label, count=str(left_out)))
    return lines


def evidence_text(evidence: Evidence, phrases: Phrases) -> str:
    """A piece of evidence in a few words: name and code, value and unit, date, reservations."""
    by_text = phrases["evidence.by-text"] if evidence.matched == "text" else ""
    parts = (
        _named(evidence),
        quantity(evidence),
        day(evidence.date),
        by_text,
        escape(evidence.note or ""),
    )
    return ", ".join(part for part in parts if part)


def _named(evidence: Evidence) -> str:
    code = escape(evidence.code or "")
    if not evidence.display:
        return code or escape(evidence.resource)
    display = escape(evidence.display)
    return f"{display} ({code})" if code and evidence.value is None else display


def quantity(evidence: Evidence) -> str:
    """The value with its unit, as it was compared."""
    if evidence.value is None:
        return ""
    unit = _UNIT_TEXT.get(evidence.unit or "") or escape(evidence.unit or "")
    return f"{escape(evidence.value)} {unit}".rstrip()


def day(date: str | None) -> str:
    """The calendar date of a FHIR date, as written."""
    return escape((date or "")[:_DATE_LENGTH])
