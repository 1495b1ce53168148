"""What the chart holds and one might expect to count, but does not, and why: for `/explain` alone."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.chart.chart import Chart
from cds_service.chart.conditions import Problem, SetAside
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import COMBINATION, MAGNESIUM, WASTING
from cds_service.reasoning import blocks, indication, medicines, risk
from cds_service.reasoning.decision import KidneyClass
from cds_service.reasoning.kidney import kidney_function


def uncounted(chart: Chart) -> tuple[SetAside, ...]:
    """Current medicines and active problems of the rules that made no fact."""
    found = [*_medicines(chart), *_problems(chart)]
    return tuple({(s.resource, s.what): s for s in reversed(found)}.values())[::-1]


def _medicines(chart: Chart) -> Iterator[SetAside]:
    counted = {e for fact in risk.factors(chart) for e in fact.evidence}
    counted |= {use.evidence for use in medicines.oral_magnesium(chart)}
    for use in chart.medications:
        why = "" if use.evidence in counted else _why_not_taken_for(use, chart)
        if why:
            yield SetAside(use.reference, use.label, why)


def _why_not_taken_for(use: MedicationUse, chart: Chart) -> str:
    """Why a medicine that may lower magnesium, or is magnesium, did not count."""
    rows = chart.knowledge.policy.wasting_drugs
    classes = {*WASTING, COMBINATION, "ppi", MAGNESIUM, *(row.drug_class for row in rows)}
    if not any(use.of(drug_class) for drug_class in classes):
        return ""
    in_time = any(use.of(row.drug_class) and use.route in row.routes for row in rows)
    reasons = (
        (use.of(COMBINATION), "is combined with a potassium-sparing drug, which offsets it"),
        (not use.regular, "is taken as needed, not regularly"),
        (use.course_over, "is a course that is over"),
        (in_time, "was ordered longer ago than it counts"),
        (not use.oral, f"does not count by this route ({use.route})"),
        (use.of("ppi"), "is not known to be taken for long enough"),
    )
    return next((why for holds, why in reasons if holds), "does not count as it is given")


def _problems(chart: Chart) -> Iterator[SetAside]:
    for problem in chart.problems.found:
        if not problem.reason:
            for why in _why_not_counted(problem, chart):
                evidence = next(iter(problem.evidence.values()))
                yield SetAside(evidence.resource, problem.label, why)


def _why_not_counted(problem: Problem, chart: Chart) -> Iterator[str]:
    """Each reason why an active problem made no fact."""
    valuesets = {r.id: r.valueset for r in chart.knowledge.policy.risk_factors}
    facts = [(valuesets[f.id], f) for f in risk.factors(chart) if valuesets[f.id]]
    facts += [
        ("migraine", indication.migraine(chart)),
        ("migraine_exclude", indication.migraine(chart)),
    ]
    for set_id, fact in facts:
        if set_id in problem.hits and problem.evidence[set_id] not in fact.evidence:
            yield f"does not count as {fact.id}"
    if "pregnancy" in problem.hits and not blocks.pregnancy(chart).present:
        yield "began longer ago than a pregnancy lasts"
    severe = kidney_function(chart).kidney_class is KidneyClass.SEVERE
    if "renal_aki" in problem.hits and not severe:
        yield "is undated, over, or followed by good kidney function"
