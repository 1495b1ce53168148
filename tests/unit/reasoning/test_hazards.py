"""Magnesium that is taken: what it is a hazard with (SPEC 6.1, 12.4 M-6 to M-9, M-11)."""

from __future__ import annotations

import pytest

from tests.support import fhir
from tests.unit.chart.reading import TODAY
from tests.unit.reasoning.asking import (
    ANTACID,
    BOWEL_OBSTRUCTION,
    BOWEL_PREP,
    GLYCINATE,
    MILK_OF_MAGNESIA,
    MULTIVITAMIN,
    MYASTHENIA,
    OF_THE_GUT,
    OXIDE,
    aged,
    caution,
    caution_ids,
    charted,
    egfr,
    has,
    labs_of,
    level,
    one,
    recommended,
    shown,
    takes,
    views,
)

FOUR = {"lab_magnesium", "lab_creatinine", "lab_potassium", "lab_calcium"}
UNTOLD = fhir.dosage(times_per_day=1, text="at bedtime")


def tablets(number: float) -> dict[str, object]:
    """Oxide tablets of 241 mg elemental magnesium each."""
    return takes(dosage=fhir.dosage(number, "tablet"))


@pytest.mark.parametrize(
    ("a_day", "gfr", "indicator"),
    [
        (1, 40, "warning"),  # 241 mg
        (1, 92, ""),
        (4, 92, ""),  # 964 mg
        (5, 92, "warning"),  # 1,205 mg
        (10, 92, "warning"),  # 2,410 mg
        (11, 92, "critical"),  # 2,651 mg
        (11, 40, "critical"),
        (5, None, "warning"),  # kidney function is not known
        (1, None, ""),
    ],
)
def test_the_daily_dose_of_what_is_taken_has_limits(
    a_day: float, gfr: float | None, indicator: str
) -> None:
    found = shown(views(charted(gfr=gfr, taken=(tablets(a_day),))))
    assert found == ([("mg-hazard-dose", indicator)] if indicator else [])


@pytest.mark.parametrize(("mg", "fires"), [(200, False), (201, True)])
def test_two_hundred_milligrams_are_not_above_two_hundred(mg: float, fires: bool) -> None:
    dose = fhir.dosage(mg, text="elemental magnesium")
    assert bool(views(charted(gfr=45, taken=(takes(GLYCINATE, dosage=dose),))).cards) is fires


def test_all_that_is_scheduled_is_summed_up() -> None:
    taken = (
        takes(GLYCINATE, dosage=fhir.dosage(150, text="elemental magnesium")),
        takes(ANTACID, dosage=fhir.dosage(1, "tablet")),  # 83 mg
    )
    found = one(views(charted(gfr=45, taken=taken)))
    assert (found.card, found.values["dose"], found.values["limit"]) == (
        "mg-hazard-dose", "234", "200",
    )  # fmt: skip
    assert views(charted(gfr=45, taken=taken[:1])).cards == ()


def test_as_needed_use_is_not_summed_up() -> None:
    assert views(charted(gfr=45, taken=(takes(prn=True),))).cards == ()


@pytest.mark.parametrize(
    ("code", "fires"),
    [*((code, True) for code in OF_THE_GUT), (MULTIVITAMIN, False), (GLYCINATE, False)],
)
def test_a_laxative_of_unknown_dose_counts_with_reduced_kidneys(code: str, fires: bool) -> None:
    taken = (takes(code, dosage=UNTOLD),)
    found = views(charted(gfr=45, taken=taken))
    assert shown(found) == ([("mg-hazard-dose", "warning")] if fires else [])
    assert all(c.values["dose"] == c.values["limit"] == "" for c in found.cards)
    assert views(charted(gfr=92, taken=taken)).cards == ()


@pytest.mark.parametrize(
    ("condition", "card"),
    [(BOWEL_OBSTRUCTION, "mg-hazard-bowel"), (MYASTHENIA, "mg-hazard-nmj")],
)
@pytest.mark.parametrize("code", [OXIDE, MULTIVITAMIN, *OF_THE_GUT])
def test_a_disease_makes_every_magnesium_by_mouth_a_hazard(
    condition: str, card: str, code: str
) -> None:
    on = charted(has(condition), taken=(takes(code, prn=True),), who=aged(12))
    found = one(views(on))
    assert (found.card, found.indicator) == (card, "warning")
    assert found.values["finding"] == found.because[1].evidence[0].display
    assert found.because[0].id == "current_magnesium"


def test_a_disease_that_is_over_is_no_hazard() -> None:
    for code in (BOWEL_OBSTRUCTION, MYASTHENIA):
        on = charted(has(code, clinical="resolved"), taken=(takes(),))
        assert views(on).cards == ()


@pytest.mark.parametrize(
    ("value", "unit", "gfr", "indicator"),
    [
        (2.7, "mg/dL", 92, "warning"),
        (2.99, "mg/dL", 92, "warning"),
        (3.0, "mg/dL", 92, "critical"),
        (1.2, "mmol/L", 92, "warning"),
        (1.23, "mmol/L", 92, "critical"),
        (2.7, "mg/dL", 50, "critical"),
        (2.7, "mg/dL", None, "critical"),
        (5.0, "mg/dL", 92, "critical"),
    ],
)
def test_a_level_slightly_high_is_a_warning_with_normal_kidneys(
    value: float, unit: str, gfr: float | None, indicator: str
) -> None:
    on = charted(gfr=gfr, taken=(takes(MULTIVITAMIN),), levels=(level(value, unit),))
    assert shown(views(on)) == [("mg-hazard-hypermag", indicator)]


def test_a_diagnosis_beside_a_slightly_high_level_stays_critical() -> None:
    on = charted(has("E83.41"), taken=(takes(),), levels=(level(2.7),))
    assert shown(views(on)) == [("mg-hazard-hypermag", "critical")]


def test_every_hazard_offers_four_tests_and_recommends_them() -> None:
    every = {
        "mg-hazard-renal": charted(gfr=22, taken=(takes(),)),
        "mg-hazard-hypermag": charted(taken=(takes(),), levels=(level(3.5),)),
        "mg-hazard-dose": charted(gfr=45, taken=(takes(),)),
        "mg-hazard-bowel": charted(has(BOWEL_OBSTRUCTION), taken=(takes(),)),
        "mg-hazard-nmj": charted(has(MYASTHENIA), taken=(takes(),)),
    }
    for card, on in every.items():
        found = one(views(on))
        assert found.card == card
        assert labs_of(found) == FOUR
        assert recommended(found) == ["labs"]


def test_the_dose_is_not_said_beside_failing_kidneys() -> None:
    assert shown(views(charted(gfr=22, taken=(tablets(12),)))) == [("mg-hazard-renal", "critical")]


def test_of_several_hazards_the_critical_come_first_and_three_are_shown() -> None:
    on = charted(
        has(BOWEL_OBSTRUCTION), has(MYASTHENIA), gfr=45, taken=(takes(),), levels=(level(3.5),)
    )
    assert shown(views(on)) == [
        ("mg-hazard-hypermag", "critical"),
        ("mg-hazard-dose", "warning"),
        ("mg-hazard-bowel", "warning"),
    ]


def test_a_hazard_leaves_no_room_for_a_suggestion() -> None:
    antacid = takes(ANTACID, dosage=UNTOLD)
    on = charted(has("G43.009"), has("E11.9"), has(MYASTHENIA), taken=(antacid,))
    assert shown(views(on)) == [("mg-hazard-nmj", "warning")]


@pytest.mark.parametrize("days", [731, 1000, 4000])
def test_an_active_order_of_magnesium_counts_at_any_age_and_says_since_when(days: int) -> None:
    found = one(views(charted(gfr=22, taken=(takes(authored_days=days, text="oxide"),))))
    assert found.card == "mg-hazard-renal"
    said = caution(found, "M9")
    assert said["product"] == "oxide"
    assert said["since"].startswith(fhir.day(days, TODAY))
    recent = one(views(charted(gfr=22, taken=(takes(authored_days=700),))))
    assert caution_ids(recent) == []


def test_a_bowel_preparation_that_is_taken_counts_with_failing_kidneys() -> None:
    assert shown(views(charted(gfr=22, taken=(takes(BOWEL_PREP),)))) == [
        ("mg-hazard-renal", "critical")
    ]


def test_what_the_limit_rests_on_is_among_the_reasons() -> None:
    moderate = one(views(charted(gfr=45, taken=(takes(),))))
    assert [f.id for f in moderate.because] == ["current_magnesium", "kidney"]
    high = one(views(charted(gfr=92, taken=(tablets(5),))))
    assert [f.id for f in high.because] == ["current_magnesium"]
    assert high.values["dose"] == "1205"
    assert high.values["limit"] == "1000"


def test_the_largest_limit_that_was_passed_is_named() -> None:
    found = one(views(charted(gfr=45, taken=(tablets(5),))))
    assert (found.values["dose"], found.values["limit"]) == ("1205", "1000")


def test_milk_of_magnesia_beside_a_good_result_is_no_hazard() -> None:
    on = charted(taken=(takes(MILK_OF_MAGNESIA, dosage=fhir.dosage(15, "mL")),))
    assert views(on).cards == ()
    assert views(charted(taken=(takes(),), kidneyLabs=[egfr(60)])).cards == ()
