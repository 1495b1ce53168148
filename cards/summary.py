"""The one sentence on top of a card."""

from __future__ import annotations

from datetime import date

from cards.markdown import plain, shorten
from cards.naming import age_words, day
from cards.phrases import Phrases, Values, capital, filled, places
from cards.spacing import interactions
from cards.values import known_values
from cards.variants import variant
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import CardDecision, Kidney, MagnesiumState

_SERUM_MAGNESIUM = "serum-magnesium"
_DEFAULTS = (
    *("kidney", "renal_reason", "mg", "drug", "drugs", "product", "dose", "limit", "form"),
    *("finding", "missing"),
)
_NOT_ONE_NEWEST = {
    "conflicting": "age.conflicting",
    "unusable_newer": "age.newest",
    "partly_known": "age.newest",
}
"""By kidney flag, the text that replaces the age of a single result."""


def summary(card: CardDecision, today: date, knowledge: Knowledge) -> str:
    """The card's template, filled; one line of at most the allowed number of characters."""
    phrases = Phrases(knowledge)
    limit = knowledge.parameters.cards.summary_max
    values = {name: phrases[f"default.{name}"] for name in _DEFAULTS}
    known = known_values(card, knowledge)
    values |= known | _of_lists(card, known, knowledge)
    if card.kidney is not None:
        values |= _of_result(card.kidney, today, phrases)
    row = knowledge.cards[card.card]
    template = row.variants.get(variant(card, knowledge), row.summary)
    text = _filled(template, values, phrases)
    result = phrases["summary.clause.result"]
    if len(text) > limit and result in template:
        template = template.replace(result, "")  # the detail has it too
        text = _filled(template, values, phrases)
    if len(text) > limit:
        text = _filled(template, _shortened(values, template, len(text) - limit), phrases)
    if is_urgent(card, knowledge):
        text = phrases.fill("summary.urgent", summary=text)
    return plain(text, limit)


def _shortened(values: Values, template: str, excess: int) -> dict[str, str]:
    """Shorten the longest value and keep the end of the sentence, which contains the advice."""
    named = [name for name in places(template) if values.get(name)]
    longest = max(named, key=lambda name: len(values[name]), default="")
    if not longest:
        return dict(values)
    room = max(len(values[longest]) - excess, 1)
    return {**values, longest: shorten(values[longest], room)}


def _filled(template: str, values: Values, phrases: Phrases) -> str:
    return capital(filled(_without_empty_clauses(template, values, phrases), values))


def _of_lists(card: CardDecision, known: Values, knowledge: Knowledge) -> dict[str, str]:
    """Values that may be several: the drugs to keep apart, and the unknown data."""
    phrases = Phrases(knowledge)
    named = knowledge.parameters.cards.drugs_in_summary
    apart = list(interactions(card.cautions))
    gaps = dict.fromkeys(phrases.label("gap", gap.key) for gap in card.gaps)
    values = {
        "drugs": counted(list(dict.fromkeys(drug for drug, _ in apart)), named, phrases),
        "hours": apart[0][1].rstrip(".") if apart else known.get("advice", "").rstrip("."),
        "missing": counted(list(gaps), named, phrases),
    }
    if not values["drugs"]:
        values["drugs"] = known.get("drug", "")
    return {name: value for name, value in values.items() if value}


def counted(names: list[str], most: int, phrases: Phrases) -> str:
    """The first names, and how many others there are: "doxycycline, alendronate + 2 others"."""
    first = phrases["list.comma"].join(names[:most])
    others = len(names) - most
    if others < 1:
        return first
    return phrases.fill(
        "list.other" if others == 1 else "list.others", first=first, count=str(others)
    )


def _of_result(kidney: Kidney, today: date, phrases: Phrases) -> dict[str, str]:
    """The kidney result that the class rests on, its day and its age."""
    written = kidney.evidence.date if kidney.evidence is not None else None
    flags = (_NOT_ONE_NEWEST[flag] for flag in kidney.flags if flag in _NOT_ONE_NEWEST)
    alone = next(flags, "")
    values = {
        "test": phrases["summary.test"],
        "value": kidney.egfr_text,
        "date": day(written),
        "age": phrases[alone] if alone else age_words(written, today, phrases),
    }
    return {name: value for name, value in values.items() if value}


def is_urgent(card: CardDecision, knowledge: Knowledge) -> bool:
    """A hazard with a magnesium at which signs of toxicity begin (SPEC 4.1)."""
    magnesium = card.magnesium
    return (
        card.safety
        and knowledge.cards[card.card].subject == _SERUM_MAGNESIUM
        and magnesium is not None
        and magnesium.state is MagnesiumState.CRITICAL_HIGH
    )


def _without_empty_clauses(template: str, values: Values, phrases: Phrases) -> str:
    """A clause without its value is left out. Without an eGFR, the basis of the kidney class is shown."""
    for name, needed in _CLAUSES.items():
        if not all(value in values for value in needed):
            template = template.replace(phrases[f"summary.clause.{name}"], "")
    if "egfr" not in values:
        template = template.replace(phrases["summary.clause.egfr"], "{kidney}")
    return template


_CLAUSES = {"risk": ("risk",), "result": ("egfr", "date"), "hours": ("hours",)}
