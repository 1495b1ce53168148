"""The age of the patient. If the birthDate is not exact, the safer age decides."""

from __future__ import annotations

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Evidence, Fact, FactState
from cds_service.reasoning.question import question


@question
def age(chart: Chart) -> int | None:
    """Completed years. If the birthDate is not exact, the lower number (it decides on 18)."""
    return chart.person.age_at_least(chart.today)


@question
def oldest_age(chart: Chart) -> int | None:
    """Completed years at most: it decides on 65."""
    return chart.person.age_at_most(chart.today)


@question
def adult(chart: Chart) -> Fact:
    """Whether the patient is certainly 18 or older (B7)."""
    years = age(chart)
    if years is None:
        return Fact("adult", FactState.UNKNOWN, why=reasons.NO_BIRTH_DATE)
    adult_from = chart.knowledge.parameters.age.adult
    evidence = Evidence(chart.person.resource, value=str(years), unit="a", matched="value")
    if years >= adult_from:
        return Fact("adult", FactState.PRESENT, (evidence,))
    oldest = oldest_age(chart)
    if oldest is not None and oldest >= adult_from:
        return Fact("adult", FactState.UNKNOWN, (evidence,), reasons.age_open(adult_from))
    return Fact("adult", FactState.ABSENT, (evidence,))


def is_elderly(chart: Chart) -> bool:
    """Whether the patient may be 65 or older (C2)."""
    years = oldest_age(chart)
    return years is not None and years >= chart.knowledge.parameters.age.elderly
