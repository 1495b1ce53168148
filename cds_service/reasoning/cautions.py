"""Warnings on a suggestion that do not block it: C4, C6 and M-12 (SPEC 5, 12.4)."""

from __future__ import annotations

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, fact
from cds_service.reasoning.blocks import pacemaker
from cds_service.reasoning.problems import safety_fact, safety_problems
from cds_service.reasoning.question import question


@question
def slow_conduction(chart: Chart) -> Fact:
    """Sinus bradycardia, sick sinus, low-grade or unspecified AV block (C4)."""
    grades = ("low", "sinus")
    found = [e for g in grades for e in safety_fact(chart, "", "safety_heart_block", g).evidence]
    paced = pacemaker(chart).present
    return fact("bradycardia", [] if paced else found, chart.gaps("conditions"))


@question
def diarrhoea(chart: Chart) -> Fact:
    """Diarrhoea-prone conditions and inflammatory bowel disease (C6)."""
    found = list(safety_fact(chart, "", "caution_diarrhoea").evidence)
    found += [
        p.evidence["risk_gi_malabsorption"]
        for p in safety_problems(chart, "risk_gi_malabsorption")
        if any(e.tier == "ibd" for e in p.hits["risk_gi_malabsorption"])
    ]
    return fact("diarrhoea", found, chart.gaps("conditions"))


@question
def gut_intolerance(chart: Chart) -> Fact:
    """A reaction to magnesium that was limited to the gut (SPEC 12.4 M-12)."""
    return fact("gut_intolerance", chart.allergies.gut, chart.gaps("allergies"))
