"""Every row of the tables of orders, hazards and suggestions decides in some case."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cards.registered import mismatches
from cds_service.chart.chart import Chart
from cds_service.knowledge import tables
from cds_service.knowledge.model import HazardRow, SafetyRow
from cds_service.reasoning import suggest
from cds_service.reasoning.decision import CardDecision
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.unit.chart.reading import TODAY
from tests.unit.reasoning.asking import (
    ANTACID,
    AV_BLOCK,
    BOWEL_OBSTRUCTION,
    BOWEL_PREP,
    DIABETES,
    DIARRHOEA,
    GLYCINATE,
    HCTZ,
    LAXATIVE,
    LEVOTHYROXINE,
    MIGRAINE,
    MILK_OF_MAGNESIA,
    MYASTHENIA,
    OXIDE,
    PREGNANT,
    RESIN,
    SPIRONOLACTONE,
    SUMATRIPTAN,
    TOPIRAMATE,
    aged,
    card,
    charted,
    has,
    kinds,
    level,
    one,
    orders,
    selects,
    signs,
    takes,
    views,
)

POLICY = knowledge().policy
PRODUCTS = {
    "supplement": GLYCINATE,
    "antacid": ANTACID,
    "laxative": LAXATIVE,
    "laxative-antacid": MILK_OF_MAGNESIA,
    "bowel-prep": BOWEL_PREP,
}
GUT = fhir.allergy("6582", criticality="low", manifestations=[DIARRHOEA])
UNREAD_DOSE = fhir.dosage(times_per_day=None, text="2 heaped scoops with the main meal")
ODD_RESULT = fhir.observation(fhir.EGFR, 80, "mg/L", 1, today=TODAY)
RESIN_TAKEN = takes(None, text=RESIN, id="x", dosage=None)

ORDERS: dict[tuple[str, str], Callable[[], Chart]] = {
    ("rx-mg-renal-critical", ""): lambda: charted(gfr=22),
    ("rx-mg-hypermag", "slight"): lambda: charted(levels=(level(2.7),)),
    ("rx-mg-hypermag", ""): lambda: charted(levels=(level(3.5),)),
    ("rx-mg-allergy", "gut"): lambda: charted(allergies=[GUT]),
    ("rx-mg-allergy", ""): lambda: charted(allergies=[fhir.allergy("6582", type="allergy")]),
    ("rx-mg-bowel", ""): lambda: charted(has(BOWEL_OBSTRUCTION)),
    ("rx-mg-renal-caution", ""): lambda: charted(gfr=45),
    ("rx-mg-renal-unknown", "unusable"): lambda: charted(kidneyLabs=[ODD_RESULT]),
    ("rx-mg-renal-unknown", "risk"): lambda: charted(has(DIABETES), gfr=None),
    ("rx-mg-renal-unknown", "kidney_risk"): lambda: charted(gfr=None, who=aged(80)),
    ("rx-mg-renal-unknown", ""): lambda: charted(gfr=None),
    ("rx-mg-avblock", ""): lambda: charted(has(AV_BLOCK)),
    ("rx-mg-nmj", ""): lambda: charted(has(MYASTHENIA)),
    ("rx-mg-dose", ""): charted,
    ("rx-mg-dose-unknown", ""): lambda: charted(gfr=45),
    ("rx-mg-duplicate", ""): lambda: charted(taken=(takes(OXIDE),)),
    ("rx-mg-age", "above"): lambda: charted(who=aged(7)),
    ("rx-mg-age", "small_child"): lambda: charted(who=aged(1)),
    ("rx-mg-age", ""): lambda: charted(who=aged(17)),
    ("rx-mg-pregnancy", "above"): lambda: charted(has(PREGNANT, recorded_days=60)),
    ("rx-mg-pregnancy", ""): lambda: charted(has(PREGNANT, recorded_days=60)),
    ("rx-mg-interaction", ""): lambda: charted(taken=(RESIN_TAKEN,)),
    ("rx-ksparing-ckd", ""): lambda: charted(gfr=45, taken=(takes(SPIRONOLACTONE),)),
}
MG = {"rx-mg-dose": 600, "rx-mg-renal-caution": 400, ("rx-mg-pregnancy", "above"): 400}


def order_for(row: SafetyRow, subtype: str) -> Resource:
    if subtype != "supplement":
        return orders(PRODUCTS[subtype], None)
    if row.card == "rx-mg-dose-unknown":
        return orders(GLYCINATE, None, dosage=UNREAD_DOSE)
    return orders(GLYCINATE, MG.get((row.card, row.grade), MG.get(row.card, 200)))


@each_row(
    ("row", "subtype"),
    [(row, subtype) for row in POLICY.order_safety for subtype in row.subtypes],
    ids=lambda part: part if isinstance(part, str) else f"{part.card}-{part.grade}",
)
def test_each_row_of_the_orders_decides_for_each_of_its_products(
    row: SafetyRow, subtype: str
) -> None:
    on = ORDERS[row.card, row.grade]()
    found = card(signs(on, order_for(row, subtype)), row.card)
    usual = row.indicator or knowledge().cards[row.card].indicator
    assert found.indicator == usual or row.card == "rx-mg-interaction"
    assert kinds(found) == list(row.offers)


def test_no_case_of_an_order_is_left_over() -> None:
    assert set(ORDERS) == {(row.card, row.grade) for row in POLICY.order_safety}


HAZARDS: dict[tuple[str, str], Callable[[], Chart]] = {
    ("mg-hazard-renal", ""): lambda: charted(gfr=22, taken=(takes(),)),
    ("mg-hazard-hypermag", "slight"): lambda: charted(taken=(takes(),), levels=(level(2.7),)),
    ("mg-hazard-hypermag", ""): lambda: charted(taken=(takes(),), levels=(level(3.5),)),
    ("mg-hazard-dose", "very_high"): lambda: charted(
        taken=(takes(dosage=fhir.dosage(12, "tablet")),)
    ),
    ("mg-hazard-dose", ""): lambda: charted(gfr=45, taken=(takes(),)),
    ("mg-hazard-bowel", ""): lambda: charted(has(BOWEL_OBSTRUCTION), taken=(takes(),)),
    ("mg-hazard-nmj", ""): lambda: charted(has(MYASTHENIA), taken=(takes(),)),
}


@pytest.mark.parametrize("row", POLICY.hazards, ids=lambda row: f"{row.card}-{row.grade}")
def test_each_row_of_the_hazards_decides(row: HazardRow) -> None:
    found = one(views(HAZARDS[row.card, row.grade]()))
    assert found.card == row.card
    assert found.indicator == (row.indicator or knowledge().cards[row.card].indicator)
    assert found.offers[0].labs == row.labs


def test_no_case_of_a_hazard_is_left_over() -> None:
    assert set(HAZARDS) == {(row.card, row.grade) for row in POLICY.hazards}


GFR = {"NORMAL": 92, "MODERATE": 45, "SEVERE": 22, "UNKNOWN": None}
TRIGGERS = {"diuretic": HCTZ, "preventive": TOPIRAMATE, "acute": SUMATRIPTAN}


def suggested(trigger: str, kidney_class: str, low: bool = False) -> tuple[CardDecision, ...]:
    levels = (level(1.0),) if low else ()
    on = charted(has(MIGRAINE), has(DIABETES), gfr=GFR[kidney_class], levels=levels)
    if trigger == "chart":
        return views(on).cards
    return selects(on, orders(TRIGGERS[trigger], None)).cards


@pytest.mark.parametrize(
    ("trigger", "kidney_class", "expected"),
    [(row.trigger, k, card_id) for row in POLICY.suggest for k, card_id in row.cards.items()],
)
def test_each_trigger_gives_its_card_in_each_kidney_class(
    trigger: str, kidney_class: str, expected: str
) -> None:
    found = suggested(trigger, kidney_class)
    assert [c.card for c in found] == ([expected] if expected else [])
    low = suggested(trigger, kidney_class, low=True)
    assert [c.card for c in low] == ["mg-low-severe"]


def test_each_check_of_the_policy_is_written_and_each_name_is_known() -> None:
    assert list(mismatches(knowledge())) == []
    assert set(suggest.CIRCUMSTANCES) | suggest.TESTS_FIRST == tables.CIRCUMSTANCES


def test_an_interaction_is_as_serious_as_its_drug() -> None:
    on = charted(taken=(takes(LEVOTHYROXINE),))
    assert card(signs(on, orders()), "rx-mg-interaction").indicator == "info"
