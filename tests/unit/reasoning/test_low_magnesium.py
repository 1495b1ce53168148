"""A dangerously low magnesium comes before blocks, kidney class and age (SPEC 12.4 M-10)."""

from __future__ import annotations

import pytest

from tests.support import fhir
from tests.unit.chart.reading import WOMAN
from tests.unit.reasoning.asking import (
    AV_BLOCK,
    BOWEL_OBSTRUCTION,
    DIABETES,
    GLYCINATE,
    HCTZ,
    MIGRAINE,
    MYASTHENIA,
    PREGNANT,
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
    shown,
    takes,
    views,
)

LOW = level(1.1)
CARD = [("mg-low-severe", "warning")]


@pytest.mark.parametrize("code", [AV_BLOCK, MYASTHENIA, PREGNANT, "Z94.0"])
def test_it_comes_before_a_block(code: str) -> None:
    on = charted(has(MIGRAINE), has(DIABETES), has(code, recorded_days=60), levels=(LOW,))
    found = one(views(on))
    assert found.card == "mg-low-severe"
    assert kinds(found) == ["labs"]
    # The block is named among the reasons, so that nobody starts tablets by it.
    assert [e.resource for f in found.because for e in f.evidence].count(f"Condition/c-{code}") == 1


def test_it_comes_before_an_allergy() -> None:
    on = charted(
        has(MIGRAINE), has(DIABETES), levels=(LOW,), allergies=[fhir.allergy(text="magnesium")]
    )
    assert shown(views(on)) == CARD


@pytest.mark.parametrize("gfr", [22, 45, 92, None])
def test_it_comes_before_every_kidney_class(gfr: float | None) -> None:
    on = charted(has(MIGRAINE), has(DIABETES), gfr=gfr, levels=(LOW,))
    assert shown(views(on)) == CARD


@pytest.mark.parametrize(
    ("who", "fires"),
    [
        (aged(1), True),
        (aged(15), True),
        (aged(0), False),
        (fhir.patient(sex="female"), False),  # no birthDate
    ],
)
def test_it_comes_from_one_year_of_age(who: fhir.Resource, fires: bool) -> None:
    on = charted(has(MIGRAINE), has(DIABETES), levels=(LOW,), who=who)
    assert shown(views(on)) == (CARD if fires else [])


def test_it_comes_beside_magnesium_that_is_taken() -> None:
    found = one(views(charted(has(MIGRAINE), has(DIABETES), taken=(takes(),), levels=(LOW,))))
    assert found.card == "mg-low-severe"
    assert "current_magnesium" in [f.id for f in found.because]


def test_only_hazards_of_kidney_and_level_stop_it() -> None:
    taken = (takes(),)
    renal = charted(has(MIGRAINE), has(DIABETES), gfr=22, taken=taken, levels=(LOW,))
    assert shown(views(renal)) == [("mg-hazard-renal", "critical")]
    bowel = charted(
        has(MIGRAINE), has(DIABETES), has(BOWEL_OBSTRUCTION), taken=taken, levels=(LOW,)
    )
    assert shown(views(bowel)) == [("mg-hazard-bowel", "warning"), *CARD]
    dose = charted(has(MIGRAINE), has(DIABETES), gfr=45, taken=taken, levels=(LOW,))
    assert shown(views(dose)) == [("mg-hazard-dose", "warning"), *CARD]


def test_it_is_not_the_warning_that_is_left_out() -> None:
    on = charted(
        *(has(code) for code in (MIGRAINE, DIABETES, BOWEL_OBSTRUCTION, MYASTHENIA)),
        gfr=45, taken=(takes(),), levels=(LOW,),
    )  # fmt: skip
    assert [(c.card, c.indicator) for c in views(on).cards] == [
        ("mg-hazard-dose", "warning"),
        ("mg-hazard-bowel", "warning"),
        *CARD,
    ]


def test_it_leaves_critical_cards_where_they_are() -> None:
    on = charted(has(MIGRAINE), has(MYASTHENIA), gfr=22, levels=(LOW,))
    more = [orders(GLYCINATE, id=name) for name in ("a", "b", "c")]
    found = [c.indicator for c in selects(on, orders(TOPIRAMATE, None), *more).cards]
    assert found == ["critical"] * 3


def test_without_migraine_it_is_silent() -> None:
    assert views(charted(has(DIABETES), levels=(LOW,))).cards == ()


@pytest.mark.parametrize(("value", "fires"), [(1.19, True), (1.2, False)])
def test_it_begins_below_the_limit(value: float, fires: bool) -> None:
    found = views(charted(has(MIGRAINE), has(DIABETES), has(AV_BLOCK), levels=(level(value),)))
    assert bool(found.cards) is fires


@pytest.mark.parametrize("code", [TOPIRAMATE, HCTZ, SUMATRIPTAN])
@pytest.mark.parametrize("gfr", [22, 92])
def test_it_comes_first_at_order_select_too(code: str, gfr: float) -> None:
    on = charted(has(MIGRAINE), has(AV_BLOCK), gfr=gfr, levels=(LOW,))
    assert shown(selects(on, orders(code, None))) == CARD


def test_at_order_select_it_comes_beside_magnesium_in_the_drafts() -> None:
    on = charted(has(MIGRAINE), levels=(LOW,))
    found = selects(on, orders(TOPIRAMATE, None), orders(GLYCINATE))
    assert card(found, "mg-low-severe").order is not None
    alone = selects(charted(has(MIGRAINE), levels=(LOW,)), orders(GLYCINATE))
    assert "mg-low-severe" not in [c.card for c in alone.cards]


def test_who_has_died_gets_no_card() -> None:
    dead = {**WOMAN, "deceasedBoolean": True}
    assert views(charted(has(MIGRAINE), has(DIABETES), levels=(LOW,), who=dead)).cards == ()
