"""Safety of a magnesium order, and of an order that meets magnesium (SPEC 6.4, 4.2, 4.3, 11)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from cds_service.chart.chart import Chart
from cds_service.chart.dosage import in_whole_units
from cds_service.chart.evidence import Evidence, Fact, FactState, Gap, in_order, merged
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.model import SafetyRow
from cds_service.reasoning import medicines, person
from cds_service.reasoning.decision import CardDecision, Caution, Offer, OfferKind
from cds_service.reasoning.finding import Finding, marks, row_for
from cds_service.reasoning.gaps import all_gaps
from cds_service.reasoning.interactions import INDICATORS, Interacting, interacting, partner_of
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import serum_magnesium
from cds_service.reasoning.magnesium_order import MagnesiumOrder, is_supplement, same_drug
from cds_service.reasoning.medicines import is_oral_magnesium, subtype_of
from cds_service.reasoning.order_checks import (
    CHECKS,
    REDUCED,
    said,
    spaced,
    spares,
    sparing_finding,
    up_to,
)
from cds_service.reasoning.orders import Draft, Drafts, ordered_labs, replaced

LABS = ("lab_creatinine", "lab_magnesium")
SPACED = frozenset({"supplement", "antacid", "laxative", "laxative-antacid", "bowel-prep"})
INTERACTION = "rx-mg-interaction"


def order_cards(chart: Chart, drafts: Drafts) -> list[CardDecision]:
    """The cards of all orders that the call is about; those of interactions as one (S-5)."""
    cards: list[CardDecision] = []
    for draft in drafts.selected:
        cards += magnesium_order_cards(chart, draft, drafts)
        cards += other_order_cards(chart, draft, drafts)
    return _with_one_interaction_card(cards)


def _with_one_interaction_card(cards: list[CardDecision]) -> list[CardDecision]:
    """Two or more interacting drugs give one card, whichever orders they come from."""
    several = [card for card in cards if card.card == INTERACTION]
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
    rest = [card for card in cards if card.card != INTERACTION]
    return [*rest[:at], one, *rest[at:]]


def _once(cards: Iterable[CardDecision]) -> tuple[Caution, ...]:
    """The cautions of several cards, each once."""
    found = {(c.id, tuple(c.values.items())): c for card in cards for c in card.cautions}
    return tuple(found.values())


# ------------------------------------------------------------------ orders of magnesium


def magnesium_order_cards(chart: Chart, draft: Draft, drafts: Drafts) -> list[CardDecision]:
    """The cards of one magnesium order; none for orders of other drugs."""
    if draft.use is None or not is_oral_magnesium(draft.use):
        return []
    order = MagnesiumOrder(draft, draft.use, chart, drafts)
    rows = [r for r in order.knowledge.policy.order_safety if order.subtype in r.subtypes]
    if not rows:
        return []
    cards = [c for row, finding in _fired(order, rows) for c in [_card(order, row, finding)]]
    return cards or _unchecked(order)


def _fired(order: MagnesiumOrder, rows: Sequence[SafetyRow]) -> list[tuple[SafetyRow, Finding]]:
    """The rows that hold, in the order of the table, but for those silent beside another."""
    fired: list[tuple[SafetyRow, Finding]] = []
    for card in dict.fromkeys(row.card for row in rows):
        finding = CHECKS[card](order)
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
        cautions=(*finding.cautions, *marks([order.use])),
        gaps=all_gaps(chart),
        kidney=kidney_function(chart),
        magnesium=serum_magnesium(chart),
        order=order.draft.ref,
        safety=True,
    )


def _values(order: MagnesiumOrder) -> dict[str, str]:
    return {
        "product": order.use.label,
        "form": order.subtype,
        "dose": said(order.dose.mg),
        "up_to": up_to([order.dose]) if order.dose.mg is not None else "",
        "said": order.dose.said if order.dose.mg is None else "",
    }


def _unchecked(order: MagnesiumOrder) -> list[CardDecision]:
    """Silence would say that the order was checked: with data missing, the card says it was not."""
    chart = order.chart
    row = order.knowledge.policy.unchecked
    gaps = all_gaps(chart)
    if order.subtype != "supplement":
        gaps = tuple(g for g in gaps if g.key in row.critical_keys)
        if person.age(chart) is None:
            gaps = merged((*gaps, Gap("patient", "has no usable birthDate")))
    if not gaps:
        return []
    ordered = Fact("ordered_magnesium", FactState.PRESENT, (order.use.evidence,))
    return [
        CardDecision(
            card=row.card,
            indicator=order.knowledge.cards[row.card].indicator,
            values=_values(order),
            because=(ordered,),
            cautions=marks([order.use]),
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
    """The order with the limit of reduced kidneys, where its dose is known to be above (N-6).

    A dose that may be that of the salt is not known to be: the change could raise it.
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
    found = [
        ("rx-ksparing-ckd", _sparing_order(chart, draft, use, drafts)),
        (INTERACTION, _spaced_order(chart, use, drafts)),
    ]
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


def _sparing_order(
    chart: Chart, draft: Draft, use: MedicationUse, drafts: Drafts
) -> Finding | None:
    """A K-sparing drug with reduced kidney function and any magnesium (C3)."""
    # A magnesium supplement order of the same call carries the card itself.
    said_there = any(
        d.selected and d is not draft and d.use is not None and is_supplement(d.use)
        for d in drafts.new
    )
    if not spares(use) or said_there:
        return None
    gone = replaced(drafts)
    taken = [u for u in medicines.oral_magnesium(chart) if u.reference not in gone]
    taken += [d.use for d in drafts.new if d.use is not None and is_oral_magnesium(d.use)]
    if not taken or kidney_function(chart).kidney_class not in REDUCED:
        return None
    return _beside(sparing_finding(chart, use, [use]), taken)


def _spaced_order(chart: Chart, use: MedicationUse, drafts: Drafts) -> Finding | None:
    """What an ordered drug needs beside the magnesium that is taken or being ordered.

    Antacids and laxatives count here: their salts are what most of the advice is about. What the
    card of a supplement order of the same call says already is left out.
    """
    gone = replaced(drafts)
    taken = [
        u
        for u in medicines.oral_magnesium(chart)
        if u.regular and subtype_of(u) in SPACED and u.reference not in gone
    ]
    taken = [u for u in taken if not _taken_together(chart, use, u)]
    ordered = [d for d in drafts.new if d.use is not None and is_oral_magnesium(d.use)]
    taken += [d.use for d in ordered if d.use is not None and subtype_of(d.use) in SPACED]
    asked = [d.use for d in ordered if d.selected and d.use is not None and is_supplement(d.use)]
    said_there = {(i.drug, i.advice) for m in asked for i in _between(chart, use, m)}
    met = [(m, i) for m in taken for i in _between(chart, use, m)]
    needed = [(m, i) for m, i in met if (i.drug, i.advice) not in said_there]
    worst_first = sorted((i for _, i in needed), key=lambda i: INDICATORS.index(i.indicator))
    each: dict[tuple[str, str], Interacting] = {}
    for item in worst_first:
        each.setdefault((item.drug, item.advice), item)
    finding = spaced(list(each.values()))
    return _beside(finding, [m for m, _ in needed]) if finding is not None else None


def _between(chart: Chart, use: MedicationUse, magnesium: MedicationUse) -> list[Interacting]:
    table = chart.knowledge.interactions
    return interacting([use], partner_of(magnesium), table, kidney_function(chart).kidney_class)


def _taken_together(chart: Chart, ordered: MedicationUse, magnesium: MedicationUse) -> bool:
    """Whether an ordered drug is a renewal beside this magnesium (SPEC 12.4 M-14)."""
    days = chart.knowledge.parameters.medication.renewal_days
    today = chart.today

    def surely(use: MedicationUse) -> bool:
        proven = use.regular and not use.course_over and not use.status_unclear
        return proven and use.since is not None and use.since.days_ago_at_least(today) >= days

    before = (u for u in chart.medications if same_drug(u, ordered))
    return surely(magnesium) and any(surely(u) for u in before)


def _beside(finding: Finding, taken: Sequence[MedicationUse]) -> Finding:
    """A finding about another drug, with the magnesium that is taken or being ordered."""
    magnesium = Fact("current_magnesium", FactState.PRESENT, in_order(u.evidence for u in taken))
    cautions = (*finding.cautions, *marks(taken))
    return msgspec.structs.replace(finding, also=(magnesium,), cautions=cautions)
