"""`encounter-discharge`: a patient is being discharged (CDS Hooks library, SPEC 6.8)."""

from __future__ import annotations

from cds_service.hooks.hook import Hook
from cds_service.reasoning.policies import CHART

ENCOUNTER_DISCHARGE = Hook(
    name="encounter-discharge",
    title="Magnesium for migraine prevention, at discharge",
    description=(
        "At discharge, suggests a trial of magnesium glycinate to adults with migraine who have a"
        " risk factor for magnesium deficiency, and warns where magnesium is taken with severe"
        " kidney disease or high serum magnesium, as when the chart is opened. Orders of the"
        " discharge are checked when they are signed. Otherwise silent."
    ),
    moment="Discharge",
    policy=CHART,
    at_encounter=True,
)
