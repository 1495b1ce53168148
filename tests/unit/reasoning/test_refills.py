"""Orders to be refilled: which count, what they renew, and kidney function that has fallen (SPEC 6.8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import fhir
from tests.support.fhir import Resource
from tests.unit.chart.reading import TODAY
from tests.unit.reasoning.asking import (
    ANTACID,
    CITRATE,
    MILK_OF_MAGNESIA,
    OMEPRAZOLE,
    OXIDE,
    OXIDE_INGREDIENT,
    TABLET,
    card,
    charted,
    kinds,
    one,
    orders,
    refills,
    shown,
    signs,
    takes,
)

FULL = fhir.dosage(2, "tablet", 1)
"""Two tablets of magnesium oxide: 482 mg, a dose that two orders together exceed."""


def again(code: str | None = OXIDE, **more: Any) -> Resource:
    prior = more.pop("prior", None)
    renews = {"priorPrescription": {"reference": f"MedicationRequest/{prior}"}} if prior else {}
    return orders(code, None, **{"dosage": TABLET, **more}) | renews


def results(*values: tuple[float, int]) -> list[Resource]:
    return [
        fhir.observation(fhir.EGFR, value, fhir.EGFR_UNIT, days, today=TODAY, id=f"e{days}")
        for value, days in values
    ]


def named(*values: tuple[float, int], **more: Any) -> dict[str, str] | None:
    """What the line on fallen kidney function says, for a refill of magnesium oxide."""
    on = charted(kidneyLabs=results(*values), **more)
    lines = [c for c in one(refills(on, again())).cautions if c.id == "E1"]
    return lines[0].values if lines else None


# ---------------------------------------------------------------------- which orders count


@pytest.mark.parametrize("status", ["draft", "active", "completed", "stopped", "on-hold", "odd"])
def test_an_order_to_be_refilled_counts_whatever_its_status(status: str) -> None:
    found = refills(charted(gfr=22), again(status=status))
    assert shown(found) == [("rx-mg-renal-critical", "critical")]
    assert kinds(one(found)) == ["delete"]


def test_an_order_that_forbids_is_no_order() -> None:
    assert shown(refills(charted(gfr=22), again() | {"doNotPerform": True})) == []


def test_only_the_refills_of_magnesium_and_of_what_meets_it_give_cards() -> None:
    assert shown(refills(charted(gfr=22), again(OMEPRAZOLE))) == []
    milk = refills(charted(gfr=22), again(MILK_OF_MAGNESIA))
    assert shown(milk) == [("rx-mg-renal-critical", "critical")]


def test_a_refill_that_cannot_be_identified_is_named() -> None:
    odd = {"resourceType": "MedicationOrder", "id": "o", "status": "draft"}
    assert [gap.key for gap in refills(charted(), odd).gaps] == ["draftOrders"]


# ------------------------------------------------------------------------ what they renew


def test_a_refill_is_no_duplicate() -> None:
    on = charted(taken=(takes(CITRATE, id="other"),))
    assert shown(signs(on, again())) == [("rx-mg-duplicate", "warning")]
    assert shown(refills(on, again())) == []
    assert shown(refills(charted(), again(), again(CITRATE))) == []


@pytest.mark.parametrize(
    "more",
    [
        {"id": "m-198741"},
        {"prior": "m-198741", "code": OXIDE_INGREDIENT, "dosage": fhir.dosage(800, "mg", 1)},
        {},
        {"code": OXIDE_INGREDIENT, "dosage": fhir.dosage(800, "mg", 1)},
    ],
    ids=["the same order", "the order it names", "the same product", "the same ingredient"],
)
def test_the_order_that_is_renewed_does_not_add_up(more: dict[str, Any]) -> None:
    on = charted(taken=(takes(OXIDE, dosage=FULL),))
    assert shown(refills(on, again(**{"dosage": FULL, **more}))) == []


@pytest.mark.parametrize("id", ["first", "d-198741"], ids=["the same order", "a new one"])
def test_of_two_orders_of_one_product_one_is_renewed(id: str) -> None:
    on = charted(taken=tuple(takes(OXIDE, id=i, dosage=FULL) for i in ("first", "second")))
    assert shown(refills(on, again(id=id, dosage=FULL))) == [("rx-mg-dose", "warning")]


def test_other_magnesium_adds_up() -> None:
    on = charted(taken=(takes(CITRATE, id="other", dosage=fhir.dosage(3, "tablet", 1)),))
    assert shown(refills(on, again(dosage=FULL))) == [("rx-mg-dose", "warning")]
    both = refills(charted(), again(dosage=FULL), again(CITRATE, dosage=FULL))
    assert shown(both) == [("rx-mg-dose", "warning")]


def test_what_is_renewed_does_not_make_an_unread_dose_matter() -> None:
    powder = {"code": OXIDE_INGREDIENT, "dosage": {"text": "Half a scoop every evening"}}
    on = charted(taken=(takes(OXIDE),))
    assert ("rx-mg-dose-unknown", "info") in shown(signs(on, again(**powder)))
    assert shown(refills(on, again(**powder))) == []
    more = charted(taken=(takes(OXIDE), takes(ANTACID)))
    assert shown(refills(more, again(**powder))) == [("rx-mg-dose-unknown", "info")]


# -------------------------------------------------------------- kidney function has fallen


def test_both_values_are_named() -> None:
    assert named((75, 365), (26, 5)) == {
        "before": "75",
        "since": "2025-11-22T00:00:00Z",
        "now": "26",
        "date": "2026-11-17T00:00:00Z",
    }
    because = one(refills(charted(kidneyLabs=results((75, 365), (26, 5))), again())).because
    (kidney,) = (fact for fact in because if fact.id == "kidney")
    assert [evidence.value for evidence in kidney.evidence] == ["26", "75"]


@pytest.mark.parametrize(
    ("values", "before"),
    [
        (((26, 5),), None),
        (((26, 365), (26, 5)), None),
        (((22, 365), (26, 5)), None),
        (((26.1, 365), (26, 5)), "26.1"),
        (((75, 365), (22, 100), (26, 5)), None),
        (((75, 365), (40, 100), (26, 5)), "40"),
        (((75, 5), (26, 5)), None),
    ],
    ids=["one", "equal", "risen", "a little", "the one before", "of three", "of one day"],
)
def test_the_result_before_is_compared(
    values: tuple[tuple[float, int], ...], before: str | None
) -> None:
    said = named(*values)
    assert (said or {}).get("before") == before


@pytest.mark.parametrize(("days", "before"), [(200, "75"), (100, "40"), (50, "40"), (400, "40")])
def test_the_result_of_the_last_fill_is_compared_where_there_is_one(days: int, before: str) -> None:
    taken = (takes(OXIDE, authored_days=days),)
    said = named((75, 365), (40, 100), (26, 5), taken=taken)
    assert said is not None
    assert said["before"] == before


def test_moderately_reduced_function_names_both_values_too() -> None:
    on = charted(kidneyLabs=results((75, 365), (45, 5)))
    found = card(refills(on, again()), "rx-mg-renal-caution")
    assert [c.id for c in found.cautions] == ["E1", "C1"]


def test_an_order_that_is_not_a_refill_names_one_value() -> None:
    on = charted(kidneyLabs=results((75, 365), (26, 5)))
    assert "E1" not in {c.id for c in one(signs(on, again())).cautions}


def test_an_upper_bound_shows_no_fall() -> None:
    bound = fhir.observation(
        fhir.EGFR, 60, fhir.EGFR_UNIT, 365, today=TODAY, id="b", comparator="<"
    )
    on = charted(kidneyLabs=[bound, *results((26, 5))])
    assert "E1" not in {c.id for c in one(refills(on, again())).cautions}


def test_a_result_that_nobody_can_have_is_not_the_one_before() -> None:
    values = named((41, 10), (300, 60), (78, 200))
    assert values is not None
    assert values["before"] == "78"
