"""Whether there is wording for whatever a card can say. Checked at every start and by the linter.

A text that is missing would be found by the first patient whose chart asks for it. So every text
that a reachable combination of card, special case, kidney class, basis, flag, serum magnesium,
offer and prefetch key asks for is named here, and its lack stops the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from cds_service.knowledge.model import CardText, Plans

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
VARIANTS: Final[Mapping[str, tuple[str, ...]]] = {
    "mg-suggest-reduced": ("with_plan", "tests_only", "tests_unknown"),
    "mg-check-renal": ("with_plan",),
    "mg-with-diuretic": ("with_plan",),
    "mg-hazard-hypermag": ("slightly_high",),
    "mg-hazard-dose": ("dose_unknown", "any_kidney_up_to", "any_kidney", "up_to"),
    "rx-mg-hypermag": ("slightly_high",),
    "rx-mg-allergy": ("gut",),
    "rx-mg-renal-caution": ("other_agent",),
    "rx-mg-renal-unknown": ("unusable", "other_agent"),
    "rx-mg-age": ("no_age", "infant"),
    "rx-mg-dose": ("up_to",),
    "rx-mg-dose-unknown": ("no_words",),
    "rx-mg-interaction": ("several_no_interval", "no_interval", "several"),
}
"""By card, the special cases in which its usual sentence would not be true (`cards/variants.py`)."""
FIXED: Final = (
    *("source.label", "source.label.draft", "source.topic.prevention", "source.topic.safety"),
    *("link.evidence", "summary.urgent", "urgent"),
    *("summary.clause.risk", "summary.clause.egfr", "summary.clause.result"),
    *("summary.clause.hours", "summary.test"),
    *("default.kidney", "default.renal_reason", "default.mg", "default.drug", "default.drugs"),
    *("default.product", "default.dose", "default.limit", "default.form", "default.finding"),
    *("default.missing",),
    *("age.months", "age.years", "age.dated", "age.undated", "age.conflicting", "age.newest"),
    *("lead.do", "lead.check", "lead.unknown", "lead.apart", "lead.patient", "lead.kidney"),
    *("lead.why", "lead.evidence", "lead.finding"),
    *("list.and", "list.comma", "list.semicolon", "list.more", "list.other", "list.others"),
    *("evidence.line", "evidence.by-text", "why.order", "why.magnesium.undated"),
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
    ),
    *("mg-low-severe.kidney", "rx-mg-dose.kidney", "rx-mg-interaction.apart"),
    *("kidney.unknown.none", "kidney.unknown.old", "kidney.unknown.missing", "kidney.others"),
    *("missing.item", "missing.line"),
    *("suggestion.plan.one", "suggestion.plan.steps", "suggestion.plan.perimenstrual"),
    *("suggestion.labs", "suggestion.labs.due", "suggestion.delete", "suggestion.update"),
    *("action.plan", "action.lab", "action.delete", "action.update", "action.update.salt"),
    *("order.unnamed", "reason.prevention", "reason.safety"),
)


def missing(cards: Mapping[str, CardText], plans: Plans, texts: Mapping[str, str]) -> Iterator[str]:
    """Each text that a card can ask for and that there is not, in words."""
    for text_id in sorted(required(cards, plans) - set(texts)):
        yield f"there is no text {text_id}"
    for card, variants in VARIANTS.items():
        for variant in variants:
            own_summary = card in cards and variant in cards[card].variants
            if not own_summary and f"{card}.do.{variant}" not in texts:
                yield f"{card} has neither a summary nor a text for {variant}"
    for row in cards.values():
        for variant in sorted(set(row.variants) - set(VARIANTS.get(row.id, ()))):
            yield f"{row.id}: nothing asks for the summary {variant}"
    for plan in plans.plans:
        if not plan.in_words:
            yield f"plan {plan.id} does not say itself in words"


def required(cards: Mapping[str, CardText], plans: Plans) -> frozenset[str]:
    """The ids of the texts without which a card of these cannot be said."""
    return frozenset(
        {
            *FIXED,
            *(f"{card}.do" for card in cards),
            *(f"kidney.{name}" for name in KIDNEY_CLASSES),
            *(f"kidney.{basis}{dated}" for basis in KIDNEY_BASES for dated in ("", ".undated")),
            *(f"kidney.flag.{flag}" for flag in KIDNEY_FLAGS),
            *(f"why.magnesium.{state}" for state in MAGNESIUM_STATES),
            *(f"gap.{key}" for key in PREFETCH_KEYS),
            *(f"form.{form}" for form in PRODUCT_FORMS),
            *(f"lab.{lab.id}" for lab in plans.labs),
        }
    )
