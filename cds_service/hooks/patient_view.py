"""`patient-view`: a chart is opened (CDS Hooks library, SPEC 6.1)."""

from __future__ import annotations

from cds_service.hooks.hook import Hook
from cds_service.reasoning.policies import CHART

PATIENT_VIEW = Hook(
    name="patient-view",
    title="Magnesium for migraine prevention",
    description=(
        "Suggests a trial of magnesium glycinate to adults with migraine who have a risk factor for"
        " magnesium deficiency, after looking at kidney function, serum magnesium, allergies and"
        " other reasons against it. Warns where magnesium is already taken with severe kidney"
        " disease or high serum magnesium. Otherwise silent."
    ),
    moment="Chart opened",
    policy=CHART,
)
