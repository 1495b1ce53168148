"""Magnesium orders and the drugs beside them: the decision space against the second evaluator."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import pytest

from tests.table.axes import (
    ALL_BLOCKS,
    BLOCK_PAIRS,
    BLOCK_SETS,
    CLASSES,
    CORE_KIDNEYS,
    CORE_MAGNESIUM,
    DIABETES,
    HOOKS,
    KIDNEYS,
    MAGNESIUM,
    MISSING_SETS,
    NO_RISK,
    OPERATIONS,
    ORAL_FORMS,
    PARTLY_SETS,
    RECORDED,
    REFILL,
    SELECT,
    SIGN,
    SUBTYPES,
    TAKING,
    UNREADABLE,
    Change,
    magnesium,
    ordering,
    risks,
    varied,
)
from tests.table.facts import Case, Draft, Taking
from tests.table.judging import Space, assert_agreement
from tests.table.tables import DRUGS, RISK

pytestmark = pytest.mark.slow

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


def doses_not_known() -> Iterator[Case]:
    """N-6, N-7: words of a dose that nobody can read, and milligrams that may be of the salt."""
    unread = Draft("mg", unread_dose=True)
    orders = [
        ordering(unread),
        *(ordering(Draft("mg", mg, up_to=True)) for mg in (200, 201, 400, 501)),
        *(ordering(Draft("mg", mg, salt="oxide-ingredient")) for mg in (241.2, 482.4, 603)),
    ]
    takings = [TAKING[name] for name in ("none", "supplement", "antacid", "antacid-as-needed")]
    ages: list[Change] = [{"age": 45}, {"age": 15}]
    axes = (HOOKS, orders, takings, ages, CORE_KIDNEYS)
    return (varied(hook, *row) for hook, *row in product(*axes))


def every_form() -> Iterator[Case]:
    """M-1 to M-5: each oral form with each block and kidney class, by age."""
    orders = [ordering(magnesium(200, subtype=form)) for form in ORAL_FORMS]
    blocks: list[Change] = [
        {"blocks": frozenset({name})} if name else {}
        for name in ("", "avblock-3", "myasthenia", "obstruction", "pregnant", "hypermag-dx")
    ]
    ages: list[Change] = [{"age": age} for age in (0, 1, 2, 45, 75, None)]
    kidneys = [*CLASSES, KIDNEYS["wrong-unit"], KIDNEYS["conflict-moderate"]]
    return (varied(SIGN, *row) for row in product(orders, blocks, ages, kidneys))


def forms_and_kidney_history() -> Iterator[Case]:
    """M-4: a laxative with unknown kidneys, by what is known of them."""
    orders = [ordering(magnesium(200, subtype=form)) for form in ORAL_FORMS]
    for order, name in product(orders, RISK):
        yield varied(SIGN, order, {"rf": risks(name)})
    kidneys = [KIDNEYS[name] for name in ("none", "expired", "good-184", "wrong-unit", "normal")]
    for order, operation, kidney in product(orders, OPERATIONS, kidneys):
        yield varied(SIGN, order, operation, kidney)
    for order, kidney in product(orders, KIDNEYS.values()):
        yield varied(SIGN, order, kidney)


def renewals() -> Iterator[Case]:
    """M-14, 12.7.20, 12.7.23: the same product again, and what only looks like it."""
    takings: list[Change] = [
        {"taking": (Taking(salt=salt, daily_mg=mg, days=days),)}
        for salt, mg in (("oxide", 241), ("glycinate", 300), ("glycinate-tablets", 300))
        for days in (10, 100)
    ]
    takings.append({"taking": (Taking("laxative"),)})
    takings.append(
        {"taking": (Taking(salt="oxide", daily_mg=241), Taking(salt="glycinate", daily_mg=300))}
    )
    orders = [
        ordering(Draft("mg", mg, salt=salt, renews=renews))
        for salt, mg in (("oxide", 482), ("glycinate", 300), ("glycinate-tablets", 300))
        for renews in (True, False)
    ]
    orders.append(ordering(magnesium(200, subtype="laxative")))
    axes = (HOOKS, takings, orders, CLASSES)
    return (varied(hook, *row) for hook, *row in product(*axes))


def ways_to_record_what_is_taken() -> Iterator[Case]:
    """U-6: duplicates, interactions and sparing drugs count it as the hazards do."""
    orders = [
        ordering(magnesium(400)),
        ordering(Draft("drug:ciprofloxacin")),
        ordering(Draft("ksparing")),
    ]
    return (varied(hook, *row) for hook, *row in product(HOOKS, RECORDED, orders, CLASSES))


def children() -> Iterator[Case]:
    amounts = (60, 65, 66, 110, 111, 200, 350, 351)
    for hook, age, mg, kidney in product(HOOKS, (0, 1, 3, 4, 8, 9, 17, None), amounts, CLASSES):
        yield varied(hook, kidney, {"age": age}, ordering(magnesium(mg)))


def two_supplements() -> Iterator[Case]:
    """Each is a duplicate of the other, and they add up; selected now or drafted before."""
    for hook, first, second, selected in product(HOOKS, (100, 250, 251), (100, 250), (True, False)):
        both = ordering(magnesium(first), magnesium(second, selected=selected))
        yield varied(hook, KIDNEYS["normal"], both)


def subtypes() -> Iterator[Case]:
    """Each kind of magnesium product with each class, serum level and an allergy or none."""
    allergies: list[Change] = [
        {"blocks": frozenset(names)} for names in ((), ("allergy-rash",), ("intolerance-low",))
    ]
    orders = [ordering(magnesium(200, subtype=subtype)) for subtype in SUBTYPES]
    return (varied(SIGN, *row) for row in product(orders, CORE_KIDNEYS, CORE_MAGNESIUM, allergies))


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
    for amount, pair, kidney in product(amounts, BLOCK_PAIRS, CLASSES):
        yield varied(SIGN, amount, pair, kidney)
    for form, block, kidney in product(ORAL_FORMS, BLOCK_SETS, CLASSES):
        yield varied(SIGN, ordering(magnesium(200, subtype=form)), block, kidney)


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


def orders_and_what_is_not_known() -> Iterator[Case]:
    """U-1, U-7, U-14: each form, with each key in part and each entry that nobody can read."""
    single: list[Change] = [row for row in PARTLY_SETS if len(row["partly"]) == 1]
    missing: list[Change] = [row for row in MISSING_SETS if len(row["missing"]) == 1]
    levels = [MAGNESIUM[name] for name in ("none", "newer-unusable")]
    forms = [ordering(magnesium(200, subtype=form)) for form in SUBTYPES]
    unknown = [*single, *missing, *UNREADABLE]
    return (varied(SIGN, *row) for row in product(forms, unknown, levels, CLASSES))


def orders_and_pairs_of_withheld_keys() -> Iterator[Case]:
    order = ordering(magnesium(400))
    return (varied(SIGN, order, *row) for row in product(PARTLY_SETS, CORE_KIDNEYS))


def required_facts() -> Iterator[Case]:
    for hook, key in product(HOOKS, ("patient", "conditions", "medicationRequests")):
        yield varied(hook, ordering(magnesium(200)), {"missing": frozenset({key})})


def the_dead() -> Iterator[Case]:
    for hook, kidney, kind in product(HOOKS, CORE_KIDNEYS, ("thiazide", "topiramate", "acute")):
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
        {"taking": (Taking(salt="oxide", days=1000),)},
        *(
            {"taking": (Taking(form),)}
            for form in ("antacid", "trisilicate-antacid", "laxative", "laxative-antacid")
        ),
        *({"taking": (Taking(form),)} for form in ("multivitamin", "phosphate-binder")),
        {"taking": (Taking("parenteral"),)},
    ]
    for drug, taking, kidney in product(DRUGS, takings, CLASSES):
        yield varied(SELECT, kidney, taking, ordering(Draft(f"drug:{drug}")))
    for drug, taking in product(DRUGS, takings):
        yield varied(SIGN, KIDNEYS["normal"], taking, ordering(Draft(f"drug:{drug}")))


def drug_renewed() -> Iterator[Case]:
    """M-14: no spacing card for a drug that was taken together with magnesium for 30 days."""
    for hook, drug, drug_days, magnesium_days in product(HOOKS, DRUGS, (29, 30, 200), (29, 30)):
        taking = (Taking(salt="oxide", days=magnesium_days),)
        yield varied(
            hook,
            KIDNEYS["normal"],
            {"taking": taking, "drugs": frozenset({drug}), "drug_days": drug_days},
            ordering(Draft(f"drug:{drug}")),
        )


def several_drugs() -> Iterator[Case]:
    """S-5: one card with the worst indicator, whether the drugs are taken or ordered."""
    pairs = list(combinations(("levothyroxine", "rosuvastatin", "ciprofloxacin", "amlodipine"), 2))
    for hook, pair, (salt, mg) in product(HOOKS, pairs, (("glycinate", 200), ("oxide", 241))):
        order = magnesium(mg, salt=salt)
        first, second = (Draft(f"drug:{drug}") for drug in pair)
        normal = KIDNEYS["normal"]
        yield varied(hook, normal, {"drugs": frozenset(pair)}, ordering(order))
        yield varied(hook, normal, {"drugs": frozenset(pair[:1])}, ordering(order, second))
        yield varied(hook, normal, {"taking": (Taking(salt=salt),)}, ordering(first, second))
        yield varied(hook, normal, ordering(order, first, second))


def antacids_and_drugs() -> Iterator[Case]:
    """V111: magnesium of every form that is ordered beside the drug, or taken, needs distance."""
    for form, drug, kidney in product(ORAL_FORMS, DRUGS, CLASSES):
        both = ordering(Draft(f"drug:{drug}"), magnesium(200, subtype=form, selected=False))
        yield varied(SELECT, kidney, both)


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


def refills() -> Iterator[Case]:
    """6.8: what an order being signed is asked, with what is taken already."""
    takings = [
        *TAKING.values(),
        {"taking": (Taking(daily_mg=250), Taking(salt="oxide", daily_mg=241))},
    ]
    amounts = [ordering(magnesium(mg)) for mg in (200, 201, 350, 351, 500, 501)]
    amounts += [ordering(Draft("mg", 250, renews=True)), ordering(magnesium(241, salt="oxide"))]
    amounts += [ordering(Draft("mg", unread_dose=True))]
    for amount, kidney, taking in product(amounts, CLASSES, takings):
        yield varied(REFILL, amount, kidney, taking)
    for form, kidney, taking in product(ORAL_FORMS, CLASSES, takings):
        yield varied(REFILL, ordering(magnesium(200, subtype=form)), kidney, taking)
    for name, kidney in product(ALL_BLOCKS, CLASSES):
        blocks = {"blocks": frozenset({name})}
        yield varied(REFILL, kidney, blocks, ordering(magnesium(200)))


def refills_of_other_drugs() -> Iterator[Case]:
    """6.8: what meets magnesium, and no suggestion beside what triggers one elsewhere."""
    for drug, drug_days, days in product(DRUGS, (29, 30), (29, 30)):
        both = {"drugs": frozenset({drug}), "drug_days": drug_days}
        taking = {"taking": (Taking(salt="oxide", days=days),)}
        yield varied(REFILL, KIDNEYS["normal"], both, taking, ordering(Draft(f"drug:{drug}")))
    for kind, kidney, taking in product(("ksparing", "combo"), CLASSES, TAKING.values()):
        yield varied(REFILL, kidney, taking, ordering(Draft(kind)))
    for kind, kidney in product(("thiazide", "topiramate", "acute"), CORE_KIDNEYS):
        yield varied(REFILL, DIABETES, kidney, ordering(Draft(kind)))


SPACES = (
    refills,
    refills_of_other_drugs,
    doses,
    doses_not_known,
    every_form,
    forms_and_kidney_history,
    renewals,
    ways_to_record_what_is_taken,
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
    orders_and_what_is_not_known,
    orders_and_pairs_of_withheld_keys,
    required_facts,
    the_dead,
    order_meets_drug,
    drug_meets_treatment,
    drug_renewed,
    several_drugs,
    antacids_and_drugs,
    drug_and_magnesium_ordered,
    sparing_drugs,
    single_blocks_at_select,
)


@pytest.mark.parametrize("space", SPACES)
def test_agrees_with_the_second_evaluator(space: Space) -> None:
    assert_agreement(space())
