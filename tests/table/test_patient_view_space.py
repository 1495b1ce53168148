"""patient-view: the whole decision space against the second evaluator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.table.axes import (
    ALCOHOL,
    BLOCK_PAIRS,
    BLOCK_SETS,
    CLASSES,
    CORE_KIDNEYS,
    CORE_MAGNESIUM,
    CORE_TAKING,
    DIABETES,
    DOSES_TAKEN,
    KIDNEYS,
    MAGNESIUM,
    MISSING_SETS,
    NO_RISK,
    OPERATIONS,
    PARTLY_SETS,
    RECORDED,
    STOPPED_BEFORE,
    TAKING,
    UNREADABLE,
    Change,
    risks,
    varied,
)
from tests.table.facts import Case
from tests.table.judging import Space, assert_agreement
from tests.table.tables import MIGRAINE, RISK
from tests.table.vignettes import from_vignette

pytestmark = pytest.mark.slow

PATIENT = Case(hook="patient-view")
SUBTYPES: list[Change] = [{"migraine": name} for name in ("plain", "menstrual", None)]


def decision_table() -> Iterator[Case]:
    """What decides, each against each: age, subtype, risk, kidney, magnesium, treatment."""
    ages: list[Change] = [{"age": age} for age in (17, 18, 65, None)]
    factors = [NO_RISK, DIABETES, ALCOHOL]
    kidneys = [KIDNEYS[name] for name in ("normal", "moderate", "severe", "none", "wrong-unit")]
    axes = (ages, SUBTYPES, factors, kidneys, CORE_MAGNESIUM, CORE_TAKING)
    return (varied(PATIENT, *row) for row in product(*axes))


def discharge() -> Iterator[Case]:
    """6.8: at discharge the same."""
    kidneys = [KIDNEYS[name] for name in ("normal", "moderate", "severe", "none")]
    for row in product(SUBTYPES, [NO_RISK, DIABETES], kidneys, CORE_MAGNESIUM, CORE_TAKING):
        yield varied(Case(hook="encounter-discharge"), *row)
    for name in STOPPED_BEFORE:
        yield varied(Case(hook="encounter-discharge"), DIABETES, kidneys[0], name)


def risks_and_kidneys() -> Iterator[Case]:
    """Each risk factor, and what only looks like one, with each kidney class; and the other way."""
    for name, kidney in product(RISK, [*CORE_KIDNEYS, KIDNEYS["expired"]]):
        yield varied(PATIENT, {"rf": risks(name)}, kidney)
    for name, kidney in product(("diabetes", "loop", "polycystic"), KIDNEYS.values()):
        yield varied(PATIENT, {"rf": risks("alcohol", name)}, kidney)


def risks_and_age_of_results() -> Iterator[Case]:
    """N-4: who may rely on a good result for 365 days, and who for 183."""
    results = [KIDNEYS[name] for name in ("good-183", "good-184", "good-365", "expired")]
    ages: list[Change] = [{"age": age} for age in (45, 64, 65)]
    factors = [{"rf": risks("alcohol", name)} for name in RISK]
    return (varied(PATIENT, *row) for row in product(factors, ages, results))


def pairs_of_risks() -> Iterator[Case]:
    """Each risk beside one of each kind: a factor, a renal risk, both, a kidney history."""
    for first in ("alcohol", "diabetes", "loop", "ksparing", "polycystic", "digoxin"):
        for second, kidney in product(RISK, (KIDNEYS["none"], KIDNEYS["good-184"])):
            if first != second:
                yield varied(PATIENT, {"rf": risks(first, second)}, kidney)


def migraines() -> Iterator[Case]:
    """Each way a migraine is recorded."""
    kinds = [{"migraine": name} for name in MIGRAINE]
    return (varied(PATIENT, *row) for row in product(kinds, (NO_RISK, DIABETES), CORE_KIDNEYS))


def kidneys_and_people() -> Iterator[Case]:
    """Each row of the kidney table with age band, sex and subtype."""
    ages: list[Change] = [{"age": age} for age in (17, 45, 64, 65, 80)]
    sexes: list[Change] = [{"sex": sex} for sex in ("female", "male")]
    subtypes: list[Change] = [{"migraine": "plain", **ALCOHOL}, {"migraine": "menstrual"}]
    return (varied(PATIENT, *row) for row in product(ages, sexes, subtypes, KIDNEYS.values()))


def blocks() -> Iterator[Case]:
    """Each block, and what only looks like one, with kidney class and magnesium taken."""
    takings = [TAKING[name] for name in ("none", "supplement", "laxative")]
    axes = (BLOCK_SETS, CORE_KIDNEYS, takings)
    return (varied(PATIENT, DIABETES, *row) for row in product(*axes))


def kidney_operations() -> Iterator[Case]:
    """K-1, K-2: a transplant that is a Procedure, and what is a kidney history only."""
    takings = [TAKING[name] for name in ("none", "supplement", "laxative")]
    kidneys = [KIDNEYS[name] for name in ("ckd-4", "ckd-4-moderate", "good-183", "good-184")]
    axes = (OPERATIONS, [*CORE_KIDNEYS, *kidneys], takings)
    return (varied(PATIENT, ALCOHOL, *row) for row in product(*axes))


def transplants() -> Iterator[Case]:
    """The kidney table reads differently after a transplant: the hazards show it."""
    transplant = {"blocks": frozenset({"transplant"})}
    takings = [TAKING[name] for name in ("none", "supplement", "laxative")]
    for row in product(KIDNEYS.values(), takings):
        yield varied(PATIENT, DIABETES, transplant, *row)


def pairs_of_blocks() -> Iterator[Case]:
    for pair in BLOCK_PAIRS:
        yield varied(PATIENT, DIABETES, KIDNEYS["normal"], pair)


def magnesium_results() -> Iterator[Case]:
    """Each reading of serum magnesium, with and without another risk factor or treatment."""
    takings = [TAKING[name] for name in ("none", "supplement", "antacid-as-needed")]
    axes = (MAGNESIUM.values(), CLASSES, (NO_RISK, DIABETES), takings)
    return (varied(PATIENT, *row) for row in product(*axes))


def treatments() -> Iterator[Case]:
    """Each kind of magnesium taken, with kidney class and serum magnesium, migraine or not."""
    axes = (TAKING.values(), CORE_KIDNEYS, CORE_MAGNESIUM, SUBTYPES[1:])
    return (varied(PATIENT, DIABETES, *row) for row in product(*axes))


def doses_taken() -> Iterator[Case]:
    """M-6: the daily dose of what is taken, by kidney class, with and without migraine."""
    kidneys = [KIDNEYS[name] for name in ("normal", "moderate", "stale", "severe", "none")]
    people: list[Change] = [{"migraine": None}, DIABETES]
    return (varied(PATIENT, *row) for row in product(DOSES_TAKEN.values(), kidneys, people))


def several_hazards() -> Iterator[Case]:
    """M-7, M-10, 12.7.10, 12.7.24: hazards beside one another and beside a low magnesium."""
    takings = [
        *(TAKING[name] for name in ("supplement-as-needed", "laxative", "multivitamin")),
        *(TAKING[name] for name in ("oxide-1000", "phosphate-binder")),
        *(DOSES_TAKEN[name] for name in ("oxide-1205", "laxative-2502")),
    ]
    conditions: list[Change] = [
        {"blocks": frozenset(names)}
        for names in ((), ("obstruction",), ("myasthenia",), ("ileus", "myasthenia", "pregnant"))
    ]
    rows = product(takings, conditions, CLASSES, CORE_MAGNESIUM, SUBTYPES)
    return (varied(PATIENT, *row) for row in rows)


def ways_to_record_what_is_taken() -> Iterator[Case]:
    """U-5, U-6, U-13: whether magnesium counts as taken, however it stands in the chart."""
    levels = [MAGNESIUM[name] for name in ("none", "severe-low", "high")]
    blocks: list[Change] = [{}, {"blocks": frozenset({"obstruction"})}]
    people: list[Change] = [{"migraine": None}, DIABETES]
    return (varied(PATIENT, *row) for row in product(RECORDED, CLASSES, levels, blocks, people))


def dangerously_low() -> Iterator[Case]:
    """M-10: before every block and every kidney class, from one year on."""
    low = [MAGNESIUM[name] for name in ("severe-low", "molar-severe-low", "low")]
    ages: list[Change] = [{"age": age} for age in (0, 1, 15, 45, None)]
    for level, block, kidney in product(low, BLOCK_SETS, CLASSES):
        yield varied(PATIENT, level, block, kidney)
    for level, *row in product(low, ages, SUBTYPES, CLASSES):
        yield varied(PATIENT, level, *row)


def slightly_high() -> Iterator[Case]:
    """M-11: a warning with NORMAL kidneys, critical with all others."""
    levels = [name for name in MAGNESIUM if "high" in name or "reference" in name]
    takings = [TAKING[name] for name in ("none", "supplement", "antacid-as-needed")]
    diagnosed: list[Change] = [{}, {"blocks": frozenset({"hypermag-dx"})}]
    axes = ([MAGNESIUM[name] for name in levels], CORE_KIDNEYS, takings, diagnosed)
    return (varied(PATIENT, DIABETES, *row) for row in product(*axes))


def taken_before() -> Iterator[Case]:
    """M-15: no suggestion to start again what was stopped within 24 months."""
    people: list[Change] = [{**DIABETES}, {"migraine": "menstrual"}, {"rf": risks("loop")}]
    takings = [TAKING[name] for name in ("none", "antacid-as-needed")]
    levels = [MAGNESIUM[name] for name in ("none", "severe-low", "normal", "high")]
    kidneys = [*CLASSES, KIDNEYS["wrong-unit"]]
    axes = (STOPPED_BEFORE, kidneys, levels, people, takings)
    return (varied(PATIENT, *row) for row in product(*axes))


def labs_beside_the_plan() -> Iterator[Case]:
    """S-2, M-17: who is offered tests beside the plan, and when the plan is recommended."""
    names = (
        "diabetes",
        "loop",
        "cisplatin-180",
        "patiromer",
        "digoxin",
        "cetuximab",
        "amivantamab",
    )
    results = [KIDNEYS[name] for name in ("normal", "good-183", "good-184", "good-365")]
    tested: list[Change] = [
        {},
        *(MAGNESIUM[name] for name in ("normal", "low", "too-old", "implausible")),
    ]
    ages: list[Change] = [{"age": age} for age in (45, 65)]
    subtypes: list[Change] = [{"migraine": "plain"}, {"migraine": "menstrual"}]
    for name, *row in product(names, results, tested, ages, subtypes):
        yield varied(PATIENT, {"rf": risks("alcohol", name)}, *row)


def unreadable_entries() -> Iterator[Case]:
    """U-7, U-14, 12.7.6: a house code whose words name something that matters."""
    people: list[Change] = [{**DIABETES}, {**ALCOHOL}, {"migraine": "menstrual"}]
    kidneys = [*CORE_KIDNEYS, KIDNEYS["ckd-4"], KIDNEYS["ckd-unspecified-normal"]]
    axes = (UNREADABLE, kidneys, people, CORE_TAKING)
    return (varied(PATIENT, *row) for row in product(*axes))


def withheld_facts() -> Iterator[Case]:
    """U-1, 12.7.1: each key, and each pair of keys, of which some was withheld."""
    people: list[Change] = [{**ALCOHOL}, {"migraine": "menstrual"}, {"rf": risks("loop")}]
    axes = (PARTLY_SETS, CORE_KIDNEYS, people)
    return (varied(PATIENT, *row) for row in product(*axes))


def withheld_facts_and_hazards() -> Iterator[Case]:
    """U-1: the safety cards come with what is there."""
    takings = [TAKING[name] for name in ("none", "supplement", "laxative")]
    levels = [MAGNESIUM[name] for name in ("none", "severe-low", "normal", "high")]
    partly: list[Change] = [row for row in PARTLY_SETS if len(row["partly"]) == 1]
    for row in product(partly, takings, levels, CLASSES):
        yield varied(PATIENT, DIABETES, *row)


def missing_facts() -> Iterator[Case]:
    """Every set of optional facts that were not available."""
    people: list[Change] = [{"migraine": "plain", **DIABETES}, {"migraine": "menstrual"}]
    axes = (MISSING_SETS, CORE_KIDNEYS, people)
    return (varied(PATIENT, *row) for row in product(*axes))


def required_facts() -> Iterator[Case]:
    for key in ("patient", "conditions", "medicationRequests"):
        for kidney in CLASSES:
            yield varied(PATIENT, DIABETES, kidney, {"missing": frozenset({key})})


def the_dead() -> Iterator[Case]:
    for row in product(CORE_KIDNEYS, CORE_MAGNESIUM, CORE_TAKING):
        yield varied(PATIENT, DIABETES, *row, {"deceased": True})


SPACES = (
    decision_table,
    discharge,
    risks_and_kidneys,
    risks_and_age_of_results,
    pairs_of_risks,
    migraines,
    kidneys_and_people,
    blocks,
    kidney_operations,
    transplants,
    pairs_of_blocks,
    magnesium_results,
    treatments,
    doses_taken,
    several_hazards,
    ways_to_record_what_is_taken,
    dangerously_low,
    slightly_high,
    taken_before,
    labs_beside_the_plan,
    unreadable_entries,
    withheld_facts,
    withheld_facts_and_hazards,
    missing_facts,
    required_facts,
    the_dead,
)


@pytest.mark.parametrize("space", SPACES)
def test_agrees_with_the_second_evaluator(space: Space) -> None:
    assert_agreement(space())


@pytest.mark.shared
def test_agrees_on_the_vignettes(shared_dir: Path) -> None:
    text = (shared_dir / "clinical" / "vignettes.json").read_text(encoding="utf-8")
    assert_agreement([from_vignette(v["facts"]) for v in json.loads(text)["vignettes"]])
