"""Hazards of the magnesium a patient takes already (SPEC 6.1, 12.4 M-6 to M-8, M-11).

How serious a hazard is and what it offers stands in the table `hazards` of the policy.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from cds_service.chart.evidence import Fact, FactState
from cds_service.knowledge.model import HazardRow
from cds_service.reasoning.decision import CardDecision, KidneyClass, Offer, OfferKind
from cds_service.reasoning.finding import Finding, from_fact, marks, row_for
from cds_service.reasoning.findings import Findings, subtype_of
from cds_service.reasoning.order_checks import said, up_to

FOR_THE_GUT = frozenset({"antacid", "laxative", "laxative-antacid", "bowel-prep"})


def hazards(findings: Findings) -> list[tuple[HazardRow, CardDecision]]:
    """Magnesium taken by mouth, as needed or not, against kidneys, level, dose and diseases."""
    if not findings.oral_magnesium:
        return []
    rows = findings.chart.knowledge.policy.hazards
    fired: list[tuple[HazardRow, Finding]] = []
    for card in dict.fromkeys(row.card for row in rows):
        finding = CHECKS[card](findings)
        row = row_for([r for r in rows if r.card == card], finding) if finding else None
        if finding is not None and row is not None:
            fired.append((row, finding))
    shown = {row.card for row, _ in fired}
    return [(r, _card(findings, r, f)) for r, f in fired if not shown & set(r.silent_beside)]


def _card(findings: Findings, row: HazardRow, finding: Finding) -> CardDecision:
    taken = findings.oral_magnesium
    magnesium = Fact("current_magnesium", FactState.PRESENT, tuple(u.evidence for u in taken))
    found = Fact(finding.fact, FactState.PRESENT, finding.evidence)
    return CardDecision(
        card=row.card,
        indicator=row.indicator or findings.chart.knowledge.cards[row.card].indicator,
        values={
            "renal_reason": findings.kidney.reason,
            "mg": findings.magnesium.text,
            "product": ", ".join(dict.fromkeys(u.label for u in taken)),
        }
        | finding.values,
        because=(magnesium, found) if finding.evidence else (magnesium,),
        offers=(Offer(OfferKind.LABS, recommended=True, labs=row.labs),) if row.labs else (),
        cautions=marks(taken),
        gaps=findings.gaps,
        kidney=findings.kidney,
        magnesium=findings.magnesium,
        safety=True,
    )


def _renal(findings: Findings) -> Finding | None:
    kidney = findings.kidney
    if kidney.kidney_class is not KidneyClass.SEVERE:
        return None
    return Finding("kidney", (kidney.evidence,) if kidney.evidence else ())


def _hypermagnesaemia(findings: Findings) -> Finding | None:
    """A high result; a diagnosis alone is no hazard (SPEC 11.18)."""
    serum = findings.magnesium
    if not findings.magnesium_high or serum.evidence is None:
        return None
    grades = frozenset({"slight"} if findings.slightly_high else ())
    return Finding("serum_magnesium", (serum.evidence,), grades=grades)


def _dose(findings: Findings) -> Finding | None:
    """All that is scheduled, of any form, against the limits of the day (SPEC 12.4 M-6)."""
    scheduled = [u for u in findings.oral_magnesium if u.regular]
    doses = [findings.dose_of(u) for u in scheduled]
    known = [d for d in doses if d.mg is not None]
    total = sum((d.mg for d in known if d.mg is not None), Decimal(0))
    limits = findings.chart.knowledge.parameters.hazard
    kidney = findings.kidney
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


def _bowel(findings: Findings) -> Finding | None:
    return from_fact(findings.bowel_obstruction)


def _neuromuscular(findings: Findings) -> Finding | None:
    return from_fact(findings.neuromuscular)


CHECKS: dict[str, Callable[[Findings], Finding | None]] = {
    "mg-hazard-renal": _renal,
    "mg-hazard-hypermag": _hypermagnesaemia,
    "mg-hazard-dose": _dose,
    "mg-hazard-bowel": _bowel,
    "mg-hazard-nmj": _neuromuscular,
}
