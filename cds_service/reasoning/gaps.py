"""Gaps: the unknown data of the patient, in total or among the data that were read."""

from __future__ import annotations

from cds_service import reasons
from cds_service.chart.chart import DRAFTS, Chart
from cds_service.chart.evidence import Gap, merged
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import serum_magnesium
from cds_service.reasoning.medicines import is_asked_for, lost_stopped_gaps, unclear_gaps
from cds_service.reasoning.problems import unread_gaps

CHART_KEYS = (
    "patient",
    "conditions",
    "medicationRequests",
    "medicationStatements",
    "allergies",
    "kidneyLabs",
    "magnesiumLabs",
    "pregnancyStatus",
    "kidneyProcedures",
)
SAFETY_SETS = (
    "renal",
    "renal_transplant",
    "safety_neuromuscular",
    "safety_heart_block",
    "safety_bowel_obstruction",
    "pregnancy",
)
"""Sets for which an unreadable condition is never ignored (SPEC 12.1 U-7)."""


def all_gaps(chart: Chart) -> tuple[Gap, ...]:
    """Everything that is not known, each prefetch key once, and of the orders of the call.

    It is not remembered: reading a dose later in the call can show one more.
    """
    results = [*kidney_function(chart).gaps, *serum_magnesium(chart).gaps]
    unread = [gap for set_id in SAFETY_SETS for gap in unread_gaps(chart, set_id)]
    if unread:  # it has its own text
        results = [gap for gap in results if gap.why != reasons.KIDNEY_CONDITION_UNREAD]
    # Last, since reading a result or a dose can show that it cannot be read.
    of_keys, of_drafts = chart.gaps(*CHART_KEYS), chart.gaps(DRAFTS)
    unclear = (*unclear_gaps(chart, is_asked_for), *lost_stopped_gaps(chart))
    return merged((*of_keys, *results, *unread, *unclear, *of_drafts))


def gaps_met(chart: Chart) -> tuple[Gap, ...]:
    """The gaps among the data that were read so far. Reads nothing more."""
    return merged((*chart.gaps_met(), *chart.noted_gaps))
