"""How facts, evidence and results of the chart are said. Everything returned here is Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cards.markdown import escape
from cards.phrases import Phrases
from cds_service.chart.evidence import Evidence, Fact
from cds_service.knowledge.loader import Knowledge

MOST_EVIDENCE = 3
_MANY_DECIMALS = re.compile(r"(\.\d{3})\d+\Z")
_DATE_LENGTH = len("2026-01-31")
_UNIT_TEXT = {"mL/min/{1.73_m2}": "mL/min/1.73 m²", "a": "years"}


def fact_label(fact_id: str, knowledge: Knowledge, phrases: Phrases) -> str:
    """What a fact is called: risk factors as the policy labels them."""
    for row in knowledge.policy.risk_factors:
        if row.id == fact_id:
            return row.label[:1].upper() + row.label[1:]
    label = phrases.named("fact", fact_id)
    return escape(label[:1].upper() + label[1:])


def fact_lines(facts: Iterable[Fact], knowledge: Knowledge, phrases: Phrases) -> list[str]:
    """One line for each piece of evidence of the facts that the chart shows.

    Evidence of two facts is said once, with both names: a menstrual migraine is a migraine too.
    """
    labels: dict[str, list[str]] = {}
    left_out: list[str] = []
    for fact in facts:
        if not fact.present:
            continue
        label = fact_label(fact.id, knowledge, phrases)
        for what in [evidence_text(e, phrases) for e in fact.evidence[:MOST_EVIDENCE]] or [""]:
            labels.setdefault(what, []).append(label)
        more = len(fact.evidence) - MOST_EVIDENCE
        if more > 0:
            left_out.append(phrases.say("list.more", label=label, count=str(more)))
    return [_line(names, what, phrases) for what, names in labels.items()] + left_out


def _line(names: list[str], what: str, phrases: Phrases) -> str:
    label = phrases.listed([names[0], *(name[:1].lower() + name[1:] for name in names[1:])])
    return phrases.say("evidence.line", label=label, what=what) if what else label


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
        return code or ("" if evidence.value else escape(evidence.resource))
    display = escape(evidence.display)
    return f"{display} ({code})" if code and evidence.value is None else display


def quantity(evidence: Evidence) -> str:
    """The value with its unit, as it was compared."""
    if evidence.value is None:
        return ""
    unit = evidence.unit or ""
    return f"{escape(short(evidence.value))} {_UNIT_TEXT.get(unit) or escape(unit)}".rstrip()


def short(value: str) -> str:
    """At most three decimals. The rest is cut off, not rounded: no value may reach a limit."""
    return _MANY_DECIMALS.sub(r"\1", value)


def day(date: str | None) -> str:
    """The calendar date of a FHIR date, as written."""
    return escape((date or "")[:_DATE_LENGTH])
