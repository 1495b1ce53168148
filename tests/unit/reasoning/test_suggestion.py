"""What a suggestion carries: the words of its summary, its reasons, cautions and offers."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.reasoning.decision import CardDecision, Offer, OfferKind
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, WOMAN
from tests.unit.reasoning.test_account import egfr, takes, told

FUROSEMIDE, SPIRONOLACTONE, EPLERENONE, TRIAMTERENE = "313988", "313096", "351256", "310812"
DIGOXIN, DIGOXIN_250, ANTACID, OXIDE, MULTIVITAMIN = (
    "197604",
    "197606",
    "307747",
    "198741",
    "1116179",
)
CIPROFLOXACIN, LEVOTHYROXINE = "309309", "966221"
TOPIRAMATE, SUMATRIPTAN = "199888", "313161"
OLD = fhir.patient(TODAY, age=70, sex="female")
LABS = ("lab_creatinine", "lab_magnesium")


def has(code: str, **more: Any) -> Resource:
    return fhir.condition(code, today=TODAY, **{"id": f"c-{code}", **more})


def level(value: float) -> Resource:
    return fhir.observation(fhir.MAGNESIUM, value, "mg/dL", 5, today=TODAY, id="l")


MIGRAINE, MENSTRUAL, DIABETES = has("G43.009"), has("G43.829"), has("E11.9")


def card(
    *conditions: Resource,
    gfr: float | None = 92,
    taken: tuple[Resource, ...] = (),
    levels: tuple[Resource, ...] = (),
    drafts: tuple[Resource, ...] = (),
    who: Resource = WOMAN,
    without: tuple[str, ...] = (),
    migraine: Resource = MIGRAINE,
) -> CardDecision:
    """The one suggestion for somebody with migraine and these problems."""
    found = {
        "conditions": [migraine, *conditions],
        "kidneyLabs": [] if gfr is None else [egfr(gfr)],
        "medicationRequests": [*taken],
        "magnesiumLabs": [*levels],
    }
    hook = "order-select" if drafts else "patient-view"
    (shown,) = (
        c for c in told(found, hook, drafts, who, without).cards if c.card.startswith("mg-")
    )
    return shown


def cautions(shown: CardDecision) -> list[tuple[str, dict[str, str], list[str]]]:
    return [
        (c.id, c.values, [e.resource.rpartition("/")[2] for e in c.evidence])
        for c in shown.cautions
    ]


def drug(code: str) -> str:
    return f"m-{code}"


# ------------------------------------------------------------------------------- its words


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([DIABETES], "diabetes"),
        ([DIABETES, has("I50.9")], "diabetes and heart disease"),
        ([DIABETES, has("I50.9"), has("K90.0")], "diabetes, heart disease and malabsorption"),
        (
            [DIABETES, has("F10.20"), has("I50.9"), has("K90.0")],
            "diabetes, alcohol dependence, heart disease and malabsorption",
        ),
    ],
)
def test_the_risks_are_said_in_the_order_of_the_table(
    conditions: list[Resource], words: str
) -> None:
    assert in_words(card(*conditions).values["risk"]) == words


def test_a_menstrual_pattern_is_named_only_where_there_is_no_other_risk() -> None:
    assert in_words(card(migraine=MENSTRUAL).values["risk"]) == "menstrual pattern"
    assert card(DIABETES, migraine=MENSTRUAL).values["risk"] == "diabetes"


def test_two_drugs_of_one_kind_are_two_words_and_one_drug_twice_is_one() -> None:
    once = card(taken=(takes(FUROSEMIDE), takes(FUROSEMIDE, id="again")))
    assert once.values["risk"] == "furosemide"


def test_the_figures_of_the_summary() -> None:
    shown = card(DIABETES, gfr=48, levels=(level(1.5),))
    assert in_words(shown.values) == {
        "risk": "diabetes and low magnesium",
        "egfr": "48",
        "renal_reason": "eGFR 48",
        "mg": "1.5 mg/dL",
    }


def test_a_diagnosis_alone_gives_no_figure() -> None:
    shown = card(DIABETES, has("N18.30"), gfr=None)
    assert shown.values["egfr"] == ""
    assert shown.values["renal_reason"] == shown.kidney.reason if shown.kidney else False
    beside = card(DIABETES, has("N18.30"), gfr=92)
    assert beside.values["egfr"] == ""  # the result is on file, but the class does not rest on it


def test_a_creatinine_gives_a_figure() -> None:
    sample = fhir.observation("2160-0", 1.3, "mg/dL", 10, today=TODAY)
    found = told({"conditions": [MIGRAINE, DIABETES], "kidneyLabs": [sample]})
    (shown,) = found.cards
    assert shown.kidney is not None
    assert shown.values["egfr"] == shown.kidney.egfr_text != ""


@pytest.mark.parametrize(
    ("order", "name"), [(TOPIRAMATE, "topiramate"), (SUMATRIPTAN, "sumatriptan")]
)
def test_an_order_that_asks_is_named(order: str, name: str) -> None:
    shown = card(DIABETES, drafts=(fhir.draft_order(order, id="o"),))
    assert shown.values["drug"] == name
    assert shown.order is not None
    assert shown.order.reference == "MedicationRequest/o"
    assert [f.id for f in shown.because] == ["migraine", "RF1", "trigger_order"]
    assert [e.resource for e in shown.because[-1].evidence] == ["MedicationRequest/o"]


# ------------------------------------------------------------------------------ its reasons


def test_the_reasons_are_what_the_chart_shows() -> None:
    assert [f.id for f in card(DIABETES, migraine=MENSTRUAL, levels=(level(2.0),)).because] == [
        "migraine",
        "menstrual_migraine",
        "RF1",
    ]
    shown = card(DIABETES, levels=(level(1.1),))
    assert [f.id for f in shown.because] == ["migraine", "RF1", "RF6", "serum_magnesium"]
    assert shown.card == "mg-low-severe"
    assert [e.value for e in shown.because[-1].evidence] == ["1.1"]
    assert shown.reason_reference == "Condition/c-G43.009"


# ------------------------------------------------------------------------------ its cautions


@pytest.mark.parametrize(("gfr", "weeks"), [(30, "2"), (44.9, "2"), (45, "4"), (59.9, "4")])
def test_low_kidney_function_is_rechecked_soon(gfr: float, weeks: str) -> None:
    assert cautions(card(DIABETES, gfr=gfr)) == [("C1", {"weeks": weeks, "months": "3"}, [])]


def test_without_a_dose_there_is_no_recheck() -> None:
    shown = card(DIABETES, has("N18.30"), gfr=None)
    assert [o.kind for o in shown.offers] == [OfferKind.LABS]
    assert cautions(shown) == []


def test_the_old_are_told_of_their_lower_target() -> None:
    target, tests = cautions(card(DIABETES, who=OLD))
    assert target == ("C2", {"age": "70", "mg": "300"}, [])
    assert tests[0] == "S2"
    assert [c.id for c in card(DIABETES, who=OLD, gfr=48).cautions] == ["C1"]
    at_64 = card(DIABETES, who=fhir.patient(TODAY, age=64, sex="female"))
    assert cautions(at_64) == []
    at_65 = card(DIABETES, who=fhir.patient(TODAY, age=65, sex="female"))
    assert [c.id for c in at_65.cautions] == ["C2", "S2"]


def test_a_drug_that_spares_potassium_matters_with_reduced_kidneys() -> None:
    shown = card(DIABETES, gfr=48, taken=(takes(SPIRONOLACTONE), takes(EPLERENONE)))
    assert sorted(cautions(shown)[1:], key=str) == [
        ("C3", {"drug": "eplerenone"}, [drug(EPLERENONE)]),
        ("C3", {"drug": "spironolactone"}, [drug(SPIRONOLACTONE)]),
    ]


def test_with_good_kidneys_it_offsets_a_diuretic_or_is_nothing() -> None:
    assert cautions(card(DIABETES, taken=(takes(SPIRONOLACTONE),))) == []
    shown = card(DIABETES, taken=(takes(SPIRONOLACTONE), takes(FUROSEMIDE)))
    assert cautions(shown) == [
        ("S2", {}, []),
        ("C3-offset", {"drug": "spironolactone"}, [drug(SPIRONOLACTONE)]),
    ]


def test_slow_conduction_and_diarrhoea_are_named_by_the_newest_problem() -> None:
    newer = has("I49.5", id="newer", recorded_days=10)
    older = has("I44.0", id="older", recorded_days=300)
    newer["code"]["text"] = "sick sinus"
    newer["code"]["coding"][0].pop("display", None)
    shown = card(DIABETES, older, newer, has("K58.0"))
    (slow, prone) = cautions(shown)
    assert (slow[0], slow[2]) == ("C4", ["newer"])
    assert (prone[0], prone[2]) == ("C6", ["c-K58.0"])
    assert slow[1]["finding"]
    assert prone[1]["finding"]


def test_what_must_be_spaced_is_named_with_its_advice() -> None:
    shown = card(DIABETES, taken=(takes(CIPROFLOXACIN), takes(LEVOTHYROXINE)))
    spaced = {c.values["drug"]: c for c in shown.cautions}
    assert set(spaced) == {"ciprofloxacin", "levothyroxine"}
    for name, caution in spaced.items():
        assert caution.id == "C5"
        assert set(caution.values) == {"drug", "advice"}
        assert caution.values["advice"]
        code = {"ciprofloxacin": CIPROFLOXACIN, "levothyroxine": LEVOTHYROXINE}[name]
        assert [e.resource for e in caution.evidence] == [f"MedicationRequest/{drug(code)}"]


def test_digoxin_is_named_once() -> None:
    shown = card(DIABETES, taken=(takes(DIGOXIN, authored_days=10), takes(DIGOXIN_250)))
    assert cautions(shown) == [("S2", {}, []), ("C7", {}, [drug(DIGOXIN)])]


@pytest.mark.parametrize(
    ("medicine", "label"),
    [
        (takes(ANTACID, text="antacid"), "antacid"),
        (takes(MULTIVITAMIN, text="vitamins"), "vitamins"),
        (takes(OXIDE, text="oxide", prn=True), "oxide"),
        (takes("253017", text="milk of magnesia"), "milk of magnesia"),
        (takes("1052760", text="laxative"), "laxative"),
        (takes("1994540", text="bowel preparation"), "bowel preparation"),
    ],
)
def test_other_magnesium_adds_up(medicine: Resource, label: str) -> None:
    shown = card(DIABETES, taken=(medicine,))
    adding = [c for c in cautions(shown) if c[0] == "C8"]
    assert adding == [("C8", {"product": label}, [medicine["id"]])]


def test_one_drug_on_two_orders_is_named_once_by_the_newest() -> None:
    orders = (
        takes(SPIRONOLACTONE, id="older", authored_days=90),
        takes(SPIRONOLACTONE, id="newer", authored_days=5),
    )
    for taken in (orders, orders[::-1]):
        named = [c for c in cautions(card(DIABETES, gfr=48, taken=taken)) if c[0] == "C3"]
        assert named == [("C3", {"drug": "spironolactone"}, ["newer"])]


def test_cards_that_advise_against_have_no_cautions() -> None:
    caution = takes(SPIRONOLACTONE)
    assert card(DIABETES, gfr=22, taken=(caution,)).card == "mg-avoid-renal"
    assert card(DIABETES, gfr=22, taken=(caution,)).cautions == ()
    low = card(DIABETES, gfr=48, taken=(caution,), levels=(level(1.1),))
    assert (low.card, low.cautions) == ("mg-low-severe", ())


# ------------------------------------------------------------------------------- its offers


def kinds(shown: CardDecision) -> list[tuple[OfferKind, bool]]:
    return [(o.kind, o.recommended) for o in shown.offers]


PLAN, TESTS = OfferKind.PLAN, OfferKind.LABS


def test_one_plan_is_recommended_at_most() -> None:
    assert kinds(card(DIABETES)) == [(PLAN, True)]
    menstrual = card(DIABETES, migraine=MENSTRUAL)
    assert [o.recommended for o in menstrual.offers] == [True, False]
    assert len({o.plan for o in menstrual.offers}) == 2


def test_tests_come_first_with_reduced_kidneys() -> None:
    shown = card(DIABETES, gfr=48)
    assert [o.kind for o in shown.offers] == [TESTS, PLAN]
    assert shown.offers[0] == Offer(TESTS, True, labs=LABS)
    menstrual = card(DIABETES, gfr=48, migraine=MENSTRUAL)
    assert [o.kind for o in menstrual.offers] == [TESTS, PLAN]


@pytest.mark.parametrize("key", ["allergies", "magnesiumLabs", "pregnancyStatus"])
def test_nothing_is_recommended_while_something_is_not_known(key: str) -> None:
    shown = card(DIABETES, without=(key,))
    assert kinds(shown) == [(PLAN, False)]
    assert [g.key for g in shown.gaps] == [key]


def test_a_newer_level_that_cannot_be_read_is_a_doubt_too() -> None:
    unreadable = fhir.observation(fhir.MAGNESIUM, 2.0, "g/L", 2, today=TODAY)
    assert kinds(card(DIABETES, levels=(level(2.0), unreadable))) == [(PLAN, False)]


def test_tests_that_are_being_ordered_are_not_offered_again() -> None:
    creatinine = fhir.service_request_draft("2160-0", id="s1")
    magnesium = fhir.service_request_draft("19123-9", id="s2")
    asking = fhir.draft_order(TOPIRAMATE, id="o")
    one = card(DIABETES, has("N18.30"), gfr=None, drafts=(asking, creatinine))
    assert [o.labs for o in one.offers if o.kind is TESTS] == [("lab_magnesium",)]
    both = card(DIABETES, has("N18.30"), gfr=None, drafts=(asking, creatinine, magnesium))
    assert [o for o in both.offers if o.kind is TESTS] == []


def test_an_unknown_kidney_with_a_risk_is_offered_tests_only() -> None:
    assert [o.kind for o in card(DIABETES, gfr=None).offers] == [TESTS]
    alcohol = card(has("F10.20"), gfr=None)
    assert [o.kind for o in alcohol.offers] == [TESTS, PLAN]
    not_sent = card(has("F10.20"), gfr=None, without=("kidneyLabs",))
    assert [o.kind for o in not_sent.offers] == [TESTS]
