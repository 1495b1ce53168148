"""The flow charts of the evidence page: who gets which card, by which kidney class, at which dose.

Every box is made from the tables of the knowledge in force, so a chart cannot contradict them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from markupsafe import Markup

from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import SafetyRow, SuggestRow
from cds_service.knowledge.wording import KIDNEY_CLASSES
from cds_service.reasoning.card_checks import OTHER_ORDER_CHECKS
from cds_service.reasoning.suggest import TESTS_FIRST
from cds_service.site.showing import SEVERITY
from cds_service.web.pages.evidence_words import (
    CONDITIONS,
    GRADES,
    LEVELS,
    OFFERS,
    PRODUCTS,
    TRIGGERS,
    kidney_classes,
    moments,
)
from cds_service.web.pages.flow_chart import Box, Row, flow_chart

_WIDE: Final = 1000
_NARROW: Final = 330
_CHART: Final = "chart"
_TONE_OF_CLASS: Final = {"NORMAL": "good", "MODERATE": "warning", "SEVERE": "critical"}
_BLOCKS: Final = (
    *("pregnancy", "current_magnesium", "allergy_magnesium", "heart_block"),
    *("neuromuscular", "bowel_obstruction", "hypermagnesaemia", "transplant"),
)
"""The facts that block a suggestion, as `cds_service.reasoning.blocks` gives them."""


class Chart:
    """A flow chart in both forms, with its heading."""

    def __init__(self, chart_id: str, title: str, rows: Iterable[Row]) -> None:
        self.id = chart_id
        self.title = title
        self.rows = tuple(rows)

    @property
    def wide(self) -> Markup:
        """The drawing for wide screens and paper."""
        return self._drawn("wide", _WIDE, narrow=False)

    @property
    def narrow(self) -> Markup:
        """The drawing for phones."""
        return self._drawn("narrow", _NARROW, narrow=True)

    def _drawn(self, form: str, width: int, *, narrow: bool) -> Markup:
        drawn = flow_chart(f"{self.id}-{form}", self.title, self.rows, width, narrow=narrow)
        return Markup(drawn)  # noqa: S704 - flow_chart escapes every text


def charts(knowledge: Knowledge) -> tuple[Chart, ...]:
    """The charts of the page."""
    return (
        Chart("flow-chart", "When a chart is opened", _chart_opened(knowledge)),
        Chart("flow-ordered", "When another medicine is ordered", _drug_ordered(knowledge)),
        Chart("flow-magnesium", "When magnesium is ordered", _magnesium_ordered(knowledge)),
    )


# ------------------------------------------------------------------ a chart is opened


def _chart_opened(knowledge: Knowledge) -> Iterator[Row]:
    rows = [row for row in knowledge.policy.suggest if row.trigger == _CHART]
    named = " or ".join(moments()[row.hook].lower() for row in rows)
    yield Row(Box(named.capitalize(), tone="start"))
    hazards = dict.fromkeys(row.card for row in knowledge.policy.hazards)
    yield Row(
        Box("Does the patient take magnesium already, and is it dangerous?", href="#order-checks"),
        tuple(_card(card, knowledge) for card in hazards),
        "no",
    )
    yield Row(
        Box("Migraine, and a risk factor or menstrual migraine?", tuple(_risks(knowledge))),
        (_silence("no: no card"),),
        "yes",
    )
    limit = knowledge.parameters.magnesium
    yield Row(
        Box(
            f"Serum magnesium below {limit.severe_low_mg_dl} mg/dL ({limit.severe_low_mmol_l} mmol/L)?"
        ),
        (_card(rows[0].low_severe, knowledge),),
        "no",
    )
    yield Row(
        Box(f"Adult ({knowledge.parameters.age.adult} or over), and nothing that forbids it?"),
        (_silence("no: no card", _blocks(knowledge)),),
        "yes",
    )
    yield Row(
        Box("Kidney function? The first matching line decides.", href="#kidney"),
        tuple(_class(kidney_class, rows[0], knowledge) for kidney_class in KIDNEY_CLASSES),
    )


def _risks(knowledge: Knowledge) -> Iterator[str]:
    for row in knowledge.policy.risk_factors:
        if not row.extension or knowledge.parameters.risk.extended_factors:
            yield f"• {row.label}"


def _blocks(knowledge: Knowledge) -> tuple[str, ...]:
    texts = knowledge.wording.texts
    names = {**{block: texts[f"fact.{block}"] for block in _BLOCKS}, **_CLEARER}
    months = knowledge.parameters.medication.stopped_within_months
    return (
        *(f"• {names[block]}" for block in _BLOCKS),
        f"• A magnesium supplement stopped within {months} months",
    )


_CLEARER: Final = {
    "current_magnesium": "A magnesium supplement already taken",
    "heart_block": "High-grade AV block without a pacemaker",
}
"""Names of blocks that a card says in fewer words."""


def _class(kidney_class: str, row: SuggestRow, knowledge: Knowledge) -> Box:
    """A kidney class: what it means, which card it gives, at which dose."""
    lines = [
        f"• {found.title}"
        for found in knowledge.policy.kidney
        if found.kidney_class == kidney_class
    ]
    card = row.cards[kidney_class]
    lines.append(f"→ {knowledge.cards[card].title}" if card else "→ no card")
    lines += [f"→ {dose}" for dose in _doses(card, kidney_class, knowledge)]
    return Box(
        f"{kidney_class}: {kidney_classes(knowledge)[kidney_class]}",
        tuple(lines),
        _TONE_OF_CLASS.get(kidney_class, "none"),
        f"#{card}" if card else "",
    )


def _doses(card: str, kidney_class: str, knowledge: Knowledge) -> Iterator[str]:
    """The doses that a card can offer in a kidney class, by age."""
    if not card:
        return
    offers = knowledge.cards[card].offers_in(kidney_class)
    plans = {plan.id: plan for plan in knowledge.plans.plans}
    by_age = {
        row.age: plans[row.plan]
        for row in knowledge.policy.plans
        if row.kidney_class == kidney_class and row.plan
    }
    elderly = knowledge.parameters.age.elderly
    if len({plan.id for plan in by_age.values()}) == 1 and len(by_age) == _AGE_BANDS:
        by_age = {"": next(iter(by_age.values()))}
    for offer in offers:
        if offer.kind == "plan":
            yield from (
                f"{_AGES[age].format(elderly=elderly)}{p.in_words}" for age, p in by_age.items()
            )
            if offer.unless:
                yield f"Tests only with {_doubts(offer.unless)}"
        if offer.kind == "perimenstrual":
            yield f"Or, menstrual migraine: {plans[knowledge.policy.perimenstrual_plan].in_words}"


def _doubts(conditions: tuple[str, ...]) -> str:
    """What allows tests only, in words. The doubts about the kidney result are said together."""
    together = TESTS_FIRST.issubset(conditions)
    named = [CONDITIONS[name] for name in conditions if not (together and name in TESTS_FIRST)]
    if together:
        named.append("a kidney result that is old, missing, contradicted or not certain")
    return " or ".join(named)


_AGE_BANDS: Final = 2
_AGES: Final = {"": "", "adult": "Under {elderly}: ", "elderly": "{elderly} and over: "}


# ------------------------------------------------------------------ another medicine is ordered


def _drug_ordered(knowledge: Knowledge) -> Iterator[Row]:
    rows = [row for row in knowledge.policy.suggest if row.trigger != _CHART]
    named = " or ".join(dict.fromkeys(moments()[row.hook].lower() for row in rows))
    start = "For an adult with migraine and nothing that forbids magnesium"
    yield Row(Box(named.capitalize(), (start,), "start"))
    for row in rows:
        needs = "With a risk factor" if row.needs_indication else "A risk factor is not needed"
        yield Row(
            Box(f"Is it {TRIGGERS[row.trigger]}?", (needs, *_LIMITS.get(row.trigger, ()))),
            tuple(_by_class(row, knowledge)),
            "no",
        )
    others = tuple(_card(card, knowledge) for card in OTHER_ORDER_CHECKS)
    asked = "Does it interact with magnesium that is taken, or spare potassium?"
    yield Row(Box(asked, ("With or without migraine",)), others, "no")
    yield Row(Box("No card", tone="none"))


_LIMITS: Final = {
    "preventive": ("Not if another reason is stated, or another disease on file explains it",)
}


def _by_class(row: SuggestRow, knowledge: Knowledge) -> Iterator[Box]:
    """The card of each kidney class. Classes with the same card share a box."""
    shared: dict[str, list[str]] = {}
    for kidney_class in KIDNEY_CLASSES:
        shared.setdefault(row.cards[kidney_class], []).append(kidney_class)
    for card, classes in shared.items():
        named = ", ".join(classes)
        if card:
            entry = knowledge.cards[card]
            yield Box(named, (f"→ {entry.title}",), entry.indicator, f"#{card}")
        else:
            yield _silence(named, ("→ no card",))


# ------------------------------------------------------------------ magnesium is ordered


def _magnesium_ordered(knowledge: Knowledge) -> Iterator[Row]:
    yield Row(
        Box(
            "Magnesium by mouth is ordered, signed or refilled",
            ("With or without migraine. Every check is made.",),
            "start",
        )
    )
    levels: dict[str, list[SafetyRow]] = {}
    for row in knowledge.policy.order_safety:
        level = row.indicator or knowledge.cards[row.card].indicator
        levels.setdefault(level, []).append(row)
    most = knowledge.parameters.cards.max
    for level in SEVERITY:
        yield Row(
            Box(LEVELS[level], ("Cards of this level, by what was found",)),
            tuple(_check(row, level, knowledge) for row in levels.get(level, ())),
        )
    unchecked = knowledge.policy.unchecked.card
    yield Row(
        Box("Nothing found, but data are missing?"), (_card(unchecked, knowledge),), "otherwise"
    )
    yield Row(Box("No card", (f"A response has at most {most} cards.",), "none"))


def _check(row: SafetyRow, level: str, knowledge: Knowledge) -> Box:
    lines = [GRADES[row.grade]] if row.grade else []
    if set(row.subtypes) != set(PRODUCTS):
        lines.append(f"for: {', '.join(PRODUCTS[subtype] for subtype in row.subtypes)}")
    if row.offers:
        lines.append(f"→ offers {', '.join(OFFERS[offer] for offer in row.offers)}")
    return Box(knowledge.cards[row.card].title, tuple(lines), level, f"#{row.card}")


def _card(card: str, knowledge: Knowledge) -> Box:
    entry = knowledge.cards[card]
    return Box(entry.title, (LEVELS[entry.indicator],), entry.indicator, f"#{card}")


def _silence(words: str, lines: tuple[str, ...] = ()) -> Box:
    return Box(words, lines, "none")
