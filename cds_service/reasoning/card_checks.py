"""The check for each card. No other module of the code names a card by its id.

The registry (`cards.json`) defines the cards, and `cards/registered.py` compares the two when the
service starts. Suggestions have no check: the table `suggest` of the registry selects them by
trigger and kidney class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact
from cds_service.chart.medications import MedicationUse
from cds_service.reasoning import (
    blocks,
    hazard_checks,
    open_checks,
    order_checks,
    other_order_checks,
)
from cds_service.reasoning.decision import KidneyClass
from cds_service.reasoning.finding import Finding
from cds_service.reasoning.kidney import is_of_class
from cds_service.reasoning.magnesium_order import MagnesiumOrder
from cds_service.reasoning.orders import Draft, Drafts
from cds_service.reasoning.verdicts import Verdict, of_fact


def _never(_: object) -> bool:
    return False


class OrderCheck(msgspec.Struct, frozen=True):
    """A check of a magnesium order.

    For an order without a finding, `perhaps` returns whether there may be one: no, or the reason why
    that is unknown. `grades` are all grades that the check can find.
    """

    find: Callable[[MagnesiumOrder], Finding | None]
    perhaps: Callable[[MagnesiumOrder], Verdict] = _never
    grades: frozenset[str] = frozenset()


class HazardCheck(msgspec.Struct, frozen=True):
    """A check of the magnesium that is taken; `perhaps` and `grades` as in `OrderCheck`."""

    find: Callable[[Chart], Finding | None]
    perhaps: Callable[[Chart], Verdict] = _never
    grades: frozenset[str] = frozenset()


class OtherOrderCheck(msgspec.Struct, frozen=True):
    """A check of an order of another drug; `perhaps` as in `OrderCheck`."""

    find: Callable[[Chart, Draft, MedicationUse, Drafts], Finding | None]
    perhaps: Callable[[Chart, MedicationUse, Drafts], Verdict]


def _fact(ask: Callable[[Chart], Fact]) -> Callable[[MagnesiumOrder], Verdict]:
    return lambda order: of_fact(ask(order.chart))


def _kidneys(kidney_class: KidneyClass) -> Callable[[MagnesiumOrder], Verdict]:
    return lambda order: is_of_class(order.chart, kidney_class)


ORDER_CHECKS: Final[Mapping[str, OrderCheck]] = {
    "rx-mg-renal-critical": OrderCheck(order_checks.renal_critical, _kidneys(KidneyClass.SEVERE)),
    "rx-mg-hypermag": OrderCheck(
        order_checks.hypermagnesaemia,
        _fact(blocks.hypermagnesaemia),
        grades=frozenset({"slight"}),
    ),
    "rx-mg-allergy": OrderCheck(
        order_checks.allergy, _fact(blocks.allergy), grades=frozenset({"gut"})
    ),
    "rx-mg-renal-caution": OrderCheck(order_checks.renal_caution, _kidneys(KidneyClass.MODERATE)),
    "rx-mg-renal-unknown": OrderCheck(
        order_checks.renal_unknown, grades=frozenset({"unusable", "risk", "kidney_risk"})
    ),
    "rx-mg-avblock": OrderCheck(order_checks.av_block, _fact(blocks.heart_block)),
    "rx-mg-nmj": OrderCheck(order_checks.neuromuscular, _fact(blocks.neuromuscular)),
    "rx-mg-bowel": OrderCheck(order_checks.bowel, _fact(blocks.bowel_obstruction)),
    "rx-mg-dose": OrderCheck(order_checks.dose, open_checks.total_dose),
    "rx-mg-dose-unknown": OrderCheck(order_checks.dose_unknown, open_checks.unread_dose),
    "rx-mg-duplicate": OrderCheck(order_checks.duplicate, open_checks.other_magnesium),
    "rx-mg-age": OrderCheck(
        order_checks.age, open_checks.age, grades=frozenset({"above", "small_child"})
    ),
    "rx-mg-pregnancy": OrderCheck(
        order_checks.pregnancy, _fact(blocks.pregnancy), grades=frozenset({"above"})
    ),
    "rx-mg-interaction": OrderCheck(order_checks.interaction, open_checks.interaction),
    "rx-ksparing-ckd": OrderCheck(
        order_checks.potassium_sparing_check, open_checks.potassium_sparing
    ),
}
"""Checks of an order of magnesium."""
HAZARD_CHECKS: Final[Mapping[str, HazardCheck]] = {
    "mg-hazard-renal": HazardCheck(
        hazard_checks.renal, lambda chart: is_of_class(chart, KidneyClass.SEVERE)
    ),
    "mg-hazard-hypermag": HazardCheck(
        hazard_checks.hypermagnesaemia, open_checks.serum, grades=frozenset({"slight"})
    ),
    "mg-hazard-dose": HazardCheck(
        hazard_checks.dose, open_checks.dose_taken, grades=frozenset({"very_high"})
    ),
    "mg-hazard-bowel": HazardCheck(
        hazard_checks.bowel, lambda chart: of_fact(blocks.bowel_obstruction(chart))
    ),
    "mg-hazard-nmj": HazardCheck(
        hazard_checks.neuromuscular, lambda chart: of_fact(blocks.neuromuscular(chart))
    ),
}
"""Checks of the magnesium that is taken."""
OTHER_ORDER_CHECKS: Final[Mapping[str, OtherOrderCheck]] = {
    "rx-ksparing-ckd": OtherOrderCheck(other_order_checks.sparing_order, open_checks.sparing_order),
    "rx-mg-interaction": OtherOrderCheck(other_order_checks.spaced_order, open_checks.spaced_order),
}
"""Checks of an order of another drug. A card without a check is only data."""
