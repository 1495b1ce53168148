"""Wording exists for whatever a card can say, and every text is one that a card can say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import product

import msgspec
import pytest

from cards.detail import detail, is_suggestion
from cards.reason import reason
from cards.render import render
from cards.suggestions import suggestions
from cards.summary import summary
from cards.variants import variant
from cds_service import reasons
from cds_service.chart.evidence import Evidence
from cds_service.fhir.prefetch import KINDS
from cds_service.knowledge import wording
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import (
    CardDecision,
    Kidney,
    KidneyClass,
    MagnesiumState,
    Offer,
    OfferKind,
    SerumMagnesium,
)
from tests.support.cards import assert_no_empty
from tests.support.decisions import (
    CREATININE,
    DIABETES,
    ICD,
    MIGRAINE,
    call,
    caution,
    decision,
    egfr,
    gap,
    knowledge,
    labs,
    one_of,
    order,
    plan,
)
from tests.support.tables import each_row

CARDS = sorted(knowledge().cards)
OPTIONAL = re.compile(r"fact\.[a-z_]+|card\.[a-z-]+\.do\.[a-z_]+")
"""Texts that have something to fall back on."""


class Asked(dict[str, str]):
    """The texts, and which of them were asked for without anything to fall back on."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__(texts)
        self.ids: set[str] = set()

    def __getitem__(self, text_id: str) -> str:
        self.ids.add(text_id)
        return super().__getitem__(text_id)


def kidneys() -> Iterator[Kidney]:
    """Every class on every basis, dated and not, with every flag."""
    stage = Evidence("Condition/k", ICD, "N18.9", "CKD", None)
    bases: list[tuple[str, Evidence | None, str]] = [
        ("eGFR", egfr("48"), "48"),
        ("eGFR", egfr("48", date=""), "48"),
        ("creatinine", CREATININE, "40.1"),
        ("creatinine", msgspec.structs.replace(CREATININE, date="2026"), "40.1"),
        ("creatinine", msgspec.structs.replace(CREATININE, date=None), "40.1"),
        ("diagnosis", stage, ""),
        ("procedure", None, ""),
        ("none", None, ""),
        ("none", CREATININE, ""),
    ]
    flagged = [bases[n] for n in (0, 5, 8)]
    states = [
        *product(KidneyClass, bases, [()]),
        *product(KidneyClass, flagged, [(flag,) for flag in wording.KIDNEY_FLAGS]),
    ]
    for kidney_class, (basis, evidence, text), flag in states:
        yield Kidney(
            kidney_class,
            "rule",
            basis,
            Decimal(text) if text else None,
            text,
            reasons.ckd_stage("3") if basis == "diagnosis" else None,
            evidence,
            (egfr("105"),) if flag else (),
            flag,
        )


def serum() -> Iterator[SerumMagnesium | None]:
    yield None
    for state, date in product(MagnesiumState, ("2026-10-01", "2026", None)):
        found = Evidence("Observation/mg", None, "19123-9", "Mg", date, "2.9", "mg/dL", "value")
        yield SerumMagnesium(state, "2.9 mg/dL", found)


def offers(card: str) -> list[tuple[Offer, ...]]:
    tests = labs("lab_magnesium", "lab_potassium", "lab_calcium", "lab_creatinine")
    later = msgspec.structs.replace(tests, due_weeks=(4, 8))
    if card.startswith("rx-"):
        update = Offer(OfferKind.UPDATE, order=order(), daily_mg=Decimal(200))
        return [(), (tests, update), (Offer(OfferKind.DELETE, order=order()),)]
    if not is_suggestion(one_of(card), knowledge()):
        return [(), (tests,)]
    plans = [plan(p.id) for p in knowledge().plans.plans]
    alone = [(each,) for each in plans]
    return [(), (tests,), *alone, (tests, plans[0]), (later, plans[0], plans[-1])]


def combinations(card: str) -> Iterator[CardDecision]:
    """The card in every state of its kidney, with every offer, indicator and serum magnesium."""
    usual = one_of(card)
    magnesium = list(serum())
    indicators = ("info", "warning", "critical")
    values: list[dict[str, str]] = [
        usual.values,
        {},
        *({"form": form} for form in wording.PRODUCT_FORMS),
        {**usual.values, "up_to": "yes", "form": "supplement"},
        {"dose": "1205", "limit": "1000", "age": "1", "form": "laxative"},
        {"dose": "1205", "limit": "1000", "up_to": "yes"},
    ]
    gaps = [(), *((gap(key),) for key in wording.PREFETCH_KEYS)]
    apart = caution("C5", drug="levothyroxine", advice="4 h apart from magnesium")
    never = caution("C5", drug="rocuronium", advice="tell the anaesthetist")
    for n, (kidney, offered) in enumerate(product(kidneys(), offers(card))):
        yield msgspec.structs.replace(
            usual,
            kidney=kidney,
            offers=offered,
            magnesium=magnesium[n % len(magnesium)],
            indicator=indicators[n % len(indicators)],
            values=values[n % len(values)],
            gaps=gaps[n % len(gaps)],
            cautions=((apart,) if n % 6 < 3 else (never,)) * (n % 3),
            because=(MIGRAINE, DIABETES) if n % 2 else (),
        )


@pytest.fixture(scope="module")
def asked() -> set[str]:
    """The texts that are asked for without anything to fall back on, over all combinations."""
    texts = Asked(knowledge().wording.texts)
    recording = with_texts(texts)
    for card in CARDS:
        for each in combinations(card):
            detail(each, recording)
            summary(each, call().now.date(), recording)
        suggestions(one_of(card), call(), recording)
        render(decision(one_of(card)), call(), recording)
    return texts.ids


def with_texts(texts: dict[str, str]) -> Knowledge:
    words = msgspec.structs.replace(knowledge().wording, texts=texts)
    return msgspec.structs.replace(knowledge(), wording=words)


@each_row("card", CARDS)
def test_a_card_can_be_said_in_every_state(card: str) -> None:
    for each in combinations(card):
        text = detail(each, knowledge())
        line = summary(each, call().now.date(), knowledge())
        why = reason(each, knowledge())

        assert "{" not in text + line, each
        assert "- \n" not in text
        assert not re.search(r"\*\*[^*]+:\*\* *(\n|$)", text), text
        assert 0 < len(line) < 140
        assert_no_empty(why, card)
        if is_suggestion(each, knowledge()):
            assert len(text) <= knowledge().parameters.cards.detail_max


@each_row("card", CARDS)
def test_a_card_that_offers_a_dose_says_the_dose_and_no_other_card_does(card: str) -> None:
    for each in combinations(card):
        plans = [o.plan for o in each.offers if o.kind is OfferKind.PLAN]
        text = detail(each, knowledge())

        assert ("(elemental magnesium, as glycinate)" in text) == bool(plans)
        for known in knowledge().plans.plans:
            assert known.id not in plans or known.in_words in text


def test_no_card_asks_for_a_text_that_the_start_does_not_check(asked: set[str]) -> None:
    required = wording.required(knowledge().cards, knowledge().plans)

    assert len(asked) > 100
    assert asked - required - {text for text in asked if OPTIONAL.fullmatch(text)} == set()


def test_there_is_no_text_that_no_card_can_say() -> None:
    """Each text is required, or a variant, or what a fact is called."""
    required = wording.required(knowledge().cards, knowledge().plans)
    left = set(knowledge().wording.texts) - required - wording.optional(knowledge().cards)

    assert {text for text in left if not text.startswith("fact.")} == set()


def test_nothing_is_missing() -> None:
    known = knowledge()
    assert list(wording.missing(known.cards, known.plans, known.wording.texts)) == []


@each_row("text_id", sorted(wording.required(knowledge().cards, knowledge().plans)))
def test_each_text_that_is_taken_away_is_missed(text_id: str) -> None:
    known = knowledge()
    texts = {i: text for i, text in known.wording.texts.items() if i != text_id}

    assert f"there is no text {text_id}" in list(wording.missing(known.cards, known.plans, texts))


def test_a_special_case_without_any_wording_is_missed() -> None:
    known = knowledge()
    texts = dict(known.wording.texts)
    texts.pop("card.check-kidney.do.with_plan")
    texts["card.order-dose.summary.other"] = "x"

    assert list(wording.missing(known.cards, known.plans, texts)) == [
        "mg-check-renal has neither a summary nor a text for with_plan",
        "nothing asks for the text card.order-dose.summary.other",
    ]


def test_a_plan_that_does_not_say_itself_is_missed() -> None:
    known = knowledge()
    silent = msgspec.structs.replace(known.plans.plans[0], in_words="")
    plans = msgspec.structs.replace(known.plans, plans=(silent,))

    assert list(wording.missing(known.cards, plans, known.wording.texts)) == [
        "plan mg_200_400 does not say itself in words"
    ]


# --------------------------------------------- what is listed is what there is


def test_the_lists_are_those_of_the_code() -> None:
    assert set(wording.KIDNEY_CLASSES) == {str(k) for k in KidneyClass}
    assert set(wording.MAGNESIUM_STATES) == {str(state) for state in MagnesiumState}
    assert set(wording.PREFETCH_KEYS) == {*KINDS, "draftOrders"}
    named = set(re.findall(r'"([a-z_]+)"', Kidney.__doc__ or ""))
    assert named - {"creatinine", "diagnosis", "procedure", "none", "dialysis"} == set(
        wording.KIDNEY_FLAGS
    )


@pytest.mark.parametrize(
    ("card", "case"), [(c.id, case) for c in knowledge().cards.values() for case in c.cases]
)
def test_each_special_case_comes_up(card: str, case: str) -> None:
    assert case in {variant(each, knowledge()) for each in combinations(card)}


def test_a_card_without_special_cases_is_the_usual_one() -> None:
    assert variant(one_of("mg-suggest"), knowledge()) == ""
    assert variant(one_of("rx-mg-dose"), knowledge()) == ""
