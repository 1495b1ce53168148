"""Other diseases for which a preventive may be ordered (SPEC 12.5 S-1)."""

from __future__ import annotations

from cds_service.chart.chart import Chart
from cds_service.chart.conditions import Problem
from cds_service.chart.evidence import Fact, fact
from cds_service.reasoning.orders import Draft, reason_of


def other_use(draft: Draft, chart: Chart) -> Fact | None:
    """An active disease that explains a non-specific preventive ordered without a reason.

    `None` if it does not matter: there is a stated reason, or the drug is only for migraine.
    """
    use = draft.use
    if use is None or use.of("migraine_preventive_specific") or reason_of(draft, chart):
        return None
    sets = chart.knowledge.coindications.of(use.drug.ingredients)
    found = [
        problem.evidence[set_id]
        for set_id in dict.fromkeys(sets)
        for problem in chart.problems.of(set_id)
        if _explains(problem, set_id)
    ]
    return fact("other_use", found, chart.gaps("conditions"))


def _explains(problem: Problem, set_id: str) -> bool:
    """Whether a disease is active, or over but still treated, like an old infarction (SPEC 1)."""
    lasting = any("past-event" in e.subtype for hit in problem.hits.values() for e in hit)
    held = problem.active or (problem.past_event and lasting)
    return held and any(entry.qualifies for entry in problem.hits[set_id])
