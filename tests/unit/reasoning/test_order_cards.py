"""What the card of an order carries: the figures of its summary, what it rests on, what it offers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.reasoning.decision import CardDecision, OfferKind
from tests.support import fhir
from tests.support.fhir import Resource
from tests.unit.chart.reading import TODAY, WOMAN, chart
from tests.unit.reasoning.asking import decide
from tests.unit.reasoning.test_account import egfr, takes, told

from ...support.wording import in_words

GLYCINATE, OXIDE, CITRATE, ANTACID = "476818", "198741", "1313985", "307747"
LAXATIVE, BOWEL_PREP, MILK_OF_MAGNESIA, MULTIVITAMIN = "1052760", "1994540", "253017", "1116179"
THYROID_HORMONES, DOLUTEGRAVIR_RILPIVIRINE = "903283", "1989500"
CIPROFLOXACIN, ALENDRONATE, GABAPENTIN = "309309", "904419", "310431"
SPIRONOLACTONE, TRIAMTERENE, ITRACONAZOLE = "313096", "310812", "311204"
TABLET = fhir.dosage(1, "tablet")  # one oxide tablet has 241 mg


def has(code: str, **more: Any) -> Resource:
    return fhir.condition(code, today=TODAY, **{"id": f"c-{code}", **more})


def level(value: float) -> Resource:
    return fhir.observation(fhir.MAGNESIUM, value, "mg/dL", 5, today=TODAY, id="l")


def order(code: str = GLYCINATE, amount: float | None = 200, **more: Any) -> Resource:
    dose = amount and fhir.dosage(amount, text="elemental")
    return fhir.draft_order(code, **{"id": f"d-{code}", "dosage": dose, **more})


def cards(
    *drafts: Resource,
    gfr: float | None = 92,
    conditions: tuple[Resource, ...] = (),
    taken: tuple[Resource, ...] = (),
    levels: tuple[Resource, ...] = (),
    allergies: tuple[Resource, ...] = (),
    who: Resource = WOMAN,
    without: tuple[str, ...] = (),
) -> dict[str, CardDecision]:
    found = {
        "conditions": [*conditions],
        "kidneyLabs": [] if gfr is None else [egfr(gfr)],
        "medicationRequests": [*taken],
        "magnesiumLabs": [*levels],
        "allergies": [*allergies],
    }
    return {c.card: c for c in told(found, "order-sign", drafts, who, without).cards}


def reasons(card: CardDecision) -> list[tuple[str, list[str]]]:
    return [(f.id, [e.resource.rpartition("/")[2] for e in f.evidence]) for f in card.because]


ORDERED = ("ordered_magnesium", [f"d-{GLYCINATE}"])


# ----------------------------------------------------------------------- what it says and why


@pytest.mark.parametrize(
    ("code", "card"),
    [
        ("I44.1", "rx-mg-avblock"),
        ("G70.00", "rx-mg-nmj"),
        ("K56.7", "rx-mg-bowel"),
    ],
)
def test_a_diagnosis_is_named_by_its_display(code: str, card: str) -> None:
    fact = {"I44.1": "heart_block", "G70.00": "neuromuscular", "K56.7": "bowel_obstruction"}[code]
    shown = cards(order(), conditions=(has(code),))[card]
    assert reasons(shown) == [ORDERED, (fact, [f"c-{code}"])]
    assert shown.values["finding"] == shown.because[1].evidence[0].display
    assert shown.values["finding"]
    assert shown.values["dose"] == "200"
    assert shown.values["product"]


def test_kidneys_that_fail_are_said_in_the_words_of_the_class() -> None:
    shown = cards(order(), gfr=22)["rx-mg-renal-critical"]
    assert in_words(shown.values["renal_reason"]) == "eGFR 22"
    assert reasons(shown) == [ORDERED, ("kidney", ["e"])]
    dialysis = cards(order(), conditions=(has("Z99.2"),))["rx-mg-renal-critical"]
    assert in_words(dialysis.values["renal_reason"]) == "dialysis"


@pytest.mark.parametrize(
    ("gfr", "conditions", "text", "weeks"),
    [
        (44, (), "44", "2"),
        (52, (), "52", "4"),
        (None, (has("N18.30"),), "", ""),
        (92, (has("N18.30"),), "", ""),  # the class rests on the diagnosis
    ],
)
def test_reduced_kidneys(
    gfr: float | None, conditions: tuple[Resource, ...], text: str, weeks: str
) -> None:
    shown = cards(order(), gfr=gfr, conditions=conditions)["rx-mg-renal-caution"]
    assert shown.values["egfr"] == text
    schedule = [("C1", {"weeks": weeks, "months": "3"})] if weeks else []  # else the test first
    assert [(c.id, c.values) for c in shown.cautions] == schedule


def test_reduced_kidneys_by_creatinine_give_a_figure() -> None:
    sample = fhir.observation("2160-0", 1.4, "mg/dL", 10, today=TODAY)
    (shown,) = told({"kidneyLabs": [sample]}, "order-sign", (order(),)).cards
    assert shown.kidney is not None
    assert shown.values["egfr"] == shown.kidney.egfr_text != ""


def test_unknown_kidneys_name_the_risks_with_one_piece_of_evidence_each() -> None:
    conditions = (has("E11.9"), has("E10.9", recorded_days=500), has("I50.9"))
    shown = cards(order(), gfr=None, conditions=conditions)["rx-mg-renal-unknown"]
    assert in_words(shown.values["features"]) == "diabetes, heart failure"
    assert reasons(shown) == [ORDERED, ("renal_risk", ["c-E11.9", "c-I50.9"])]
    assert shown.indicator == "warning"
    harmless = cards(order(), gfr=None)["rx-mg-renal-unknown"]
    assert (harmless.values["features"], harmless.indicator) == ("", "info")
    assert reasons(harmless) == [ORDERED]


def test_a_high_magnesium_is_said_with_its_value_and_a_diagnosis_without() -> None:
    by_result = cards(order(), levels=(level(3.0),))["rx-mg-hypermag"]
    assert by_result.values["mg"] == "3 mg/dL"
    assert reasons(by_result) == [ORDERED, ("hypermagnesaemia", ["l"])]
    by_diagnosis = cards(order(), levels=(level(2.0),), conditions=(has("E83.41"),))
    assert by_diagnosis["rx-mg-hypermag"].values["mg"] == ""


def test_an_allergy_is_named() -> None:
    allergy = fhir.allergy(OXIDE, id="a")
    shown = cards(order(), allergies=(allergy,))["rx-mg-allergy"]
    assert reasons(shown) == [ORDERED, ("allergy_magnesium", ["a"])]
    assert shown.values["finding"] == shown.because[1].evidence[0].display != ""


@pytest.mark.parametrize(
    ("amount", "taken", "said"),
    [
        (501, (), {"dose": "501", "ordered": "501", "current": ""}),
        (500.4, (), {"dose": "501", "ordered": "501", "current": ""}),  # never said as 500
        (
            300,
            (takes(OXIDE, dosage=TABLET),),
            {"dose": "541", "ordered": "300", "current": "241"},
        ),
        (600, (takes(OXIDE),), {"dose": "600", "ordered": "600", "current": ""}),  # dose unknown
    ],
)
def test_the_doses_of_the_card(
    amount: float, taken: tuple[Resource, ...], said: dict[str, str]
) -> None:
    shown = cards(order(amount=amount), taken=taken)["rx-mg-dose"]
    assert {name: shown.values[name] for name in said} == said
    supplements = [t["id"] for t in taken]
    assert reasons(shown) == [ORDERED, *([("current_magnesium", supplements)] if taken else [])]


def test_a_duplicate_is_named_with_the_total_if_every_dose_is_known() -> None:
    known = cards(order(), taken=(takes(OXIDE, dosage=TABLET),))["rx-mg-duplicate"]
    assert known.values["product"].lower() == "magnesium oxide"
    assert known.values["dose"] == "441"
    unknown = cards(order(), taken=(takes(OXIDE),))["rx-mg-duplicate"]
    assert unknown.values["dose"] == ""


@pytest.mark.parametrize(
    ("age", "amount", "said", "indicator"),
    [
        (17, 200, {"age": "17", "limit": "350"}, "info"),
        (5, 200, {"age": "5", "limit": "110"}, "warning"),
        (0, 200, {"age": "0", "limit": ""}, "warning"),
        (None, 200, {"age": "", "limit": ""}, "info"),
    ],
)
def test_the_age_and_its_limit(
    age: int | None, amount: int, said: dict[str, str], indicator: str
) -> None:
    shown = cards(order(amount=amount), who=fhir.patient(TODAY, age=age))["rx-mg-age"]
    assert {name: shown.values[name] for name in said} == said
    assert shown.indicator == indicator
    known = [] if age is None else [("age", ["pat-1"])]
    assert reasons(shown) == [ORDERED, *known]


def test_eighteen_is_no_childs_age() -> None:
    assert "rx-mg-age" not in cards(order(), who=fhir.patient(TODAY, age=18))


# ------------------------------------------------------------------------------- what it offers


def test_an_offer_names_the_order_that_it_changes() -> None:
    remove = cards(order(), gfr=22)["rx-mg-renal-critical"].offers[0]
    lower = cards(order(amount=400), gfr=52)["rx-mg-renal-caution"].offers[-1]
    assert (remove.kind, lower.kind) == (OfferKind.DELETE, OfferKind.UPDATE)
    for offer in (remove, lower):
        assert offer.order is not None
        assert offer.order.reference == f"MedicationRequest/d-{GLYCINATE}"
    assert lower.daily_mg == Decimal(200)


def test_where_whole_tablets_do_not_make_the_limit_the_salt_is_offered_for_the_same_order() -> None:
    two_tablets = order(OXIDE, dosage=fhir.dosage(2, "tablet"))
    lower = cards(two_tablets, gfr=52)["rx-mg-renal-caution"].offers[-1]
    assert (lower.kind, lower.daily_mg) == (OfferKind.UPDATE, Decimal(200))
    assert lower.salt is not None
    assert lower.salt[1] == "magnesium oxide"
    assert lower.order is not None
    assert lower.order.reference == f"MedicationRequest/d-{OXIDE}"


@pytest.mark.parametrize(("age", "offered"), [(17, False), (18, True), (64, True), (None, True)])
def test_the_limit_of_adults_is_not_set_for_a_child(age: int | None, offered: bool) -> None:
    who = fhir.patient(TODAY, age=age, sex="female")
    shown = cards(order(amount=400), gfr=52, who=who)["rx-mg-renal-caution"]
    assert (OfferKind.UPDATE in [o.kind for o in shown.offers]) is offered


def test_of_two_orders_neither_is_set_to_the_limit_of_both() -> None:
    pair = (order(amount=400), order(CITRATE, None))
    found = told({"kidneyLabs": [egfr(52)]}, "order-sign", pair).cards
    changed = [
        c.order.reference for c in found if c.order for o in c.offers if o.kind is OfferKind.UPDATE
    ]
    assert len(changed) <= 1


@pytest.mark.parametrize(("amount", "offered"), [(200, False), (200.1, True)])
def test_what_is_at_the_limit_is_not_lowered(amount: float, offered: bool) -> None:
    shown = cards(order(amount=amount), gfr=52)["rx-mg-renal-caution"]
    assert (OfferKind.UPDATE in [o.kind for o in shown.offers]) is offered


# ------------------------------------------------------------------------- what was not checked


@pytest.mark.parametrize(
    ("draft", "missing", "told_of"),
    [
        (order(), "allergies", ["allergies"]),
        (order(), "pregnancyStatus", ["pregnancyStatus"]),
        (order(ANTACID, None), "pregnancyStatus", []),
        (order(ANTACID, None), "magnesiumLabs", ["magnesiumLabs"]),
        (order(MULTIVITAMIN, None), "allergies", []),  # of which nothing is checked
    ],
)
def test_silence_never_stands_for_a_check_that_was_not_made(
    draft: Resource, missing: str, told_of: list[str]
) -> None:
    found = cards(draft, levels=(level(2.0),), without=(missing,))
    assert list(found) == (["rx-mg-not-checked"] if told_of else [])
    for shown in found.values():
        assert [g.key for g in shown.gaps] == told_of
        assert [f.id for f in shown.because] == ["ordered_magnesium"]
        assert shown.values["dose"] == ("200" if draft["id"] == f"d-{GLYCINATE}" else "")
        assert shown.values["product"]
        assert shown.magnesium is not None
        assert shown.magnesium.unknown is (missing == "magnesiumLabs")
        assert shown.kidney is not None
        assert shown.safety


# ------------------------------------------------------------------------ orders of other drugs


@pytest.mark.parametrize(
    ("gfr", "conditions", "text"), [(40, (), "40"), (92, (has("N18.30"),), ""), (22, (), "22")]
)
def test_a_drug_that_spares_potassium(
    gfr: float, conditions: tuple[Resource, ...], text: str
) -> None:
    taken = (takes(OXIDE), takes(ANTACID))
    for code in (SPIRONOLACTONE, TRIAMTERENE):
        shown = cards(order(code, None), gfr=gfr, conditions=conditions, taken=taken)[
            "rx-ksparing-ckd"
        ]
        assert shown.values["egfr"] == text
        assert shown.values["drug"]
        assert [f.id for f in shown.because] == ["trigger_order", "k_sparing", "current_magnesium"]
        assert {e.resource for e in shown.because[2].evidence} == {
            f"MedicationRequest/m-{OXIDE}",
            f"MedicationRequest/m-{ANTACID}",
        }
        assert shown.magnesium is not None


def test_what_was_not_sent_is_told_with_the_order_of_another_drug_too() -> None:
    shown = cards(
        order(SPIRONOLACTONE, None), gfr=40, taken=(takes(OXIDE),), without=("allergies",)
    )
    assert [g.key for g in shown["rx-ksparing-ckd"].gaps] == ["allergies"]


def test_magnesium_of_the_same_session_counts_and_is_said_once() -> None:
    antacid_too = cards(order(SPIRONOLACTONE, None), order(ANTACID, None), gfr=40)
    assert "rx-ksparing-ckd" in antacid_too
    with_supplement = told(
        {"kidneyLabs": [egfr(40)]}, "order-sign", (order(SPIRONOLACTONE, None), order())
    )
    named = [c for c in with_supplement.cards if c.card == "rx-ksparing-ckd"]
    assert len(named) == 1
    assert named[0].order is not None
    assert named[0].order.reference == f"MedicationRequest/d-{GLYCINATE}"


def test_a_supplement_that_is_not_asked_about_does_not_carry_the_card() -> None:
    drafts = (order(SPIRONOLACTONE, None), order())
    context = {
        "draftOrders": fhir.bundle(drafts),
        "selections": [f"MedicationRequest/d-{SPIRONOLACTONE}"],
    }
    found = decide("order-select", chart({"kidneyLabs": [egfr(40)]}), context).cards
    assert [c.card for c in found] == ["rx-ksparing-ckd"]


@pytest.mark.parametrize(
    ("code", "spaced"),
    [
        (OXIDE, True),
        (ANTACID, True),
        (LAXATIVE, True),
        (MILK_OF_MAGNESIA, True),
        (BOWEL_PREP, True),
        (MULTIVITAMIN, False),
    ],
)
@pytest.mark.parametrize("being_ordered", [False, True])
def test_which_magnesium_an_antibiotic_is_kept_apart_from(
    code: str, spaced: bool, being_ordered: bool
) -> None:
    antibiotic = fhir.draft_order(CIPROFLOXACIN, id="antibiotic")
    drafts = (antibiotic, order(code, None)) if being_ordered else (antibiotic,)
    context = {
        "draftOrders": fhir.bundle(drafts),
        "selections": ["MedicationRequest/antibiotic"],
    }
    on = chart(
        {
            "kidneyLabs": [egfr(92)],
            "medicationRequests": [] if being_ordered else [takes(code)],
        }
    )
    found = [c for c in decide("order-select", on, context).cards if c.card == "rx-mg-interaction"]
    assert bool(found) is spaced
    for shown in found:
        assert shown.values["drug"] == "ciprofloxacin"
        assert shown.values["advice"]
        assert shown.order is not None
        assert shown.order.reference == "MedicationRequest/antibiotic"


def test_the_most_serious_interaction_gives_the_card_its_colour() -> None:
    taken = (takes(GABAPENTIN), takes(CIPROFLOXACIN), takes(ALENDRONATE))
    for several in (taken, taken[::-1]):
        shown = cards(order(), taken=several)["rx-mg-interaction"]
        alone = [cards(order(), taken=(t,))["rx-mg-interaction"] for t in several]
        ranks = ("critical", "warning", "info")
        worst = min(alone, key=lambda c: ranks.index(c.indicator))
        assert shown.indicator == worst.indicator
        assert len(shown.cautions) == len(several)
        assert shown.cautions[0].values["drug"] == shown.values["drug"]


def test_a_medicine_of_several_hormones_has_a_line_for_each() -> None:
    taken = (takes(THYROID_HORMONES, text="thyroid tablet"),)
    lines = cards(order(), taken=taken)["rx-mg-interaction"].cautions
    assert [c.values["drug"] for c in lines] == ["levothyroxine", "liothyronine"]
    assert len({c.values["advice"] for c in lines}) == 2


@pytest.mark.parametrize("taken", [(GLYCINATE, OXIDE), (OXIDE, GLYCINATE)])
def test_of_the_advice_on_two_products_the_most_serious_counts(taken: tuple[str, ...]) -> None:
    """One product may be met by a mild advice and the next by a grave one."""
    on = chart({"kidneyLabs": [egfr(92)], "medicationRequests": [takes(code) for code in taken]})
    resin = fhir.draft_order(None, text="sodium polystyrene sulfonate 15 g", id="d")
    (card,) = decide("order-sign", on, {"draftOrders": [resin]}).cards
    assert (card.card, card.indicator) == ("rx-mg-interaction", "warning")
    on = chart({"kidneyLabs": [egfr(92)], "medicationRequests": [takes(GLYCINATE)]})
    (card,) = decide("order-sign", on, {"draftOrders": [resin]}).cards
    assert card.indicator == "info"
