"""Risks that matter if kidney function is unknown or was measured long ago (SPEC 3.3, 12.2, 12.3).

Each feature is a fact. A feature that could not be checked is Unknown and counts as a risk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.chart.conditions import Problem
from cds_service.chart.evidence import Evidence, Fact, FactState, Gap, fact
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import COMBINATION, SPARING, WASTING
from cds_service.reasoning.medicines import MEDICATION_KEYS, status_gaps
from cds_service.reasoning.problems import safety_problems
from cds_service.reasoning.question import question
from cds_service.reasons import Reason

DIURETICS = (*sorted(WASTING), SPARING, COMBINATION, "diuretic_other_neutral")
_ANY_PAST = ("renal_ckd", "renal_aki")
"""Sets whose diagnoses always count, whatever their status is (SPEC 3.3)."""


@question
def features(chart: Chart) -> tuple[Fact, ...]:
    """The renal-risk features of SPEC 12.3 K-2: with one of them no dose is offered unseen."""
    return (_diabetes(chart), *validity_risks(chart))


def is_possible(chart: Chart) -> bool:
    """Whether a renal-risk feature is present, or could not be checked."""
    return any(f.state != FactState.ABSENT for f in features(chart))


def validity_risks(chart: Chart) -> Iterator[Fact]:
    """The features that shorten the validity of a good result (SPEC 12.2 N-4).

    They are evaluated one by one, the cheapest first, so that the caller can stop at the first that
    counts.
    """
    yield _age(chart)
    yield _heart_failure(chart)
    yield kidney_history(chart)
    yield _medicine(chart, "diuretic", reasons.FEATURE_DIURETIC, _is_diuretic)
    yield _medicine(
        chart,
        "calcineurin_inhibitor",
        reasons.FEATURE_CALCINEURIN_INHIBITOR,
        _is_calcineurin_inhibitor,
    )


def kidney_history(chart: Chart) -> Fact:
    """Any kidney disease on record: current, or past as far as its code shows it (K-2)."""
    found = [
        *(p.evidence["renal_risk"] for p in chart.problems.of("renal_risk") if _counts(p)),
        *(p.evidence[s] for s in _ANY_PAST for p in chart.problems.of(s) if p.past_event),
        *chart.procedures.of("renal_risk"),
    ]
    gaps = [*chart.gaps("conditions", "kidneyProcedures")]
    if chart.problems.unread_of("renal"):
        gaps.append(Gap("conditions", reasons.KIDNEY_CONDITION_UNREAD))
    return fact("kidney_disease", found, tuple(gaps), reasons.FEATURE_KIDNEY_DISEASE)


def _counts(problem: Problem) -> bool:
    """Whether a diagnosis of `renal_risk` counts: while active, some for ever (SPEC 12.3 K-2)."""
    lasting = any(entry.past_counts for entry in problem.hits["renal_risk"])
    return problem.active or (problem.past_event and lasting)


def _age(chart: Chart) -> Fact:
    oldest, limit = chart.person.age_at_most(chart.today), chart.knowledge.parameters.age.renal_risk
    label = reasons.feature_age(limit)
    if oldest is None:
        return Fact("age", FactState.UNKNOWN, why=reasons.NO_BIRTH_DATE, label=label)
    evidence = Evidence(chart.person.resource, value=str(oldest), unit="a", matched="value")
    return fact("age", [evidence] if oldest >= limit else [], label=label)


def _diabetes(chart: Chart) -> Fact:
    found = [
        p.evidence["risk_diabetes"]
        for p in safety_problems(chart, "risk_diabetes")
        if "risk_diabetes_exclude" not in p.hits
    ]
    return fact("diabetes", found, chart.gaps("conditions"), reasons.FEATURE_DIABETES)


def _heart_failure(chart: Chart) -> Fact:
    found = [
        p.evidence["risk_heart_disease"]
        for p in safety_problems(chart, "risk_heart_disease")
        if any("heart-failure" in entry.subtype for entry in p.hits["risk_heart_disease"])
    ]
    gaps = chart.gaps("conditions")
    return fact("heart_failure", found, gaps, reasons.FEATURE_HEART_FAILURE)


def _medicine(
    chart: Chart, fact_id: str, label: Reason, counts: Callable[[MedicationUse], bool]
) -> Fact:
    found = [use.evidence for use in chart.medications if counts(use)]
    gaps = (*chart.gaps(*MEDICATION_KEYS), *status_gaps(chart, counts))
    return fact(fact_id, found, gaps, label)


def _is_diuretic(use: MedicationUse) -> bool:
    return use.route != "injectable" and any(use.of(drug_class) for drug_class in DIURETICS)


def _is_calcineurin_inhibitor(use: MedicationUse) -> bool:
    return use.of("calcineurin_inhibitor") and use.route in ("oral", "injectable", "any")
