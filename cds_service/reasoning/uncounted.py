"""Entries of the chart that a reader might expect to count but that do not, and why: for `/explain` only."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.chart.conditions import Problem, UncountedResource
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import COMBINATION, MAGNESIUM, WASTING
from cds_service.reasoning import blocks, indication, medicines, risk
from cds_service.reasoning.decision import KidneyClass
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasons import Reason


def uncounted(chart: Chart) -> tuple[UncountedResource, ...]:
    """Current medicines and active problems of the rules that did not become a fact."""
    found = [*_medicines(chart), *_problems(chart)]
    return tuple({(s.resource, s.what): s for s in reversed(found)}.values())[::-1]


def _medicines(chart: Chart) -> Iterator[UncountedResource]:
    counted = {e for fact in risk.factors(chart) for e in fact.evidence}
    counted |= {use.evidence for use in medicines.oral_magnesium(chart)}
    for use in chart.medications:
        why = None if use.evidence in counted else _why_not_taken_for(use, chart)
        if why is not None:
            yield UncountedResource(use.reference, use.label, why)


def _why_not_taken_for(use: MedicationUse, chart: Chart) -> Reason | None:
    """The reason why a medicine that may lower magnesium, or is magnesium, did not count."""
    rows = chart.knowledge.policy.wasting_drugs
    classes = {*WASTING, COMBINATION, "ppi", MAGNESIUM, *(row.drug_class for row in rows)}
    if not any(use.of(drug_class) for drug_class in classes):
        return None
    in_time = any(use.of(row.drug_class) and use.route in row.routes for row in rows)
    found = (
        (risk.is_open(chart, use), reasons.DATES_LEAVE_OPEN),
        (use.of(COMBINATION), reasons.OFFSET_BY_COMBINATION),
        (not use.regular, reasons.AS_NEEDED),
        (use.course_over, reasons.COURSE_OVER),
        (in_time, reasons.ORDERED_TOO_LONG_AGO),
        (not use.oral, reasons.not_counted_by_route(use.route)),
        (use.of("ppi"), reasons.NOT_TAKEN_LONG_ENOUGH),
    )
    return next((why for holds, why in found if holds), reasons.NOT_COUNTED_AS_GIVEN)


def _problems(chart: Chart) -> Iterator[UncountedResource]:
    for problem in chart.problems.found:
        if problem.reason is None:
            for why in _why_not_counted(problem, chart):
                evidence = next(iter(problem.evidence.values()))
                yield UncountedResource(evidence.resource, problem.label, why)


def _why_not_counted(problem: Problem, chart: Chart) -> Iterator[Reason]:
    """Each reason why an active problem did not become a fact."""
    valuesets = {r.id: r.valueset for r in chart.knowledge.policy.risk_factors}
    facts = [(valuesets[f.id], f) for f in risk.factors(chart) if valuesets[f.id]]
    facts += [
        ("migraine", indication.migraine(chart)),
        ("migraine_exclude", indication.migraine(chart)),
    ]
    for set_id, fact in facts:
        if set_id in problem.hits and problem.evidence[set_id] not in fact.evidence:
            yield reasons.not_counted_as(fact.id)
    if "pregnancy" in problem.hits and not blocks.pregnancy(chart).present:
        yield reasons.PREGNANCY_BEGAN_EARLIER
    severe = kidney_function(chart).kidney_class is KidneyClass.SEVERE
    if "renal_aki" in problem.hits and not severe:
        yield reasons.AKI_NOT_OPEN
