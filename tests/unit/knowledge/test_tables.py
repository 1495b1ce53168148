"""A gap, an overlap or an unknown name in the tables of the policy stops the start."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from cds_service.knowledge.model import (
    Card,
    KidneyFlag,
    KidneyRow,
    OfferRow,
    OffersRow,
    PlanRow,
    Policy,
)
from cds_service.knowledge.tables import gaps, registry_gaps
from tests.support.decisions import knowledge
from tests.support.tables import each_row

POLICY = knowledge().policy
CATCH_ALL = POLICY.kidney[-1]


CARDS = knowledge().cards


def gaps_of(cards: dict[str, Card] = CARDS, **tables: Any) -> list[str]:
    policy: Policy = replace(POLICY, **tables)
    plans = knowledge().plans
    return [*gaps(policy, plans), *registry_gaps(policy, cards, plans)]


def first(rows: tuple[Any, ...], **changes: Any) -> tuple[Any, ...]:
    return (replace(rows[0], **changes), *rows[1:])


def kidney(*when: str, kidney_class: str = "SEVERE", id: str = "new", **more: Any) -> KidneyRow:
    return KidneyRow(id, when, kidney_class, "t", "SPEC 3.2", **more)


def card(card_id: str, **changes: Any) -> dict[str, Card]:
    """The registry with one card changed."""
    return {**CARDS, card_id: replace(CARDS[card_id], **changes)}


def offering(*offers: OfferRow, kidney_class: str = "X") -> dict[str, Card]:
    """The registry where `mg-suggest` offers something more."""
    row = OffersRow(kidney_class, offers)
    return card("mg-suggest", offers=(*CARDS["mg-suggest"].offers, row))


def test_the_policy_has_no_gap() -> None:
    assert gaps_of() == []


@each_row(
    ("tables", "said"),
    [
        ({"kidney": (kidney("moon"), *POLICY.kidney)}, "kidney findings: moon is not known"),
        (
            {"kidney": (kidney("dialysis", unless=("moon",)), *POLICY.kidney)},
            "kidney findings: moon is not known",
        ),
        (
            {"kidney": (kidney("dialysis", kidney_class="FAIR"), *POLICY.kidney)},
            "kidney classes: FAIR is not known",
        ),
        (
            {"kidney": (kidney("dialysis", id="unknown"), *POLICY.kidney)},
            "kidney: two rows have the same id",
        ),
        ({"kidney": POLICY.kidney[1:]}, "kidney: no row reads the finding dialysis"),
        ({"kidney_flags": ()}, "kidney: no row reads the finding egfr_stale"),
        (
            {"kidney_flags": (KidneyFlag("new", "SPEC 3.2", ("moon",)), *POLICY.kidney_flags)},
            "rows of the kidney flags: moon is not known",
        ),
        (
            {"kidney_flags": (KidneyFlag("new", "SPEC 3.2", when=("sun",)), *POLICY.kidney_flags)},
            "kidney findings: sun is not known",
        ),
        (
            {"kidney_flags": (KidneyFlag("new", "SPEC 3.2"), *POLICY.kidney_flags)},
            "kidney flags: new is not known",
        ),
        ({"kidney": POLICY.kidney[:-1]}, "kidney: the last row, and only it"),
        ({"kidney": (CATCH_ALL, *POLICY.kidney[:-1])}, "kidney: the last row, and only it"),
        (
            {"suggest": first(POLICY.suggest, cards={"NORMAL": "mg-suggest"})},
            "suggest patient-view/chart: no row for SEVERE",
        ),
        (
            {"suggest": first(POLICY.suggest, low_severe="mg-moon")},
            "low magnesium in suggest patient-view/chart: mg-moon is not known",
        ),
        (
            {"cards": offering(kidney_class="NORMAL")},
            "offers: mg-suggest has two rows for one kidney class",
        ),
        (
            {"cards": card("mg-suggest", offers=())},
            "offers: no row for mg-suggest with kidney class NORMAL",
        ),
        (
            {"cards": card("mg-suggest", offers=())},
            "offers of mg-suggest: a plan is offered by suggestions, and by each of them",
        ),
        (
            {"cards": card("mg-avoid-renal", offers=CARDS["mg-suggest"].offers)},
            "offers of mg-avoid-renal: a plan is offered by suggestions, and by each of them",
        ),
        ({"cards": offering(OfferRow("tea"))}, "offers of mg-suggest: tea is not known"),
        (
            {"cards": offering(OfferRow("labs", labs=("lab_tea",)))},
            "tests of mg-suggest: lab_tea is not known",
        ),
        (
            {"cards": card("rx-mg-dose", may_be_silenced=True)},
            "rx-mg-dose: a card of the kind order-check may not be silenced",
        ),
        (
            {"cards": card("mg-low-severe", may_be_silenced=True)},
            "mg-low-severe: a card of the kind deficiency may not be silenced",
        ),
        (
            {"cards": card("mg-suggest", indicator="critical")},
            "mg-suggest: a critical card may not be silenced",
        ),
        (
            {"cards": card("mg-suggest", indicator="shrill")},
            "indicators of mg-suggest: shrill is not known",
        ),
        (
            {"cards": card("mg-suggest", wording="avoid")},
            "mg-suggest: another card has the wording avoid too",
        ),
        (
            {"cards": card("rx-mg-dose", kind="information")},
            "suggest: nothing gives the card rx-mg-dose",
        ),
        ({"plans": POLICY.plans[1:]}, "plans: no row for ('NORMAL', 'adult')"),
        ({"plans": (*POLICY.plans, POLICY.plans[0])}, "plans: two rows for the same case"),
        ({"plans": first(POLICY.plans, plan="mg_moon")}, "dose plans: mg_moon is not known"),
        ({"perimenstrual_plan": "mg_moon"}, "dose plans: mg_moon is not known"),
        (
            {
                "plans": tuple(
                    PlanRow("SEVERE", r.age, "mg_200_reduced") if r.kidney_class == "SEVERE" else r
                    for r in POLICY.plans
                )
            },
            "plans: mg_200_reduced for SEVERE kidney function",
        ),
        (
            {"risk_factors": first(POLICY.risk_factors, kind="weather")},
            "risk factor kinds: weather is not known",
        ),
        ({"order_safety": POLICY.order_safety[1:]}, "order_safety: no row for rx-mg-"),
        (
            {"order_safety": first(POLICY.order_safety, offers=("tea",))},
            "offers of rx-mg-renal-critical: tea is not known",
        ),
        ({"hazards": POLICY.hazards[1:]}, "hazards: no row for mg-hazard-renal"),
        ({"cautions": POLICY.cautions[1:]}, "cautions: no row for C1"),
        (
            {"order_safety": first(POLICY.order_safety, indicator="shrill")},
            "indicators of rx-mg-renal-critical: shrill is not known",
        ),
        (
            {"order_safety": first(POLICY.order_safety, silent_beside=("rx-mg-renal-critical",))},
            "cards beside rx-mg-renal-critical: rx-mg-renal-critical is not known",
        ),
        (
            {"order_safety": (*POLICY.order_safety, POLICY.order_safety[0])},
            "order_safety: a row of rx-mg-renal-critical is never reached (supplement, any)",
        ),
        (
            {"order_safety": (*POLICY.order_safety, replace(POLICY.order_safety[1]))},
            "order_safety: a row of rx-mg-hypermag is never reached (supplement, slight)",
        ),
        (
            {"hazards": (*POLICY.hazards, POLICY.hazards[0])},
            "hazards: a row of mg-hazard-renal is never reached (any, any)",
        ),
        (
            {"hazards": first(POLICY.hazards, labs=("lab_tea",))},
            "tests of mg-hazard-renal: lab_tea is not known",
        ),
        (
            {"suggest": first(POLICY.suggest, silent_if_stopped=("mg-low-severe",))},
            "cards silent in suggest patient-view/chart: mg-low-severe is not known",
        ),
        *(
            (
                {"cards": offering(OfferRow("plan", **{where: ("x",)}))},
                "circumstances of mg-suggest: x is not known",
            )
            for where in ("only_if", "unless", "recommended_if", "not_recommended_if")
        ),
        (
            {
                "cards": offering(
                    OfferRow("plan", recommended=True),
                    OfferRow("perimenstrual", recommended=True),
                )
            },
            "offers of mg-suggest: two drafts are recommended, and one can be chosen",
        ),
    ],
)
def test_a_gap_is_told(tables: dict[str, Any], said: str) -> None:
    found = gaps_of(**tables)
    assert any(line.startswith(said) for line in found), found


def test_a_row_without_a_card_is_told() -> None:
    cards = {k: v for k, v in CARDS.items() if k != "rx-mg-dose"}
    assert "order_safety: nothing reads the row rx-mg-dose" in gaps_of(cards)


def test_plans_and_offers_are_looked_up() -> None:
    assert POLICY.plan_for("NORMAL", "elderly") == "mg_200_300"
    assert POLICY.plan_for("SEVERE", "adult") == ""
    assert [o.kind for o in CARDS["mg-check-renal"].offers_in("UNKNOWN")] == ["labs", "plan"]
    assert [o.kind for o in CARDS["mg-low-severe"].offers_in("SEVERE")] == ["labs"]
    assert CARDS["mg-suggest"].offers_in("UNKNOWN") == ()
