"""The whole decision as JSON: facts, rules and cards.

It also explains why there was no card, so it includes absent, unknown and uncounted data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cards.phrases import Phrases
from cards.reason import evidence, filled, gap, kidney
from cds_service.chart.evidence import Evidence, Fact
from cds_service.chart.reading import NotReadable
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import Decision, Kidney, RuleOutcome, SerumMagnesium, Withheld

Json = dict[str, Any]
MOST_NOT_READABLE = 100
"""How many of the places that could not be read are listed; all of them are counted."""


def explanation(
    decision: Decision, rendered_cards: Sequence[Json], knowledge: Knowledge, site: str = ""
) -> Json:
    """The decision, ready for JSON. Members without a value are left out. A list may be empty."""
    phrases = Phrases(knowledge)
    lost = sorted(_place(one, phrases) for one in decision.not_readable)
    return filled(
        {
            "service": decision.service,
            "day": decision.day.isoformat(),
            "knowledge": knowledge.version,
            "site": site,
            "facts": [_fact(fact, knowledge, phrases) for fact in decision.facts],
            "kidney": _kidney(decision.kidney, knowledge, phrases),
            "magnesium": _magnesium(decision.magnesium, phrases),
            "rules": [_rule(rule, phrases) for rule in decision.rules],
            "unknown": [gap(g, phrases) for g in decision.gaps],
            "notReadable": [_lost(one) for one in lost[:MOST_NOT_READABLE]],
            "notReadableCount": len(lost),
            "setAside": [
                filled(
                    {
                        "resource": s.resource,
                        "what": phrases.words(s.what),
                        "why": phrases.words(s.why),
                    }
                )
                for s in decision.set_aside
            ],
            "cards": list(rendered_cards),
            "withheld": [_withheld(w) for w in decision.withheld] or None,
        }
    )


def _place(one: NotReadable, phrases: Phrases) -> tuple[str, str, str, str]:
    """A sort key for unreadable data, so that their order does not depend on the order of entries."""
    return one.key, one.resource, one.element, phrases.words(one.why)


def _lost(place: tuple[str, str, str, str]) -> Json:
    """The place of an unreadable element. `element` is left out for a whole resource."""
    return filled(dict(zip(("key", "resource", "element", "why"), place, strict=True)))


def _withheld(one: Withheld) -> Json:
    """A card that was decided and not returned, and why: by the site file or a lock-out."""
    why = one.until.isoformat() if one.until is not None else True
    return {"card": one.card.card, "indicator": one.card.indicator, one.why.value: why}


def _fact(fact: Fact, knowledge: Knowledge, phrases: Phrases) -> Json:
    labels = {row.id: row.label for row in knowledge.policy.risk_factors}
    said = filled(
        {
            "id": phrases.words(fact.label) or fact.id,
            "label": labels.get(fact.id),
            "state": str(fact.state),
            "why": phrases.words(fact.why),
        }
    )
    if fact.evidence:
        said["evidence"] = [_evidence(e, phrases) for e in fact.evidence]
    return said


def _evidence(found: Evidence, phrases: Phrases) -> Json:
    note = phrases.words(found.note)
    more = {"display": found.display, "matched": found.matched, "note": note}
    return evidence(found) | filled(more)


def _kidney(known: Kidney | None, knowledge: Knowledge, phrases: Phrases) -> Json | None:
    if known is None:
        return None
    titles = {row.id: row.title for row in knowledge.policy.kidney}
    said = kidney(known) | filled(
        {
            "text": known.egfr_text,
            "reason": phrases.words(known.reason),
            "rule": known.rule,
            "why": phrases.words(known.why) or titles.get(known.rule),
            "evidence": _evidence(known.evidence, phrases) if known.evidence is not None else None,
        }
    )
    if known.others:
        said["others"] = [_evidence(e, phrases) for e in known.others]
    return said


def _magnesium(known: SerumMagnesium | None, phrases: Phrases) -> Json | None:
    if known is None:
        return None
    said = filled(
        {
            "state": str(known.state),
            "text": known.text,
            "why": phrases.words(known.why),
            "evidence": _evidence(known.evidence, phrases) if known.evidence is not None else None,
        }
    )
    return {**said, "unknown": known.unknown}


def _rule(rule: RuleOutcome, phrases: Phrases) -> Json:
    why = phrases.words(rule.why)
    return filled({"rule": rule.rule, "outcome": str(rule.outcome), "why": why})
