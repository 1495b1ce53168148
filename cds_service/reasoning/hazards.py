"""Hazards of the magnesium a patient takes already (SPEC 6.1, 12.4 M-6 to M-8, M-11).

How serious a hazard is and what it offers stands in the table `hazards` of the policy.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState
from cds_service.knowledge.model import HazardRow
from cds_service.reasoning import blocks, medicines
from cds_service.reasoning.decision import CardDecision, KidneyClass, Offer, OfferKind
from cds_service.reasoning.finding import Finding, from_fact, marks, row_for
from cds_service.reasoning.gaps import all_gaps
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import magnesium_is_high, serum_magnesium
from cds_service.reasoning.medicines import subtype_of
from cds_service.reasoning.order_checks import said, up_to

FOR_THE_GUT = frozenset({"antacid", "laxative", "laxative-antacid", "bowel-prep"})


def hazards(chart: Chart) -> list[tuple[HazardRow, CardDecision]]:
    """Magnesium taken by mouth, as needed or not, against kidneys, level, dose and diseases."""
    if not medicines.oral_magnesium(chart):
        return []
    rows = chart.knowledge.policy.hazards
    fired: list[tuple[HazardRow, Finding]] = []
    for card in dict.fromkeys(row.card for row in rows):
        finding = CHECKS[card](chart)
        row = row_for([r for r in rows if r.card == card], finding) if finding else None
        if finding is not None and row is not None:
            fired.append((row, finding))
    shown = {row.card for row, _ in fired}
    return [(r, _card(chart, r, f)) for r, f in fired if not shown & set(r.silent_beside)]


def _card(chart: Chart, row: HazardRow, finding: Finding) -> CardDecision:
    taken = medicines.oral_magnesium(chart)
    magnesium = Fact("current_magnesium", FactState.PRESENT, tuple(u.evidence for u in taken))
    found = Fact(finding.fact, FactState.PRESENT, finding.evidence)
    return CardDecision(
        card=row.card,
        indicator=row.indicator or chart.knowledge.cards[row.card].indicator,
        values={
            "renal_reason": kidney_function(chart).reason,
            "mg": serum_magnesium(chart).text,
            "product": ", ".join(dict.fromkeys(u.label for u in taken)),
        }
        | finding.values,
        because=(magnesium, found) if finding.evidence else (magnesium,),
        offers=(Offer(OfferKind.LABS, recommended=True, labs=row.labs),) if row.labs else (),
        cautions=marks(taken),
        gaps=all_gaps(chart),
        kidney=kidney_function(chart),
        magnesium=serum_magnesium(chart),
        safety=True,
    )


def _renal(chart: Chart) -> Finding | None:
    kidney = kidney_function(chart)
    if kidney.kidney_class is not KidneyClass.SEVERE:
        return None
    return Finding("kidney", (kidney.evidence,) if kidney.evidence else ())


def _hypermagnesaemia(chart: Chart) -> Finding | None:
    """A high result; a diagnosis alone is no hazard (SPEC 11.18)."""
    serum = serum_magnesium(chart)
    if not magnesium_is_high(chart) or serum.evidence is None:
        return None
    grades = frozenset({"slight"} if blocks.is_slightly_high(chart) else ())
    return Finding("serum_magnesium", (serum.evidence,), grades=grades)


def _dose(chart: Chart) -> Finding | None:
    """All that is scheduled, of any form, against the limits of the day (SPEC 12.4 M-6)."""
    scheduled = [u for u in medicines.oral_magnesium(chart) if u.regular]
    doses = [medicines.dose_of(chart, u) for u in scheduled]
    known = [d for d in doses if d.mg is not None]
    total = sum((d.mg for d in known if d.mg is not None), Decimal(0))
    limits = chart.knowledge.parameters.hazard
    kidney = kidney_function(chart)
    moderate = kidney.kidney_class is KidneyClass.MODERATE
    unknown = any(
        d.mg is None and subtype_of(u) in FOR_THE_GUT for u, d in zip(scheduled, doses, strict=True)
    )
    passed = [limits.dose_moderate_above_mg] if moderate else []
    passed += [limits.dose_any_above_mg, limits.dose_critical_above_mg]
    passed = [limit for limit in passed if total > limit]
    if not passed and not (moderate and unknown):
        return None
    very_high = limits.dose_critical_above_mg in passed
    return Finding(
        "kidney",
        (kidney.evidence,) if moderate and kidney.evidence else (),
        {
            "dose": said(total) if passed else "",
            "limit": said(max(passed)) if passed else "",
            "up_to": up_to(known) if passed else "",
        },
        frozenset({"very_high"} if very_high else ()),
    )


def _bowel(chart: Chart) -> Finding | None:
    return from_fact(blocks.bowel_obstruction(chart))


def _neuromuscular(chart: Chart) -> Finding | None:
    return from_fact(blocks.neuromuscular(chart))


CHECKS: dict[str, Callable[[Chart], Finding | None]] = {
    "mg-hazard-renal": _renal,
    "mg-hazard-hypermag": _hypermagnesaemia,
    "mg-hazard-dose": _dose,
    "mg-hazard-bowel": _bowel,
    "mg-hazard-nmj": _neuromuscular,
}
