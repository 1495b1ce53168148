"""Orders that are given again, and magnesium that was stopped (SPEC 12.4 M-14, M-15)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import fhir
from tests.support.fhir import Resource
from tests.unit.chart.reading import TODAY
from tests.unit.reasoning.asking import (
    ANTACID,
    CIPROFLOXACIN,
    CITRATE,
    DIABETES,
    GLYCINATE,
    HCTZ,
    LEVOTHYROXINE,
    MIGRAINE,
    OXIDE,
    OXIDE_INGREDIENT,
    SUMATRIPTAN,
    TABLET,
    TOPIRAMATE,
    caution,
    charted,
    has,
    kinds,
    one,
    orders,
    outcome,
    recommended,
    selects,
    shown,
    signs,
    takes,
    views,
)

SPACED = [("rx-mg-interaction", "info")]


def thyroid(**more: Any) -> Resource:
    return takes(LEVOTHYROXINE, **{"authored_days": 200, **more})


# ----------------------------------------------------------------- a drug beside magnesium


@pytest.mark.parametrize(
    ("drug_days", "magnesium_days", "silent"),
    [(200, 200, True), (30, 30, True), (29, 200, False), (200, 29, False)],
)
def test_a_drug_taken_together_with_magnesium_for_long_is_not_spaced_again(
    drug_days: int, magnesium_days: int, silent: bool
) -> None:
    taken = (thyroid(authored_days=drug_days), takes(OXIDE, authored_days=magnesium_days))
    found = signs(charted(taken=taken), orders(LEVOTHYROXINE, None))
    assert shown(found) == ([] if silent else SPACED)


@pytest.mark.parametrize(
    "taken",
    [
        (takes(OXIDE, authored_days=200),),  # the drug is new
        (thyroid(supply_days=60), takes(OXIDE, authored_days=200)),  # its course is over
        (thyroid(prn=True), takes(OXIDE, authored_days=200)),
        (thyroid(authored_days=None), takes(OXIDE, authored_days=200)),
        (takes(CIPROFLOXACIN, authored_days=200), takes(OXIDE, authored_days=200)),
    ],
)
def test_what_is_not_proven_is_no_renewal(taken: tuple[Resource, ...]) -> None:
    assert shown(signs(charted(taken=taken), orders(LEVOTHYROXINE, None))) == SPACED


def test_a_renewal_beside_new_magnesium_is_spaced() -> None:
    taken = (thyroid(), takes(OXIDE, authored_days=200))
    found = signs(charted(taken=taken), orders(LEVOTHYROXINE, None), orders(CITRATE, None))
    assert "rx-mg-interaction" in [c.card for c in found.cards]


# ------------------------------------------------------------------ magnesium ordered again


def test_the_same_product_again_is_no_duplicate() -> None:
    on = charted(taken=(takes(OXIDE, authored_days=100),))
    assert signs(on, orders(OXIDE, None)).cards == ()
    assert shown(signs(on, orders(GLYCINATE))) == [("rx-mg-duplicate", "warning")]


def bare(**more: Any) -> Resource:
    dose = fhir.dosage(400, text="400 mg once daily")
    return orders(OXIDE_INGREDIENT, None, **{"dosage": dose, **more})


def test_a_bare_ingredient_is_no_product() -> None:
    taken = takes(OXIDE_INGREDIENT, dosage=fhir.dosage(400), id="m1")
    on = charted(taken=(taken,))
    assert shown(signs(on, bare())) == [("rx-mg-duplicate", "warning")]
    assert signs(on, bare(prior="MedicationRequest/m1")).cards == ()


def test_the_same_package_is_the_same_product() -> None:
    package = {"system": "http://hl7.org/fhir/sid/ndc", "code": "12345-678-90"}
    named = {"coding": [package], "text": "magnesium oxide 400 mg tablet"}
    on = charted(taken=({**takes(None, text="x", id="m1"), "medicationCodeableConcept": named},))
    again = {**orders(None, None, text="x"), "medicationCodeableConcept": named}
    assert signs(on, again).cards == ()


def test_a_prior_order_of_another_salt_is_no_renewal() -> None:
    on = charted(taken=(takes(CITRATE, id="m1"),))
    found = signs(on, orders(GLYCINATE, prior="MedicationRequest/m1"))
    assert shown(found) == [("rx-mg-duplicate", "warning")]


def test_a_renewal_replaces_one_order_in_the_sum() -> None:
    once = charted(taken=(takes(OXIDE, id="a", dosage=fhir.dosage(2, "tablet")),))
    twice = charted(
        taken=(
            takes(OXIDE, id="a", dosage=fhir.dosage(2, "tablet")),
            takes(OXIDE, id="b", dosage=fhir.dosage(2, "tablet"), authored_days=50),
        )
    )
    order = orders(OXIDE, None, dosage=fhir.dosage(2, "tablet"))  # 482 mg
    assert signs(once, order).cards == ()
    assert shown(signs(twice, order)) == [("rx-mg-dose", "warning")]
    assert one(signs(twice, order)).values["dose"] == "964"


def test_another_product_beside_the_renewed_one_is_a_duplicate() -> None:
    on = charted(taken=(takes(OXIDE), takes(CITRATE, id="c")))
    found = one(signs(on, orders(OXIDE, None)))
    assert found.card == "rx-mg-duplicate"
    assert [e.resource for e in found.because[1].evidence] == ["MedicationRequest/c"]


def test_two_renewals_in_one_session_are_duplicates_of_each_other_alone() -> None:
    on = charted(taken=(takes(OXIDE), takes(CITRATE, id="c")))
    found = signs(on, orders(OXIDE, None), orders(CITRATE, None))
    named = [[e.resource for e in c.because[1].evidence] for c in found.cards]
    assert named == [["MedicationRequest/c"], [f"MedicationRequest/d-{OXIDE}"]]


# --------------------------------------------------------------------- magnesium stopped


def stopped(days: int | None, code: str = OXIDE, status: str = "stopped") -> Resource:
    return takes(code, status=status, authored_days=days, text="magnesium oxide", dosage=TABLET)


@pytest.mark.parametrize("status", ["stopped", "completed"])
@pytest.mark.parametrize(("days", "silent"), [(180, True), (730, True), (732, False)])
def test_magnesium_that_was_stopped_is_not_suggested_again(
    status: str, days: int, silent: bool
) -> None:
    on = charted(has(MIGRAINE), has(DIABETES), taken=(stopped(days, status=status),))
    found = views(on, complete=True)
    assert shown(found) == ([] if silent else [("mg-suggest", "info")])
    assert outcome(found, "not stopped before") == ("blocked" if silent else "met")


def test_an_ended_statement_is_magnesium_that_was_stopped() -> None:
    over = fhir.medication_statement(
        OXIDE, started_days=900, ended_days=100, status="active", dosage=TABLET, today=TODAY
    )
    on = charted(has(MIGRAINE), has(DIABETES), medicationStatements=[over])
    assert views(on).cards == ()


@pytest.mark.parametrize(("gfr", "card"), [(45, ""), (None, ""), (22, "mg-avoid-renal")])
def test_stopped_magnesium_leaves_the_warning_of_the_kidneys(gfr: float | None, card: str) -> None:
    on = charted(has(MIGRAINE), has(DIABETES), gfr=gfr, taken=(stopped(180),))
    assert [c.card for c in views(on).cards] == ([card] if card else [])


def test_a_stopped_antacid_is_no_supplement() -> None:
    on = charted(has(MIGRAINE), has(DIABETES), taken=(stopped(180, ANTACID),))
    assert shown(views(on)) == [("mg-suggest", "info")]


@pytest.mark.parametrize("code", [TOPIRAMATE, HCTZ, SUMATRIPTAN])
def test_at_order_select_it_is_offered_not_recommended_and_named(code: str) -> None:
    on = charted(has(MIGRAINE), has(DIABETES), taken=(stopped(180),))
    found = selects(on, orders(code, None), complete=True)
    shown_card = one(found)
    assert "plan" in kinds(shown_card)
    assert "plan" not in recommended(shown_card)
    assert caution(shown_card, "M15")["product"] == "magnesium oxide"
    assert outcome(found, "not stopped before") == "not met"


def test_stopped_magnesium_without_a_date_may_be_recent() -> None:
    on = charted(has(MIGRAINE), has(DIABETES), taken=(stopped(None),))
    assert views(on).cards == ()
    found = one(selects(on, orders(TOPIRAMATE, None)))
    assert caution(found, "M15-undated") == {"product": "magnesium oxide"}
