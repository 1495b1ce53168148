"""Whether there is wording for every possible card. Checked at every start and by the linter.

A missing text would appear only with the first patient who needs it. So this module lists every
text for every possible combination of card, special case, kidney class, basis, flag, serum
magnesium, offer and prefetch key. A missing text stops the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from cds_service.knowledge.model import Card, Plans
from cds_service.reasons import PLACES

KIDNEY_CLASSES: Final = ("NORMAL", "MODERATE", "SEVERE", "UNKNOWN")
KIDNEY_BASES: Final = ("egfr", "creatinine")
KIDNEY_FLAGS: Final = (
    *("stale", "needs_labs", "discordant", "disagrees"),
    *("conflicting", "unusable_newer", "partly_known"),
)
MAGNESIUM_STATES: Final = (
    *("none", "severe_low", "low", "normal"),
    *("slightly_high", "high", "critical_high"),
)
PREFETCH_KEYS: Final = (
    *("patient", "conditions", "medicationRequests", "medicationStatements", "allergies"),
    *("kidneyLabs", "magnesiumLabs", "pregnancyStatus", "kidneyProcedures", "draftOrders"),
)
PRODUCT_FORMS: Final = ("supplement", "antacid", "laxative", "laxative-antacid", "bowel-prep")
_PLACE: Final = re.compile(r"\{(\w+)\}", re.ASCII)
FIXED: Final = (
    *("source.label", "source.label.draft", "source.topic.prevention", "source.topic.safety"),
    *("link.evidence", "summary.urgent", "urgent"),
    *("summary.clause.risk", "summary.clause.egfr", "summary.clause.result"),
    *("summary.clause.hours", "summary.test"),
    *("default.kidney", "default.renal_reason", "default.mg", "default.drug", "default.drugs"),
    *("default.product", "default.dose", "default.limit", "default.form", "default.finding"),
    *("default.missing",),
    *("age.under_one", "age.one", "unit.years", "unit.egfr", "value.pregnant"),
    *("age.months", "age.years", "age.dated", "age.undated", "age.conflicting", "age.newest"),
    *("lead.do", "lead.check", "lead.unknown", "lead.apart", "lead.patient", "lead.kidney"),
    *("lead.why", "lead.evidence", "lead.finding"),
    *("list.and", "list.comma", "list.semicolon", "list.more", "list.other", "list.others"),
    *("message.not_known", "evidence.line", "evidence.egfr", "evidence.by-text"),
    *("why.order", "why.magnesium.undated"),
    *("plan.first", "plan.first.low", "plan.other", "plan.stop", "plan.recheck", "plan.limit"),
    *("check.ask", "check.tests.first", "check.tests.beside"),
    *("patient.take", "patient.stop", "patient.apart", "patient.apart.drug", "patient.card"),
    *(
        "dose.elemental",
        "dose.up_to",
        "dose.quoted",
        "dose.unread",
        "dose.update",
        "update.salt",
        "supply.unit",
        "product.text",
        "unit.capsule",
        "unit.tablet",
    ),
    "apart.drug",
    *("kidney.unknown.none", "kidney.unknown.old", "kidney.unknown.missing", "kidney.others"),
    *("missing.item", "missing.line"),
    *("suggestion.plan.one", "suggestion.plan.steps", "suggestion.plan.perimenstrual"),
    *(
        "suggestion.labs",
        "suggestion.labs.due",
        "suggestion.delete",
        "suggestion.delete.refill",
        "suggestion.update",
    ),
    *(
        "action.plan",
        "action.plan.salt",
        "action.lab",
        "action.delete",
        "action.delete.refill",
        "action.update",
        "action.update.salt",
    ),
    *("order.unnamed", "reason.prevention", "reason.safety"),
    *("narrative.plan", "narrative.lab", "narrative.due", "narrative.update"),
    *("narrative.as_needed", "narrative.repeats", "narrative.repeats.every"),
    *("narrative.supply", "narrative.supply.first", "narrative.supply.then"),
)


def missing(cards: Mapping[str, Card], plans: Plans, texts: Mapping[str, str]) -> Iterator[str]:
    """Each missing text that a card can need, in words."""
    for text_id in sorted(required(cards, plans) - set(texts)):
        yield f"there is no text {text_id}"
    for card in cards.values():
        for case in card.cases:
            if not texts.keys() & set(case_texts(card, case)):
                yield f"{card.id} has neither a summary nor a text for {case}"
    known = required(cards, plans) | optional(cards)
    for text_id in sorted(t for t in texts if t.startswith("card.") and t not in known):
        yield f"nothing asks for the text {text_id}"
    for plan in plans.plans:
        if not plan.in_words:
            yield f"plan {plan.id} does not say itself in words"


def reason_mismatches(sentences: Mapping[str, str]) -> Iterator[str]:
    """Each reason of the code without a sentence, sentence without a reason, and place that differs."""
    for code in sorted(PLACES.keys() - sentences.keys()):
        yield f"there is no sentence for the reason {code}"
    for code in sorted(sentences.keys() - PLACES.keys()):
        yield f"nothing gives the reason {code}"
    for code in sorted(sentences.keys() & PLACES.keys()):
        written = sorted(_PLACE.findall(sentences[code]))
        if written != sorted(PLACES[code]):
            given = ", ".join(PLACES[code]) or "nothing"
            yield f"reason {code} has places for {', '.join(written) or 'nothing'}, and is given {given}"


def case_texts(card: Card, case: str) -> tuple[str, str]:
    """The ids of the summary and of the lines of a special case. One of the two is enough."""
    return card.text_id("summary", case), card.text_id("do", case)


def optional(cards: Mapping[str, Card]) -> frozenset[str]:
    """The ids of the texts of special cases."""
    return frozenset(t for c in cards.values() for case in c.cases for t in case_texts(c, case))


def required(cards: Mapping[str, Card], plans: Plans) -> frozenset[str]:
    """The ids of the texts that these cards need."""
    return frozenset(
        {
            *FIXED,
            *(card.text_id("summary") for card in cards.values()),
            *(card.text_id("do") for card in cards.values()),
            *(card.text_id("kidney") for card in cards.values() if card.reduced_kidney_text),
            *(f"kidney.{name}" for name in KIDNEY_CLASSES),
            *(f"kidney.{basis}{dated}" for basis in KIDNEY_BASES for dated in ("", ".undated")),
            *(f"kidney.flag.{flag}" for flag in KIDNEY_FLAGS),
            *(f"why.magnesium.{state}" for state in MAGNESIUM_STATES),
            *(f"gap.{key}" for key in PREFETCH_KEYS),
            *(f"form.{form}" for form in PRODUCT_FORMS),
            *(f"lab.{lab.id}" for lab in plans.labs),
        }
    )
