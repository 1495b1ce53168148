"""What one click does, how it is labelled, and which of several is recommended."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.reasoning.decision import Offer, OfferKind
from tests.support.decisions import (
    MAGNESIUM_ORDER,
    labs,
    order,
    plan,
    rendered,
    safety_card,
    suggestion_card,
)

LONGEST_LABEL = 80
DELETE = Offer(OfferKind.DELETE, order=order())
UPDATE = Offer(OfferKind.UPDATE, order=order(), daily_mg=Decimal(200))


def offered(*offers: Offer, card: str = "rx-mg-renal-caution", **other: Any) -> dict[str, Any]:
    return rendered(safety_card(card, offers=offers, **other))


def suggestions(*offers: Offer, **other: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = offered(*offers, **other).get("suggestions", [])
    return found


@pytest.mark.parametrize(
    ("offer", "label"),
    [
        (plan(), "Start magnesium glycinate 200 mg, later 400 mg daily (elemental)"),
        (plan("mg_200_300"), "Start magnesium glycinate 200 mg, later 300 mg daily (elemental)"),
        (plan("mg_200_reduced"), "Start magnesium glycinate 200 mg daily (elemental)"),
        (
            plan("mg_perimenstrual"),
            "Start magnesium glycinate 360 mg daily from cycle day 15 (elemental)",
        ),
        (labs(), "Order creatinine and magnesium"),
        (labs("lab_magnesium"), "Order magnesium"),
        (
            labs("lab_magnesium", "lab_potassium", "lab_calcium", "lab_creatinine"),
            "Order magnesium, potassium, calcium and creatinine",
        ),
        (
            Offer(OfferKind.LABS, labs=("lab_magnesium", "lab_creatinine"), due_weeks=(4, 8)),
            "Order magnesium and creatinine in 4 to 8 weeks",
        ),
        (DELETE, "Remove the order: magnesium oxide 400 mg tablet"),
        (UPDATE, "Change to 200 mg daily (elemental)"),
    ],
)
def test_a_label_says_verb_and_dose(offer: Offer, label: str) -> None:
    (suggestion,) = suggestions(offer)

    assert suggestion["label"] == label
    assert len(label) <= LONGEST_LABEL


def test_a_plan_is_one_creation() -> None:
    (suggestion,) = suggestions(plan())
    (action,) = suggestion["actions"]

    assert action["type"] == "create"
    assert action["description"] == (
        "Draft order: magnesium glycinate by mouth, 100 mg twice daily with meals for 14 days, "
        "then 200 mg twice daily (elemental magnesium)"
    )
    assert action["resource"]["resourceType"] == "MedicationRequest"


def test_tests_are_one_suggestion_with_a_creation_each() -> None:
    (suggestion,) = suggestions(labs())

    assert [a["type"] for a in suggestion["actions"]] == ["create", "create"]
    assert [a["description"] for a in suggestion["actions"]] == [
        "Draft order: creatinine",
        "Draft order: magnesium",
    ]


def test_a_deletion_names_the_order_and_carries_no_resource() -> None:
    (suggestion,) = suggestions(DELETE)

    assert suggestion["actions"] == [
        {
            "type": "delete",
            "description": "Delete the draft order magnesium oxide 400 mg tablet",
            "resourceId": "MedicationRequest/order-1",
        }
    ]


def test_an_update_carries_the_whole_order() -> None:
    (suggestion,) = suggestions(UPDATE)
    (action,) = suggestion["actions"]

    assert action["type"] == "update"
    assert set(action["resource"]) == {*MAGNESIUM_ORDER, "text"}
    assert "resourceId" not in action
    assert action["description"] == (
        "Set the dose of magnesium oxide 400 mg tablet to 200 mg elemental magnesium once daily"
    )


@pytest.mark.parametrize(
    "offer",
    [
        Offer(OfferKind.DELETE, order=order(reference="")),
        Offer(OfferKind.UPDATE, order=order(reference=""), daily_mg=Decimal(200)),
        Offer(OfferKind.UPDATE, order=order()),
        Offer(OfferKind.LABS, recommended=True),
    ],
)
def test_what_cannot_be_done_is_not_offered(offer: Offer) -> None:
    card = offered(offer)

    assert "suggestions" not in card
    assert "selectionBehavior" not in card


@pytest.mark.parametrize("kind", [OfferKind.DELETE, OfferKind.UPDATE])
def test_without_an_order_of_its_own_the_order_of_the_card_is_meant(kind: OfferKind) -> None:
    offer = Offer(kind, daily_mg=Decimal(200))

    assert len(suggestions(offer)) == 1
    assert suggestions(offer, order=None) == []


def test_the_name_of_an_order_is_one_short_safe_line() -> None:
    long = order(label="<b>magnesium\n" + "very long " * 30)
    (suggestion,) = suggestions(Offer(OfferKind.DELETE, order=long))
    (unnamed,) = suggestions(Offer(OfferKind.DELETE, order=order(label="")))

    assert suggestion["label"].isprintable()
    assert "<b" not in suggestion["label"]
    assert len(suggestion["label"]) <= LONGEST_LABEL
    assert unnamed["label"] == "Remove the order: magnesium"


def test_the_dose_of_an_order_without_a_name_is_changed_too() -> None:
    unnamed = Offer(OfferKind.UPDATE, order=order(label=""), daily_mg=Decimal(200))
    (suggestion,) = suggestions(unnamed)

    assert suggestion["actions"][0]["description"] == (
        "Set the dose of magnesium to 200 mg elemental magnesium once daily"
    )


@pytest.mark.parametrize(
    ("name", "shown"), [("m" * 60, "m" * 60), ("m" * 61, "m" * 59 + "…")], ids=["60", "61"]
)
def test_the_name_of_an_order_has_sixty_characters_at_most(name: str, shown: str) -> None:
    (suggestion,) = suggestions(Offer(OfferKind.DELETE, order=order(label=name)))

    assert suggestion["label"] == f"Remove the order: {shown}"


# ------------------------------------------------------- how they are chosen


@pytest.mark.parametrize(
    ("offers", "behaviour"),
    [
        ([plan()], "at-most-one"),
        ([plan(), plan("mg_perimenstrual")], "at-most-one"),
        ([DELETE], "at-most-one"),
        ([labs(), plan("mg_200_reduced")], "any"),
        ([labs(), plan(), plan("mg_perimenstrual")], "at-most-one"),
        ([labs()], "any"),
        ([labs(), UPDATE], "any"),
        ([Offer(OfferKind.LABS), plan()], "at-most-one"),
        ([], None),
    ],
)
def test_selection_behaviour(offers: list[Offer], behaviour: str | None) -> None:
    assert rendered(suggestion_card(offers=tuple(offers))).get("selectionBehavior") == behaviour


def recommended(*offers: Offer) -> list[bool | None]:
    return [s.get("isRecommended") for s in suggestions(*offers)]


def test_only_what_is_recommended_says_so() -> None:
    assert recommended(plan(), plan("mg_perimenstrual", recommended=False)) == [True, None]
    assert recommended(labs(), plan(recommended=True)) == [True, True]


def test_tests_that_are_due_later_are_drafted_for_then() -> None:
    due = Offer(OfferKind.LABS, labs=("lab_magnesium",), due_weeks=(4, 8))
    (suggestion,) = suggestions(due)

    assert suggestion["actions"][0]["resource"]["occurrencePeriod"]["start"] == "2026-12-20"


def test_with_two_plans_beside_tests_the_tests_alone_are_recommended() -> None:
    both = (plan(), plan("mg_perimenstrual"))
    assert recommended(labs(), *both) == [True, None, None]


def test_at_most_one_is_recommended_where_at_most_one_can_be_chosen() -> None:
    assert recommended(plan(), plan("mg_perimenstrual", recommended=True)) == [True, None]
