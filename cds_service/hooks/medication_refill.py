"""`medication-refill`: a refill of existing prescriptions is requested (CDS Hooks library, SPEC 6.8)."""

from __future__ import annotations

from cds_service.hooks.hook import Hook, Orders
from cds_service.reasoning.policies import ORDERS

MEDICATION_REFILL = Hook(
    name="medication-refill",
    title="Safety of magnesium refills",
    description=(
        "When a refill is requested, checks magnesium among the medications against kidney"
        " function, serum magnesium, dose, allergies, age, pregnancy and interacting drugs. Names"
        " both values where kidney function has fallen since the last fill. Never suggests a new"
        " drug."
    ),
    moment="Refill requested",
    policy=ORDERS,
    version="0.1.0",
    orders=Orders(member="medications", refills=True),
)
