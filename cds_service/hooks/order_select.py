"""`order-select`: orders are selected (CDS Hooks library, SPEC 6.2)."""

from __future__ import annotations

from cds_service.hooks.hook import Hook, Orders
from cds_service.reasoning.policies import SELECTED_ORDERS

ORDER_SELECT = Hook(
    name="order-select",
    title="Magnesium when migraine drugs and diuretics are selected",
    description=(
        "When a migraine preventive, an acute migraine drug or a diuretic is selected for an adult"
        " with migraine, suggests magnesium where it is safe. Checks a selected magnesium order"
        " against kidney function, serum magnesium, dose, allergies and interactions."
    ),
    moment="Order picked",
    policy=SELECTED_ORDERS,
    orders=Orders(selections="selections"),
)
