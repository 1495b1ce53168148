"""The values of each axis of the decision space, shared by the tests of the three hooks."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

from tests.table.second_evaluator import (
    BLOCKS,
    HARMLESS,
    Case,
    Creatinine,
    Egfr,
    Magnesium,
    Taking,
)

Change = dict[str, Any]


def varied(case: Case, *changes: Change) -> Case:
    merged: Change = {}
    for change in changes:
        merged.update(change)
    return replace(case, **merged)


def risks(*names: str) -> frozenset[str]:
    return frozenset(names)


# The kidney table, one row for each way to a class.
KIDNEYS: dict[str, Change] = {
    "normal": {"egfr": (Egfr(92, 30),)},
    "moderate": {"egfr": (Egfr(48, 30),)},
    "stale": {"egfr": (Egfr(48, 250),)},
    "severe": {"egfr": (Egfr(25, 900),)},
    "none": {},
    "expired": {"egfr": (Egfr(85, 400),)},
    "needs-labs": {"ckd": "3"},
    "discordant": {"ckd": "3a", "egfr": (Egfr(72, 30),)},
    # which value
    "latest-good": {"egfr": (Egfr(28, 200), Egfr(64, 10))},
    "latest-bad": {"egfr": (Egfr(64, 200), Egfr(28, 10))},
    "entered-in-error": {"egfr": (Egfr(20, 5, status="entered-in-error"), Egfr(75, 40))},
    "preliminary": {"egfr": (Egfr(20, 5, status="preliminary"), Egfr(75, 40))},
    "amended": {"egfr": (Egfr(50, 5, status="amended"), Egfr(75, 40))},
    "race-pair": {"egfr": (Egfr(58, 20, preference=4), Egfr(67, 20, preference=5))},
    "preference": {"egfr": (Egfr(70, 20, preference=1), Egfr(50, 20, preference=3))},
    "same-rank": {"egfr": (Egfr(70, 20), Egfr(50, 20))},
    "above-60": {"egfr": (Egfr(60, 12, comparator=">"),)},
    "above-90": {"egfr": (Egfr(90, 12, comparator=">"),)},
    "above-45": {"egfr": (Egfr(45, 12, comparator=">"),)},
    "below-15": {"egfr": (Egfr(15, 12, comparator="<"),)},
    "no-unit": {"egfr": (Egfr(45, 12, unit=None),)},
    "wrong-unit": {"egfr": (Egfr(45, 12, unit="mg/dL"),)},
    "implausible": {"egfr": (Egfr(251, 12),)},
    "newer-unusable-over-normal": {"egfr": (Egfr(90, 40), Egfr(300, 5))},
    "newer-unusable-over-moderate": {"egfr": (Egfr(48, 40), Egfr(70, 5, unit="mg/dL"))},
    "newer-unusable-over-severe": {"egfr": (Egfr(20, 40), Egfr(300, 5))},
    # creatinine
    "creatinine-normal": {"creatinine": (Creatinine(0.8, 20),)},
    "creatinine-moderate": {"creatinine": (Creatinine(1.6, 20),)},
    "creatinine-severe": {"creatinine": (Creatinine(354, 20, unit="umol/L", molar=True),)},
    "creatinine-implausible": {"creatinine": (Creatinine(70, 10),)},
    "creatinine-excluded-code": {"creatinine": (Creatinine(4.0, 10, use=False),)},
    "creatinine-default-unit": {"creatinine": (Creatinine(150, 10, unit=None, molar=True),)},
    "creatinine-newer": {"egfr": (Egfr(72, 90),), "creatinine": (Creatinine(1.6, 2),)},
    "creatinine-older": {"egfr": (Egfr(72, 10),), "creatinine": (Creatinine(1.6, 90),)},
    "creatinine-newer-unusable": {"egfr": (Egfr(72, 90),), "creatinine": (Creatinine(70, 2),)},
    # chronic kidney disease
    "ckd-1": {"ckd": "1"},
    "ckd-2-normal": {"ckd": "2", "egfr": (Egfr(72, 30),)},
    "ckd-3b-moderate": {"ckd": "3b", "egfr": (Egfr(40, 30),)},
    "ckd-3-expired": {"ckd": "3", "egfr": (Egfr(72, 366),)},
    "ckd-4": {"ckd": "4"},
    "ckd-4-moderate": {"ckd": "4", "egfr": (Egfr(45, 20),)},
    "ckd-4-normal": {"ckd": "4", "egfr": (Egfr(75, 20),)},
    "ckd-4-resolved": {"ckd": "4-resolved"},
    "ckd-5": {"ckd": "5", "egfr": (Egfr(45, 20),)},
    "ckd-5d": {"ckd": "5D", "egfr": (Egfr(75, 20),)},
    "ckd-unspecified": {"ckd": "unspecified"},
    "ckd-unspecified-normal": {"ckd": "unspecified", "egfr": (Egfr(75, 20),)},
    "ckd-unspecified-moderate": {"ckd": "unspecified", "egfr": (Egfr(45, 20),)},
    "ckd-unspecified-expired": {"ckd": "unspecified", "egfr": (Egfr(75, 400),)},
    # acute kidney injury
    "aki": {"aki_days": 30},
    "aki-over-normal": {"aki_days": 30, "egfr": (Egfr(90, 200),)},
    "aki-cleared": {"aki_days": 80, "egfr": (Egfr(88, 10),)},
    "aki-cleared-then-moderate": {"aki_days": 80, "egfr": (Egfr(88, 60), Egfr(48, 10))},
    "aki-cleared-computed": {"aki_days": 80, "creatinine": (Creatinine(0.8, 10),)},
    "aki-too-early": {"aki_days": 12, "egfr": (Egfr(88, 6),)},
    "aki-old": {"aki_days": 120},
    "aki-undated": {"aki": "undated", "egfr": (Egfr(90, 10),)},
    "aki-resolved": {"aki": "resolved"},
    # dialysis
    "dialysis": {"dialysis": "condition", "egfr": (Egfr(90, 10),)},
    "dialysis-resolved": {"dialysis": "condition-resolved", "egfr": (Egfr(90, 10),)},
    "dialysis-procedure": {"dialysis": "procedure-90", "egfr": (Egfr(90, 10),)},
    "dialysis-procedure-old": {"dialysis": "procedure-91", "egfr": (Egfr(90, 10),)},
    "dialysis-in-progress": {"dialysis": "in-progress-400", "egfr": (Egfr(90, 10),)},
    "dialysis-not-done": {"dialysis": "procedure-not-done", "egfr": (Egfr(90, 10),)},
}
# One for each class and flag, and both ways to UNKNOWN.
CORE_KIDNEYS = [
    KIDNEYS[name] for name in ("normal", "moderate", "stale", "severe", "none", "discordant")
]
CLASSES = [KIDNEYS[name] for name in ("normal", "moderate", "severe", "none")]

MAGNESIUM: dict[str, Change] = {
    "none": {},
    "severe-low": {"magnesium": (Magnesium(1.1),)},
    "low": {"magnesium": (Magnesium(1.5),)},
    "normal": {"magnesium": (Magnesium(2.0),)},
    "high": {"magnesium": (Magnesium(2.8),)},
    "urgent": {"magnesium": (Magnesium(5.5),)},
    "molar-severe-low": {"magnesium": (Magnesium(0.45, unit="mmol/L", molar=True),)},
    "molar-low": {"magnesium": (Magnesium(0.66, unit="mmol/L", molar=True),)},
    "molar-normal": {"magnesium": (Magnesium(0.9, unit="mmol/L", molar=True),)},
    "molar-high": {"magnesium": (Magnesium(1.2, unit="mmol/L", molar=True),)},
    "equivalents-normal": {"magnesium": (Magnesium(1.8, unit="mEq/L", molar=True),)},
    "equivalents-high": {"magnesium": (Magnesium(2.5, unit="mEq/L", molar=True),)},
    "no-unit-mass": {"magnesium": (Magnesium(1.5, unit=None),)},
    "no-unit-molar": {"magnesium": (Magnesium(1.5, unit=None, molar=True),)},
    "wrong-unit": {"magnesium": (Magnesium(5.5, unit="mg"),)},
    "implausible": {"magnesium": (Magnesium(25.0),)},
    "too-old": {"magnesium": (Magnesium(5.5, days=181),)},
    "latest-normal": {"magnesium": (Magnesium(1.1, days=100), Magnesium(2.0, days=10))},
    "latest-low": {"magnesium": (Magnesium(2.0, days=100), Magnesium(1.5, days=10))},
    "preliminary": {"magnesium": (Magnesium(5.5, days=3, status="preliminary"),)},
    "corrected": {"magnesium": (Magnesium(2.8, days=3, status="corrected"),)},
    "red-cells": {"magnesium": (Magnesium(5.5, unit="mg/dL", rbc=True),)},
    "secondary-newer": {
        "magnesium": (Magnesium(2.0, days=100), Magnesium(1.5, days=10, secondary=True))
    },
    "secondary-tie": {
        "magnesium": (Magnesium(1.5, days=10, secondary=True), Magnesium(2.0, days=10))
    },
    "own-reference-lower": {"magnesium": (Magnesium(2.5, reference_high=2.4),)},
    "own-reference-higher": {"magnesium": (Magnesium(2.8, reference_high=3.0),)},
}
CORE_MAGNESIUM = [
    MAGNESIUM[name] for name in ("none", "severe-low", "low", "normal", "high", "urgent")
]

TAKING: dict[str, Change] = {
    "none": {},
    "supplement": {"taking": (Taking(),)},
    "supplement-as-needed": {"taking": (Taking(as_needed=True),)},
    "oxide": {"taking": (Taking(salt="oxide"),)},
    "antacid": {"taking": (Taking("antacid"),)},
    "antacid-as-needed": {"taking": (Taking("antacid", as_needed=True),)},
    "laxative": {"taking": (Taking("laxative"),)},
    "laxative-antacid": {"taking": (Taking("laxative-antacid"),)},
    "bowel-prep": {"taking": (Taking("bowel-prep"),)},
    "multivitamin": {"taking": (Taking("multivitamin"),)},
    "salicylate": {"taking": (Taking("salicylate"),)},
    "parenteral": {"taking": (Taking("parenteral"),)},
    "topical": {"taking": (Taking("topical"),)},
}
CORE_TAKING = [TAKING[name] for name in ("none", "supplement", "supplement-as-needed", "antacid")]

ALL_BLOCKS = sorted({*BLOCKS, *HARMLESS})
# The specification does not say which of two statements about pregnancy wins.
CONTRADICTORY = {
    frozenset({"not-pregnant-observation", other})
    for other in ("pregnant", "pregnant-300", "pregnant-observation")
}
BLOCK_PAIRS: list[Change] = [
    {"blocks": frozenset(pair)}
    for pair in combinations(ALL_BLOCKS, 2)
    if frozenset(pair) not in CONTRADICTORY
]
BLOCK_SETS: list[Change] = [{"blocks": frozenset({name})} for name in ALL_BLOCKS]
OPTIONAL_KEYS = (
    "medicationStatements",
    "allergies",
    "kidneyLabs",
    "magnesiumLabs",
    "pregnancyStatus",
    "kidneyProcedures",
)
MISSING_SETS: list[Change] = [
    {"missing": frozenset(chosen)}
    for size in range(len(OPTIONAL_KEYS) + 1)
    for chosen in combinations(OPTIONAL_KEYS, size)
]
