"""patient-view: the whole decision space against the second evaluator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.table.axes import (
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
from tests.table.cases import from_vignette
from tests.table.judging import assert_agreement
from tests.table.second_evaluator import MIGRAINE, RISK, Case

pytestmark = pytest.mark.slow

PATIENT = Case(hook="patient-view")
NO_RISK: Change = {"rf": risks()}
DIABETES: Change = {"rf": risks("diabetes")}
ALCOHOL: Change = {"rf": risks("alcohol")}  # a risk factor that is no renal risk
SUBTYPES: list[Change] = [{"migraine": name} for name in ("plain", "menstrual", None)]


def decision_table() -> Iterator[Case]:
    """What decides, each against each: age, subtype, risk, kidney, magnesium, treatment."""
    ages: list[Change] = [{"age": age} for age in (17, 18, 65, None)]
    factors = [NO_RISK, DIABETES, ALCOHOL]
    axes = (ages, SUBTYPES, factors, CORE_KIDNEYS, CORE_MAGNESIUM, CORE_TAKING)
    return (varied(PATIENT, *row) for row in product(*axes))


def risks_and_kidneys() -> Iterator[Case]:
    """Each risk factor, and what only looks like one, with each row of the kidney table."""
    factors = [{"rf": risks(name)} for name in RISK]
    return (varied(PATIENT, *row) for row in product(factors, KIDNEYS.values()))


def pairs_of_risks() -> Iterator[Case]:
    for first, second in product(RISK, RISK):
        if first < second:
            yield varied(PATIENT, {"rf": risks(first, second)}, KIDNEYS["none"])


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
    axes = (MAGNESIUM.values(), CORE_KIDNEYS, (NO_RISK, DIABETES), takings)
    return (varied(PATIENT, *row) for row in product(*axes))


def treatments() -> Iterator[Case]:
    """Each kind of magnesium taken, with kidney class and serum magnesium, migraine or not."""
    axes = (TAKING.values(), CORE_KIDNEYS, CORE_MAGNESIUM, SUBTYPES)
    return (varied(PATIENT, DIABETES, *row) for row in product(*axes))


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


SPACES = {
    space.__name__: space
    for space in (
        decision_table,
        risks_and_kidneys,
        pairs_of_risks,
        migraines,
        kidneys_and_people,
        blocks,
        transplants,
        pairs_of_blocks,
        magnesium_results,
        treatments,
        missing_facts,
        required_facts,
        the_dead,
    )
}


@pytest.mark.parametrize("name", SPACES)
def test_agrees_with_the_second_evaluator(client: FlaskClient, name: str) -> None:
    assert_agreement(client, SPACES[name]())


@pytest.mark.shared
def test_agrees_on_the_vignettes(client: FlaskClient, shared_dir: Path) -> None:
    text = (shared_dir / "clinical" / "vignettes.json").read_text(encoding="utf-8")
    assert_agreement(client, [from_vignette(v["facts"]) for v in json.loads(text)["vignettes"]])
