"""Advice on drugs to be spaced: each for itself, all on one card (SPEC 12.4 M-18, 12.5 S-5)."""

from __future__ import annotations

import pytest

from cds_service.knowledge.drugs import MagnesiumProduct
from cds_service.reasoning.decision import KidneyClass
from cds_service.reasoning.interactions import Partner, interacting
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.unit.reasoning.asking import (
    ANTACID,
    CIPROFLOXACIN,
    DIABETES,
    GLYCINATE,
    LAXATIVE,
    LEVOTHYROXINE,
    MIGRAINE,
    MILK_OF_MAGNESIA,
    MULTIVITAMIN,
    OXIDE,
    RESIN,
    charted,
    has,
    one,
    orders,
    shown,
    signs,
    takes,
    views,
)

JULUCA = "dolutegravir 50 mg / rilpivirine 25 mg tablet"
DIALYSIS = "Z99.2"


def advice(drug: str, magnesium: Resource) -> dict[str, str]:
    """What an order of magnesium says for somebody who takes a drug."""
    found = signs(charted(taken=(takes(None, text=drug, id="x", dosage=None),)), magnesium)
    cards = [c for c in found.cards if c.card == "rx-mg-interaction"]
    return {c.values["drug"]: c.values["advice"] for card in cards for c in card.cautions}


@pytest.mark.parametrize(
    "drug",
    [
        *("rosuvastatin", "rilpivirine", "chloroquine", "azithromycin", "cefdinir"),
        *("dasatinib", "velpatasvir", "sotalol", "digoxin"),
    ],
)
def test_the_advice_speaks_of_the_drug_alone(drug: str) -> None:
    found = advice(f"{drug} 10 mg tablet", orders(OXIDE, None))
    assert list(found) == [drug]
    others = {"rosuvastatin", "rilpivirine", "chloroquine", "nitrofurantoin", "sotalol"} - {drug}
    assert not [o for o in others if o in found[drug]]
    assert advice(f"{drug} 10 mg tablet", orders(GLYCINATE)) == {}


@pytest.mark.parametrize(
    ("text", "neutralises"),
    [
        ("buffered magnesium glycinate 100 mg", True),
        ("magnesium amino acid chelate 100 mg", True),
        ("magnesium oxide 400 mg tablet", True),
        ("magnesium glycinate 100 mg", False),
        ("magnesium 100 mg", False),
    ],
)
def test_words_of_a_name_make_a_salt_neutralise(text: str, neutralises: bool) -> None:
    order = orders(None, None, text=text)
    assert bool(advice("rosuvastatin 10 mg tablet", order)) is neutralises


def test_a_word_of_the_label_counts_beside_a_code() -> None:
    assert advice("rosuvastatin 10 mg tablet", orders(GLYCINATE)) == {}
    buffered = orders(GLYCINATE, text="Buffered magnesium glycinate")
    assert list(advice("rosuvastatin 10 mg tablet", buffered)) == ["rosuvastatin"]


@pytest.mark.parametrize("subtype", ["antacid", "laxative-antacid", "laxative", "supplement"])
def test_an_antacid_neutralises_whatever_its_salt_is_called(subtype: str) -> None:
    partner = Partner(MagnesiumProduct(subtype=subtype))
    assert partner.neutralises(knowledge().interactions) is ("antacid" in subtype)


def test_a_drug_without_interaction_has_no_line() -> None:
    assert advice("posaconazole 100 mg tablet", orders(OXIDE, None)) == {}
    assert advice("itraconazole 100 mg capsule", orders(OXIDE, None)) != {}


@pytest.mark.parametrize(("subtype", "met"), [("laxative", True), ("multivitamin", False)])
def test_a_drug_whose_advice_names_kinds_of_products_minds_no_others(
    subtype: str, met: bool
) -> None:
    (resin,) = charted(taken=(takes(None, text=RESIN, dosage=None),)).medications
    product = MagnesiumProduct(subtype=subtype, salts=("magnesium oxide",))
    table = knowledge().interactions
    found = interacting([resin], Partner(product), table, KidneyClass.NORMAL)
    assert bool(found) is met


def test_nitrofurantoin_minds_one_salt() -> None:
    assert advice("nitrofurantoin 100 mg capsule", orders(OXIDE, None)) == {}
    taken = charted(taken=(takes(None, text="magnesium trisilicate antacid", id="t"),))
    order = orders(None, None, text="nitrofurantoin 100 mg capsule")
    assert shown(signs(taken, order)) == [("rx-mg-interaction", "info")]


def test_a_combination_has_its_own_line_beside_neutralising_salts() -> None:
    (both,) = advice(JULUCA, orders(OXIDE, None)).items()
    assert both == ("dolutegravir + rilpivirine", "4 h before or 6 h after antacid-type magnesium")
    assert list(advice(JULUCA, orders(GLYCINATE))) == ["dolutegravir"]
    assert list(advice("dolutegravir 50 mg tablet", orders(OXIDE, None))) == ["dolutegravir"]


def test_patiromer_is_information_and_a_resin_a_warning() -> None:
    for drug, magnesium, indicator in (
        ("patiromer 8.4 g powder", orders(GLYCINATE), "info"),
        (RESIN, orders(OXIDE, None), "warning"),
        (RESIN, orders(GLYCINATE), "info"),
        (RESIN, orders(None, None, text="buffered magnesium glycinate"), "warning"),
        (RESIN, orders(None, None, text="magnesium 200 mg"), "warning"),  # its salt is not known
    ):
        taken = (takes(None, text=drug, id="x", dosage=None),)
        assert shown(signs(charted(taken=taken), magnesium)) == [("rx-mg-interaction", indicator)]


@pytest.mark.parametrize("code", [MILK_OF_MAGNESIA, LAXATIVE, ANTACID])
def test_an_order_of_a_laxative_is_checked_for_what_names_laxatives(code: str) -> None:
    resin = takes(None, text=RESIN, id="x", dosage=None)
    on = charted(taken=(resin, takes(LEVOTHYROXINE), takes(CIPROFLOXACIN)))
    found = one(signs(on, orders(code, None)))
    assert (found.card, found.indicator) == ("rx-mg-interaction", "warning")
    assert [c.values["drug"] for c in found.cautions] == ["sodium polystyrene sulfonate"]
    assert signs(charted(taken=(takes(LEVOTHYROXINE),)), orders(code, None)).cards == ()


def test_active_vitamin_d_matters_in_failing_kidneys_alone() -> None:
    calcitriol = takes(None, text="calcitriol 0.25 mcg capsule", id="v", dosage=None)
    for on in (charted(gfr=92, taken=(calcitriol,)), charted(gfr=None, taken=(calcitriol,))):
        assert "rx-mg-interaction" not in [c.card for c in signs(on, orders(OXIDE, None)).cards]
    # Beside the critical card it is a line, not a card of its own.
    severe = one(signs(charted(has(DIALYSIS), gfr=None, taken=(calcitriol,)), orders(OXIDE, None)))
    assert severe.card == "rx-mg-renal-critical"
    assert [c.values["drug"] for c in severe.cautions if c.id == "C5"] == ["calcitriol"]
    taking = charted(has(DIALYSIS), gfr=None, taken=(takes(OXIDE),))
    order = orders(None, None, text="calcitriol 0.25 mcg capsule")
    assert shown(signs(taking, order)) == [("rx-mg-interaction", "warning")]


def test_a_class_that_is_not_told_apart_gives_the_advice_of_the_class() -> None:
    found = one(signs(charted(taken=(takes(OXIDE),)), fhir.draft_order("J01AA", "atc", id="d")))
    assert found.card == "rx-mg-interaction"
    assert "antibiotic" in found.cautions[0].values["advice"]


# ----------------------------------------------------------------------------- one card


def test_several_drugs_taken_are_on_one_card_the_worst_first() -> None:
    taken = (takes(LEVOTHYROXINE), takes(CIPROFLOXACIN))
    found = one(signs(charted(taken=taken), orders()))
    assert (found.card, found.indicator) == ("rx-mg-interaction", "warning")
    assert [c.values["drug"] for c in found.cautions] == ["ciprofloxacin", "levothyroxine"]
    assert found.values["drug"] == "ciprofloxacin"


def test_several_drugs_ordered_are_on_one_card() -> None:
    on = charted(taken=(takes(OXIDE),))
    drafts = (orders(LEVOTHYROXINE, None), orders(CIPROFLOXACIN, None))
    for several in (drafts, drafts[::-1]):
        found = one(signs(on, *several))
        assert (found.card, found.indicator) == ("rx-mg-interaction", "warning")
        assert [c.values["drug"] for c in found.cautions] == ["ciprofloxacin", "levothyroxine"]
        facts = {f.id: len(f.evidence) for f in found.because}
        assert facts == {"trigger_order": 2, "interacting_drug": 2, "current_magnesium": 1}


def test_one_card_stands_where_the_first_of_them_stood() -> None:
    on = charted(has("G70.00"), taken=(takes(LEVOTHYROXINE),))
    found = signs(on, orders(CIPROFLOXACIN, None), orders())
    assert [c.card for c in found.cards] == ["rx-mg-nmj", "rx-mg-interaction"]
    drugs = [c.values["drug"] for c in found.cards[1].cautions]
    assert sorted(drugs) == ["ciprofloxacin", "levothyroxine"]


def test_a_multivitamin_asks_for_no_spacing() -> None:
    on = charted(taken=(takes(MULTIVITAMIN),))
    assert signs(on, orders(CIPROFLOXACIN, None)).cards == ()


def test_a_suggestion_of_glycinate_minds_what_glycinate_meets() -> None:
    taken = (
        takes(CIPROFLOXACIN),
        takes(None, text="rosuvastatin 10 mg tablet", id="r"),
        takes(None, text="calcitriol 0.25 mcg capsule", id="v"),
    )
    found = one(views(charted(has(MIGRAINE), has(DIABETES), taken=taken)))
    assert [c.values["drug"] for c in found.cautions if c.id == "C5"] == ["ciprofloxacin"]
