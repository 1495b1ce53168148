"""Safety of a magnesium order, and of an order that meets magnesium (SPEC 6.4, 4.2, 4.3, 11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.chart.dosage import in_whole_units
from cds_service.chart.evidence import Evidence, Fact, FactState, Gap, in_order, merged
from cds_service.knowledge.model import Card, SafetyRow
from cds_service.reasoning import person
from cds_service.reasoning.card_checks import ORDER_CHECKS, OTHER_ORDER_CHECKS
from cds_service.reasoning.decision import CardDecision, Caution, Offer, OfferKind
from cds_service.reasoning.finding import Finding, row_for, status_cautions
from cds_service.reasoning.gaps import all_gaps
from cds_service.reasoning.interactions import INDICATORS
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import serum_magnesium
from cds_service.reasoning.magnesium_order import MagnesiumOrder
from cds_service.reasoning.medicines import is_oral_magnesium
from cds_service.reasoning.order_checks import format_dose, upper_bound_flag
from cds_service.reasoning.orders import Draft, Drafts, ordered_labs
from cds_service.reasons import Said

LABS = ("lab_creatinine", "lab_magnesium")
INTERACTION = "interaction"
"""The subject of the card for all interacting drugs of a call."""


def order_cards(chart: Chart, drafts: Drafts) -> list[CardDecision]:
    """The cards of all selected orders. Interactions are combined on one card (S-5)."""
    cards: list[CardDecision] = []
    for draft in drafts.selected:
        cards += magnesium_order_cards(chart, draft, drafts)
        cards += other_order_cards(chart, draft, drafts)
    return _with_one_interaction_card(cards, chart.knowledge.cards)


def _with_one_interaction_card(
    cards: list[CardDecision], registry: Mapping[str, Card]
) -> list[CardDecision]:
    """Two or more interacting drugs give one card, whichever orders they come from."""
    several = [card for card in cards if registry[card.card].subject == INTERACTION]
    if not several[1:]:
        return cards
    first = min(several, key=lambda c: INDICATORS.index(c.indicator))
    facts: dict[str, tuple[Evidence, ...]] = {}
    for fact in (f for card in several for f in card.because):
        facts[fact.id] = (*facts.get(fact.id, ()), *fact.evidence)
    one = msgspec.structs.replace(
        first,
        because=tuple(Fact(i, FactState.PRESENT, in_order(e)) for i, e in facts.items()),
        cautions=_once([first, *(c for c in several if c is not first)]),
    )
    at = cards.index(several[0])
    rest = [card for card in cards if registry[card.card].subject != INTERACTION]
    return [*rest[:at], one, *rest[at:]]


def _once(cards: Iterable[CardDecision]) -> tuple[Caution, ...]:
    """The cautions of several cards, each once."""
    found = {(c.id, tuple(c.values.items())): c for card in cards for c in card.cautions}
    return tuple(found.values())


# ------------------------------------------------------------------ orders of magnesium


def magnesium_order_cards(chart: Chart, draft: Draft, drafts: Drafts) -> list[CardDecision]:
    """The cards of one magnesium order. Empty for orders of other drugs."""
    if draft.use is None or not is_oral_magnesium(draft.use):
        return []
    order = MagnesiumOrder(draft, draft.use, chart, drafts)
    rows = [r for r in order.knowledge.policy.order_safety if order.subtype in r.subtypes]
    if not rows:
        return []
    cards = [c for row, finding in _fired(order, rows) for c in [_card(order, row, finding)]]
    return cards or _unchecked(order)


def _fired(order: MagnesiumOrder, rows: Sequence[SafetyRow]) -> list[tuple[SafetyRow, Finding]]:
    """The matching rows in the order of the table, except those that another card silences."""
    fired: list[tuple[SafetyRow, Finding]] = []
    for card in dict.fromkeys(row.card for row in rows):
        finding = ORDER_CHECKS[card].find(order)
        row = row_for([r for r in rows if r.card == card], finding) if finding else None
        if finding is not None and row is not None:
            fired.append((row, finding))
    shown = {row.card for row, _ in fired}
    return [(row, finding) for row, finding in fired if not shown & set(row.silent_beside)]


def _card(order: MagnesiumOrder, row: SafetyRow, finding: Finding) -> CardDecision:
    chart = order.chart
    ordered = Fact("ordered_magnesium", FactState.PRESENT, (order.use.evidence,))
    because = Fact(finding.fact, FactState.PRESENT, finding.evidence)
    return CardDecision(
        card=row.card,
        indicator=finding.indicator or row.indicator or order.knowledge.cards[row.card].indicator,
        values=_values(order) | finding.values,
        because=(ordered, because) if finding.evidence else (ordered,),
        offers=tuple(o for kind in row.offers for o in _offer(order, kind)),
        cautions=(*finding.cautions, *status_cautions([order.use])),
        gaps=all_gaps(chart),
        kidney=kidney_function(chart),
        magnesium=serum_magnesium(chart),
        order=order.draft.ref,
        safety=True,
    )


def _values(order: MagnesiumOrder) -> dict[str, Said]:
    return {
        "product": order.use.label,
        "form": order.subtype,
        "dose": format_dose(order.dose.mg),
        "up_to": upper_bound_flag([order.dose]) if order.dose.mg is not None else "",
        "said": order.dose.said if order.dose.mg is None else "",
    }


def _unchecked(order: MagnesiumOrder) -> list[CardDecision]:
    """No card would say that the order was checked. If data are missing, the card says that it was not."""
    chart = order.chart
    row = order.knowledge.policy.unchecked
    gaps = all_gaps(chart)
    if order.subtype != "supplement":
        gaps = tuple(g for g in gaps if g.key in row.critical_keys)
        if person.age(chart) is None:
            gaps = merged((*gaps, Gap("patient", reasons.NO_USABLE_BIRTH_DATE)))
    if not gaps:
        return []
    ordered = Fact("ordered_magnesium", FactState.PRESENT, (order.use.evidence,))
    return [
        CardDecision(
            card=row.card,
            indicator=order.knowledge.cards[row.card].indicator,
            values=_values(order),
            because=(ordered,),
            cautions=status_cautions([order.use]),
            gaps=gaps,
            kidney=kidney_function(chart),
            magnesium=serum_magnesium(chart),
            order=order.draft.ref,
            safety=True,
        )
    ]


def _offer(order: MagnesiumOrder, kind: str) -> list[Offer]:
    ref = order.draft.ref
    if kind == "delete":
        # Without an id the order cannot be named, and a deletion would hit another.
        return [Offer(OfferKind.DELETE, order=ref)] if ref.reference else []
    if kind == "labs":
        have = ordered_labs(order.drafts, order.chart)
        labs = tuple(lab for lab in LABS if lab not in have)
        return [Offer(OfferKind.LABS, recommended=True, labs=labs)] if labs else []
    return _update(order)


def _update(order: MagnesiumOrder) -> list[Offer]:
    """The order with the limit for reduced kidney function, if its dose is known to be above it
    (N-6).

    A dose that may be of the salt is not known to be above it: the change could raise it.
    """
    limit = order.parameters.dose.moderate_ckd_max_mg
    ref, age = order.draft.ref, person.age(order.chart)
    above = order.dose.mg is not None and order.dose.mg > limit and not order.dose.up_to
    child = age is not None and age < order.parameters.age.adult
    # The limit is an adult's, and of two orders in one session only one can be set to it.
    if not above or child or order.drafted or not ref.reference:
        return []
    drugs = order.knowledge.drugs
    if in_whole_units(order.use, limit, drugs, order.knowledge.dosage):
        return [Offer(OfferKind.UPDATE, order=ref, daily_mg=limit)]
    # No whole number of these tablets is the limit: the salt is ordered, as in the plans.
    salt = drugs.single_salt(order.use.drug)
    return [Offer(OfferKind.UPDATE, order=ref, daily_mg=limit, salt=salt)] if salt else []


# ---------------------------------------------------------------- orders of other drugs


def other_order_cards(chart: Chart, draft: Draft, drafts: Drafts) -> list[CardDecision]:
    """An order of another drug, for a patient who takes or is being ordered magnesium."""
    use = draft.use
    if use is None or draft.is_magnesium():
        return []
    found = [(c, k.find(chart, draft, use, drafts)) for c, k in OTHER_ORDER_CHECKS.items()]
    cards = chart.knowledge.cards
    return [
        CardDecision(
            card=card,
            indicator=finding.indicator or cards[card].indicator,
            values=finding.values,
            because=(
                Fact("trigger_order", FactState.PRESENT, (use.evidence,)),
                Fact(finding.fact, FactState.PRESENT, finding.evidence),
                *finding.also,
            ),
            cautions=finding.cautions,
            gaps=all_gaps(chart),
            kidney=kidney_function(chart),
            magnesium=serum_magnesium(chart),
            order=draft.ref,
            safety=True,
        )
        for card, finding in found
        if finding is not None
    ]
