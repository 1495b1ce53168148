"""Which products a site file may name, and what the check says of plans that none of them makes."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.site.check import Checked, check
from tests.support.decisions import knowledge

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOCAL = "https://hospital.example/products"
NAMED = "site: {id: example, title: Example}\n"


def entry(
    code: str = "2711541",
    display: str = "magnesium glycinate 100 MG Oral Capsule",
    salt: str = "glycinate",
    form: str = "capsule",
    mg: str = "100",
    system: str = RXNORM,
) -> str:
    coded = f'{{system: "{system}", code: "{code}", display: "{display}"}}'
    return f"  - {{code: {coded}, salt: {salt}, form: {form}, elementalMg: {mg}}}\n"


def checked(*entries: str, more: str = "") -> Checked:
    text = f"{NAMED}formulary:\n{''.join(entries)}{more}"
    return check(text.encode(), knowledge(), HOOKS_OF_FILES, date(2026, 11, 28))


@pytest.mark.parametrize(
    "good",
    [
        entry(),
        entry("849497", "magnesium glycinate 100 MG Oral Tablet", form="tablet"),
        entry("2534481", "magnesium glycinate 120 MG Oral Capsule", mg="120"),
        entry("MG-1", "Magnesium bisglycinate chelate capsules", mg="50", system=LOCAL),
        entry("MG-1", "Magnesium glycinate 500 mg tablet", form="tablet", mg="50", system=LOCAL),
        entry("MG-2", "Magnesium glycinate (100 mg elemental)", mg="100", system=LOCAL),
        entry("9999999", "magnesium glycinate 100 MG Oral Capsule"),
    ],
)
def test_products_that_can_be_named(good: str) -> None:
    assert checked(good).faults == ()


GLYCINATE = "must name magnesium glycinate: orders are recognised by it"
WITHOUT = "must name magnesium glycinate, without {}: orders are recognised by it"
SALT = "must be glycinate: the cards, and the drugs to keep apart, are for magnesium glycinate"


@pytest.mark.parametrize(
    ("bad", "place", "what"),
    [
        (entry(salt="oxide"), "salt", SALT),
        (entry(salt="citrate"), "salt", SALT),
        (entry(display="Metformin 500 mg", system=LOCAL), "code.display", GLYCINATE),
        (entry(display="Magnesium 100 mg capsule", system=LOCAL), "code.display", GLYCINATE),
        (
            entry(display="Magnesium oxide 100 mg", system=LOCAL),
            "code.display",
            WITHOUT.format("oxide"),
        ),
        (
            entry(display="Magnesium glycinate/oxide 100 mg", system=LOCAL),
            "code.display",
            WITHOUT.format("oxide"),
        ),
        (
            entry(display="Buffered magnesium glycinate 100 mg", system=LOCAL),
            "code.display",
            WITHOUT.format("buffered"),
        ),
        (
            entry("198741"),
            "code.code",
            "RxNorm 198741 is magnesium oxide 400 MG Oral Tablet, not magnesium glycinate",
        ),
        (entry("476818"), "code.code", "RxNorm 476818 is not a product with a strength"),
        (
            entry(mg="14.1"),
            "elementalMg",
            "must be 100: an order of RxNorm 2711541 is read as 100 mg each",
        ),
        (entry(form="tablet"), "form", "must agree with the display, which names a capsule"),
        (
            entry(display="Magnesium glycinate (120 mg elemental)", system=LOCAL),
            "elementalMg",
            "must be the elemental magnesium that the display states",
        ),
    ],
)
def test_products_that_cannot_be_named(bad: str, place: str, what: str) -> None:
    (fault,) = checked(bad).faults
    assert str(fault) == f"line 3: formulary[0].{place}: {what}"


def test_the_knowledge_of_a_site_has_its_products_and_its_values() -> None:
    found = checked(entry(), more="parameters: {dose.max_mg: 399}\n")
    plans = {plan.id: plan for plan in found.knowledge.plans.plans}
    assert plans["mg_200_400"].target_mg_per_day == 200
    assert plans["mg_200_400"].product is not None
    assert found.knowledge.version == knowledge().version


def test_plans_that_no_product_makes_are_noted() -> None:
    assert checked(entry()).notes == (
        (
            "note: formulary: no product makes 120 mg in whole units, so the draft of"
            " mg_perimenstrual (Second half of the cycle) orders magnesium glycinate"
        ),
    )
    large = entry("2534481", "magnesium glycinate 120 MG Oral Capsule", mg="120")
    assert len(checked(large).notes) == 3
    assert checked(entry(), large).notes == ()
    without = check(NAMED.encode(), knowledge(), HOOKS_OF_FILES, date(2026, 11, 28))
    assert without.notes == ()


def test_notes_go_to_standard_error(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(f"{NAMED}formulary:\n{entry()}", encoding="utf-8")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "cds_service", "site", "check", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert len(done.stdout.split()) == 1
    assert done.stderr.startswith("note: formulary: no product makes 120 mg")
