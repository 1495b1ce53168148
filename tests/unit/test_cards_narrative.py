"""The narrative of a suggested resource says what it orders, and nothing that the chart can break."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cards.drafts import lab_draft, medication_draft, with_daily_dose
from tests.support.cards import assert_narrative, assert_r4
from tests.support.decisions import (
    MAGNESIUM_ORDER,
    call,
    caution,
    knowledge,
    order,
    suggestion_card,
)

TAKE = (
    "Take it with food, in the split doses that are written. Loose stools are common: take half the "
    "dose. Stop and call if you have vomiting, belly swelling or weakness."
)
CHOOSE = (
    "Doses are elemental magnesium: choose a product whose label states 100 mg elemental magnesium in "
    "a capsule or tablet."
)
UNIT = "capsule or tablet of 100 mg elemental magnesium"
PRODUCT = "Proposed medication order: Magnesium glycinate oral (doses given as elemental magnesium)"


def planned(plan_id: str, **more: Any) -> dict[str, Any]:
    (plan,) = (plan for plan in knowledge().plans.plans if plan.id == plan_id)
    return medication_draft(plan, suggestion_card(**more), call(), knowledge())


def changed(resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    sent = {**MAGNESIUM_ORDER, **(resource or {})}
    salt = more.pop("salt", None)
    return with_daily_dose(order(sent, **more), Decimal(200), knowledge(), salt)


def test_a_plan_in_words() -> None:
    assert assert_narrative(planned("mg_200_400")) == (
        f"{PRODUCT} 100 mg elemental magnesium twice daily with meals for 14 days "
        "then 200 mg elemental magnesium twice daily with meals if tolerated "
        f"{TAKE} First supply: 28 x {UNIT}, for 14 days. Then 280 x {UNIT}, for 70 days. "
        f"Repeats: 0. {CHOOSE} Trial of 12 weeks with a headache diary, then review."
    )


def test_a_plan_of_one_step_in_words() -> None:
    assert assert_narrative(planned("mg_200_reduced")).startswith(
        f"{PRODUCT} 100 mg elemental magnesium twice daily with meals; do not increase without "
        f"magnesium and creatinine {TAKE} Supply: 56 x {UNIT}, for 28 days. Repeats: 0. {CHOOSE}"
    )


@pytest.mark.parametrize("plan", [plan.id for plan in knowledge().plans.plans])
def test_every_dose_supply_and_note_of_a_plan_is_in_its_narrative(plan: str) -> None:
    draft = planned(plan)
    assert_r4(draft)
    told = assert_narrative(draft)
    supply = draft["dispenseRequest"]
    for said in (
        *(instruction["text"] for instruction in draft["dosageInstruction"]),
        draft["note"][0]["text"],
        f"{supply['quantity']['value']} x {supply['quantity']['unit']}",
        f"Repeats: {supply['numberOfRepeatsAllowed']}",
    ):
        assert said in told


def test_the_repeats_of_a_course_say_how_often() -> None:
    assert "Repeats: 2, every 28 days." in assert_narrative(planned("mg_perimenstrual"))


def test_a_test_and_when_it_is_due() -> None:
    lab = knowledge().plans.labs[0]
    card = suggestion_card()
    now = lab_draft(lab, card, call(), knowledge())
    assert assert_narrative(now) == "Proposed laboratory order: creatinine"
    later = lab_draft(lab, card, call(), knowledge(), (4, 8))
    due = later["occurrencePeriod"]
    assert assert_narrative(later) == (
        f"Proposed laboratory order: creatinine To be done from {due['start']} to {due['end']}."
    )


def test_a_changed_dose_replaces_the_words_of_the_client() -> None:
    """They may still name the dose from before."""
    before = {"status": "generated", "div": "<div>400 mg three times daily</div>"}
    now = changed({"text": before})
    assert assert_narrative(now) == (
        "Order with a changed dose: magnesium oxide 400 mg tablet "
        "200 mg elemental magnesium once daily"
    )


def test_a_changed_product_is_named_by_its_salt() -> None:
    told = assert_narrative(changed(salt=("6582", "magnesium oxide")))
    assert told.startswith("Order with a changed dose: Magnesium oxide")


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        ({"asNeededBoolean": True}, True),
        ({"asNeededCodeableConcept": {"text": "cramps"}}, True),
        ({"asNeededBoolean": False}, False),
        ({}, False),
    ],
)
def test_an_order_as_needed_says_so(needed: dict[str, Any], said: bool) -> None:
    told = assert_narrative(changed({"dosageInstruction": [{"text": "as told", **needed}]}))
    assert told.endswith("once daily, as needed") is said
    assert ("as needed" in told) is said


def test_an_order_without_a_name() -> None:
    assert assert_narrative(changed(label="")).startswith(
        "Order with a changed dose: magnesium 200"
    )


@pytest.mark.parametrize(
    "odd",
    [
        "<script>alert(1)</script>magnesium",
        "magnesium & potassium",
        "magnesium < 5 > 3",
        "magnesium \"quoted\" 'text'",
        "magnesium\x00\x08\x1b\u202etablet",
        "]]>magnesium<!-- x -->",
        "&lt;b&gt; &amp; &#0; &nbsp;",
    ],
)
def test_text_of_the_chart_stays_text(odd: str) -> None:
    assert_narrative(changed(label=odd))
    assert_narrative(planned("mg_200_400", cautions=(caution("C5", drug=odd, advice=odd),)))


def test_it_names_its_language() -> None:
    wording = msgspec.structs.replace(knowledge().wording, language="de-CH")
    german = msgspec.structs.replace(knowledge(), wording=wording)
    now = with_daily_dose(order(), Decimal(200), german)
    assert_narrative(now)
    assert 'lang="de-CH" xml:lang="de-CH"' in now["text"]["div"]


def test_it_names_no_patient() -> None:
    for plan in knowledge().plans.plans:
        assert "pat-1" not in planned(plan.id)["text"]["div"]
