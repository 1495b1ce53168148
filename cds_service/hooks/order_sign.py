"""`order-sign`: orders are about to be signed (CDS Hooks library, SPEC 6.3)."""

from __future__ import annotations

from cds_service.hooks.hook import Hook, Orders
from cds_service.reasoning.policies import ORDERS

ORDER_SIGN = Hook(
    name="order-sign",
    title="Safety of magnesium orders",
    description=(
        "Before orders are signed, checks magnesium among them against kidney function, serum"
        " magnesium, dose, duplicates, allergies, age, pregnancy and interacting drugs. Never"
        " suggests a new drug at this point."
    ),
    moment="Orders to be signed",
    policy=ORDERS,
    orders=Orders(),
)
