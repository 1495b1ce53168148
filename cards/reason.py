"""The machine-readable reason that every card carries (`org.magnesium-migraine.decision`)."""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from cards.phrases import Phrases
from cds_service.chart.evidence import Evidence, Fact, Gap
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import CardDecision, Kidney, KidneyClass

Json = dict[str, Any]

EXTENSION = "org.magnesium-migraine.decision"
EGFR_UNIT = "mL/min/{1.73_m2}"
REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}", re.ASCII)
_HUNDREDTH = Decimal("0.01")
_NOT_LOOKED_AT = Kidney(KidneyClass.UNKNOWN, rule="")


def reason(card: CardDecision, knowledge: Knowledge, site: str = "") -> Json:
    """The machine-readable reason of a card: knowledge, site file, evidence and unknown data."""
    phrases = Phrases(knowledge)
    return without_empty(
        {
            "card": card.card,
            "knowledge": knowledge.version,
            "site": site,
            "because": [item for fact in card.because for item in because(fact)],
            "kidney": without_empty(kidney(card.kidney or _NOT_LOOKED_AT)),
            "cautions": list(dict.fromkeys(caution.id for caution in card.cautions)),
            "unknown": [gap(g, phrases) for g in dict.fromkeys(card.gaps)],
            "order": card.order.reference if card.order is not None else "",
        }
    )


def because(fact: Fact) -> list[Json]:
    """One item for each piece of evidence of a fact that the chart shows."""
    if not fact.present:
        return []
    return [{"fact": fact.id, **evidence(e)} for e in fact.evidence] or [{"fact": fact.id}]


def evidence(found: Evidence) -> Json:
    """The place of the evidence. A resource without an id has no reference: `entry` gives its position."""
    place = "resource" if REFERENCE.fullmatch(found.resource) else "entry"
    coded = found.system and found.code
    return filled(
        {
            place: found.resource,
            "coding": {"system": found.system, "code": found.code} if coded else None,
            "date": found.date,
            "value": found.value,
            "unit": found.unit,
        }
    )


def kidney(known: Kidney) -> Json:
    """The kidney class and its basis."""
    place = evidence(known.evidence) if known.evidence is not None else {}
    said = {
        "class": str(known.kidney_class),
        "basis": known.basis,
        "value": None if known.value is None else floored(known.value),
        "unit": None if known.value is None else EGFR_UNIT,
        "resource": place.get("resource"),
        "entry": place.get("entry"),
        "date": place.get("date"),
    }
    return {**filled(said), "flags": list(known.flags)}


def floored(value: Decimal) -> str:
    """At most two decimals, never rounded up: 59.996 must not read as 60."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -2:
        value = value.quantize(_HUNDREDTH, ROUND_FLOOR)
    return f"{value:f}"


def gap(missing: Gap, phrases: Phrases) -> Json:
    """The unknown data, and why."""
    return filled({"key": missing.key, "why": phrases.words(missing.why)})


def filled(said: Json) -> Json:
    """Without the members that have no value. A list may be empty."""
    return {name: value for name, value in said.items() if value not in (None, "")}


def without_empty(said: Json) -> Json:
    """Without the members that have no value, empty lists and objects included (CDS Hooks)."""
    return {name: value for name, value in filled(said).items() if value not in ([], {})}
