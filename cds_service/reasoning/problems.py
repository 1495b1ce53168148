"""Which conditions count: for an indication the confirmed ones, for safety all active ones."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.chart.conditions import Problem
from cds_service.chart.evidence import Fact, Gap, fact, in_order


def indicating_problems(
    chart: Chart, set_id: str, exclude: str = "", past_events: bool = False
) -> Iterator[Problem]:
    """Problems of a set that count for an indication: active and confirmed, never excluded.

    With `past_events`, past problems still count if the set says so (an old infarction).
    """
    for problem in chart.problems.of(set_id):
        entries = problem.hits[set_id]
        if not problem.confirmed or (exclude and exclude in problem.hits):
            continue
        past = (
            past_events and problem.past_event and any("past-event" in e.subtype for e in entries)
        )
        if problem.active or past:
            yield problem


def safety_problems(chart: Chart, set_id: str) -> list[Problem]:
    """Active problems of a set, newest first, confirmed or not: safety conditions accept
    provisional ones."""
    found = {p.evidence[set_id]: p for p in chart.problems.of(set_id) if p.active}
    return [found[evidence] for evidence in in_order(found)]


def safety_fact(chart: Chart, fact_id: str, set_id: str, grade: str = "") -> Fact:
    """A safety condition: active, provisional ones included (SPEC 1, 4.2)."""
    found = [
        p.evidence[set_id]
        for p in safety_problems(chart, set_id)
        if not grade or any(e.grade == grade for e in p.hits[set_id])
    ]
    return fact(fact_id, found, (*chart.gaps("conditions"), *unread_gaps(chart, set_id)))


def unread_gaps(chart: Chart, set_id: str) -> tuple[Gap, ...]:
    """Conditions that cannot be read and whose words name a safety set (SPEC 12.1 U-7)."""
    unread = chart.problems.unread_of(set_id)
    if not unread:
        return ()
    return chart.note_gaps(
        Gap("conditions", reasons.diagnosis_unread(evidence.display or set_id))
        for evidence in unread
    )
