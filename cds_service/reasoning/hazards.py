"""Hazards of current magnesium (SPEC 6.1, 12.4 M-6 to M-8, M-11).

The severity of a hazard and its offers are in the table `hazards` of the registry.
"""

from __future__ import annotations

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState
from cds_service.knowledge.model import HazardRow
from cds_service.reasoning import medicines
from cds_service.reasoning.card_checks import HAZARD_CHECKS
from cds_service.reasoning.decision import CardDecision, Offer, OfferKind
from cds_service.reasoning.finding import Finding, row_for, status_cautions
from cds_service.reasoning.gaps import all_gaps
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import serum_magnesium


def hazards(chart: Chart) -> list[tuple[HazardRow, CardDecision]]:
    """Magnesium taken by mouth, as needed or not, against kidneys, level, dose and diseases."""
    if not medicines.oral_magnesium(chart):
        return []
    rows = chart.knowledge.policy.hazards
    fired: list[tuple[HazardRow, Finding]] = []
    for card in dict.fromkeys(row.card for row in rows):
        finding = HAZARD_CHECKS[card].find(chart)
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
            "renal_reason": kidney_function(chart).reason or "",
            "mg": serum_magnesium(chart).text,
            "product": ", ".join(dict.fromkeys(u.label for u in taken)),
        }
        | finding.values,
        because=(magnesium, found) if finding.evidence else (magnesium,),
        offers=(Offer(OfferKind.LABS, recommended=True, labs=row.labs),) if row.labs else (),
        cautions=status_cautions(taken),
        gaps=all_gaps(chart),
        kidney=kidney_function(chart),
        magnesium=serum_magnesium(chart),
        safety=True,
    )
