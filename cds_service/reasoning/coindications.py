"""What else a preventive may be ordered for (SPEC 12.5 S-1)."""

from __future__ import annotations

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, fact
from cds_service.reasoning.orders import Draft, reason_of
from cds_service.reasoning.renal_risk import safety_problems


def other_use(draft: Draft, chart: Chart) -> Fact | None:
    """An active disease that explains a non-specific preventive ordered without a reason.

    `None` where the question does not arise: a stated reason, or a drug for migraine alone.
    """
    use = draft.use
    if use is None or use.of("migraine_preventive_specific") or reason_of(draft, chart):
        return None
    sets = chart.knowledge.coindications.of(use.drug.ingredients)
    found = [p.evidence[s] for s in dict.fromkeys(sets) for p in safety_problems(chart, s)]
    return fact("other_use", found, chart.gaps("conditions"))
