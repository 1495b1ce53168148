"""The risk factors for low magnesium, RF1 to RF8 (SPEC 2): one finder for each kind of row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from cds_service.chart import dates
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, Gap, fact
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import COMBINATION, WASTING
from cds_service.knowledge.model import RiskRow, WastingRow
from cds_service.knowledge.terminology import SetCode
from cds_service.reasoning.decision import MagnesiumState
from cds_service.reasoning.magnesium import serum_magnesium
from cds_service.reasoning.medicines import drug_words, medicine_fact
from cds_service.reasoning.problems import indicating_problems
from cds_service.reasoning.question import question


@question
def factors(chart: Chart) -> tuple[Fact, ...]:
    """Each risk factor, in the order of the table."""
    extended = chart.knowledge.parameters.risk.extended_factors
    rows = chart.knowledge.policy.risk_factors
    return tuple(_FINDERS[r.kind](chart, r) for r in rows if extended or not r.extension)


@question
def present_factors(chart: Chart) -> tuple[Fact, ...]:
    """The risk factors that the chart shows."""
    return tuple(r for r in factors(chart) if r.present)


def is_present_of(chart: Chart, *kinds: str) -> bool:
    """Whether the chart shows a risk factor of one of these kinds."""
    ids = {row.id for row in chart.knowledge.policy.risk_factors if row.kind in kinds}
    return any(factor.id in ids for factor in present_factors(chart))


def label(chart: Chart, factor: Fact) -> str:
    """The name of a risk factor in a summary."""
    row = next(r for r in chart.knowledge.policy.risk_factors if r.id == factor.id)
    for problem in chart.problems.of(row.valueset):
        entries = problem.hits[row.valueset]
        if row.labels and problem.evidence[row.valueset] in factor.evidence:
            return row.labels.get(entries[0].tier, row.label)
    if row.kind in ("diuretic", "wasting-drug"):
        return drug_words(next(u for u in chart.medications if u.evidence == factor.evidence[0]))
    return row.label


@question
def anti_egfr(chart: Chart) -> tuple[MedicationUse, ...]:
    """Antibodies against EGFR among the RF8 drugs (SPEC 12.4 M-17)."""
    antibodies = set(chart.knowledge.policy.anti_egfr)
    counted = {e for factor in present_factors(chart) for e in factor.evidence}
    return tuple(
        use
        for use in chart.medications
        if use.evidence in counted and set(use.drug.ingredients) & antibodies
    )


# ------------------------------------------------------------------------------- finders


def _condition(chart: Chart, row: RiskRow) -> Fact:
    found = [
        p.evidence[row.valueset]
        for p in indicating_problems(chart, row.valueset, row.exclude, past_events=True)
        if any(_entry_counts(chart, row, e) for e in p.hits[row.valueset])
    ]
    return fact(row.id, found, chart.gaps("conditions"))


def _entry_counts(chart: Chart, row: RiskRow, entry: SetCode) -> bool:
    if row.valueset == "risk_alcohol" and entry.tier == "abuse":
        return chart.knowledge.parameters.alcohol.abuse_counts
    return entry.qualifies


def _hypomagnesaemia(chart: Chart, row: RiskRow) -> Fact:
    found = [p.evidence[row.valueset] for p in indicating_problems(chart, row.valueset)]
    serum = serum_magnesium(chart)
    low = serum.state in (MagnesiumState.LOW, MagnesiumState.SEVERE_LOW)
    if low and serum.evidence is not None:
        found.append(serum.evidence)
    perhaps = (Gap("magnesiumLabs", serum.perhaps_low),) if serum.perhaps_low else ()
    gaps = chart.gaps("conditions", "magnesiumLabs")
    return fact(row.id, found, (*gaps, *serum.gaps, *perhaps))


# ------------------------------------------------------------------------------ medicines


def _of_medicines(chart: Chart, row: RiskRow) -> Fact:
    return medicine_fact(chart, row.id, lambda use: _COUNTS[row.kind](chart, use))


def is_open(chart: Chart, use: MedicationUse) -> bool:
    """Whether the dates of a medicine leave open if it counts as a risk factor."""
    return any(counts(chart, use) is None for counts in _COUNTS.values())


def _diuretic(_: Chart, use: MedicationUse) -> bool | None:
    wastes = not use.of(COMBINATION) and any(use.of(c) for c in WASTING)
    return wastes and use.regular and use.oral and _is_present_use(use)


def _ppi(chart: Chart, use: MedicationUse) -> bool | None:
    days = chart.knowledge.parameters.ppi.min_days
    if not (use.of("ppi") and use.oral and use.regular) or _is_present_use(use) is False:
        return False
    if _is_present_use(use) and _days_proven(chart, use) >= days:
        return True
    return None if _days_possible(chart, use) >= days else False


def _is_present_use(use: MedicationUse) -> bool | None:
    """Whether the course of a medicine is not over, or `None` if its dates leave that open."""
    return False if use.course_surely_over else None if use.course_over else True


def _days_proven(chart: Chart, use: MedicationUse) -> int:
    """The days for which a medicine was certainly taken: from its start to today, or to the end of
    its course.
    """
    if use.since is None:
        return -1
    return use.since.days_ago_at_least(_until(chart, use.course_end))


def _days_possible(chart: Chart, use: MedicationUse) -> int:
    """The maximum number of days that a medicine can have been taken. It is not limited if the
    start is unknown.
    """
    since = use.since or dates.undated()
    return since.days_ago_at_most(_until(chart, use.course_end_latest))


def _until(chart: Chart, end: date | None) -> date:
    return chart.today if end is None else min(chart.today, end)


def _wasting_drug(chart: Chart, use: MedicationUse) -> bool | None:
    found = set(_wastes(chart, use))
    return True if True in found else None if None in found else False


def _wastes(chart: Chart, use: MedicationUse) -> Iterator[bool | None]:
    """Whether a medicine counts, by each row of the table for its drug."""
    for row in chart.knowledge.policy.wasting_drugs:
        if _is_of(use, row) and use.regular:
            yield _is_in_window(chart, use, row)


def _is_of(use: MedicationUse, row: WastingRow) -> bool:
    if not use.of(row.drug_class) or use.route not in row.routes:
        return False
    return not row.ingredients or bool(set(row.ingredients) & set(use.drug.ingredients))


def _is_in_window(chart: Chart, use: MedicationUse, row: WastingRow) -> bool | None:
    limits = chart.knowledge.parameters.risk
    windows = {"oncology": limits.oncology_days, "antiinfective": limits.antiinfective_days}
    days = windows.get(row.window)
    if days is None:
        return _is_present_use(use)
    # The loss of magnesium outlasts the course, so the window begins at the start (SPEC 11.13).
    if dates.within(use.since, days, chart.today):
        return True
    return None if dates.maybe_within(use.since or dates.undated(), days, chart.today) else False


_COUNTS: dict[str, Callable[[Chart, MedicationUse], bool | None]] = {
    "diuretic": _diuretic,
    "ppi": _ppi,
    "wasting-drug": _wasting_drug,
}
"""By kind of row, whether a medicine counts. `None`: its dates leave that open."""

_FINDERS: dict[str, Callable[[Chart, RiskRow], Fact]] = {
    "condition": _condition,
    "hypomagnesaemia": _hypomagnesaemia,
    **dict.fromkeys(_COUNTS, _of_medicines),
}
