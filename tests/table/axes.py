"""The values of each axis of the decision space, shared by the tests of the three hooks."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

from tests.table.facts import Case, Creatinine, Draft, Egfr, Magnesium, Taking
from tests.table.tables import (
    BLOCKS,
    GUT,
    HARMLESS,
    PROCEDURES,
    RECORDED_AS,
    STOPPED,
    UNREAD,
    UNREAD_HARMLESS,
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
    "newer-unusable-over-expired": {"egfr": (Egfr(90, 400), Egfr(300, 5))},
    "older-unusable": {"egfr": (Egfr(90, 10), Egfr(300, 40))},
    "unit-with-comma": {"egfr": (Egfr(22, 12, unit="ml/min/1,73m²"),)},
    "unit-in-words": {"egfr": (Egfr(48, 12, unit="mL/min per 1.73 sq m"),)},
    # how long a good result counts (N-4)
    "good-183": {"egfr": (Egfr(75, 183),)},
    "good-184": {"egfr": (Egfr(75, 184),)},
    "good-365": {"egfr": (Egfr(75, 365),)},
    # two results that contradict each other (N-3)
    "conflict-severe": {"egfr": (Egfr(72, 20),), "creatinine": (Creatinine(5.0, 20),)},
    "conflict-moderate": {"egfr": (Egfr(90, 20),), "creatinine": (Creatinine(1.8, 20),)},
    "conflict-24-hours": {
        "egfr": (Egfr(90, 20, 720),),
        "creatinine": (Creatinine(1.8, 21, 720),),
    },
    "conflict-over-24-hours": {
        "egfr": (Egfr(90, 20, 720),),
        "creatinine": (Creatinine(1.8, 21, 719),),
    },
    "conflict-creatinine-later": {
        "egfr": (Egfr(90, 20, 720),),
        "creatinine": (Creatinine(1.8, 19, 600),),
    },
    "conflict-egfr-is-lower": {"egfr": (Egfr(25, 20),), "creatinine": (Creatinine(0.8, 20),)},
    "conflict-two-creatinines": {
        "creatinine": (Creatinine(0.7, 20), Creatinine(1.8, 20, 600)),
    },
    "two-creatinines-of-two-days": {
        "creatinine": (Creatinine(0.7, 20), Creatinine(1.8, 21)),
    },
    "conflict-long-ago": {"egfr": (Egfr(90, 250),), "creatinine": (Creatinine(1.8, 250),)},
    "conflict-of-older-ones": {
        "egfr": (Egfr(90, 20), Egfr(90, 100)),
        "creatinine": (Creatinine(1.8, 100),),
    },
    "conflict-with-a-third": {
        "egfr": (Egfr(90, 20),),
        "creatinine": (Creatinine(1.8, 20), Creatinine(5.0, 20, 60)),
    },
    "another-class-but-near": {"egfr": (Egfr(62, 20),), "creatinine": (Creatinine(1.3, 20),)},
    "one-class-but-far": {"egfr": (Egfr(119, 20),), "creatinine": (Creatinine(1.1, 20),)},
    "conflict-unusable": {"egfr": (Egfr(90, 20),), "creatinine": (Creatinine(70, 20),)},
    # creatinine
    "creatinine-normal": {"creatinine": (Creatinine(0.8, 20),)},
    "creatinine-moderate": {"creatinine": (Creatinine(1.6, 20),)},
    "creatinine-severe": {"creatinine": (Creatinine(354, 20, unit="umol/L", molar=True),)},
    "creatinine-implausible": {"creatinine": (Creatinine(70, 10),)},
    "creatinine-excluded-code": {"creatinine": (Creatinine(4.0, 10, use=False),)},
    "creatinine-excluded-newer": {
        "egfr": (Egfr(90, 40),),
        "creatinine": (Creatinine(4.0, 10, use=False),),
    },
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
    "dialysis-procedure-old-alone": {"dialysis": "procedure-91"},
    "ckd-3-old-good": {"ckd": "3", "egfr": (Egfr(75, 200),)},
    "ckd-unspecified-old-good": {"ckd": "unspecified", "egfr": (Egfr(75, 200),)},
}
# One for each class and flag, and three ways to UNKNOWN: nothing on file, a good result of so long
# ago that it counts for some only, and a result that cannot be used.
CORE_KIDNEYS = [
    KIDNEYS[name]
    for name in (
        "normal",
        "moderate",
        "stale",
        "severe",
        "none",
        "discordant",
        "conflict-moderate",
        "wrong-unit",
        "good-184",
    )
]
CLASSES = [KIDNEYS[name] for name in ("normal", "moderate", "severe", "none")]

MAGNESIUM: dict[str, Change] = {
    "none": {},
    "severe-low": {"magnesium": (Magnesium(1.1),)},
    "low": {"magnesium": (Magnesium(1.5),)},
    "normal": {"magnesium": (Magnesium(2.0),)},
    "slightly-high": {"magnesium": (Magnesium(2.8),)},
    "high": {"magnesium": (Magnesium(3.2),)},
    "urgent": {"magnesium": (Magnesium(5.5),)},
    "molar-severe-low": {"magnesium": (Magnesium(0.45, unit="mmol/L", molar=True),)},
    "molar-low": {"magnesium": (Magnesium(0.66, unit="mmol/L", molar=True),)},
    "molar-normal": {"magnesium": (Magnesium(0.9, unit="mmol/L", molar=True),)},
    "molar-slightly-high": {"magnesium": (Magnesium(1.2, unit="mmol/L", molar=True),)},
    "molar-high": {"magnesium": (Magnesium(1.3, unit="mmol/L", molar=True),)},
    "per-cent": {"magnesium": (Magnesium(3.2, unit="mg%"),)},
    "newer-unusable": {"magnesium": (Magnesium(2.0, days=90), Magnesium(25.0, days=5))},
    "newer-unusable-over-low": {"magnesium": (Magnesium(1.5, days=90), Magnesium(25.0, days=5))},
    "newer-unusable-over-high": {"magnesium": (Magnesium(3.2, days=90), Magnesium(25.0, days=5))},
    "older-unusable": {"magnesium": (Magnesium(2.0, days=5), Magnesium(25.0, days=90))},
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
    "own-reference-above-mild": {"magnesium": (Magnesium(3.3, reference_high=3.2),)},
}
CORE_MAGNESIUM = [
    MAGNESIUM[name] for name in ("none", "severe-low", "low", "normal", "slightly-high", "high")
]

TAKING: dict[str, Change] = {
    "none": {},
    "supplement": {"taking": (Taking(),)},
    "supplement-as-needed": {"taking": (Taking(as_needed=True),)},
    "oxide": {"taking": (Taking(salt="oxide", daily_mg=241),)},
    "antacid": {"taking": (Taking("antacid"),)},
    "antacid-as-needed": {"taking": (Taking("antacid", as_needed=True),)},
    "laxative": {"taking": (Taking("laxative"),)},
    "laxative-antacid": {"taking": (Taking("laxative-antacid"),)},
    "bowel-prep": {"taking": (Taking("bowel-prep"),)},
    "multivitamin": {"taking": (Taking("multivitamin"),)},
    "salicylate": {"taking": (Taking("salicylate"),)},
    "parenteral": {"taking": (Taking("parenteral"),)},
    "topical": {"taking": (Taking("topical"),)},
    "hydroxide-tablet": {"taking": (Taking("hydroxide-tablet"),)},
    "phosphate-binder": {"taking": (Taking("phosphate-binder"),)},  # M-16
    # M-9, 12.7.22: however old, and although the supply has ended
    "oxide-1000": {"taking": (Taking(salt="oxide", daily_mg=241, days=1000),)},
    "oxide-undated": {"taking": (Taking(salt="oxide", daily_mg=241, days=None),)},
    "oxide-course-ended": {
        "taking": (Taking(salt="oxide", daily_mg=241, days=200, course_ended=True),)
    },
}
# M-6: what is taken in a day. An oxide tablet is 241 mg, hydroxide 166.8 mg, 1 mL of milk of
# magnesia 33.36 mg.
DOSES_TAKEN: dict[str, Change] = {
    "supplement-200": {"taking": (Taking(daily_mg=200),)},
    "supplement-201": {"taking": (Taking(daily_mg=201),)},
    "supplement-201-as-needed": {"taking": (Taking(daily_mg=201, as_needed=True),)},
    "supplement-1000": {"taking": (Taking(daily_mg=1000),)},
    "supplement-1001": {"taking": (Taking(daily_mg=1001),)},
    "supplement-2500": {"taking": (Taking(daily_mg=2500),)},
    "supplement-2501": {"taking": (Taking(daily_mg=2501),)},
    "up-to-400": {"taking": (Taking(daily_mg=400, up_to=True),)},
    "oxide-241": {"taking": (Taking(salt="oxide", daily_mg=241),)},
    "oxide-1205": {"taking": (Taking(salt="oxide", daily_mg=1205),)},
    "antacid-183": {"taking": (Taking("antacid", daily_mg=4 * 45.9),)},
    "antacid-230": {"taking": (Taking("antacid", daily_mg=5 * 45.9),)},
    "hydroxide-334": {"taking": (Taking("hydroxide-tablet", daily_mg=2 * 166.8),)},
    "laxative-1001": {"taking": (Taking("laxative-antacid", daily_mg=30 * 33.36),)},
    "laxative-2502": {"taking": (Taking("laxative-antacid", daily_mg=75 * 33.36),)},
    "laxative-as-needed": {
        "taking": (Taking("laxative-antacid", daily_mg=75 * 33.36, as_needed=True),)
    },
    "multivitamin-250": {"taking": (Taking("multivitamin", daily_mg=250),)},
    "sum-of-two": {"taking": (Taking(daily_mg=150), Taking("antacid", daily_mg=2 * 45.9))},
    "sum-above-1000": {
        "taking": (Taking(salt="oxide", daily_mg=964), Taking("antacid", daily_mg=45.9))
    },
    "one-unknown": {"taking": (Taking(daily_mg=150), Taking("antacid"))},
    "unknown-supplement": {"taking": (Taking(),)},
}
CORE_TAKING = [TAKING[name] for name in ("none", "supplement", "supplement-as-needed", "antacid")]

ALL_BLOCKS = sorted({*BLOCKS, *HARMLESS, *GUT})
# The specification does not say which of two statements about pregnancy wins.
CONTRADICTORY = {
    frozenset({"not-pregnant-observation", other})
    for other in ("pregnant", "pregnant-300", "pregnant-observation")
}
# One or two ways to record each block, and what looks like it: enough to meet one another.
PAIRED = sorted(
    {
        *("avblock-2", "avblock-3-paced", "myasthenia", "ileus", "ileus-resolved", "hypermag-dx"),
        *("allergy-ingredient", "allergy-gut-and-rash", "intolerance-diarrhoea", "allergy-denied"),
        *("pregnant", "not-pregnant-observation", "transplant"),
    }
)
BLOCK_PAIRS: list[Change] = [
    {"blocks": frozenset(pair)}
    for pair in combinations(PAIRED, 2)
    if frozenset(pair) not in CONTRADICTORY
]
BLOCK_SETS: list[Change] = [{"blocks": frozenset({name})} for name in ALL_BLOCKS]
RECORDED: list[Change] = [
    {"taking": (Taking(salt="oxide", daily_mg=241, recorded=how),)} for how in RECORDED_AS
]
OPERATIONS: list[Change] = [{"procedures": frozenset({name})} for name in PROCEDURES]
STOPPED_BEFORE: list[Change] = [{"stopped": name} for name in STOPPED]
UNREADABLE: list[Change] = [
    {"unread": frozenset({name})} for name in sorted({*UNREAD, *UNREAD_HARMLESS})
]

# Data that were not sent, and data of which some were withheld. Optional keys both ways; required
# keys in part only, for without them there is no answer but 412.
OPTIONAL_KEYS = (
    "medicationStatements",
    "allergies",
    "kidneyLabs",
    "magnesiumLabs",
    "pregnancyStatus",
    "kidneyProcedures",
)
IN_PART = ("conditions", "medicationRequests", *OPTIONAL_KEYS)
MISSING_SETS: list[Change] = [
    {"missing": frozenset(chosen)}
    for size in range(len(OPTIONAL_KEYS) + 1)
    for chosen in combinations(OPTIONAL_KEYS, size)
]
PARTLY_SETS: list[Change] = [
    {"partly": frozenset(chosen)} for size in (1, 2) for chosen in combinations(IN_PART, size)
]

# ---------------------------------------------------------------------------- the orders

SELECT = Case(hook="order-select")
SIGN = Case(hook="order-sign")
REFILL = Case(hook="medication-refill")
HOOKS = (SELECT, SIGN)
NO_RISK: Change = {"rf": risks()}
DIABETES: Change = {"rf": risks("diabetes")}
ALCOHOL: Change = {"rf": risks("alcohol")}  # a risk factor that is no renal risk
PEOPLE: list[Change] = [
    {"migraine": None, **DIABETES},
    {"migraine": "plain", **NO_RISK},
    {"migraine": "plain", **DIABETES},
    {"migraine": "menstrual", **NO_RISK},
]
ORAL_FORMS = (
    "supplement",
    "antacid",
    "hydroxide-tablet",
    "laxative",
    "laxative-antacid",
    "bowel-prep",
)
SUBTYPES = (
    *ORAL_FORMS,
    "multivitamin",
    "salicylate",
    "parenteral",
    "topical",
    "phosphate-binder",
)


def ordering(*drafts: Draft) -> Change:
    return {"drafts": drafts}


def magnesium(
    elemental: float, salt: str = "glycinate", subtype: str = "supplement", selected: bool = True
) -> Draft:
    return Draft("mg", elemental, subtype=subtype, salt=salt, selected=selected)
