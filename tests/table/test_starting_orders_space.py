"""Orders that may start a suggestion: the decision space against the second evaluator."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tests.table.axes import (
    ALCOHOL,
    BLOCK_SETS,
    CLASSES,
    CORE_KIDNEYS,
    CORE_MAGNESIUM,
    CORE_TAKING,
    DIABETES,
    HOOKS,
    KIDNEYS,
    MAGNESIUM,
    MISSING_SETS,
    NO_RISK,
    OPERATIONS,
    PARTLY_SETS,
    PEOPLE,
    SELECT,
    STOPPED_BEFORE,
    SUBTYPES,
    TAKING,
    UNREADABLE,
    Change,
    magnesium,
    ordering,
    risks,
    varied,
)
from tests.table.facts import Case, Draft
from tests.table.judging import Space, assert_agreement
from tests.table.tables import DRUGS, RISK, TRIGGERS

pytestmark = pytest.mark.slow

MAIN_TRIGGERS = ("thiazide", "preventive-specific", "topiramate", "acute")


def triggers() -> Iterator[Case]:
    """Each order with each reason for each kind of patient; order-sign never suggests."""
    for kind, reason, *row in product(TRIGGERS, (None, "migraine", "other"), CORE_KIDNEYS, PEOPLE):
        yield varied(SELECT, ordering(Draft(kind, reason=reason)), *row)
    others = ["ksparing", "combo", *(f"drug:{name}" for name in DRUGS)]
    for kind, hook, *row in product([*TRIGGERS, *others], HOOKS, CLASSES, PEOPLE):
        yield varied(hook, ordering(Draft(kind)), *row)


def triggers_and_patients() -> Iterator[Case]:
    """What makes a patient eligible, for the main orders at order-select."""
    ages: list[Change] = [{"age": age} for age in (17, 45, 65, None)]
    orders = [ordering(Draft(kind)) for kind in MAIN_TRIGGERS]
    for row in product(orders, ages, CLASSES, CORE_MAGNESIUM, CORE_TAKING):
        yield varied(SELECT, DIABETES, *row)


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
    return (varied(SELECT, DIABETES, *row) for row in product(orders, MISSING_SETS, CLASSES))


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


def reasons_and_other_uses() -> Iterator[Case]:
    """S-1: a non-specific preventive without a reason, by what else is on file."""
    kinds = ("topiramate", "metoprolol", "amitriptyline", "preventive-specific", "thiazide")
    for kind, name, reason in product(kinds, RISK, (None, "migraine", "other")):
        order = ordering(Draft(kind, reason=reason))
        yield varied(SELECT, {"rf": risks(name)}, order, KIDNEYS["normal"])


def dangerously_low() -> Iterator[Case]:
    """M-10, 12.7.20: first here too, before blocks and kidneys, where the order is a trigger."""
    kinds = [*MAIN_TRIGGERS, "metoprolol", "unrelated"]
    low = [MAGNESIUM[name] for name in ("severe-low", "molar-severe-low")]
    ages: list[Change] = [{"age": age} for age in (0, 1, 15, None)]
    changes = [*BLOCK_SETS, *ages, *CORE_TAKING, {"rf": risks("af")}]
    kidneys = (KIDNEYS["normal"], KIDNEYS["severe"])
    for kind, level, change, kidney in product(kinds, low, changes, kidneys):
        yield varied(SELECT, level, change, kidney, ordering(Draft(kind)))


def taken_before() -> Iterator[Case]:
    """M-15: the draft is offered, not recommended."""
    factors: list[Change] = [DIABETES, {"rf": risks("loop")}, {"migraine": "menstrual"}]
    for kind, before, change, kidney in product(
        MAIN_TRIGGERS, STOPPED_BEFORE, factors, CORE_KIDNEYS
    ):
        yield varied(SELECT, change, before, kidney, ordering(Draft(kind)))


def labs_beside_the_plan() -> Iterator[Case]:
    """S-2, S-3, 12.7.21: with every NORMAL plan."""
    names = ("diabetes", "loop", "cisplatin-180", "digoxin", "cetuximab")
    results = [KIDNEYS[name] for name in ("normal", "good-184")]
    tested: list[Change] = [{}, MAGNESIUM["normal"], MAGNESIUM["too-old"]]
    ages: list[Change] = [{"age": age} for age in (45, 65)]
    subtypes: list[Change] = [{"migraine": "plain"}, {"migraine": "menstrual"}]
    for kind, name, *row in product(MAIN_TRIGGERS, names, results, tested, ages, subtypes):
        yield varied(SELECT, {"rf": risks("crohn", name)}, *row, ordering(Draft(kind)))


def unreadable_and_withheld() -> Iterator[Case]:
    """U-1, U-7: nothing is recommended, and no draft where it is the kidneys."""
    for kind, unknown, kidney in product(MAIN_TRIGGERS, [*UNREADABLE, *PARTLY_SETS], CORE_KIDNEYS):
        yield varied(SELECT, DIABETES, unknown, kidney, ordering(Draft(kind)))


def kidney_operations() -> Iterator[Case]:
    for kind, operation, kidney in product(MAIN_TRIGGERS, OPERATIONS, CORE_KIDNEYS):
        yield varied(SELECT, {"rf": risks("crohn")}, operation, kidney, ordering(Draft(kind)))


SPACES = (
    triggers,
    triggers_and_patients,
    triggers_and_kidneys,
    triggers_and_risks,
    triggers_and_blocks,
    triggers_and_missing_facts,
    two_triggers,
    unselected_orders,
    silenced_by_magnesium,
    reasons_and_other_uses,
    dangerously_low,
    taken_before,
    labs_beside_the_plan,
    unreadable_and_withheld,
    kidney_operations,
)


@pytest.mark.parametrize("space", SPACES)
def test_agrees_with_the_second_evaluator(space: Space) -> None:
    assert_agreement(space())
