"""The checks of a magnesium order (SPEC 6.4, 4.2, 4.3, 11, 12.4).

`card_checks` defines the card of each check. The table `order_safety` of the registry defines the
products, the severity and the offers of each check.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from cds_service import reasons
from cds_service.chart.chart import Chart, State
from cds_service.chart.dosage import DailyDose
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import COMBINATION, SPARING
from cds_service.reasoning import blocks, cautions, medicines, person, renal_risk
from cds_service.reasoning.decision import Caution, KidneyClass
from cds_service.reasoning.egfr import earlier_results, kidney_results
from cds_service.reasoning.finding import Finding, from_fact, status_cautions
from cds_service.reasoning.interactions import Interacting, interacting, partner_of
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import magnesium_is_high, serum_magnesium
from cds_service.reasoning.magnesium_order import MagnesiumOrder
from cds_service.reasoning.medicines import drug_words
from cds_service.reasoning.suggest import recheck
from cds_service.reasons import Said

REDUCED = (KidneyClass.MODERATE, KidneyClass.SEVERE)


def format_dose(mg: Decimal | None) -> str:
    """A dose for display: no decimals, rounded up, so that 500.4 is not shown as 500."""
    return "" if mg is None else f"{mg.to_integral_value(rounding='ROUND_CEILING'):f}"


def upper_bound_flag(doses: Iterable[DailyDose]) -> str:
    """ "yes" if a dose may be of the salt, so that the amount is an upper bound (N-7)."""
    return "yes" if any(d.up_to for d in doses) else ""


def renal_critical(order: MagnesiumOrder) -> Finding | None:
    """Severely reduced kidney function."""
    kidney = kidney_function(order.chart)
    if kidney.kidney_class is not KidneyClass.SEVERE:
        return None
    evidence = (kidney.evidence,) if kidney.evidence else ()
    fallen = fallen_kidney_function(order)
    # Drugs that interact only in this kidney class are a line of this card, not a separate card.
    lines = tuple(i.caution() for i in _interacting(order) if i.kidney_bound)
    return Finding(
        "kidney",
        (*evidence, *(e for caution in fallen for e in caution.evidence)),
        {"renal_reason": kidney.reason or ""},
        cautions=(*fallen, *lines),
    )


def fallen_kidney_function(order: MagnesiumOrder) -> tuple[Caution, ...]:
    """That kidney function was better when a refilled order was last filled (SPEC 6.8).

    Compared is the newest result of the day of the last order or before, else the one before.
    """
    latest = kidney_results(order.chart).latest
    if not order.draft.refill or latest is None:
        return ()
    filled = max((u.since.last_day for u in order.renews if u.since), default=None)
    earlier = list(earlier_results(order.chart, latest))
    then = (r for r in earlier if filled is not None and r.when.last_day <= filled)
    before = next(then, next(iter(earlier), None))
    if before is None or before.bound or before.value <= latest.value:
        return ()
    values = {
        "before": before.text,
        "since": before.when.written,
        "now": latest.text,
        "date": latest.when.written,
    }
    return (Caution("E1", values, (before.evidence,)),)


def hypermagnesaemia(order: MagnesiumOrder) -> Finding | None:
    """A high serum magnesium, by result or by diagnosis."""
    fact = blocks.hypermagnesaemia(order.chart)
    if not fact.present:
        return None
    grades = frozenset({"slight"} if blocks.is_slightly_high(order.chart) else ())
    mg = serum_magnesium(order.chart).text if magnesium_is_high(order.chart) else ""
    return Finding(fact.id, fact.evidence, {"mg": mg}, grades)


def allergy(order: MagnesiumOrder) -> Finding | None:
    """An allergy to magnesium, or a reaction that was limited to the gut."""
    full = from_fact(blocks.allergy(order.chart))
    if full is not None:
        return full
    gut = cautions.gut_intolerance(order.chart)
    if not gut.present:
        return None
    values: dict[str, Said] = {"finding": gut.evidence[0].display or ""}
    return Finding(gut.id, gut.evidence, values, frozenset({"gut"}))


def renal_caution(order: MagnesiumOrder) -> Finding | None:
    """Moderately reduced kidney function."""
    kidney = kidney_function(order.chart)
    if kidney.kidney_class is not KidneyClass.MODERATE:
        return None
    by_gfr = kidney.basis in ("eGFR", "creatinine")
    scheduled = order.subtype == "supplement"
    evidence = (kidney.evidence,) if kidney.evidence else ()
    fallen = fallen_kidney_function(order)
    return Finding(
        "kidney",
        (*evidence, *(e for caution in fallen for e in caution.evidence)),
        {"egfr": kidney.egfr_text if by_gfr else ""},
        cautions=(*fallen, *(recheck(order.chart) if scheduled else ())),
    )


def renal_unknown(order: MagnesiumOrder) -> Finding | None:
    """Kidney function that is not known, with the risks to it."""
    chart = order.chart
    if kidney_function(chart).kidney_class is not KidneyClass.UNKNOWN:
        return None
    present = [f for f in renal_risk.features(chart) if f.present]
    return Finding(
        "renal_risk",
        tuple(e for f in present for e in f.evidence[:1]),
        {"features": reasons.listed(tuple(f.label or f.id for f in present)) if present else ""},
        _grades_of_unknown_kidneys(chart),
    )


def _grades_of_unknown_kidneys(chart: Chart) -> frozenset[str]:
    """Conditions that make unknown kidney function worse: an unusable result, a risk (N-2, M-4)."""
    age, limit = person.oldest_age(chart), chart.knowledge.parameters.age
    old = age is not None and age >= limit.laxative_unknown_kidney
    unread = chart.problems.unread_of("renal")
    # The newest of withheld or lost results may be missing (SPEC 12.7.1).
    sent = chart.content("kidneyLabs").state is not State.MISSING
    in_part = sent and bool(chart.gaps("kidneyLabs"))
    holds = {
        "unusable": "unusable_newer" in kidney_function(chart).flags,
        "risk": renal_risk.is_possible(chart) or in_part,
        "kidney_risk": old or bool(unread) or renal_risk.kidney_history(chart).present,
    }
    return frozenset(grade for grade, found in holds.items() if found)


def av_block(order: MagnesiumOrder) -> Finding | None:
    """High-grade AV block without a pacemaker."""
    return from_fact(blocks.heart_block(order.chart))


def neuromuscular(order: MagnesiumOrder) -> Finding | None:
    """A disease of the neuromuscular junction."""
    return from_fact(blocks.neuromuscular(order.chart))


def bowel(order: MagnesiumOrder) -> Finding | None:
    """Bowel obstruction or ileus."""
    return from_fact(blocks.bowel_obstruction(order.chart))


def dose(order: MagnesiumOrder) -> Finding | None:
    """This order with the supplements taken and the drafts before it (SPEC 4.3, 11.6)."""
    others = order.added_to
    doses = order.doses_of(others)
    total = sum((d.mg for d in doses if d.mg is not None), Decimal(0))
    if total <= order.parameters.dose.max_mg:
        return None
    current = sum((d.mg for d in doses[1:] if d.mg is not None), Decimal(0))
    return Finding(
        "current_magnesium",
        tuple(u.evidence for u in others),
        {
            "dose": format_dose(total),
            "ordered": format_dose(order.dose.mg),
            "current": format_dose(current) if current else "",
            "up_to": upper_bound_flag(d for d in doses if d.mg is not None),
        },
        cautions=status_cautions(others),
    )


def dose_unknown(order: MagnesiumOrder) -> Finding | None:
    """The text of a dose that cannot be read, if the dose matters (SPEC 12.2 N-6)."""
    taken = [u for u in medicines.oral_magnesium(order.chart) if u.reference not in order.gone]
    matters = kidney_function(order.chart).kidney_class is not KidneyClass.NORMAL or bool(taken)
    found = order.is_dose_unread and matters
    return Finding("dose", (), {"text": order.dose.said}) if found else None


def duplicate(order: MagnesiumOrder) -> Finding | None:
    """Another magnesium supplement, taken or ordered in the same session."""
    others = order.duplicated
    if not others:
        return None
    doses = order.doses_of(others)
    known = [d.mg for d in doses if d.mg is not None]
    total = format_dose(sum(known, Decimal(0))) if len(known) == len(doses) else ""
    return Finding(
        "current_magnesium",
        tuple(u.evidence for u in others),
        {"product": drug_words(others[0]), "dose": total, "up_to": upper_bound_flag(doses)},
        cautions=status_cautions(others),
    )


def age(order: MagnesiumOrder) -> Finding | None:
    """An age under 18, or an unknown age."""
    age, limits = person.age(order.chart), order.parameters.age
    if age is None:
        unknown: dict[str, Said] = {"age": "", "limit": ""}
        return Finding("age", (), unknown) if order.subtype == "supplement" else None
    if age >= limits.adult:
        return None
    limit = _child_limit(order, age)
    above = limit is None or (order.dose.mg is not None and order.dose.mg > limit)
    holds = {"above": above, "small_child": age < limits.laxative_from_years}
    return Finding(
        "age",
        person.adult(order.chart).evidence,
        {"age": str(age), "limit": format_dose(limit)},
        frozenset(grade for grade, found in holds.items() if found),
    )


def _child_limit(order: MagnesiumOrder, age: int) -> Decimal | None:
    """The upper level for an age. There is none below one year."""
    bands = sorted(order.parameters.dose.upper_level_child.values(), key=lambda b: b.from_age)
    limit = None
    for band in bands:
        if age >= band.from_age:
            limit = band.mg
    return limit


def pregnancy(order: MagnesiumOrder) -> Finding | None:
    """Pregnancy, and whether the daily total is above its limit."""
    finding = from_fact(blocks.pregnancy(order.chart))
    if finding is None:
        return None
    doses = order.doses_of(order.added_to)
    total = sum((d.mg for d in doses if d.mg is not None), Decimal(0))
    above = total > order.parameters.dose.pregnancy_max_mg
    return Finding(
        finding.fact, finding.evidence, finding.values, frozenset({"above"} if above else ())
    )


def _interacting(order: MagnesiumOrder) -> list[Interacting]:
    """Drugs taken, or ordered in the same session, that this magnesium interferes with."""
    chart = order.chart
    uses = [
        *(u for u in chart.medications if u.reference not in order.gone),
        *(d.use for d in order.drafts.starting if d.use is not None),
    ]
    return interacting(
        uses,
        partner_of(order.use),
        order.knowledge.interactions,
        kidney_function(chart).kidney_class,
    )


def interaction(order: MagnesiumOrder) -> Finding | None:
    """The drugs to be spaced; of an antacid or laxative those whose advice names it (SPEC 6.4)."""
    supplement = order.subtype == "supplement"
    items = [i for i in _interacting(order) if not i.kidney_bound and (supplement or i.named)]
    return spacing_finding(items)


def spacing_finding(items: list[Interacting]) -> Finding | None:
    """One finding for all interacting drugs, each with its own advice, the worst first (S-5)."""
    if not items:
        return None
    first = items[0]
    return Finding(
        "interacting_drug",
        tuple(i.use.evidence for i in items),
        {"drug": first.drug, "advice": first.advice},
        indicator=first.indicator,
        cautions=tuple(i.caution() for i in items),
    )


def potassium_sparing_check(order: MagnesiumOrder) -> Finding | None:
    """A K-sparing drug with reduced kidney function and a magnesium order (C3, 11.2)."""
    if kidney_function(order.chart).kidney_class not in REDUCED:
        return None
    uses = [u for u in medicines.potassium_sparing(order.chart) if u.reference not in order.gone]
    uses += [
        d.use for d in order.drafts.starting if d.use is not None and is_potassium_sparing(d.use)
    ]
    return sparing_finding(order.chart, uses[0], uses) if uses else None


def sparing_finding(chart: Chart, named: MedicationUse, uses: Iterable[MedicationUse]) -> Finding:
    """That a potassium-sparing drug and magnesium meet reduced kidney function."""
    kidney = kidney_function(chart)
    by_gfr = kidney.basis in ("eGFR", "creatinine")
    return Finding(
        "k_sparing",
        tuple(u.evidence for u in uses),
        {"drug": drug_words(named), "egfr": kidney.egfr_text if by_gfr else ""},
    )


def is_potassium_sparing(use: MedicationUse) -> bool:
    """Whether a drug spares potassium and magnesium; fixed combinations count as such here."""
    return use.oral and (use.of(SPARING) or use.of(COMBINATION))
