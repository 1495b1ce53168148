"""The check for each card. No other module of the code names a card by its id.

The registry (`cards.json`) defines the cards, and `cards/registered.py` compares the two when the
service starts. Suggestions have no check: the table `suggest` of the registry selects them by
trigger and kidney class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.chart.dosage import DailyDose
from cds_service.chart.evidence import Fact
from cds_service.chart.medications import MedicationUse
from cds_service.reasoning import blocks, hazard_checks, medicines, order_checks, other_order_checks
from cds_service.reasoning.finding import Finding
from cds_service.reasoning.magnesium_order import MagnesiumOrder
from cds_service.reasoning.orders import Draft, Drafts
from cds_service.reasons import Reason


def _never(_: object) -> None:
    return None


class OrderCheck(msgspec.Struct, frozen=True):
    """A check of a magnesium order.

    `unknown` is the reason if the result of the check is unknown, otherwise `None`. `grades` are
    all grades that it can find.
    """

    find: Callable[[MagnesiumOrder], Finding | None]
    unknown: Callable[[MagnesiumOrder], Reason | None] = _never
    grades: frozenset[str] = frozenset()


class HazardCheck(msgspec.Struct, frozen=True):
    """A check of the magnesium that is taken; `unknown` and `grades` as in `OrderCheck`."""

    find: Callable[[Chart], Finding | None]
    unknown: Callable[[Chart], Reason | None] = _never
    grades: frozenset[str] = frozenset()


def _of_fact(fact: Fact) -> Reason | None:
    return fact.why if fact.unknown else None


def _of_doses(doses: Iterable[DailyDose]) -> Reason | None:
    unread = [dose for dose in doses if dose.mg is None]
    if not unread:
        return None
    return reasons.dose_not_read(unread[-1].why or unread[-1].said)


ORDER_CHECKS: Final[Mapping[str, OrderCheck]] = {
    "rx-mg-renal-critical": OrderCheck(order_checks.renal_critical),
    "rx-mg-hypermag": OrderCheck(
        order_checks.hypermagnesaemia,
        lambda order: _of_fact(blocks.hypermagnesaemia(order.chart)),
        grades=frozenset({"slight"}),
    ),
    "rx-mg-allergy": OrderCheck(
        order_checks.allergy,
        lambda order: _of_fact(blocks.allergy(order.chart)),
        grades=frozenset({"gut"}),
    ),
    "rx-mg-renal-caution": OrderCheck(order_checks.renal_caution),
    "rx-mg-renal-unknown": OrderCheck(
        order_checks.renal_unknown, grades=frozenset({"unusable", "risk", "kidney_risk"})
    ),
    "rx-mg-avblock": OrderCheck(
        order_checks.av_block, lambda order: _of_fact(blocks.heart_block(order.chart))
    ),
    "rx-mg-nmj": OrderCheck(
        order_checks.neuromuscular, lambda order: _of_fact(blocks.neuromuscular(order.chart))
    ),
    "rx-mg-bowel": OrderCheck(
        order_checks.bowel, lambda order: _of_fact(blocks.bowel_obstruction(order.chart))
    ),
    "rx-mg-dose": OrderCheck(
        order_checks.dose, lambda order: _of_doses(order.doses_of(order.added_to))
    ),
    "rx-mg-dose-unknown": OrderCheck(order_checks.dose_unknown),
    "rx-mg-duplicate": OrderCheck(
        order_checks.duplicate, lambda order: _of_fact(medicines.supplement(order.chart))
    ),
    "rx-mg-age": OrderCheck(order_checks.age, grades=frozenset({"above", "small_child"})),
    "rx-mg-pregnancy": OrderCheck(
        order_checks.pregnancy,
        lambda order: _of_fact(blocks.pregnancy(order.chart)),
        grades=frozenset({"above"}),
    ),
    "rx-mg-interaction": OrderCheck(order_checks.interaction),
    "rx-ksparing-ckd": OrderCheck(order_checks.potassium_sparing_check),
}
"""Checks of an order of magnesium."""
HAZARD_CHECKS: Final[Mapping[str, HazardCheck]] = {
    "mg-hazard-renal": HazardCheck(hazard_checks.renal),
    "mg-hazard-hypermag": HazardCheck(
        hazard_checks.hypermagnesaemia,
        lambda chart: _of_fact(blocks.hypermagnesaemia(chart)),
        grades=frozenset({"slight"}),
    ),
    "mg-hazard-dose": HazardCheck(
        hazard_checks.dose,
        lambda chart: _of_doses(
            medicines.dose_of(chart, use) for use in medicines.oral_magnesium(chart) if use.regular
        ),
        grades=frozenset({"very_high"}),
    ),
    "mg-hazard-bowel": HazardCheck(
        hazard_checks.bowel, lambda chart: _of_fact(blocks.bowel_obstruction(chart))
    ),
    "mg-hazard-nmj": HazardCheck(
        hazard_checks.neuromuscular, lambda chart: _of_fact(blocks.neuromuscular(chart))
    ),
}
"""Checks of the magnesium that is taken."""
OTHER_ORDER_CHECKS: Final[
    Mapping[str, Callable[[Chart, Draft, MedicationUse, Drafts], Finding | None]]
] = {
    "rx-ksparing-ckd": other_order_checks.sparing_order,
    "rx-mg-interaction": other_order_checks.spaced_order,
}
"""Checks of an order of another drug. A card without a check is only data."""
