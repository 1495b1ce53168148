"""The checks of an order of another drug, for a patient with current or ordered magnesium.

`card_checks` defines the card of each check.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState, in_order
from cds_service.chart.medications import MedicationUse
from cds_service.reasoning import medicines
from cds_service.reasoning.finding import Finding, status_cautions
from cds_service.reasoning.interactions import INDICATORS, Interacting, interacting, partner_of
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium_order import is_supplement, same_drug
from cds_service.reasoning.medicines import is_oral_magnesium, subtype_of
from cds_service.reasoning.order_checks import (
    REDUCED,
    is_potassium_sparing,
    spacing_finding,
    sparing_finding,
)
from cds_service.reasoning.orders import Draft, Drafts, replaced

SPACED = frozenset({"supplement", "antacid", "laxative", "laxative-antacid", "bowel-prep"})


def sparing_order(chart: Chart, draft: Draft, use: MedicationUse, drafts: Drafts) -> Finding | None:
    """A K-sparing drug with reduced kidney function and any magnesium (C3)."""
    # A magnesium supplement order of the same call carries the card itself.
    shown_elsewhere = any(
        d.selected and d is not draft and d.use is not None and is_supplement(d.use)
        for d in drafts.starting
    )
    if not is_potassium_sparing(use) or shown_elsewhere:
        return None
    gone = replaced(drafts)
    taken = [u for u in medicines.oral_magnesium(chart) if u.reference not in gone]
    taken += [d.use for d in drafts.starting if d.use is not None and is_oral_magnesium(d.use)]
    if not taken or kidney_function(chart).kidney_class not in REDUCED:
        return None
    return _with_magnesium(sparing_finding(chart, use, [use]), taken)


def spaced_order(chart: Chart, _: Draft, use: MedicationUse, drafts: Drafts) -> Finding | None:
    """The spacing of an ordered drug from current or ordered magnesium.

    Antacids and laxatives count here, because most of the advice is about their salts. Advice that
    is already on the card of a supplement order of the same call is left out.
    """
    gone = replaced(drafts)
    taken = [
        u
        for u in medicines.oral_magnesium(chart)
        if u.regular and subtype_of(u) in SPACED and u.reference not in gone
    ]
    taken = [u for u in taken if not _taken_together(chart, use, u)]
    ordered = [d for d in drafts.starting if d.use is not None and is_oral_magnesium(d.use)]
    taken += [d.use for d in ordered if d.use is not None and subtype_of(d.use) in SPACED]
    asked = [d.use for d in ordered if d.selected and d.use is not None and is_supplement(d.use)]
    shown_elsewhere = {(i.drug, i.advice) for m in asked for i in _between(chart, use, m)}
    met = [(m, i) for m in taken for i in _between(chart, use, m)]
    needed = [(m, i) for m, i in met if (i.drug, i.advice) not in shown_elsewhere]
    worst_first = sorted((i for _, i in needed), key=lambda i: INDICATORS.index(i.indicator))
    each: dict[tuple[str, str], Interacting] = {}
    for item in worst_first:
        each.setdefault((item.drug, item.advice), item)
    finding = spacing_finding(list(each.values()))
    return _with_magnesium(finding, [m for m, _ in needed]) if finding is not None else None


def _between(chart: Chart, use: MedicationUse, magnesium: MedicationUse) -> list[Interacting]:
    table = chart.knowledge.interactions
    return interacting([use], partner_of(magnesium), table, kidney_function(chart).kidney_class)


def _taken_together(chart: Chart, ordered: MedicationUse, magnesium: MedicationUse) -> bool:
    """Whether an ordered drug is a renewal with this magnesium (SPEC 12.4 M-14)."""
    days = chart.knowledge.parameters.medication.renewal_days
    today = chart.today

    def is_established(use: MedicationUse) -> bool:
        proven = use.regular and not use.course_over and not use.status_unclear
        return proven and use.since is not None and use.since.days_ago_at_least(today) >= days

    before = (u for u in chart.medications if same_drug(u, ordered))
    return is_established(magnesium) and any(is_established(u) for u in before)


def _with_magnesium(finding: Finding, taken: Sequence[MedicationUse]) -> Finding:
    """A finding about another drug, with the magnesium that is taken or being ordered."""
    magnesium = Fact("current_magnesium", FactState.PRESENT, in_order(u.evidence for u in taken))
    cautions = (*finding.cautions, *status_cautions(taken))
    return msgspec.structs.replace(finding, also=(magnesium,), cautions=cautions)
