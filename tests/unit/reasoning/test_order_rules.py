"""What is checked on a magnesium order, by kind of product (SPEC 6.4, 12.2 N-6, 12.4, 12.5 S-4)."""

from __future__ import annotations

import pytest

from tests.support import fhir
from tests.support.fhir import Resource
from tests.unit.chart.reading import TODAY
from tests.unit.reasoning.asking import (
    ANTACID,
    AV_BLOCK,
    BOWEL_OBSTRUCTION,
    BOWEL_PREP,
    DIABETES,
    DIARRHOEA,
    GLYCINATE,
    LAXATIVE,
    MIGRAINE,
    MILK_OF_MAGNESIA,
    MYASTHENIA,
    OF_THE_GUT,
    OXIDE,
    PREGNANT,
    SPIRONOLACTONE,
    aged,
    card,
    caution_ids,
    charted,
    has,
    kinds,
    level,
    one,
    orders,
    shown,
    signs,
    takes,
    views,
)

ALL = (GLYCINATE, OXIDE, *OF_THE_GUT)
LAXATIVES = (LAXATIVE, MILK_OF_MAGNESIA, BOWEL_PREP)
POLYCYSTIC = "Q61.2"
SCOOPS = "2 heaped scoops with the main meal"


def ordered(code: str, **more: object) -> Resource:
    return orders(code, 200 if code == GLYCINATE else None, **more)


# ------------------------------------------------------------------ bowel, nerves and heart


@pytest.mark.parametrize("code", ALL)
def test_a_laxative_with_bowel_obstruction_is_critical_and_others_a_warning(code: str) -> None:
    found = one(signs(charted(has(BOWEL_OBSTRUCTION)), ordered(code)))
    critical = code in LAXATIVES
    assert (found.card, found.indicator) == ("rx-mg-bowel", "critical" if critical else "warning")
    assert kinds(found) == (["delete"] if critical else [])


def test_the_word_laxative_does_not_make_an_oxide_a_laxative() -> None:
    order = orders(None, None, text="magnesium oxide 330 mg tablet, as laxative")
    assert shown(signs(charted(has(BOWEL_OBSTRUCTION)), order)) == [("rx-mg-bowel", "warning")]
    reduced = signs(charted(gfr=42), order)
    assert "rx-mg-renal-caution" in [c.card for c in reduced.cards]


@pytest.mark.parametrize("code", ALL)
@pytest.mark.parametrize(
    ("condition", "card_id"), [(MYASTHENIA, "rx-mg-nmj"), (AV_BLOCK, "rx-mg-avblock")]
)
def test_nerves_and_heart_are_a_warning_with_every_form(
    code: str, condition: str, card_id: str
) -> None:
    assert shown(signs(charted(has(condition)), ordered(code))) == [(card_id, "warning")]


@pytest.mark.parametrize("code", ALL)
def test_a_pacemaker_meets_the_block(code: str) -> None:
    assert signs(charted(has(AV_BLOCK), has("Z95.0")), ordered(code)).cards == ()


# ------------------------------------------------------------------------------ kidneys


@pytest.mark.parametrize("code", OF_THE_GUT)
def test_reduced_kidneys_warn_of_a_laxative_with_tests_and_no_other_dose(code: str) -> None:
    found = one(signs(charted(gfr=45), ordered(code)))
    assert (found.card, found.indicator) == ("rx-mg-renal-caution", "warning")
    assert kinds(found) == ["labs"]
    assert caution_ids(found) == []
    assert found.values["form"] in ("antacid", "laxative", "laxative-antacid", "bowel-prep")


@pytest.mark.parametrize(
    ("code", "conditions", "age", "fires"),
    [
        (MILK_OF_MAGNESIA, (POLYCYSTIC,), 50, True),
        (LAXATIVE, (POLYCYSTIC,), 50, True),
        (BOWEL_PREP, (POLYCYSTIC,), 50, True),
        (ANTACID, (POLYCYSTIC,), 50, False),
        (MILK_OF_MAGNESIA, (DIABETES,), 50, False),
        (MILK_OF_MAGNESIA, (), 74, False),
        (MILK_OF_MAGNESIA, (), 75, True),
        (ANTACID, (), 80, False),
    ],
)
def test_unknown_kidneys_matter_for_a_laxative_with_a_risk_to_the_kidney(
    code: str, conditions: tuple[str, ...], age: int, fires: bool
) -> None:
    on = charted(*(has(c) for c in conditions), gfr=None, who=aged(age))
    found = signs(on, ordered(code))
    assert shown(found) == ([("rx-mg-renal-unknown", "info")] if fires else [])
    assert all(kinds(c) == ["labs"] for c in found.cards)


@pytest.mark.parametrize("code", ALL)
def test_a_result_that_cannot_be_used_is_a_warning_with_every_form(code: str) -> None:
    odd = fhir.observation(fhir.EGFR, 80, "mg/L", 10, today=TODAY)
    found = one(signs(charted(kidneyLabs=[odd]), ordered(code)))
    assert (found.card, found.indicator) == ("rx-mg-renal-unknown", "warning")
    assert kinds(found) == ["labs"]


def test_failing_kidneys_silence_dose_and_duplicate_of_the_same_order() -> None:
    on = charted(gfr=22, taken=(takes(GLYCINATE, dosage=fhir.dosage(300)),))
    assert shown(signs(on, orders(OXIDE, None))) == [("rx-mg-renal-critical", "critical")]
    assert shown(signs(on, orders(GLYCINATE, 600))) == [("rx-mg-renal-critical", "critical")]
    unread = orders(GLYCINATE, None, dosage=fhir.dosage(times_per_day=None, text=SCOOPS))
    assert shown(signs(on, unread)) == [("rx-mg-renal-critical", "critical")]


def test_what_the_kidneys_do_not_explain_stays_beside_them() -> None:
    on = charted(has(BOWEL_OBSTRUCTION), gfr=22, allergies=[fhir.allergy(OXIDE, type="allergy")])
    assert shown(signs(on, ordered(LAXATIVE))) == [
        ("rx-mg-renal-critical", "critical"),
        ("rx-mg-allergy", "critical"),
        ("rx-mg-bowel", "critical"),
    ]
    nerves = signs(charted(has(MYASTHENIA), has(AV_BLOCK), gfr=22), orders())
    assert [c.card for c in nerves.cards] == ["rx-mg-renal-critical", "rx-mg-avblock", "rx-mg-nmj"]


# ---------------------------------------------------------------------------- children


@pytest.mark.parametrize("code", OF_THE_GUT)
@pytest.mark.parametrize(("age", "fires"), [(0, True), (1, True), (2, False), (17, False)])
def test_an_antacid_or_laxative_is_a_warning_under_two_years(
    code: str, age: int, fires: bool
) -> None:
    found = signs(charted(who=aged(age)), ordered(code))
    assert shown(found) == ([("rx-mg-age", "warning")] if fires else [])


def test_an_unknown_age_leaves_a_laxative_unchecked() -> None:
    found = one(signs(charted(who=fhir.patient(sex="female")), ordered(MILK_OF_MAGNESIA)))
    assert found.card == "rx-mg-not-checked"
    assert [g.key for g in found.gaps] == ["patient"]


# ------------------------------------------------------------------- level and allergy


@pytest.mark.parametrize("code", ALL)
@pytest.mark.parametrize(
    ("value", "gfr", "indicator"),
    [(2.7, 92, "warning"), (3.0, 92, "critical"), (2.7, 45, "critical")],
)
def test_a_level_slightly_high_offers_tests_and_a_high_one_the_deletion(
    code: str, value: float, gfr: float, indicator: str
) -> None:
    on = charted(gfr=gfr, levels=(level(value),))
    found = card(signs(on, ordered(code)), "rx-mg-hypermag")
    assert found.indicator == indicator
    assert kinds(found) == (["labs"] if indicator == "warning" else ["delete"])


@pytest.mark.parametrize("code", ALL)
def test_a_reaction_of_the_gut_is_information(code: str) -> None:
    gut = fhir.allergy("6582", criticality="low", manifestations=[DIARRHOEA])
    found = one(signs(charted(allergies=[gut]), ordered(code)))
    assert (found.card, found.indicator) == ("rx-mg-allergy", "info")
    assert kinds(found) == []
    both = signs(
        charted(allergies=[gut, fhir.allergy("6582", id="b", type="allergy")]), ordered(code)
    )
    assert shown(both) == [("rx-mg-allergy", "critical")]
    assert kinds(one(both)) == ["delete"]


def test_a_reaction_of_the_gut_does_not_block_a_suggestion_but_is_said() -> None:
    gut = fhir.allergy("6582", criticality="low", manifestations=[DIARRHOEA])
    on = charted(has(MIGRAINE), has(DIABETES), allergies=[gut])
    found = one(views(on))
    assert found.card == "mg-suggest"
    assert "M12" in caution_ids(found)
    allergic = charted(
        has(MIGRAINE), has(DIABETES), allergies=[fhir.allergy("6582", type="allergy")]
    )
    assert views(allergic).cards == ()


# -------------------------------------------------------------------------------- dose


@pytest.mark.parametrize(
    ("gfr", "taken", "fires"),
    [
        (45, (), True),
        (None, (), True),
        (92, (), False),
        (92, (takes(ANTACID),), True),
        (92, (takes(SPIRONOLACTONE),), False),
    ],
)
def test_a_dose_that_cannot_be_read_is_said_where_it_matters(
    gfr: float | None, taken: tuple[Resource, ...], fires: bool
) -> None:
    order = orders(GLYCINATE, None, dosage=fhir.dosage(times_per_day=None, text=SCOOPS))
    found = signs(charted(gfr=gfr, taken=taken), order)
    assert ("rx-mg-dose-unknown" in [c.card for c in found.cards]) is fires
    if fires:
        said = card(found, "rx-mg-dose-unknown")
        assert said.indicator == "info"
        assert said.values["text"] == said.values["said"] == SCOOPS


def test_no_dose_at_all_is_not_a_dose_that_cannot_be_read() -> None:
    nothing = orders(GLYCINATE, None, dosage=None)
    assert shown(signs(charted(gfr=45), nothing)) == [("rx-mg-renal-caution", "warning")]


@pytest.mark.parametrize(
    ("order", "offered"),
    [
        (orders(GLYCINATE, 201), ["labs", "update"]),
        (orders(GLYCINATE, 200), ["labs"]),
        (orders(GLYCINATE, None, dosage=None), ["labs"]),
        (orders(GLYCINATE, None, dosage=fhir.dosage(400)), ["labs"]),  # of the salt, perhaps
        (
            orders(GLYCINATE, None, dosage=fhir.dosage(times_per_day=None, text=SCOOPS)),
            ["labs"],
        ),
    ],
)
def test_two_hundred_milligrams_are_offered_only_for_a_dose_known_to_be_above(
    order: Resource, offered: list[str]
) -> None:
    assert kinds(card(signs(charted(gfr=45), order), "rx-mg-renal-caution")) == offered


def test_the_dose_of_a_salt_is_an_upper_bound() -> None:
    salt = orders(GLYCINATE, None, dosage=fhir.dosage(600))
    found = one(signs(charted(), salt))
    assert (found.card, found.values["dose"], found.values["up_to"]) == ("rx-mg-dose", "600", "yes")
    elemental = one(signs(charted(), orders(GLYCINATE, 600)))
    assert (elemental.values["dose"], elemental.values["up_to"]) == ("600", "")


@pytest.mark.parametrize(
    ("mg", "taken", "indicator"),
    [
        (350, (), "info"),
        (351, (), "warning"),
        (400, (), "warning"),
        (200, (takes(GLYCINATE, dosage=fhir.dosage(200)),), "warning"),
    ],
)
def test_in_pregnancy_a_dose_above_the_limit_is_a_warning(
    mg: float, taken: tuple[Resource, ...], indicator: str
) -> None:
    on = charted(has(PREGNANT, recorded_days=60), taken=taken)
    assert card(signs(on, orders(GLYCINATE, mg)), "rx-mg-pregnancy").indicator == indicator


@pytest.mark.parametrize("code", OF_THE_GUT)
def test_an_antacid_or_laxative_that_nothing_speaks_against_is_silent(code: str) -> None:
    on = charted(has(PREGNANT, recorded_days=60), taken=(takes(GLYCINATE), takes(SPIRONOLACTONE)))
    assert signs(on, ordered(code)).cards == ()
