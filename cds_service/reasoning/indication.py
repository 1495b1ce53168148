"""Whether the patient has migraine, and whether anything makes magnesium worth suggesting (SPEC 1, 6)."""

from __future__ import annotations

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, fact
from cds_service.reasoning import risk
from cds_service.reasoning.problems import indicating_problems
from cds_service.reasoning.question import question


@question
def migraine(chart: Chart) -> Fact:
    """An active, confirmed diagnosis of migraine (SPEC 1)."""
    found = [
        p.evidence["migraine"]
        for p in indicating_problems(chart, "migraine", exclude="migraine_exclude")
        if any(e.qualifies for e in p.hits["migraine"])
    ]
    return fact("migraine", found, chart.gaps("conditions"))


@question
def menstrual(chart: Chart) -> Fact:
    """A menstrual subtype of a migraine that counts."""
    found = [
        p.evidence["migraine"]
        for p in indicating_problems(chart, "migraine", exclude="migraine_exclude")
        if any(e.qualifies and "menstrual" in e.subtype for e in p.hits["migraine"])
    ]
    return fact("menstrual_migraine", found, chart.gaps("conditions"))


def is_indicated(chart: Chart) -> bool:
    """Any risk factor, or a menstrual pattern, which is sufficient alone (SPEC 6)."""
    alone = chart.knowledge.parameters.migraine.menstrual_qualifies_alone
    return (alone and menstrual(chart).present) or any(r.present for r in risk.factors(chart))
