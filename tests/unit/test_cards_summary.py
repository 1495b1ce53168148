"""The sentence on top: filled, one line, never too long, whatever is lacking."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cards.summary import summary
from cards.variants import variant
from cds_service import reasons
from cds_service.reasoning.decision import CardDecision, KidneyClass, MagnesiumState
from tests.support.decisions import (
    caution,
    egfr,
    gap,
    kidney,
    knowledge,
    labs,
    magnesium,
    one_of,
    plan,
    safety_card,
    suggestion_card,
)
from tests.support.tables import each_row

CARDS = sorted(knowledge().cards)
LIMIT = 139


TODAY = date(2026, 11, 22)


def said(card: CardDecision) -> str:
    return summary(card, TODAY, knowledge())


@each_row("card", CARDS)
def test_every_card_is_filled(card: str) -> None:
    text = said(one_of(card))

    assert "{" not in text
    assert len(text) <= LIMIT
    for name, value in one_of(card).values.items():
        if name in named(card):
            assert value.lower() in text.lower()


def named(card: str) -> set[str]:
    row = knowledge().cards[card]
    template = row.variants.get(variant(one_of(card), knowledge()), row.summary)
    return {name for name in one_of(card).values if "{" + name + "}" in template}


@each_row("card", CARDS)
def test_a_template_leaves_room_for_what_fills_it(card: str) -> None:
    row = knowledge().cards[card]
    for template in (row.summary, *row.variants.values()):
        assert len(template) < 120


@each_row("card", CARDS)
def test_a_card_without_values_still_reads(card: str) -> None:
    text = said(CardDecision(card, "info"))

    assert "{" not in text
    assert "  " not in text
    assert " :" not in text
    assert text[0].isupper()


def test_the_values_stand_where_the_template_has_them() -> None:
    card = suggestion_card(
        "mg-suggest-reduced",
        values={"risk": "diabetes", "egfr": "48"},
        offers=(labs(), plan("mg_200_reduced")),
    )

    assert said(card) == (
        "Migraine + diabetes, eGFR 48: magnesium only at low dose with Mg/creatinine checks"
    )


def test_without_a_risk_factor_its_clause_goes() -> None:
    card = suggestion_card("mg-check-renal", values={"risk": ""})

    assert said(card) == "Migraine: check kidney function before starting oral magnesium"


def test_without_an_egfr_the_reason_stands_in_its_place() -> None:
    stage = kidney("48", basis="diagnosis", value=None, reason=reasons.ckd_stage("3"))
    card = suggestion_card("mg-suggest-reduced", values={"risk": "diabetes"}, kidney=stage)

    assert said(card).startswith("Migraine + diabetes, CKD stage 3: magnesium only")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("2026-03-22", "8 months old"),
        ("2026-03-23", "7 months old"),
        ("2026-09-23", "of 2026-09-23"),
        ("2026-09-22", "2 months old"),
        ("2026-12-01", "of 2026-12-01"),
        ("2024-11-23", "23 months old"),
        ("2024-11-22", "2 years old"),
        ("2021-11-23T08:00:00Z", "4 years old"),
        ("2026-03", "of 2026-03"),
        ("2025", "of 2025"),
        ("", "not dated"),
        ("yesterday", "not dated"),
    ],
)
def test_with_tests_only_the_summary_asks_for_the_test_and_says_how_old_the_last_one_is(
    written: str, words: str
) -> None:
    stale = kidney("48", flags=("stale",), evidence=egfr("48", date=written))
    card = suggestion_card("mg-suggest-reduced", offers=(labs(),), kidney=stale)

    assert said(card) == (f"Migraine + diabetes: repeat eGFR (48, {words}) before any magnesium")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("conflicting", "results disagree"),
        ("unusable_newer", "perhaps not the newest"),
        ("partly_known", "perhaps not the newest"),
    ],
)
def test_a_result_that_does_not_stand_alone_is_said_with_that(flag: str, words: str) -> None:
    known = kidney("48", flags=("stale", flag))
    card = suggestion_card("mg-suggest-reduced", offers=(labs(),), kidney=known)

    assert f"repeat eGFR (48, {words}) before any magnesium" in said(card)


def test_without_any_result_the_summary_asks_for_one() -> None:
    stage = kidney("48", basis="diagnosis", value=None, egfr_text="", reason=reasons.ckd_stage("3"))
    card = suggestion_card("mg-suggest-reduced", offers=(labs(),), kidney=stage)

    assert said(card) == (
        "Migraine + diabetes: measure eGFR (CKD stage 3, no usable result) before any magnesium"
    )


def test_a_trial_is_said_with_the_result_that_allows_it() -> None:
    assert said(suggestion_card(values={"risk": "diabetes", "egfr": "92"})) == (
        "Migraine + diabetes: a 12-week trial of oral magnesium is an option (eGFR 92, 2026-10-23)"
    )
    undated = kidney("92", evidence=egfr("92", date=""))
    card = suggestion_card(values={"risk": "diabetes", "egfr": "92"}, kidney=undated)
    assert said(card).endswith("is an option")


def test_where_the_line_is_full_the_result_goes_first() -> None:
    risk = "diabetes, alcohol dependence, heart disease and magnesium-wasting drugs"
    text = said(suggestion_card(values={"risk": risk, "egfr": "92"}))

    assert text == f"Migraine + {risk}: a 12-week trial of oral magnesium is an option"


def test_a_value_that_is_too_long_is_cut_and_not_the_end_of_the_sentence() -> None:
    product = (
        "aluminum hydroxide 200 mg / magnesium hydroxide 200 mg / simethicone 25 mg chewable tablet"
    )
    values = {"product": product, "renal_reason": "eGFR 45"}
    text = said(safety_card("mg-hazard-dose", indicator="warning", values=values))

    assert text.startswith("Takes aluminum hydroxide 200 mg / magnesium hydroxide 200 mg")
    assert text.endswith("… with eGFR 45: amount not known, measure magnesium")
    assert len(text) <= LIMIT


ADVICE_WITHOUT_AN_INTERVAL = "no magnesium laxative or antacid: weaker effect"


@pytest.mark.parametrize(
    ("advice", "text"),
    [
        (
            {"polystyrene": ADVICE_WITHOUT_AN_INTERVAL},
            f"Polystyrene and magnesium: {ADVICE_WITHOUT_AN_INTERVAL}",
        ),
        (
            {"polystyrene": ADVICE_WITHOUT_AN_INTERVAL, "rocuronium": "tell the anaesthetist"},
            "Polystyrene, rocuronium: each interacts with magnesium",
        ),
        (
            {"polystyrene": ADVICE_WITHOUT_AN_INTERVAL, "iron": "2 h apart from magnesium"},
            "Polystyrene, iron: keep apart from magnesium",
        ),
    ],
)
def test_where_hours_do_not_help_nothing_says_keep_apart(advice: dict[str, str], text: str) -> None:
    cautions = tuple(caution("C5", drug=drug, advice=said) for drug, said in advice.items())
    assert said(safety_card("rx-mg-interaction", cautions=cautions)) == text


def spaced(*drugs: str) -> CardDecision:
    cautions = tuple(caution("C5", drug=d, advice="4 h apart from magnesium.") for d in drugs)
    return safety_card("rx-mg-interaction", cautions=cautions)


@pytest.mark.parametrize(
    ("drugs", "text"),
    [
        (["levothyroxine"], "Levothyroxine: keep apart from magnesium (4 h apart from magnesium)"),
        (["doxycycline", "iron"], "Doxycycline, iron: keep apart from magnesium"),
        (
            ["doxycycline", "iron", "x"],
            "Doxycycline, iron + 1 other: keep apart from magnesium",
        ),
        (
            ["doxycycline", "alendronate", "iron", "levothyroxine"],
            "Doxycycline, alendronate + 2 others: keep apart from magnesium",
        ),
    ],
)
def test_interacting_drugs_are_named_two_and_counted(drugs: list[str], text: str) -> None:
    assert said(spaced(*drugs)) == text


def test_an_interaction_without_a_caution_is_said_by_its_values() -> None:
    values = {"drug": "dolutegravir", "advice": "2 h before magnesium"}
    card = safety_card("rx-mg-interaction", values=values)
    assert said(card) == "Dolutegravir: keep apart from magnesium (2 h before magnesium)"


def test_what_was_not_available_for_a_check_is_named() -> None:
    gaps = tuple(gap(key) for key in ("kidneyLabs", "allergies", "kidneyLabs", "conditions"))
    card = safety_card("rx-mg-not-checked", gaps=gaps)

    assert said(card) == (
        "Magnesium order not fully checked: kidney results, allergies + 1 other not available"
    )


@pytest.mark.parametrize(
    ("card", "indicator", "values", "text"),
    [
        (
            "rx-mg-hypermag",
            "warning",
            {"mg": "2.7 mg/dL"},
            "Magnesium order and serum Mg is slightly high (2.7 mg/dL): repeat it first",
        ),
        (
            "mg-hazard-hypermag",
            "warning",
            {"mg": "2.7 mg/dL"},
            (
                "Serum Mg 2.7 mg/dL is slightly high while on magnesium: "
                "repeat it, lower or pause the dose"
            ),
        ),
        (
            "rx-mg-allergy",
            "info",
            {"finding": "magnesium oxide"},
            "Gut intolerance to magnesium oxide on file: start low with another salt",
        ),
        (
            "rx-mg-allergy",
            "critical",
            {"finding": "magnesium oxide"},
            "Recorded allergy/intolerance to magnesium product",
        ),
        (
            "rx-mg-renal-caution",
            "warning",
            {"egfr": "48", "form": "bowel-prep"},
            "Magnesium bowel preparation with eGFR 48: choose another agent, or measure Mg first",
        ),
        (
            "rx-mg-renal-unknown",
            "info",
            {"form": "laxative-antacid"},
            "Magnesium laxative, kidney function not on file: creatinine first, or another agent",
        ),
        (
            "rx-mg-age",
            "warning",
            {"age": "0", "form": "laxative"},
            "Magnesium laxative under 2 years: agree with paediatrics first",
        ),
        (
            "rx-mg-age",
            "info",
            {"form": "supplement"},
            "Magnesium order and no birth date on file: check the age first",
        ),
        (
            "rx-mg-dose",
            "warning",
            {"dose": "1500", "up_to": "yes"},
            "Total magnesium up to 1500 mg/day, above 500 mg/day if the label states elemental",
        ),
        (
            "rx-mg-dose-unknown",
            "info",
            {"text": "2 scoops"},
            'Daily magnesium could not be worked out from this order: "2 scoops"',
        ),
        (
            "rx-mg-dose-unknown",
            "info",
            {},
            "Daily magnesium could not be worked out from this order",
        ),
        (
            "mg-hazard-dose",
            "warning",
            {"dose": "723", "renal_reason": "eGFR 40", "limit": "200"},
            "Takes magnesium 723 mg/day with eGFR 40: above the limit, measure magnesium",
        ),
        (
            "mg-hazard-dose",
            "warning",
            {"dose": "1205", "limit": "1000"},
            "Takes magnesium 1205 mg/day: above 1000 mg/day, measure magnesium",
        ),
        (
            "mg-hazard-dose",
            "warning",
            {"dose": "300", "renal_reason": "eGFR 45", "limit": "200", "up_to": "yes"},
            (
                "Takes magnesium, up to 300 mg/day with eGFR 45: "
                "above the limit if elemental, measure magnesium"
            ),
        ),
        (
            "mg-hazard-dose",
            "warning",
            {"dose": "1200", "limit": "1000", "up_to": "yes"},
            (
                "Takes magnesium, up to 1200 mg/day: "
                "above 1000 mg/day if elemental, measure magnesium"
            ),
        ),
        (
            "mg-hazard-dose",
            "warning",
            {"product": "milk of magnesia", "renal_reason": "eGFR 45"},
            "Takes milk of magnesia with eGFR 45: amount not known, measure magnesium",
        ),
    ],
)
def test_a_special_case_has_a_true_sentence_of_its_own(
    card: str, indicator: str, values: dict[str, str], text: str
) -> None:
    assert said(safety_card(card, indicator=indicator, values=values)) == text


def test_a_newest_result_that_is_not_usable_is_not_called_none() -> None:
    known = kidney("48", kidney_class=KidneyClass.UNKNOWN, flags=("unusable_newer",))
    assert said(safety_card("rx-mg-renal-unknown", kidney=known)).startswith(
        "Newest kidney result missing or not usable"
    )
    assert said(safety_card("rx-mg-renal-unknown")).startswith("No recent kidney function")


def test_without_an_egfr_and_a_reason_it_says_reduced() -> None:
    card = CardDecision("rx-mg-renal-caution", "warning")

    assert said(card).startswith("Magnesium order with reduced kidney function: max 200 mg/day")


def test_the_reason_and_the_magnesium_come_from_the_findings() -> None:
    severe = suggestion_card("mg-avoid-renal", values={}, kidney=kidney("25"))
    low = magnesium(MagnesiumState.SEVERE_LOW, "1.1 mg/dL")

    assert said(severe).endswith("eGFR 25")
    assert said(suggestion_card("mg-low-severe", values={}, magnesium=low)).startswith(
        "Serum Mg 1.1 mg/dL:"
    )


def test_a_diagnosis_alone_is_said_as_such() -> None:
    assert "(diagnosis on file)" in said(safety_card("rx-mg-hypermag"))


@pytest.mark.parametrize("card", ["mg-hazard-hypermag", "rx-mg-hypermag"])
def test_a_dangerous_magnesium_is_urgent(card: str) -> None:
    values = {"mg": "5.2 mg/dL"}
    dangerous = magnesium(MagnesiumState.CRITICAL_HIGH, "5.2 mg/dL")
    high = magnesium(MagnesiumState.HIGH, "3.0 mg/dL")

    assert said(safety_card(card, values=values, magnesium=dangerous)).startswith("Urgent: ")
    assert not said(safety_card(card, values=values, magnesium=high)).startswith("Urgent")


def test_other_cards_are_not_urgent_over_a_high_magnesium() -> None:
    dangerous = magnesium(MagnesiumState.CRITICAL_HIGH, "5.2 mg/dL")

    assert not said(safety_card("rx-mg-nmj", magnesium=dangerous)).startswith("Urgent")


def test_a_drug_at_the_beginning_has_a_capital() -> None:
    assert said(one_of("mg-with-diuretic")).startswith("Chlorthalidone wastes magnesium")


def test_a_long_summary_is_cut_at_a_word() -> None:
    text = said(suggestion_card(values={"risk": "a very long risk factor " * 20}))
    value, _, rest = text.partition("…")

    assert len(text) <= LIMIT
    assert value.split()[-1] in {"a", "very", "long", "risk", "factor"}
    assert rest == ": a 12-week trial of oral magnesium is an option"


@given(st.text(), st.sampled_from(CARDS))
def test_text_of_the_chart_stays_one_safe_line(text: str, card: str) -> None:
    values = dict.fromkeys(
        ("risk", "egfr", "renal_reason", "mg", "drug", "product", "advice", "dose", "text"), text
    )
    shown = said(CardDecision(card, "info", values=values))

    assert shown.isprintable()
    assert 0 < len(shown) <= LIMIT


def test_places_in_chart_text_are_not_filled() -> None:
    unknown = kidney("48", kidney_class=KidneyClass.MODERATE, reason="{drug} {mg}")
    text = said(CardDecision("rx-mg-renal-caution", "warning", kidney=unknown))

    assert "{drug} {mg}" in text
