"""The sentence on top: filled, one line, never too long, whatever is lacking."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cards.summary import summary
from cds_service.reasoning.decision import CardDecision, KidneyClass, MagnesiumState
from tests.support.decisions import (
    kidney,
    knowledge,
    magnesium,
    one_of,
    safety_card,
    suggestion_card,
)

CARDS = sorted(knowledge().cards)
LIMIT = 139


def said(card: CardDecision) -> str:
    return summary(card, knowledge())


@pytest.mark.parametrize("card", CARDS)
def test_every_card_is_filled(card: str) -> None:
    text = said(one_of(card))

    assert "{" not in text
    assert len(text) <= LIMIT
    assert all(value in text for name, value in one_of(card).values.items() if name in named(card))


def named(card: str) -> set[str]:
    template = knowledge().cards[card].summary
    return {name for name in one_of(card).values if "{" + name + "}" in template and name != "drug"}


@pytest.mark.parametrize("card", CARDS)
def test_a_card_without_values_still_reads(card: str) -> None:
    text = said(CardDecision(card, "info"))

    assert "{" not in text
    assert "  " not in text
    assert " :" not in text
    assert text[0].isupper()


def test_the_values_stand_where_the_template_has_them() -> None:
    card = suggestion_card("mg-suggest-reduced", values={"risk": "diabetes", "egfr": "48"})

    assert said(card) == (
        "Migraine + diabetes, eGFR 48: magnesium only at low dose with Mg/creatinine checks"
    )


def test_without_a_risk_factor_its_clause_goes() -> None:
    card = suggestion_card("mg-check-renal", values={"risk": ""})

    assert said(card) == "Migraine: check kidney function before starting oral magnesium"


def test_without_an_egfr_the_reason_stands_in_its_place() -> None:
    stage = kidney("48", basis="diagnosis", value=None, reason="CKD stage 3")
    card = suggestion_card("mg-suggest-reduced", values={"risk": "diabetes"}, kidney=stage)

    assert said(card).startswith("Migraine + diabetes, CKD stage 3: magnesium only")


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

    assert len(text) <= LIMIT
    assert text.endswith("…")
    assert text[:-1].split()[-1] in {"a", "very", "long", "risk", "factor"}


@given(st.text(), st.sampled_from(CARDS))
def test_text_of_the_chart_stays_one_safe_line(text: str, card: str) -> None:
    values = dict.fromkeys(
        ("risk", "egfr", "renal_reason", "mg", "drug", "product", "advice", "dose"), text
    )
    shown = said(CardDecision(card, "info", values=values))

    assert shown.isprintable()
    assert 0 < len(shown) <= LIMIT


def test_places_in_chart_text_are_not_filled() -> None:
    unknown = kidney("48", kidney_class=KidneyClass.MODERATE, reason="{drug} {mg}")
    text = said(CardDecision("rx-mg-renal-caution", "warning", kidney=unknown))

    assert "{drug} {mg}" in text
