"""The checks of current magnesium (SPEC 6.1, 12.4 M-6 to M-8, M-11).

`card_checks` defines the card of each check.
"""

from __future__ import annotations

from decimal import Decimal

from cds_service.chart.chart import Chart
from cds_service.reasoning import blocks, medicines
from cds_service.reasoning.decision import KidneyClass
from cds_service.reasoning.finding import Finding, from_fact
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import magnesium_is_high, serum_magnesium
from cds_service.reasoning.medicines import subtype_of
from cds_service.reasoning.order_checks import format_dose, upper_bound_flag

FOR_THE_GUT = frozenset({"antacid", "laxative", "laxative-antacid", "bowel-prep"})


def renal(chart: Chart) -> Finding | None:
    """Severely reduced kidney function."""
    kidney = kidney_function(chart)
    if kidney.kidney_class is not KidneyClass.SEVERE:
        return None
    return Finding("kidney", (kidney.evidence,) if kidney.evidence else ())


def hypermagnesaemia(chart: Chart) -> Finding | None:
    """A high result. A diagnosis alone is not a hazard (SPEC 11.18)."""
    serum = serum_magnesium(chart)
    if not magnesium_is_high(chart) or serum.evidence is None:
        return None
    grades = frozenset({"slight"} if blocks.is_slightly_high(chart) else ())
    return Finding("serum_magnesium", (serum.evidence,), grades=grades)


def dose(chart: Chart) -> Finding | None:
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
            "dose": format_dose(total) if passed else "",
            "limit": format_dose(max(passed)) if passed else "",
            "up_to": upper_bound_flag(known) if passed else "",
        },
        frozenset({"very_high"} if very_high else ()),
    )


def bowel(chart: Chart) -> Finding | None:
    """Bowel obstruction or ileus."""
    return from_fact(blocks.bowel_obstruction(chart))


def neuromuscular(chart: Chart) -> Finding | None:
    """A disease of the neuromuscular junction."""
    return from_fact(blocks.neuromuscular(chart))
