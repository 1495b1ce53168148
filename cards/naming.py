"""Names for facts, evidence and results of the chart. All functions return Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from cards.markdown import escape, plain
from cards.phrases import Phrases
from cds_service.chart import dates
from cds_service.chart.evidence import Evidence, Fact
from cds_service.knowledge.loader import Knowledge

MOST_EVIDENCE = 4
_MANY_DECIMALS = re.compile(r"(\.\d{3})\d+\Z")
DATE_LENGTH = len("2026-01-31")
LONGEST_NAME = 100
EGFR_UNIT = "mL/min/{1.73_m2}"
_YEARS = "a"
_AGES = {"0": "age.under_one", "1": "age.one"}
_UNIT_NAMES = {EGFR_UNIT: "unit.egfr", _YEARS: "unit.years"}
_NAMED_BY_ITSELF = ("Condition", "Procedure")
_MEDICATION = "Medication"
_MONTHS_FROM = 2
_YEARS_FROM_MONTHS = 24


def fact_label(fact_id: str, knowledge: Knowledge, phrases: Phrases) -> str:
    """The name of a fact. Risk factors have the labels of the policy."""
    for row in knowledge.policy.risk_factors:
        if row.id == fact_id:
            return row.label[:1].upper() + row.label[1:]
    label = phrases.label("fact", fact_id)
    return escape(label[:1].upper() + label[1:])


def shown_evidence(facts: Iterable[Fact]) -> dict[str, tuple[Evidence | None, ...]]:
    """The evidence to show for each present fact, without repetitions.

    A diagnosis with several codes is one fact, and so is a drug with several orders. A menstrual
    migraine is also a migraine. A fact without evidence is `(None,)`, and a fact whose evidence is
    already shown is left out.
    """
    shown: dict[str, tuple[Evidence | None, ...]] = {}
    named: set[str] = set()
    for fact in facts:
        if not fact.present:
            continue
        found: list[Evidence | None] = []
        for evidence in fact.evidence:
            names = _names(fact.id, evidence)
            if named.isdisjoint(names):
                found.append(evidence)
            named |= names
        if found or not fact.evidence:
            shown[fact.id] = (*shown.get(fact.id, ()), *(found or [None]))
    return shown


def _names(fact_id: str, evidence: Evidence) -> set[str]:
    """The keys of a piece of evidence: the resource, its words, and for a diagnosis the fact.

    The words of a medicine belong to one fact, because current and ordered medicines are different.
    """
    names = {evidence.resource}
    if evidence.value is None and evidence.display:
        words = evidence.display.casefold()
        medication = evidence.resource.startswith(_MEDICATION)
        names.add(f"{fact_id} {words}" if medication else words)
    if evidence.resource.startswith(_NAMED_BY_ITSELF):
        names.add(f"fact {fact_id}")
    return names


def fact_lines(facts: Iterable[Fact], knowledge: Knowledge, phrases: Phrases) -> list[str]:
    """One line for each thing that the chart shows, many of one kind counted."""
    lines = []
    for fact_id, found in shown_evidence(facts).items():
        label = fact_label(fact_id, knowledge, phrases)
        lines += [_line(label, evidence, phrases) for evidence in found[:MOST_EVIDENCE]]
        more = len(found) - MOST_EVIDENCE
        if more > 0:
            lines.append(phrases.fill("list.more", label=label, count=str(more)))
    return lines


def _line(label: str, evidence: Evidence | None, phrases: Phrases) -> str:
    what = evidence_text(evidence, phrases) if evidence is not None else ""
    if not what:
        return label
    if names_itself(evidence):
        return what
    return phrases.fill("evidence.line", label=label, what=what)


def names_itself(evidence: Evidence | None) -> bool:
    """Whether the words of the chart are a name: a diagnosis, not a bare code or a number."""
    return (
        evidence is not None
        and bool(evidence.display)
        and evidence.resource.startswith(_NAMED_BY_ITSELF)
    )


def evidence_text(evidence: Evidence, phrases: Phrases) -> str:
    """A piece of evidence in a few words: name or code, value and unit, date, reservations."""
    by_text = phrases["evidence.by-text"] if evidence.matched == "text" else ""
    parts = (
        _named(evidence, phrases),
        quantity(evidence, phrases),
        day(evidence.date),
        by_text,
        escape(phrases.words(evidence.note)),
    )
    return ", ".join(part for part in parts if part)


def _named(evidence: Evidence, phrases: Phrases) -> str:
    if evidence.value is not None and evidence.unit == EGFR_UNIT:
        return phrases["evidence.egfr"]
    if evidence.display:
        # The long names of LOINC also describe how and where it was measured.
        return escape(plain(evidence.display.partition(" [")[0], LONGEST_NAME))
    return escape(evidence.code or "") or ("" if evidence.value else escape(evidence.resource))


def quantity(evidence: Evidence, phrases: Phrases) -> str:
    """The value with its unit, as it was compared."""
    if evidence.value is None:
        return ""
    unit = evidence.unit or ""
    if unit == _YEARS and evidence.value in _AGES:
        return phrases[_AGES[evidence.value]]
    value = phrases.first_of(f"value.{evidence.value}") or escape(short(evidence.value))
    shown = phrases[_UNIT_NAMES[unit]] if unit in _UNIT_NAMES else escape(unit)
    return f"{value} {shown}".rstrip()


def short(value: str) -> str:
    """At most three decimals, truncated and not rounded, so that no value reaches a limit."""
    return _MANY_DECIMALS.sub(r"\1", value)


def day(written: str | None) -> str:
    """The calendar date of a FHIR date, as written."""
    return escape((written or "")[:DATE_LENGTH])


def age_words(written: str | None, today: date, phrases: Phrases) -> str:
    """The age in whole months or years. Recent or inexact times are given as a date."""
    when = dates.parse(written)
    if when is None:
        return phrases["age.undated"]
    then = when.first_day
    months = (today.year - then.year) * 12 + today.month - then.month - (today.day < then.day)
    if then != when.last_day or months < _MONTHS_FROM:
        return phrases.fill("age.dated", date=day(written))
    if months < _YEARS_FROM_MONTHS:
        return phrases.fill("age.months", count=str(months))
    return phrases.fill("age.years", count=str(months // 12))
