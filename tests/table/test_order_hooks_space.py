"""order-select and order-sign: the whole decision space against the second evaluator."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from flask.testing import FlaskClient

from tests.table.axes import (
    ALL_BLOCKS,
    BLOCK_PAIRS,
    BLOCK_SETS,
    CLASSES,
    CORE_KIDNEYS,
    CORE_MAGNESIUM,
    CORE_TAKING,
    KIDNEYS,
    MAGNESIUM,
    MISSING_SETS,
    TAKING,
    Change,
    risks,
    varied,
)
from tests.table.judging import assert_agreement
from tests.table.second_evaluator import (
    DRUGS,
    RISK,
    TRIGGERS,
    Case,
    Draft,
    Taking,
    kidney_class,
    magnesium_level,
)

pytestmark = pytest.mark.slow

SELECT = Case(hook="order-select")
SIGN = Case(hook="order-sign")
HOOKS = (SELECT, SIGN)
NO_RISK: Change = {"rf": risks()}
DIABETES: Change = {"rf": risks("diabetes")}
ALCOHOL: Change = {"rf": risks("alcohol")}
PEOPLE: list[Change] = [
    {"migraine": None, **DIABETES},
    {"migraine": "plain", **NO_RISK},
    {"migraine": "plain", **DIABETES},
    {"migraine": "menstrual", **NO_RISK},
]
SUBTYPES = (
    "supplement",
    "antacid",
    "laxative",
    "laxative-antacid",
    "bowel-prep",
    "multivitamin",
    "salicylate",
    "parenteral",
    "topical",
)
MAIN_TRIGGERS = ("thiazide", "preventive-specific", "preventive-nonspecific", "acute")


def ordering(*drafts: Draft) -> Change:
    return {"drafts": drafts}


def magnesium(
    elemental: float, salt: str = "glycinate", subtype: str = "supplement", selected: bool = True
) -> Draft:
    return Draft("mg", elemental, subtype=subtype, salt=salt, selected=selected)


# ------------------------------------------------------------------- orders that suggest


def is_clear(case: Case) -> bool:
    """Magnesium below 1.2 together with SEVERE: two rules speak at order-select."""
    return not (magnesium_level(case) == "severe-low" and kidney_class(case).cls == "SEVERE")


def triggers() -> Iterator[Case]:
    """Each order with each reason, at both hooks, for each kind of patient."""
    for kind in [*TRIGGERS, "ksparing", "combo", *(f"drug:{name}" for name in DRUGS)]:
        for reason, hook in product((None, "migraine", "other"), HOOKS):
            draft = ordering(Draft(kind, reason=reason))
            for row in product(CORE_KIDNEYS, PEOPLE):
                yield varied(hook, draft, *row)


def triggers_and_patients() -> Iterator[Case]:
    """What makes a patient eligible, for the main orders at order-select."""
    ages: list[Change] = [{"age": age} for age in (17, 45, 65, None)]
    orders = [ordering(Draft(kind)) for kind in MAIN_TRIGGERS]
    for row in product(orders, ages, CLASSES, CORE_MAGNESIUM, CORE_TAKING):
        case = varied(SELECT, ALCOHOL, *row)
        if is_clear(case):
            yield case


def triggers_and_kidneys() -> Iterator[Case]:
    people: list[Change] = [ALCOHOL, {"migraine": "menstrual", **NO_RISK}]
    orders = [ordering(Draft(kind)) for kind in MAIN_TRIGGERS]
    return (varied(SELECT, *row) for row in product(orders, KIDNEYS.values(), people))


def triggers_and_risks() -> Iterator[Case]:
    orders = [ordering(Draft(kind)) for kind in MAIN_TRIGGERS]
    factors: list[Change] = [{"rf": risks(name)} for name in RISK]
    return (varied(SELECT, *row) for row in product(orders, factors, CLASSES))


def triggers_and_blocks() -> Iterator[Case]:
    orders = [ordering(Draft(kind)) for kind in MAIN_TRIGGERS]
    return (varied(SELECT, DIABETES, *row) for row in product(orders, BLOCK_SETS, CLASSES))


def triggers_and_missing_facts() -> Iterator[Case]:
    orders = [ordering(Draft(kind)) for kind in MAIN_TRIGGERS]
    return (varied(SELECT, ALCOHOL, *row) for row in product(orders, MISSING_SETS, CLASSES))


def two_triggers() -> Iterator[Case]:
    """Two orders that could each start a suggestion: one is enough."""
    for first, second in product(MAIN_TRIGGERS, MAIN_TRIGGERS):
        for row in product(CORE_KIDNEYS, PEOPLE):
            if first != second:
                yield varied(SELECT, ordering(Draft(first), Draft(second)), *row)


def unselected_orders() -> Iterator[Case]:
    """order-select looks at what was just selected; order-sign at every draft."""
    kinds = [*MAIN_TRIGGERS, "ksparing", "drug:ciprofloxacin"]
    takings = [TAKING[name] for name in ("none", "oxide")]
    for hook, kind, kidney, taking in product(HOOKS, kinds, CORE_KIDNEYS, takings):
        yield varied(hook, DIABETES, kidney, taking, ordering(Draft(kind, selected=False)))
    for hook, subtype, kidney in product(HOOKS, SUBTYPES, CORE_KIDNEYS):
        order = magnesium(400, subtype=subtype, selected=False)
        yield varied(hook, DIABETES, kidney, ordering(order))


def silenced_by_magnesium() -> Iterator[Case]:
    """Magnesium among the drafts, selected or not: no suggestion to start it."""
    for kind, subtype, kidney in product(
        MAIN_TRIGGERS, ("supplement", "antacid", "laxative"), CLASSES
    ):
        for selected in (True, False):
            order = magnesium(200, subtype=subtype, selected=selected)
            yield varied(SELECT, DIABETES, kidney, ordering(Draft(kind), order))
    for kind, subtype, kidney in product(MAIN_TRIGGERS, ("parenteral", "topical"), CLASSES):
        order = magnesium(200, subtype=subtype, selected=False)
        yield varied(SELECT, DIABETES, kidney, ordering(Draft(kind), order))


# --------------------------------------------------------------------- magnesium orders


def doses() -> Iterator[Case]:
    """Dose, age, kidney class and what is already taken."""
    takings: list[Change] = [
        TAKING["none"],
        {"taking": (Taking(daily_mg=150),)},
        {"taking": (Taking(daily_mg=150, as_needed=True),)},
    ]
    ages: list[Change] = [{"age": age} for age in (18, 45, 70)]
    amounts = [ordering(magnesium(mg)) for mg in (100, 200, 201, 350, 351, 400, 500, 501, 600)]
    axes = (HOOKS, amounts, ages, CORE_KIDNEYS, takings)
    return (varied(hook, *row) for hook, *row in product(*axes))


def children() -> Iterator[Case]:
    amounts = (60, 65, 66, 110, 111, 200, 350, 351)
    for hook, age, mg, kidney in product(HOOKS, (1, 3, 4, 8, 9, 17, None), amounts, CLASSES):
        yield varied(hook, kidney, {"age": age}, ordering(magnesium(mg)))


def two_supplements() -> Iterator[Case]:
    """Each is a duplicate of the other, and they add up; selected now or drafted before."""
    for hook, first, second, selected in product(HOOKS, (100, 250, 251), (100, 250), (True, False)):
        both = ordering(magnesium(first), magnesium(second, selected=selected))
        yield varied(hook, KIDNEYS["normal"], both)


def subtypes() -> Iterator[Case]:
    """Each kind of magnesium product with each class, serum level and an allergy or none."""
    allergies: list[Change] = [{}, {"blocks": frozenset({"allergy-ingredient"})}]
    orders = [ordering(magnesium(200, subtype=subtype)) for subtype in SUBTYPES]
    axes = (HOOKS, orders, CORE_KIDNEYS, CORE_MAGNESIUM, allergies)
    return (varied(hook, *row) for hook, *row in product(*axes))


def orders_and_kidneys() -> Iterator[Case]:
    """Each row of the kidney table, with and without a renal risk."""
    factors = (NO_RISK, DIABETES)
    order = ordering(magnesium(400))
    axes = (HOOKS, KIDNEYS.values(), factors)
    return (varied(hook, order, *row) for hook, *row in product(*axes))


def orders_and_risks() -> Iterator[Case]:
    order = ordering(magnesium(200))
    factors: list[Change] = [{"rf": risks(name)} for name in RISK]
    return (varied(SIGN, order, *row) for row in product(factors, CORE_KIDNEYS))


def orders_and_magnesium() -> Iterator[Case]:
    order = ordering(magnesium(200))
    return (varied(SIGN, order, *row) for row in product(MAGNESIUM.values(), CORE_KIDNEYS))


def orders_and_treatments() -> Iterator[Case]:
    order = ordering(magnesium(200))
    axes = (HOOKS, TAKING.values(), CORE_KIDNEYS)
    return (varied(hook, order, *row) for hook, *row in product(*axes))


def orders_and_blocks() -> Iterator[Case]:
    """Each pair of blocks: the order of the cards, and the most that are shown."""
    amounts = [ordering(magnesium(mg)) for mg in (200, 600)]
    for row in product(amounts, BLOCK_PAIRS, CLASSES):
        yield varied(SIGN, *row)


def many_findings() -> Iterator[Case]:
    """More findings than cards."""
    everything = frozenset(
        {"avblock-3", "myasthenia", "ileus", "pregnant", "allergy-oxide", "hypermag-dx"}
    )
    levels = [MAGNESIUM[name] for name in ("none", "high")]
    takings = [TAKING[name] for name in ("none", "supplement")]
    for row in product(CORE_KIDNEYS, levels, takings, (NO_RISK, {"rf": risks("ksparing")})):
        for left_out in (*sorted(everything), None):
            blocks = {"blocks": everything - {left_out}}
            yield varied(SIGN, blocks, *row, ordering(magnesium(600)))


def orders_and_missing_facts() -> Iterator[Case]:
    order = ordering(magnesium(400))
    axes = (HOOKS, MISSING_SETS, CORE_KIDNEYS)
    return (varied(hook, order, *row) for hook, *row in product(*axes))


def required_facts() -> Iterator[Case]:
    for hook, key in product(HOOKS, ("patient", "conditions", "medicationRequests")):
        yield varied(hook, ordering(magnesium(200)), {"missing": frozenset({key})})


def the_dead() -> Iterator[Case]:
    for hook, kidney, kind in product(HOOKS, CORE_KIDNEYS, MAIN_TRIGGERS):
        yield varied(hook, DIABETES, kidney, ordering(Draft(kind)), {"deceased": True})
    for hook, kidney in product(HOOKS, CORE_KIDNEYS):
        yield varied(hook, DIABETES, kidney, ordering(magnesium(600)), {"deceased": True})


# ------------------------------------------------------- interactions and sparing drugs

NEXT_TO_NOTHING: Change = {}


def order_meets_drug() -> Iterator[Case]:
    """A magnesium order for a patient on each interacting drug, by salt."""
    for hook, drug, kidney in product(HOOKS, DRUGS, CLASSES):
        for salt, mg in (("glycinate", 200), ("oxide", 241)):
            order = ordering(magnesium(mg, salt=salt))
            yield varied(hook, kidney, {"drugs": frozenset({drug})}, order)


def drug_meets_treatment() -> Iterator[Case]:
    """An order of each interacting drug for a patient on magnesium, scheduled or as needed."""
    takings: list[Change] = [
        NEXT_TO_NOTHING,
        {"taking": (Taking(),)},
        {"taking": (Taking(salt="oxide"),)},
        {"taking": (Taking(salt="oxide", as_needed=True),)},
        {"taking": (Taking("parenteral"),)},
    ]
    for hook, drug, taking, kidney in product(HOOKS, DRUGS, takings, CLASSES):
        yield varied(hook, kidney, taking, ordering(Draft(f"drug:{drug}")))


def drug_and_magnesium_ordered() -> Iterator[Case]:
    """Both in one session: said once, whichever of the two was just selected."""
    salts = (("glycinate", 200), ("oxide", 241))
    for hook, drug, kidney, (salt, mg) in product(HOOKS, DRUGS, CLASSES, salts):
        for drug_selected, magnesium_selected in ((True, True), (True, False), (False, True)):
            order = Draft(f"drug:{drug}", selected=drug_selected)
            supplement = magnesium(mg, salt=salt, selected=magnesium_selected)
            yield varied(hook, kidney, ordering(order, supplement))


def sparing_drugs() -> Iterator[Case]:
    """K-sparing drugs and fixed combinations, ordered or taken, with each kind of magnesium."""
    kinds = ("supplement", "supplement-as-needed", "antacid", "laxative", "parenteral", "none")
    for hook, kind, kidney, name in product(HOOKS, ("ksparing", "combo"), CORE_KIDNEYS, kinds):
        yield varied(hook, kidney, TAKING[name], ordering(Draft(kind)))
        yield varied(hook, kidney, {"rf": risks(kind)}, ordering(magnesium(200)))
        yield varied(hook, kidney, ordering(Draft(kind), magnesium(200)))


def single_blocks_at_select() -> Iterator[Case]:
    """order-select judges a selected magnesium order as order-sign does."""
    for name, kidney in product(ALL_BLOCKS, CORE_KIDNEYS):
        blocks = {"blocks": frozenset({name})}
        yield varied(SELECT, kidney, blocks, ordering(magnesium(200)))


SPACES = {
    space.__name__: space
    for space in (
        triggers,
        triggers_and_patients,
        triggers_and_kidneys,
        triggers_and_risks,
        triggers_and_blocks,
        triggers_and_missing_facts,
        two_triggers,
        unselected_orders,
        silenced_by_magnesium,
        doses,
        children,
        two_supplements,
        subtypes,
        orders_and_kidneys,
        orders_and_risks,
        orders_and_magnesium,
        orders_and_treatments,
        orders_and_blocks,
        many_findings,
        orders_and_missing_facts,
        required_facts,
        the_dead,
        order_meets_drug,
        drug_meets_treatment,
        drug_and_magnesium_ordered,
        sparing_drugs,
        single_blocks_at_select,
    )
}


@pytest.mark.parametrize("name", SPACES)
def test_agrees_with_the_second_evaluator(client: FlaskClient, name: str) -> None:
    assert_agreement(client, SPACES[name]())
