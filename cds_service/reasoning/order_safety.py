"""Safety of a magnesium order, and of an order that meets magnesium (SPEC 6.4, 4.2, 4.3, 11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from cds_service.chart.dosage import DailyDose, daily_elemental, in_whole_units
from cds_service.chart.evidence import Evidence, Fact, FactState, in_order
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import COMBINATION, SPARING, MagnesiumProduct
from cds_service.knowledge.model import SafetyRow
from cds_service.reasoning.decision import (
    CardDecision,
    Caution,
    KidneyClass,
    Offer,
    OfferKind,
)
from cds_service.reasoning.findings import Findings, drug_words, subtype_of
from cds_service.reasoning.interactions import INDICATORS, Interacting, interacting
from cds_service.reasoning.orders import Draft, Drafts, ordered_labs, replaced
from cds_service.reasoning.suggest import recheck_weeks

LABS = ("lab_creatinine", "lab_magnesium")
SPACED = frozenset({"supplement", "antacid", "laxative", "laxative-antacid", "bowel-prep"})
REDUCED = (KidneyClass.MODERATE, KidneyClass.SEVERE)


class Finding(msgspec.Struct, frozen=True):
    """That a check fired: the evidence, what fills the summary, and how serious it is here."""

    fact: str
    evidence: tuple[Evidence, ...]
    values: dict[str, str] = {}
    indicator: str = ""
    cautions: tuple[Caution, ...] = ()
    also: tuple[Fact, ...] = ()


class MagnesiumOrder:
    """A draft order of an oral magnesium product, in its session."""

    def __init__(
        self, draft: Draft, use: MedicationUse, findings: Findings, drafts: Drafts
    ) -> None:
        self.draft = draft
        self.use = use
        self.findings = findings
        self.drafts = drafts
        self.knowledge = findings.chart.knowledge
        self.parameters = self.knowledge.parameters
        self.dose = self.dose_of(use)
        self.gone = replaced(drafts)

    def dose_of(self, use: MedicationUse) -> DailyDose:
        """The daily elemental dose of a use."""
        return daily_elemental(use, self.knowledge.drugs, self.knowledge.dosage)

    @property
    def current(self) -> list[MedicationUse]:
        """Scheduled supplements taken now, but for those this session changes."""
        return [u for u in self.findings.supplements if u.reference not in self.gone]

    @property
    def drafted(self) -> list[MedicationUse]:
        """The other supplements of the session. Of two that are both asked about, the later names
        the earlier, so that a pair is named once."""
        supplements = [d for d in self.drafts.new if d.use is not None and is_supplement(d.use)]
        before = supplements[: supplements.index(self.draft)]
        others = [d for d in supplements if d is not self.draft]
        return [d.use for d in others if d.use is not None and (d in before or not d.selected)]

    def cards(self) -> list[CardDecision]:
        """The cards of this order, in the order of the table."""
        subtype = subtype_of(self.use)
        rows = [r for r in self.knowledge.policy.order_safety if subtype in r.subtypes]
        cards = [card for row in rows if (card := self._card(row)) is not None]
        return cards or (self._unchecked(subtype) if rows else [])

    def _unchecked(self, subtype: str) -> list[CardDecision]:
        """Silence would say that the order was checked: with data missing, the card says it was not."""
        row = self.knowledge.policy.unchecked
        gaps = self.findings.gaps
        if subtype != "supplement":
            gaps = tuple(g for g in gaps if g.key in row.critical_keys)
        if not gaps:
            return []
        ordered = Fact("ordered_magnesium", FactState.PRESENT, (self.use.evidence,))
        return [
            CardDecision(
                card=row.card,
                indicator=self.knowledge.cards[row.card].indicator,
                values={"product": self.use.label, "dose": said(self.dose.mg)},
                because=(ordered,),
                gaps=gaps,
                kidney=self.findings.kidney,
                magnesium=self.findings.magnesium,
                order=self.draft.ref,
                safety=True,
            )
        ]

    def _card(self, row: SafetyRow) -> CardDecision | None:
        finding = _CHECKS[row.card](self)
        if finding is None:
            return None
        ordered = Fact("ordered_magnesium", FactState.PRESENT, (self.use.evidence,))
        because = Fact(finding.fact, FactState.PRESENT, finding.evidence)
        return CardDecision(
            card=row.card,
            indicator=finding.indicator or self.knowledge.cards[row.card].indicator,
            values={"product": self.use.label, "dose": said(self.dose.mg), **finding.values},
            because=(ordered, because) if finding.evidence else (ordered,),
            offers=tuple(o for kind in row.offers for o in self._offer(kind)),
            cautions=finding.cautions,
            gaps=self.findings.gaps,
            kidney=self.findings.kidney,
            magnesium=self.findings.magnesium,
            order=self.draft.ref,
            safety=True,
        )

    def _offer(self, kind: str) -> list[Offer]:
        if kind == "delete":
            # Without an id the order cannot be named, and a deletion would hit another.
            return (
                [Offer(OfferKind.DELETE, order=self.draft.ref)] if self.draft.ref.reference else []
            )
        if kind == "labs":
            have = ordered_labs(self.drafts, self.findings.chart)
            labs = tuple(lab for lab in LABS if lab not in have)
            return [Offer(OfferKind.LABS, recommended=True, labs=labs)] if labs else []
        limit = self.parameters.dose.moderate_ckd_max_mg
        above = self.dose.mg is None or self.dose.mg > limit
        child = self.findings.age is not None and self.findings.age < self.parameters.age.adult
        # The limit is an adult's, and of two orders in one session only one can be set to it.
        if not above or child or self.drafted or not self.draft.ref.reference:
            return []
        if in_whole_units(self.use, limit, self.knowledge.drugs):
            return [Offer(OfferKind.UPDATE, order=self.draft.ref, daily_mg=limit)]
        # No whole number of these tablets is the limit: the salt is ordered, as in the plans.
        salt = self.knowledge.drugs.single_salt(self.use.drug)
        if salt is None:
            return []
        return [Offer(OfferKind.UPDATE, order=self.draft.ref, daily_mg=limit, salt=salt)]


def said(mg: Decimal | None) -> str:
    """A dose as it is said: no decimals, rounded up, so that 500.4 does not read 500."""
    return "" if mg is None else f"{mg.to_integral_value(rounding='ROUND_CEILING'):f}"


def _renal_critical(order: MagnesiumOrder) -> Finding | None:
    kidney = order.findings.kidney
    if kidney.kidney_class is not KidneyClass.SEVERE:
        return None
    evidence = (kidney.evidence,) if kidney.evidence else ()
    return Finding("kidney", evidence, {"renal_reason": kidney.reason})


def _hypermagnesaemia(order: MagnesiumOrder) -> Finding | None:
    fact = order.findings.hypermagnesaemia
    if not fact.present:
        return None
    high = order.findings.magnesium_high
    return Finding(fact.id, fact.evidence, {"mg": order.findings.magnesium.text if high else ""})


def _allergy(order: MagnesiumOrder) -> Finding | None:
    return _from_fact(order.findings.allergy)


def _renal_caution(order: MagnesiumOrder) -> Finding | None:
    kidney = order.findings.kidney
    if kidney.kidney_class is not KidneyClass.MODERATE:
        return None
    by_gfr = kidney.basis in ("eGFR", "creatinine")
    months = order.parameters.recheck.repeat_months
    recheck = Caution("C1", {"weeks": str(recheck_weeks(order.findings)), "months": str(months)})
    evidence = (kidney.evidence,) if kidney.evidence else ()
    return Finding(
        "kidney", evidence, {"egfr": kidney.egfr_text if by_gfr else ""}, cautions=(recheck,)
    )


def _renal_unknown(order: MagnesiumOrder) -> Finding | None:
    if order.findings.kidney.kidney_class is not KidneyClass.UNKNOWN:
        return None
    present = [f for f in order.findings.renal_risks if f.present]
    return Finding(
        "renal_risk",
        tuple(e for f in present for e in f.evidence[:1]),
        {"features": ", ".join(f.id for f in present)},
        "warning" if order.findings.renal_risk else "info",
    )


def _av_block(order: MagnesiumOrder) -> Finding | None:
    return _from_fact(order.findings.heart_block)


def _neuromuscular(order: MagnesiumOrder) -> Finding | None:
    return _from_fact(order.findings.neuromuscular)


def _bowel(order: MagnesiumOrder) -> Finding | None:
    return _from_fact(order.findings.bowel_obstruction)


def _dose(order: MagnesiumOrder) -> Finding | None:
    """This order with the supplements taken and the drafts before it (SPEC 4.3, 11.6)."""
    others = [*order.current, *order.drafted]
    doses = [order.dose, *(order.dose_of(u) for u in others)]
    total = sum((d.mg for d in doses if d.mg is not None), Decimal(0))
    if total <= order.parameters.dose.max_mg:
        return None
    current = sum((d.mg for d in doses[1:] if d.mg is not None), Decimal(0))
    return Finding(
        "current_magnesium",
        tuple(u.evidence for u in others),
        {
            "dose": said(total),
            "ordered": said(order.dose.mg),
            "current": said(current) if current else "",
        },
    )


def _duplicate(order: MagnesiumOrder) -> Finding | None:
    others = [*order.current, *order.drafted]
    if not others:
        return None
    doses = [order.dose, *(order.dose_of(u) for u in others)]
    known = [d.mg for d in doses if d.mg is not None]
    total = said(sum(known, Decimal(0))) if len(known) == len(doses) else ""
    product = drug_words(others[0])
    return Finding(
        "current_magnesium",
        tuple(u.evidence for u in others),
        {"product": product, "dose": total},
    )


def _age(order: MagnesiumOrder) -> Finding | None:
    age = order.findings.age
    if age is None:
        return Finding("age", (), {"age": "", "limit": ""}, "info")
    if age >= order.parameters.age.adult:
        return None
    limit = _child_limit(order, age)
    above = limit is None or (order.dose.mg is not None and order.dose.mg > limit)
    return Finding(
        "age",
        order.findings.adult.evidence,
        {"age": str(age), "limit": said(limit)},
        "warning" if above else "info",
    )


def _child_limit(order: MagnesiumOrder, age: int) -> Decimal | None:
    """The upper level of an age; there is none below one year."""
    bands = sorted(order.parameters.dose.upper_level_child.values(), key=lambda b: b.from_age)
    limit = None
    for band in bands:
        if age >= band.from_age:
            limit = band.mg
    return limit


def _pregnancy(order: MagnesiumOrder) -> Finding | None:
    return _from_fact(order.findings.pregnancy)


def _interaction(order: MagnesiumOrder) -> Finding | None:
    """Drugs taken, or ordered in the same session, that this magnesium interferes with."""
    product = _product(order.use)
    uses = [
        *(u for u in order.findings.chart.medications if u.reference not in order.gone),
        *(d.use for d in order.drafts.new if d.use is not None),
    ]
    return _spaced(interacting(uses, product, order.knowledge.interactions))


def _spaced(items: list[Interacting]) -> Finding | None:
    if not items:
        return None
    first = items[0]
    return Finding(
        "interacting_drug",
        tuple(i.use.evidence for i in items),
        {"drug": first.drug, "advice": first.advice},
        first.indicator,
        tuple(i.caution() for i in items),
    )


def _sparing(order: MagnesiumOrder) -> Finding | None:
    """A K-sparing drug with reduced kidney function and a magnesium order (C3, 11.2)."""
    if order.findings.kidney.kidney_class not in REDUCED:
        return None
    uses = [u for u in order.findings.sparing if u.reference not in order.gone]
    uses += [d.use for d in order.drafts.new if d.use is not None and spares(d.use)]
    if not uses:
        return None
    return _sparing_finding(order.findings, uses[0], uses)


def _sparing_finding(
    findings: Findings, named: MedicationUse, uses: Iterable[MedicationUse]
) -> Finding:
    kidney = findings.kidney
    by_gfr = kidney.basis in ("eGFR", "creatinine")
    return Finding(
        "k_sparing",
        tuple(u.evidence for u in uses),
        {"drug": drug_words(named), "egfr": kidney.egfr_text if by_gfr else ""},
    )


def _beside(finding: Finding, taken: list[MedicationUse]) -> Finding:
    """What an order of another drug gives, with the magnesium that is taken or being ordered."""
    magnesium = Fact("current_magnesium", FactState.PRESENT, in_order(u.evidence for u in taken))
    return msgspec.structs.replace(finding, also=(magnesium,))


def is_supplement(use: MedicationUse) -> bool:
    """Whether it is a magnesium supplement by mouth."""
    return use.oral and subtype_of(use) == "supplement"


def spares(use: MedicationUse) -> bool:
    """Whether a drug spares potassium and magnesium; fixed combinations count as such here."""
    return use.oral and (use.of(SPARING) or use.of(COMBINATION))


def _from_fact(fact: Fact) -> Finding | None:
    if not fact.present:
        return None
    return Finding(fact.id, fact.evidence, {"finding": fact.evidence[0].display or ""})


_CHECKS: dict[str, Callable[[MagnesiumOrder], Finding | None]] = {
    "rx-mg-renal-critical": _renal_critical,
    "rx-mg-hypermag": _hypermagnesaemia,
    "rx-mg-allergy": _allergy,
    "rx-mg-renal-caution": _renal_caution,
    "rx-mg-renal-unknown": _renal_unknown,
    "rx-mg-avblock": _av_block,
    "rx-mg-nmj": _neuromuscular,
    "rx-mg-bowel": _bowel,
    "rx-mg-dose": _dose,
    "rx-mg-duplicate": _duplicate,
    "rx-mg-age": _age,
    "rx-mg-pregnancy": _pregnancy,
    "rx-mg-interaction": _interaction,
    "rx-ksparing-ckd": _sparing,
}


def magnesium_order_cards(findings: Findings, draft: Draft, drafts: Drafts) -> list[CardDecision]:
    """The cards of one magnesium order; none for orders of other drugs."""
    if not draft.is_magnesium() or draft.use is None:
        return []
    return MagnesiumOrder(draft, draft.use, findings, drafts).cards()


def other_order_cards(findings: Findings, draft: Draft, drafts: Drafts) -> list[CardDecision]:
    """An order of another drug, for a patient who takes or is being ordered magnesium."""
    use = draft.use
    if use is None or draft.is_magnesium():
        return []
    found: list[tuple[str, Finding]] = []
    gone = replaced(drafts)
    if spares(use):
        taken = [u for u in findings.oral_magnesium if u.reference not in gone]
        taken += [d.use for d in drafts.new if d.use is not None and d.is_magnesium()]
        # A magnesium order in the same session carries the card itself.
        if taken and not _handled(draft, drafts) and findings.kidney.kidney_class in REDUCED:
            sparing = _sparing_finding(findings, use, [use])
            found.append(("rx-ksparing-ckd", _beside(sparing, taken)))
    met, beside = _meets(findings, use, drafts, gone)
    spaced = _spaced(met)
    if spaced is not None:
        found.append(("rx-mg-interaction", _beside(spaced, beside)))
    cards = findings.chart.knowledge.cards
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
            gaps=findings.gaps,
            kidney=findings.kidney,
            magnesium=findings.magnesium,
            order=draft.ref,
            safety=True,
        )
        for card, finding in found
    ]


def _handled(draft: Draft, drafts: Drafts) -> bool:
    """Whether a magnesium supplement order of the same call already says it, so that it is not said twice."""
    return any(
        d.selected and d.use is not None and is_supplement(d.use)
        for d in drafts.new
        if d is not draft
    )


def _meets(
    findings: Findings, use: MedicationUse, drafts: Drafts, gone: frozenset[str]
) -> tuple[list[Interacting], list[MedicationUse]]:
    """What an ordered drug needs beside the magnesium that is taken or being ordered, and which.

    Antacids and laxatives count here: their salts are what most of the advice is about. What the
    card of a supplement order of the same call says already is left out.
    """
    taken = [
        u
        for u in findings.oral_magnesium
        if u.regular and subtype_of(u) in SPACED and u.reference not in gone
    ]
    ordered = [d for d in drafts.new if d.is_magnesium()]
    taken += [d.use for d in ordered if d.use is not None and subtype_of(d.use) in SPACED]
    asked = [d.use for d in ordered if d.selected and d.use is not None and is_supplement(d.use)]
    table = findings.chart.knowledge.interactions
    said_already = {i.advice for m in asked for i in interacting([use], _product(m), table)}
    needed = [
        (m, i)
        for m in taken
        for i in interacting([use], _product(m), table)
        if i.advice not in said_already
    ]
    advice = {i.advice: i for _, i in needed}
    return (
        sorted(advice.values(), key=lambda i: INDICATORS.index(i.indicator)),
        [m for m, _ in needed],
    )


def _product(use: MedicationUse) -> MagnesiumProduct:
    return use.drug.magnesium or MagnesiumProduct()
