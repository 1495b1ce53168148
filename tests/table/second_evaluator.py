"""A second, independent reading of the clinical rules, over abstract cases.

It knows nothing of FHIR, HTTP or the service: a `Case` states facts, `evaluate` gives the outcome.
It is meant to be read beside the specification: every rule names the section it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

# ---------------------------------------------------------------------------------------------
# Facts
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Egfr:
    """A reported eGFR. `minute` is the minute of the day (UTC); None means a date without time."""

    value: float
    days: int
    minute: int | None = None
    preference: int = 1
    status: str = "final"
    comparator: str | None = None
    unit: str | None = "mL/min/{1.73_m2}"


@dataclass(frozen=True)
class Creatinine:
    """A serum creatinine; `use=False` stands for the codes that must not feed the equation."""

    value: float
    days: int
    minute: int | None = None
    unit: str | None = "mg/dL"
    molar: bool = False
    status: str = "final"
    use: bool = True


@dataclass(frozen=True)
class Magnesium:
    """A serum magnesium. `molar`: substance code; `secondary`: whole blood; `rbc`: red cells."""

    value: float
    days: int = 20
    unit: str | None = "mg/dL"
    molar: bool = False
    secondary: bool = False
    rbc: bool = False
    status: str = "final"
    reference_high: float | None = None


@dataclass(frozen=True)
class Taking:
    """Magnesium the patient already takes."""

    subtype: str = "supplement"
    salt: str = "glycinate"
    daily_mg: float | None = None
    as_needed: bool = False


@dataclass(frozen=True)
class Draft:
    """One draft order. `kind` is a key of TRIGGERS, `mg`, `ksparing`, `combo` or `drug:<name>`."""

    kind: str
    elemental: float | None = None
    subtype: str = "supplement"
    salt: str = "glycinate"
    reason: str | None = None
    selected: bool = True


@dataclass(frozen=True)
class Case:
    hook: str = "patient-view"
    age: int | None = 45
    birthday_days: int = 100  # days since the last birthday
    sex: str | None = "female"
    deceased: bool = False
    migraine: str | None = "plain"
    rf: frozenset[str] = frozenset()
    egfr: tuple[Egfr, ...] = ()
    creatinine: tuple[Creatinine, ...] = ()
    ckd: str | None = None
    aki_days: int | None = None
    aki: str | None = None  # None: no AKI, or active when aki_days is given; undated, resolved
    dialysis: str | None = None
    magnesium: tuple[Magnesium, ...] = ()
    blocks: frozenset[str] = frozenset()
    taking: tuple[Taking, ...] = ()
    drugs: frozenset[str] = frozenset()  # active drugs that interact with magnesium
    drafts: tuple[Draft, ...] = ()
    missing: frozenset[str] = frozenset()  # prefetch keys that were not sent


class Card(NamedTuple):
    id: str
    indicator: str
    suggestions: tuple[str, ...] = ()
    recommended: tuple[str, ...] | None = None  # None: nothing is said about it


@dataclass(frozen=True)
class Outcome:
    cards: tuple[Card, ...] = ()
    kidney: str | None = None
    flags: frozenset[str] = frozenset()
    status: int = 200

    @property
    def shown(self) -> list[tuple[str, str, tuple[str, ...]]]:
        return [(card.id, card.indicator, card.suggestions) for card in self.cards]


# ---------------------------------------------------------------------------------------------
# Tables
# ---------------------------------------------------------------------------------------------

# SPEC 1: which recorded migraine counts. The value is the subtype, None where it does not count.
MIGRAINE: dict[str, str | None] = {
    "plain": "plain",
    "aura": "aura",
    "chronic": "chronic",
    "menstrual": "menstrual",
    "menstrual-snomed": "menstrual",
    "snomed": "plain",
    "icd9": "plain",
    "recurrence": "plain",
    "relapse": "plain",
    "no-status-problem-list": "plain",  # status test 2
    "no-status-recorded-730": "plain",  # status test 2, 11.19
    "no-status-recorded-731": None,
    "no-status-no-date": None,
    "nonqualifying": None,
    "cyclical-vomiting": None,
    "history-code": None,
    "cluster": None,
    "refuted": None,  # status test 1
    "entered-in-error": None,
    "unconfirmed": None,
    "provisional": None,
    "differential": None,  # 11.19
    "resolved": None,
    "inactive": None,
    "remission": None,
    "abated": None,  # status test 3
    "text-only": None,
}


class Risk(NamedTuple):
    counts: bool  # a risk factor for magnesium deficiency (SPEC 2)
    renal: bool  # a renal-risk feature (SPEC 3.3)


RISK: dict[str, Risk] = {
    # RF1
    "diabetes": Risk(True, True),
    "diabetes-type-1": Risk(True, True),
    "diabetes-gestational": Risk(False, False),
    "prediabetes": Risk(False, False),
    "diabetes-provisional": Risk(False, False),
    "diabetes-resolved": Risk(False, False),
    # RF2
    "alcohol": Risk(True, False),
    "alcohol-abuse": Risk(True, False),
    "alcohol-remission": Risk(False, False),
    "alcohol-use-unspecified": Risk(False, False),
    # RF3; 11.16: only heart-failure codes are a renal risk
    "heart-failure": Risk(True, True),
    "cardiomyopathy": Risk(True, False),
    "cad": Risk(True, False),
    "af": Risk(True, False),
    "mi-resolved": Risk(True, False),  # status test 4: a past event counts
    "hypertension": Risk(False, False),
    # RF4; 11.16: any diuretic is a renal risk, as-needed too, not an injection
    "loop": Risk(True, True),
    "thiazide": Risk(True, True),
    "loop-statement": Risk(True, True),
    "loop-prn": Risk(False, True),
    "loop-injection": Risk(False, False),
    "loop-stopped": Risk(False, False),
    "loop-730": Risk(True, True),  # medication test: authored within 730 d
    "loop-731": Risk(False, False),
    "loop-731-valid": Risk(True, True),  # unless a later validity end
    "loop-undated": Risk(True, True),  # 11.11
    "combo": Risk(False, True),
    "ksparing": Risk(False, True),
    "acetazolamide": Risk(False, True),
    # RF5
    "ppi-90": Risk(True, False),
    "ppi-89": Risk(False, False),
    "ppi-prn": Risk(False, False),  # 11.13
    # RF6
    "hypomagnesaemia": Risk(True, False),
    # RF7
    "crohn": Risk(True, False),
    "coeliac": Risk(True, False),
    "bariatric-resolved": Risk(True, False),
    # RF8; 11.13: the windows run from authoredOn
    "cisplatin-180": Risk(True, False),
    "cisplatin-181": Risk(False, False),
    "gentamicin-30": Risk(True, False),
    "gentamicin-31": Risk(False, False),
    "gentamicin-no-route": Risk(False, False),
    "tobramycin-inhaled": Risk(False, False),
    "tacrolimus": Risk(True, True),
    "tacrolimus-ointment": Risk(False, False),
    "patiromer": Risk(True, False),
    "polystyrene": Risk(False, False),
    # none of these
    "sglt2": Risk(False, False),
}

# SPEC 4.2, B2 to B6, B8, B10. Only these make a patient ineligible; the rest look like them.
BLOCKS = {
    "avblock-2": "B2",
    "avblock-3": "B2",
    "avblock-3-provisional": "B2",
    "myasthenia": "B3",
    "myasthenia-differential": "B3",  # 11.19
    "ileus": "B4",
    "hypermag-dx": "B5",
    "allergy-ingredient": "B6",
    "allergy-oxide": "B6",
    "allergy-text": "B6",
    "allergy-no-status": "B6",  # 11.20
    "pregnant": "B8",
    "pregnant-300": "B8",
    "pregnant-observation": "B8",
    "transplant": "B10",
}
HARMLESS = {
    "avblock-1",
    "avblock-3-paced",
    "avblock-3-refuted",
    "myasthenia-refuted",
    "ileus-resolved",
    "allergy-refuted",
    "allergy-entered-in-error",
    "allergy-resolved",
    "allergy-esomeprazole-text",
    "pregnant-301",
    "not-pregnant-observation",
}

# SPEC 4.4 and the interaction table: indicator, and whether only neutralising salts matter.
DRUGS: dict[str, tuple[str, bool] | None] = {
    "ciprofloxacin": ("warning", False),
    "doxycycline": ("warning", False),
    "dolutegravir": ("warning", False),
    "mycophenolate": ("warning", False),
    "penicillamine": ("warning", False),
    "eltrombopag": ("warning", False),
    "levothyroxine": ("info", False),
    "alendronate": ("info", False),
    "gabapentin": ("info", False),
    "iron": ("info", False),
    "itraconazole": ("info", True),
    "nitrofurantoin": ("info", True),  # 11.14
    "rosuvastatin": ("info", True),
    "digoxin": ("info", True),
    "ciprofloxacin-eye": None,  # oral routes only
    "ciprofloxacin-injection": None,
    "amlodipine": None,
}
NEUTRALISING = {"oxide", "hydroxide", "carbonate", "trisilicate"}

# SPEC 6.2: what an order starts. 11.8: routes; 11.9: thiazide combinations.
TRIGGERS: dict[str, str | None] = {
    "loop": "diuretic",
    "thiazide": "diuretic",
    "thiazide-lisinopril": "diuretic",
    "loop-injection": None,
    "acetazolamide": None,
    "preventive-specific": "preventive",
    "preventive-nonspecific": "preventive",
    "timolol-eye": None,
    "metoprolol-injection": None,
    "acute": "acute",
    "acute-nasal": "acute",
    "acute-injection": "acute",
    "rimegepant": "preventive",  # in both lists: the rule that stands first
    "unrelated": None,
}

TRIGGER_ORDER: list[str | None] = ["diuretic", "preventive", "acute"]

ORAL_MAGNESIUM = {
    "supplement",
    "antacid",
    "laxative",
    "laxative-antacid",
    "bowel-prep",
    "multivitamin",
    "salicylate",
}
ANTACID_LIKE = {"antacid", "laxative", "laxative-antacid", "bowel-prep"}
RESULT_STATUSES = {"final", "amended", "corrected"}
EGFR_UNITS = {"mL/min/{1.73_m2}", "mL/min/1.73m2", "mL/min", None}
REQUIRED_KEYS = {"patient", "conditions", "medicationRequests"}

# Order of cards of one indicator: as the rule list of SPEC 6.4 (V88: dose before duplicate).
CARD_ORDER = [
    "mg-hazard-renal",
    "mg-hazard-hypermag",
    "rx-mg-renal-critical",
    "rx-mg-hypermag",
    "rx-mg-allergy",
    "mg-low-severe",
    "mg-avoid-renal",
    "mg-suggest-reduced",
    "mg-check-renal",
    "mg-suggest",
    "mg-with-diuretic",
    "mg-with-preventive",
    "mg-with-acute",
    "rx-mg-renal-caution",
    "rx-mg-renal-unknown",
    "rx-mg-avblock",
    "rx-mg-nmj",
    "rx-mg-bowel",
    "rx-mg-dose",
    "rx-mg-duplicate",
    "rx-mg-age",
    "rx-mg-pregnancy",
    "rx-mg-interaction",
    "rx-ksparing-ckd",
    "rx-mg-not-checked",
]
INDICATOR_ORDER = ["critical", "warning", "info"]
MAX_CARDS = 3

# ---------------------------------------------------------------------------------------------
# Kidney (SPEC 3)
# ---------------------------------------------------------------------------------------------


class Point(NamedTuple):
    """One kidney result on the time line: minutes before T (larger is older)."""

    minutes: int
    days: int
    value: float | None  # None: a result that cannot be used
    rank: tuple[int, float]
    creatinine: bool


@dataclass(frozen=True)
class Kidney:
    cls: str
    flags: frozenset[str] = field(default_factory=frozenset)


def minutes_ago(days: int, minute: int | None) -> int:
    return days * 1440 - (minute or 0)


def reported_value(result: Egfr) -> float | None:
    """SPEC 3.1.1: the value to compare, or None when the result cannot be used."""
    if result.unit not in EGFR_UNITS or not 1 <= result.value <= 250:
        return None
    if result.comparator == ">":
        return result.value if result.value >= 60 else None
    if result.comparator == "<":
        return result.value - 0.1
    return result.value


def creatinine_mg_dl(result: Creatinine) -> float | None:
    """SPEC 3.1.3: the stated unit beats the default of the code; never a guess from the size."""
    unit = result.unit or ("umol/L" if result.molar else "mg/dL")
    factor = {"mg/dL": 1.0, "umol/L": 1 / 88.4, "mmol/L": 1000 / 88.4}.get(unit)
    if factor is None:
        return None
    value = result.value * factor
    return value if 0.1 <= value <= 30 else None


def ckd_epi_2021(creatinine: float, age: int, sex: str) -> float:
    """SPEC 3.1.3."""
    female = sex == "female"
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    value: float = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.200 * 0.9938**age
    return value * 1.012 if female else value


def age_at(case: Case, days: int) -> int | None:
    if case.age is None:
        return None
    return case.age - math.ceil(max(0, days - case.birthday_days) / 365.25)


def computed_value(case: Case, result: Creatinine) -> float | None:
    age, creatinine = age_at(case, result.days), creatinine_mg_dl(result)
    if creatinine is None or age is None or case.sex not in {"female", "male"}:
        return None
    return ckd_epi_2021(creatinine, age, case.sex)


def counts_as_creatinine(case: Case, result: Creatinine) -> bool:
    """SPEC 3.1.3: the right code and status, and an adult at sampling (or an age not known)."""
    age = age_at(case, result.days)
    return result.status in RESULT_STATUSES and result.use and (age is None or age >= 18)


def kidney_points(case: Case) -> list[Point]:
    """SPEC 3.1: every result there is, the unusable ones too; another status is no result."""
    if "kidneyLabs" in case.missing:
        return []
    reported = [
        Point(
            minutes_ago(result.days, result.minute),
            result.days,
            reported_value(result),
            (result.preference, result.value),
            creatinine=False,
        )
        for result in case.egfr
        if result.status in RESULT_STATUSES
    ]
    computed = [
        Point(
            minutes_ago(result.days, result.minute),
            result.days,
            computed_value(case, result),
            (9, result.value),
            creatinine=True,
        )
        for result in case.creatinine
        if counts_as_creatinine(case, result)
    ]
    return reported + computed


def latest(points: Iterable[Point]) -> Point | None:
    """SPEC 3.1.2: latest time, then lowest preference number, then lowest value."""
    return min(points, key=lambda point: (point.minutes, point.rank), default=None)


def deciding_point(points: list[Point]) -> Point | None:
    usable = [point for point in points if point.value is not None]
    egfr = latest(point for point in usable if not point.creatinine)
    creatinine = latest(point for point in usable if point.creatinine)
    if egfr is None or creatinine is None:
        return egfr or creatinine
    # SPEC 3.1.3: creatinine only when more than 24 h newer than the newest eGFR.
    return creatinine if egfr.minutes - creatinine.minutes > 24 * 60 else egfr


def aki_is_severe(case: Case, points: list[Point]) -> bool:
    """SPEC 3.2 row 2; 11.15: any eGFR >= 60, reported or computed, at least 7 d later clears it."""
    if case.aki is not None or case.aki_days is None or case.aki_days > 90:
        return False
    return not any(
        point.value is not None and point.value >= 60 and case.aki_days - point.days >= 7
        for point in points
    )


# SPEC 3.2 row 1: an active condition, a procedure within 90 d, in progress at any age (11.15).
DIALYSIS = {
    "condition": True,
    "procedure-90": True,
    "procedure-91": False,
    "in-progress-400": True,
    "condition-resolved": False,
    "procedure-not-done": False,
}


def on_dialysis(case: Case) -> bool:
    """End-stage disease is in the dialysis value set too."""
    return case.ckd == "5D" or (case.dialysis is not None and DIALYSIS[case.dialysis])


def newer_unusable(points: list[Point], than: Point) -> bool:
    return any(point.value is None and point.minutes < than.minutes for point in points)


def kidney_class(case: Case) -> Kidney:
    """SPEC 3.2, first match."""
    points = kidney_points(case)
    point = deciding_point(points)
    value = None if point is None else point.value
    days = 0 if point is None else point.days
    normal = value is not None and value >= 60 and days <= 365
    ckd = None if case.ckd is None or case.ckd.endswith("-resolved") else case.ckd
    transplant_exempt = "transplant" in case.blocks and value is not None and days <= 183

    rows: list[tuple[bool, str, str | None]] = [
        (on_dialysis(case), "SEVERE", None),
        (aki_is_severe(case, points), "SEVERE", None),
        (value is not None and value < 30, "SEVERE", None),
        (ckd in {"4", "5", "5D"} and not transplant_exempt, "SEVERE", None),
        (value is not None and value < 60, "MODERATE", "stale" if days > 183 else None),
        (ckd in {"3", "3a", "3b"}, "MODERATE", "discordant" if normal else "needs_labs"),
        (ckd == "unspecified" and not normal, "MODERATE", "needs_labs"),
        # A newer result that cannot be used never leaves an older good one as reassurance.
        (point is not None and normal and newer_unusable(points, point), "UNKNOWN", None),
        (normal, "NORMAL", None),
        (True, "UNKNOWN", None),
    ]
    cls, flag = next((cls, flag) for holds, cls, flag in rows if holds)
    return Kidney(cls, frozenset() if flag is None else frozenset({flag}))


def renal_risk(case: Case) -> bool:
    """SPEC 3.3: what forbids a draft, and makes an order a warning, while the class is UNKNOWN.

    Without the medication statements a diuretic cannot be ruled out, and unknown is not absent.
    """
    return (
        any(RISK[name].renal for name in case.rf)
        or (case.age is not None and case.age >= 65)
        or case.ckd is not None
        or case.aki_days is not None
        or case.aki is not None
        or "medicationStatements" in case.missing
    )


# ---------------------------------------------------------------------------------------------
# Serum magnesium (SPEC 4.1)
# ---------------------------------------------------------------------------------------------


MG_DL_PER_UNIT = {"mg/dL": 1.0, "mmol/L": 2.4305, "mEq/L": 2.4305 / 2}


def magnesium_unit(result: Magnesium) -> str:
    """11.17: without a unit, that of the code."""
    return result.unit or ("mmol/L" if result.molar else "mg/dL")


def counts_as_magnesium(result: Magnesium) -> bool:
    return not result.rbc and result.status in RESULT_STATUSES and result.days <= 180


def unreadable(result: Magnesium) -> bool:
    factor = MG_DL_PER_UNIT.get(magnesium_unit(result))
    plausible = factor is not None and 0.2 <= result.value * factor <= 20
    return counts_as_magnesium(result) and not plausible


def magnesium_level(case: Case) -> str | None:
    """severe-low, low, normal or high, of the latest usable result within 180 d (11.17)."""
    results = () if "magnesiumLabs" in case.missing else case.magnesium
    usable = [r for r in results if counts_as_magnesium(r) and not unreadable(r)]
    result = min(usable, key=lambda r: (r.days, r.secondary), default=None)
    if result is None:
        return None
    unit = magnesium_unit(result)
    severe, low, high = (1.2, 1.7, 2.6) if unit == "mg/dL" else (0.50, 0.70, 1.07)
    halved = 2 if unit == "mEq/L" else 1
    value = result.value / halved
    if result.reference_high is not None:
        high = result.reference_high / halved
    if value < severe:
        return "severe-low"
    if value < low:
        return "low"
    return "high" if value > high else "normal"


# ---------------------------------------------------------------------------------------------
# Eligibility, indication, dose (SPEC 5, 6)
# ---------------------------------------------------------------------------------------------


def adult(case: Case) -> bool:
    return case.age is not None and case.age >= 18


def blocks_of(case: Case) -> set[str]:
    """SPEC 4.2: the blocks in force."""
    found = {BLOCKS[name] for name in case.blocks if name in BLOCKS}
    if "avblock-3-paced" in case.blocks:
        found.discard("B2")
    if magnesium_level(case) == "high":
        found.add("B5")
    return found


def on_scheduled_supplement(case: Case) -> bool:
    return any(dose.subtype == "supplement" and not dose.as_needed for dose in case.taking)


def on_any_oral_magnesium(case: Case) -> bool:
    """SPEC 6.1.1; 11.12: as-needed use, multivitamins and salicylates count for the hazards."""
    return any(dose.subtype in ORAL_MAGNESIUM for dose in case.taking)


def eligible(case: Case) -> bool:
    """SPEC 6, first paragraph."""
    return (
        adult(case)
        and MIGRAINE.get(case.migraine or "") is not None
        and not on_scheduled_supplement(case)
        and not blocks_of(case)
    )


def menstrual(case: Case) -> bool:
    return MIGRAINE.get(case.migraine or "") == "menstrual"


def indicated(case: Case) -> bool:
    """SPEC 6: any risk factor (low serum magnesium is RF6), or the menstrual subtype."""
    return (
        any(RISK[name].counts for name in case.rf)
        or magnesium_level(case) in {"low", "severe-low"}
        or menstrual(case)
    )


def normal_drafts(case: Case) -> tuple[str, ...]:
    """SPEC 5.2."""
    elderly = case.age is not None and case.age >= 65
    daily = "mg 200->350" if elderly else "mg 200->400"
    return (daily, "mg perimenstrual 360") if menstrual(case) else (daily,)


OPTIONAL_KEYS = {
    "medicationStatements",
    "allergies",
    "kidneyLabs",
    "magnesiumLabs",
    "pregnancyStatus",
    "kidneyProcedures",
}


def first_recommended(case: Case, drafts: tuple[str, ...]) -> tuple[str, ...] | None:
    """SPEC 6.6; with facts that were not available the draft is offered, not recommended.

    Nothing is said of a serum magnesium that is there and cannot be read.
    """
    if case.missing & OPTIONAL_KEYS:
        return ()
    return None if any(unreadable(result) for result in case.magnesium) else drafts[:1]


def reduced_card(kidney: Kidney) -> Card:
    """SPEC 3.3 MODERATE: labs first; with a flag, labs only."""
    suggestions = ("labs",) if kidney.flags else ("labs", "mg 200")
    return Card("mg-suggest-reduced", "warning", suggestions, ("labs",))


def check_renal_card(case: Case) -> Card:
    """SPEC 3.3 UNKNOWN: the draft comes second and only without a renal-risk feature."""
    labs_only = renal_risk(case) or "kidneyLabs" in case.missing
    return Card("mg-check-renal", "info", ("labs",) if labs_only else ("labs", "mg 200"), ("labs",))


def start_card(case: Case, kidney: Kidney, normal: str) -> Card:
    """The one suggestion to start magnesium outside SEVERE."""
    if kidney.cls == "MODERATE":
        return reduced_card(kidney)
    if kidney.cls == "UNKNOWN":
        return check_renal_card(case)
    drafts = normal_drafts(case)
    return Card(normal, "info", drafts, first_recommended(case, drafts))


LOW_SEVERE = Card("mg-low-severe", "warning", ("labs",))


def patient_view(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 6.1."""
    hazards = []
    if on_any_oral_magnesium(case) and kidney.cls == "SEVERE":
        hazards.append(Card("mg-hazard-renal", "critical"))
    if on_any_oral_magnesium(case) and magnesium_level(case) == "high":
        hazards.append(Card("mg-hazard-hypermag", "critical"))
    if hazards:
        return hazards
    if not (eligible(case) and indicated(case)):
        return []
    if magnesium_level(case) == "severe-low":
        return [LOW_SEVERE]
    if kidney.cls == "SEVERE":
        return [Card("mg-avoid-renal", "warning")]
    return [start_card(case, kidney, "mg-suggest")]


# ---------------------------------------------------------------------------------------------
# Orders (SPEC 6.2 to 6.4)
# ---------------------------------------------------------------------------------------------


def starts_suggestion(case: Case, kidney: Kidney, draft: Draft) -> bool:
    """SPEC 6.2, the first three rules: may this order lead to a suggestion at all?"""
    trigger = TRIGGERS.get(draft.kind)
    return (
        trigger is not None
        and (trigger == "diuretic" or draft.reason != "other")  # a diuretic is never for migraine
        and eligible(case)
        and kidney.cls != "SEVERE"  # 6.5, 11.10
        and (trigger != "acute" or indicated(case))
    )


def suggestion_for(case: Case, kidney: Kidney, draft: Draft) -> Card | None:
    """SPEC 6.2, the first three rules."""
    trigger = TRIGGERS.get(draft.kind)
    if not starts_suggestion(case, kidney, draft):
        return None
    if magnesium_level(case) == "severe-low":  # 11.10
        return LOW_SEVERE
    if trigger == "diuretic" and kidney.cls == "UNKNOWN":
        return Card("mg-with-diuretic", "info", ("labs",), ("labs",))
    if trigger == "diuretic" and kidney.cls == "NORMAL":
        drafts = normal_drafts(case)
        advised = first_recommended(case, drafts)
        return Card("mg-with-diuretic", "info", ("labs", *drafts), advised)
    return start_card(case, kidney, f"mg-with-{trigger}")


def interaction_card(drug: str, salts: set[str]) -> Card | None:
    """SPEC 4.4, 11.1."""
    entry = DRUGS[drug]
    if entry is None:
        return None
    indicator, neutralising_only = entry
    if neutralising_only and not salts & NEUTRALISING:
        return None
    return Card("rx-mg-interaction", indicator)


def paediatric_limit(age: int) -> float:
    """SPEC 4.2 B7."""
    return 65 if age <= 3 else 110 if age <= 8 else 350


def age_card(case: Case, draft: Draft) -> Card | None:
    """SPEC 4.2 B7, 11.4, 11.6: the ordered dose alone."""
    if case.age is None:
        return Card("rx-mg-age", "info")
    if case.age >= 18:
        return None
    above = draft.elemental is not None and draft.elemental > paediatric_limit(case.age)
    return Card("rx-mg-age", "warning" if above else "info")


def total_elemental(case: Case, supplements: list[Draft]) -> float:
    """SPEC 4.3, 11.6: the orders, and the scheduled supplements already taken."""
    current = [
        dose.daily_mg or 0.0
        for dose in case.taking
        if dose.subtype == "supplement" and not dose.as_needed
    ]
    return sum(draft.elemental or 0.0 for draft in supplements) + sum(current)


KSPARING = Card("rx-ksparing-ckd", "info")


def drug_kinds() -> set[str]:
    return {f"drug:{name}" for name in DRUGS}


def critical_cards(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 6.4: what holds for antacids, laxatives and bowel preparations too."""
    blocks = blocks_of(case)
    rows = [
        (kidney.cls == "SEVERE", "rx-mg-renal-critical"),
        ("B5" in blocks, "rx-mg-hypermag"),
        ("B6" in blocks, "rx-mg-allergy"),
    ]
    return [Card(card_id, "critical", ("delete",)) for holds, card_id in rows if holds]


def renal_card(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    """SPEC 6.4: renal-caution and renal-unknown; 11.3: no update at or below 200 mg."""
    if kidney.cls == "MODERATE":
        # Under 18 the adult dose is no advice: it may be above the child's own limit.
        grown = case.age is None or case.age >= 18
        above = grown and draft.elemental is not None and draft.elemental > 200
        return [
            Card("rx-mg-renal-caution", "warning", ("labs", "update 200") if above else ("labs",))
        ]
    if kidney.cls == "UNKNOWN":
        return [Card("rx-mg-renal-unknown", "warning" if renal_risk(case) else "info", ("labs",))]
    return []


def order_interactions(case: Case, draft: Draft) -> list[Card]:
    """SPEC 6.4 and 4.4: drugs already taken, and drugs ordered in the same session."""
    ordered = {d.kind.removeprefix("drug:") for d in case.drafts if d.kind in drug_kinds()}
    found = [interaction_card(drug, {draft.salt}) for drug in sorted(case.drugs | ordered)]
    return [card for card in found if card is not None]


def magnesium_order(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    """SPEC 6.4 for one draft magnesium order."""
    if draft.subtype in ANTACID_LIKE:
        return critical_cards(case, kidney)
    if draft.subtype != "supplement":
        return []  # parenteral and topical; 11.12: multivitamins and salicylates
    blocks = blocks_of(case)
    supplements = [d for d in case.drafts if d.kind == "mg" and d.subtype == "supplement"]
    child = age_card(case, draft)
    on_sparing = bool(case.rf & {"ksparing", "combo"})
    rows: list[tuple[bool, Card]] = [
        ("B2" in blocks, Card("rx-mg-avblock", "warning")),
        ("B3" in blocks, Card("rx-mg-nmj", "warning")),
        ("B4" in blocks, Card("rx-mg-bowel", "warning")),
        (total_elemental(case, supplements) > 500, Card("rx-mg-dose", "warning")),
        # 11.7: two supplement orders in one session are duplicates of each other.
        (
            on_scheduled_supplement(case) or len(supplements) > 1,
            Card("rx-mg-duplicate", "warning"),
        ),
        ("B8" in blocks, Card("rx-mg-pregnancy", "info")),
        (kidney.cls in {"MODERATE", "SEVERE"} and on_sparing, KSPARING),  # 11.2
    ]
    return [
        *critical_cards(case, kidney),
        *renal_card(case, kidney, draft),
        *(card for holds, card in rows if holds),
        *([] if child is None else [child]),
        *order_interactions(case, draft),
    ]


def not_checked(case: Case, draft: Draft) -> list[Card]:
    """docs/clinical-decisions.md U9: no silence about an order whose checks lacked data."""
    if draft.subtype in ANTACID_LIKE:
        needed = {"kidneyLabs", "magnesiumLabs", "allergies", "kidneyProcedures"}
    else:
        needed = set(OPTIONAL_KEYS) if draft.subtype == "supplement" else set()
    return [Card("rx-mg-not-checked", "info")] if case.missing & needed else []


def sparing_order(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 6.2 rule 4: a K-sparing order with MODERATE or SEVERE and any magnesium."""
    ordered = any(d.kind == "mg" and d.subtype in ORAL_MAGNESIUM for d in case.drafts)
    holds = kidney.cls in {"MODERATE", "SEVERE"} and (on_any_oral_magnesium(case) or ordered)
    return [KSPARING] if holds else []


def interacting_order(case: Case, drug: str) -> list[Card]:
    """SPEC 6.2 rule 6: on scheduled magnesium, or magnesium among the drafts."""
    salts = {d.salt for d in case.taking if d.subtype == "supplement" and not d.as_needed}
    salts |= {d.salt for d in case.drafts if d.kind == "mg" and d.subtype == "supplement"}
    card = interaction_card(drug, salts) if salts else None
    return [] if card is None else [card]


def other_order(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    if draft.kind in {"ksparing", "combo"}:
        return sparing_order(case, kidney)
    if draft.kind in drug_kinds():
        return interacting_order(case, draft.kind.removeprefix("drug:"))
    return []


def suggestions(case: Case, kidney: Kidney, judged: list[Draft]) -> list[Card]:
    """SPEC 6.2: one suggestion to start magnesium, from the rule that stands first.

    6.2 last rule, 11.7: magnesium in the drafts, antacids included, silences it.
    """
    if any(d.kind == "mg" and d.subtype in ANTACID_LIKE | {"supplement"} for d in case.drafts):
        return []
    found = [
        (TRIGGER_ORDER.index(TRIGGERS[draft.kind]), card)
        for draft in judged
        if (card := suggestion_for(case, kidney, draft)) is not None
    ]
    return [card for _, card in sorted(found, key=lambda row: row[0])[:1]]


def orders(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 6.2 and 6.3."""
    judged = [d for d in case.drafts if d.selected or case.hook == "order-sign"]
    cards: list[Card] = []
    for draft in judged:
        if draft.kind == "mg":
            cards += magnesium_order(case, kidney, draft) or not_checked(case, draft)
        else:
            cards += other_order(case, kidney, draft)
    if case.hook == "order-select":
        cards += suggestions(case, kidney, judged)
    return cards


# ---------------------------------------------------------------------------------------------
# The whole
# ---------------------------------------------------------------------------------------------


def ranked(cards: list[Card]) -> tuple[Card, ...]:
    """SPEC 6.5: at most three, critical before warning before info; the same card once."""
    unique = list(dict.fromkeys(cards))
    unique.sort(key=lambda c: (INDICATOR_ORDER.index(c.indicator), CARD_ORDER.index(c.id)))
    return tuple(unique[:MAX_CARDS])


def evaluate(case: Case) -> Outcome:
    if case.missing & REQUIRED_KEYS:
        return Outcome(status=412)
    kidney = kidney_class(case)
    if case.deceased:
        return Outcome(kidney=kidney.cls)
    rule = patient_view if case.hook == "patient-view" else orders
    return Outcome(ranked(rule(case, kidney)), kidney.cls, kidney.flags)
