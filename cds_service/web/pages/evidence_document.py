"""The knowledge and the decision tables as one document, for `/evidence.json` and the page.

All content comes from the knowledge and from discovery. Nothing is repeated here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from cds_service.hooks.services import Service
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import KidneyFlag
from cds_service.knowledge.terminology import ValueSet
from cds_service.knowledge.wording import KIDNEY_CLASSES
from cds_service.site.force import InForce
from cds_service.site.inventory import inventory
from cds_service.web.pages.evidence_queries import Query, patient_queries

Json = dict[str, Any]
_ANY_CLASS: Final = "*"
LIMIT: Final = 200


def document(force: InForce, services: Mapping[str, Service], defaults: Knowledge) -> Json:
    """The whole document, ready for JSON. `defaults` is the knowledge without the site's values."""
    knowledge = force.knowledge
    policy = knowledge.policy
    return {
        "version": knowledge.version,
        "approved": knowledge.approved,
        "reviewState": _review_state(knowledge),
        "site": _site(force, defaults),
        "sourceAttributes": _source_attributes(knowledge, services),
        "hooks": [_hook(service) for service in services.values()],
        "cards": [_card(card_id, knowledge) for card_id in knowledge.cards],
        "kidney": [_plain(row) for row in policy.kidney],
        "kidneyFlags": [_flag(row, knowledge) for row in policy.kidney_flags],
        "suggest": [_plain(row) for row in policy.suggest],
        "hazards": [_plain(row) for row in policy.hazards],
        "orderSafety": [_plain(row) for row in policy.order_safety],
        "riskFactors": [_plain(row) for row in policy.risk_factors],
        "wastingDrugs": [_plain(row) for row in policy.wasting_drugs],
        "thresholds": [_plain(row) for row in knowledge.parameter_rows],
        "plans": [_plain(row) for row in knowledge.plans.plans],
        "planChoice": [_plain(row) for row in policy.plans],
        "product": _plain(knowledge.plans.product),
        "labs": [_plain(row) for row in knowledge.plans.labs],
        "alternatives": [_plain(row) for row in knowledge.plans.alternatives],
        "cautions": [_plain(row) for row in policy.cautions],
        "spacing": [_plain(row) for row in knowledge.interactions.interactions],
        "neutralisingSalts": list(knowledge.interactions.neutralising_salts),
        "evidence": [_plain(row) for row in knowledge.evidence],
        "references": [_plain(row) for row in knowledge.references.values()],
        "valueSets": [_value_set(value_set, knowledge) for value_set in knowledge.sets.values()],
        "overrideReasons": _override_reasons(knowledge),
        "unchecked": _plain(policy.unchecked),
        "coindications": {
            "source": knowledge.coindications.source,
            "drugs": [_plain(row) for row in knowledge.coindications.drugs],
        },
        "specification": [_plain(row) for row in defaults.specification.paragraphs],
        "queries": [_query(row) for row in patient_queries(services, knowledge)],
    }


def _query(row: Query) -> Json:
    """A query, and the forms of it that are sent if a server refuses it."""
    others = [{"form": other.words, "queries": list(other.queries)} for other in row.others]
    return {**row._asdict(), "others": others}


def _site(force: InForce, defaults: Knowledge) -> Json:
    """The site file in force, who approved what, and each of its values next to the default."""
    file = force.site.file if force.site is not None else None
    said: Json = {
        "review": force.review.words,
        "approvals": [msgspec.to_builtins(approval) for approval in force.review.approvals],
        "values": [
            {**msgspec.to_builtins(value), "changed": value.changed}
            for value in inventory(defaults, file)
        ],
    }
    if file is None or force.site is None:
        return said
    owner = {name: text for name, text in msgspec.to_builtins(file.site).items() if text}
    return {**owner, "hash": force.site.hash, **said}


def _plain(row: Any) -> Json:
    """A row of the knowledge as JSON: decimals as numbers, names as in the files."""
    built: Json = msgspec.to_builtins(row, builtin_types=(Decimal,))
    return {name: value for name, value in built.items() if value not in ("", None, [], {})}


def _flag(row: KidneyFlag, knowledge: Knowledge) -> Json:
    """A doubt about the kidney class, with the words of the card."""
    return {**_plain(row), "text": knowledge.wording.texts[f"kidney.flag.{row.flag}"]}


def _review_state(knowledge: Knowledge) -> Json:
    """The number of rows in each review state."""
    rows: list[Any] = [
        *knowledge.parameter_rows,
        *knowledge.cards.values(),
        *knowledge.plans.plans,
        *knowledge.interactions.interactions,
        *knowledge.evidence,
        *knowledge.references.values(),
        *knowledge.sets.values(),
        knowledge.policy,
        knowledge.wording,
        knowledge.source_attributes,
    ]
    states: dict[str, int] = {}
    for row in rows:
        states[row.status] = states.get(row.status, 0) + 1
    return {"states": states, "signedOff": knowledge.approved}


def _source_attributes(knowledge: Knowledge, services: Mapping[str, Service]) -> Json:
    owed = knowledge.source_attributes
    templates = next(iter(services.values())).prefetch
    return {
        "requirement": owed.requirement,
        "released": owed.released,
        "revised": owed.revised,
        "knowledge": knowledge.version,
        "attributes": [_plain(row) for row in owed.attributes],
        "doesNot": list(owed.does_not),
        "patientData": [
            {
                "key": key,
                "title": knowledge.wording.texts.get(f"gap.{key}", key),
                "query": template,
            }
            for key, template in templates.items()
        ],
        "bibliography": [f"{r.id}: {r.citation}" for r in knowledge.references.values()],
    }


def _hook(service: Service) -> Json:
    return {
        "id": service.id,
        "hook": service.hook,
        "title": service.title,
        "description": service.description,
    }


def _card(card_id: str, knowledge: Knowledge) -> Json:
    """A card, its conditions, and its offers."""
    card = knowledge.cards[card_id]
    policy = knowledge.policy
    suggests = [
        {"hook": row.hook, "trigger": row.trigger, "class": kidney_class}
        for row in policy.suggest
        for kidney_class in KIDNEY_CLASSES
        if row.cards.get(kidney_class) == card_id
    ]
    safety = [row for row in policy.order_safety if row.card == card_id]
    offers = [
        {"class": row.kidney_class, "offers": [_plain(offer) for offer in row.offers]}
        for row in card.offers
        if row.offers
    ]
    said: Json = {**_plain(card), "when": suggests, "offers": offers}
    if any(row.low_severe == card_id for row in policy.suggest):
        said["insteadOf"] = "suggestion with severely low serum magnesium"
    if any(row.card == card_id for row in policy.hazards):
        said["hazard"] = True
    if safety:
        products = dict.fromkeys(subtype for row in safety for subtype in row.subtypes)
        checks = [_plain(row) for row in safety]
        said["order"] = {"products": list(products), "checks": checks}
    return said


def _override_reasons(knowledge: Knowledge) -> Json:
    reasons = knowledge.override_reasons
    return {
        "source": reasons.source,
        "suggestionCards": [_plain(r) for r in reasons.suggestion_cards],
        "safetyCards": [_plain(r) for r in reasons.safety_cards],
        "local": [_plain(r) for r in reasons.local_extra],
    }


def _value_set(value_set: ValueSet, knowledge: Knowledge) -> Json:
    systems = {s.url: s.title for s in knowledge.systems}
    counts: dict[str, int] = {}
    urls = [c.system for c in value_set.codes] + [p.system for p in value_set.prefixes]
    for url in urls:
        title = systems.get(url, url)
        counts[title] = counts.get(title, 0) + 1
    return {
        "id": value_set.id,
        "title": value_set.title,
        "purpose": value_set.purpose,
        "version": value_set.version,
        "status": value_set.status,
        "codes": counts,
        "names": len(value_set.text),
    }


# ---------------------------------------------------------------------- codes


def codes_of(value_set: ValueSet, knowledge: Knowledge) -> list[Json]:
    """Every line of a value set: codes, code prefixes, and free-text names."""
    systems = {s.url: s.title for s in knowledge.systems}
    rows: list[Json] = [
        _code(value_set, systems.get(c.system, c.system), c.code, c.display, "code")
        for c in value_set.codes
    ]
    rows += [
        _code(
            value_set,
            systems.get(p.system, p.system),
            p.prefix,
            p.display,
            "begins",
            ", ".join(p.excluded),
        )
        for p in value_set.prefixes
    ]
    rows += [_code(value_set, "Name", "", text, "text") for text in value_set.text]
    return rows


def _code(
    value_set: ValueSet, system: str, code: str, display: str, match: str, excluded: str = ""
) -> Json:
    said = {
        "set": value_set.id,
        "title": value_set.title,
        "system": system,
        "code": code,
        "display": display,
        "match": match,
        "except": excluded,
    }
    return {name: value for name, value in said.items() if value}


class Codes:
    """All lines of all value sets, for searching by code or by words of the name."""

    def __init__(self, knowledge: Knowledge) -> None:
        rows = [row for s in knowledge.sets.values() for row in codes_of(s, knowledge)]
        self._rows = [(row, _searched(row)) for row in rows]

    def search(self, text: str, limit: int = LIMIT) -> Json:
        """The lines that contain every word, at most `limit` of them, and the total number."""
        asked = text.casefold().split()
        found = [row for row, held in self._rows if asked and _holds(held, asked)]
        return {"total": len(found), "codes": found[:limit]}


def _searched(row: Json) -> str:
    parts = (row.get("code", ""), row.get("display", ""), row["title"], row["set"], row["system"])
    return " ".join(parts).casefold()


def _holds(held: str, asked: Iterable[str]) -> bool:
    return all(word in held for word in asked)
