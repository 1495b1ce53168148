"""The whole decision as JSON: what was found and not found, what was considered, what came of it.

It answers "why was there no card?", so it names what was absent, unknown and set aside too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    """The decision, ready for JSON. What has no value is left out; a list may be empty."""
    lost = decision.not_readable
    return filled(
        {
            "service": decision.service,
            "day": decision.day.isoformat(),
            "knowledge": knowledge.version,
            "site": site,
            "facts": [_fact(fact, knowledge) for fact in decision.facts],
            "kidney": _kidney(decision.kidney, knowledge),
            "magnesium": _magnesium(decision.magnesium),
            "rules": [_rule(rule) for rule in decision.rules],
            "unknown": [gap(g) for g in decision.gaps],
            "notReadable": [_lost(one) for one in lost[:MOST_NOT_READABLE]],
            "notReadableCount": len(lost),
            "setAside": [
                filled({"resource": s.resource, "what": s.what, "why": s.why})
                for s in decision.set_aside
            ],
            "cards": list(rendered_cards),
            "withheld": [_withheld(w) for w in decision.withheld] or None,
        }
    )


def _lost(one: NotReadable) -> Json:
    """Where something stands that could not be read; `element` is left out for a whole resource."""
    return filled(
        {"key": one.key, "resource": one.resource, "element": one.element, "why": one.why}
    )


def _withheld(one: Withheld) -> Json:
    """A card that was decided and not returned, and why: by the site file or a lock-out."""
    why = one.until.isoformat() if one.until is not None else True
    return {"card": one.card.card, "indicator": one.card.indicator, one.why.value: why}


def _fact(fact: Fact, knowledge: Knowledge) -> Json:
    labels = {row.id: row.label for row in knowledge.policy.risk_factors}
    said = filled(
        {"id": fact.id, "label": labels.get(fact.id), "state": str(fact.state), "why": fact.why}
    )
    if fact.evidence:
        said["evidence"] = [_evidence(e) for e in fact.evidence]
    return said


def _evidence(found: Evidence) -> Json:
    more = {"display": found.display, "matched": found.matched, "note": found.note}
    return evidence(found) | filled(more)


def _kidney(known: Kidney | None, knowledge: Knowledge) -> Json | None:
    if known is None:
        return None
    titles = {row.id: row.title for row in knowledge.policy.kidney}
    said = kidney(known) | filled(
        {
            "text": known.egfr_text,
            "reason": known.reason,
            "rule": known.rule,
            "why": known.why or titles.get(known.rule),
            "evidence": _evidence(known.evidence) if known.evidence is not None else None,
        }
    )
    if known.others:
        said["others"] = [_evidence(e) for e in known.others]
    return said


def _magnesium(known: SerumMagnesium | None) -> Json | None:
    if known is None:
        return None
    said = filled(
        {
            "state": str(known.state),
            "text": known.text,
            "why": known.why,
            "evidence": _evidence(known.evidence) if known.evidence is not None else None,
        }
    )
    return {**said, "unknown": known.unknown}


def _rule(rule: RuleOutcome) -> Json:
    return filled({"rule": rule.rule, "outcome": rule.outcome, "why": rule.why})
