"""Who may be offered magnesium, and how (SPEC 5, 6.1, 12.4 M-6 to M-17, 12.5 S-2, S-6)."""

from __future__ import annotations

from tests.table.facts import Card, Case, Taking
from tests.table.knowing import unknown_keys
from tests.table.renal import Kidney, has_transplant, kidney_points, renal_risk
from tests.table.serum import HIGH, magnesium_level, unknown_may_be_newest, usable
from tests.table.tables import (
    ANTACIDS,
    ANTI_EGFR,
    BLOCKS,
    GUT,
    LAXATIVES,
    MIGRAINE,
    ORAL_MAGNESIUM,
    RECORDED_AS,
    RISK,
    STOPPED,
)

LOW_SEVERE = Card("mg-low-severe", "warning", ("labs",))


# ------------------------------------------------------------------------- the patient


def adult(case: Case) -> bool:
    return case.age is not None and case.age >= 18


def has_migraine(case: Case) -> bool:
    return MIGRAINE.get(case.migraine or "") is not None


def menstrual(case: Case) -> bool:
    return MIGRAINE.get(case.migraine or "") == "menstrual"


def blocks_of(case: Case) -> set[str]:
    """SPEC 4.2: the blocks in force."""
    found = {BLOCKS[name] for name in case.blocks if name in BLOCKS}
    if "avblock-3-paced" in case.blocks:
        found.discard("B2")
    if magnesium_level(case) in HIGH:
        found.add("B5")
    if has_transplant(case):
        found.add("B10")
    return found


def gut_intolerance(case: Case) -> bool:
    """M-12, and nothing worse on file."""
    return bool(case.blocks & GUT) and "B6" not in blocks_of(case)


def taken(case: Case) -> list[Taking]:
    """U-6: what counts as taken. A statement that was not sent is not known."""
    sent = [d for d in case.taking if not (d.recorded in STATEMENTS and no_statements(case))]
    return [dose for dose in sent if RECORDED_AS[dose.recorded]]


STATEMENTS = {"statement", "statement-without-status"}


def no_statements(case: Case) -> bool:
    return "medicationStatements" in case.missing


def scheduled(case: Case) -> list[Taking]:
    return [dose for dose in taken(case) if not dose.as_needed]


def on_scheduled_supplement(case: Case) -> bool:
    return any(dose.subtype == "supplement" for dose in scheduled(case))


def on_any_oral_magnesium(case: Case) -> bool:
    """SPEC 6.1.1; 11.12: as-needed use, multivitamins and salicylates count for the hazards."""
    return any(dose.subtype in ORAL_MAGNESIUM for dose in taken(case))


def eligible(case: Case) -> bool:
    """SPEC 6, first paragraph."""
    return (
        adult(case)
        and has_migraine(case)
        and not on_scheduled_supplement(case)
        and not blocks_of(case)
    )


def factors(case: Case) -> set[str]:
    """SPEC 2: the risk factors on file. Low serum magnesium is RF6."""
    found = {RISK[name].factor for name in case.rf} - {None}
    if magnesium_level(case) in {"low", "severe-low"}:
        found.add("RF6")
    return {factor for factor in found if factor is not None}


def indicated(case: Case) -> bool:
    """SPEC 6: any risk factor, or the menstrual subtype."""
    return bool(factors(case)) or menstrual(case)


def dangerously_low(case: Case) -> bool:
    """M-10: before blocks and kidneys, from one year on. The low result itself is RF6."""
    return (
        magnesium_level(case) == "severe-low"
        and has_migraine(case)
        and case.age is not None
        and case.age >= 1
    )


def stopped_before(case: Case) -> bool:
    """M-15."""
    if case.stopped is None or not STOPPED[case.stopped]:
        return False
    return not ("statement" in case.stopped and "medicationStatements" in case.missing)


# ------------------------------------------------------------------------- the offers


def normal_drafts(case: Case) -> tuple[str, ...]:
    """SPEC 5.2, S-6."""
    elderly = case.age is not None and case.age >= 65
    daily = "mg 200->300" if elderly else "mg 200->400"
    return (daily, "mg perimenstrual 360") if menstrual(case) else (daily,)


def tests_beside(case: Case) -> bool:
    """S-2: RF4, RF8, digoxin or 65 and over."""
    on_digoxin = "digoxin" in case.rf | case.drugs
    elderly = case.age is not None and case.age >= 65
    return on_digoxin or elderly or bool(factors(case) & {"RF4", "RF8"})


def tested_lately(case: Case) -> bool:
    """S-2, 12.7.12: a magnesium, creatinine or eGFR within 183 days."""
    kidney = [point.days for point in kidney_points(case) if point.value is not None]
    return min(kidney, default=9999) <= 183 or bool(usable(case, days=183))


def plan_is_recommended(case: Case) -> bool:
    """12.7.2: with anything unknown no plan is recommended. M-15, M-17, S-2: nor in these."""
    open_question = bool(unknown_keys(case)) or unknown_may_be_newest(case)
    untested = tests_beside(case) and not tested_lately(case)
    return not (open_question or untested or stopped_before(case) or case.rf & ANTI_EGFR)


def normal_card(case: Case, card_id: str) -> Card:
    """A card with the normal plan; 12.7.12: tests are recommended where the plan is not.

    What is recommended stands first.
    """
    drafts = normal_drafts(case)
    tests = ("labs",) if tests_beside(case) else ()
    if plan_is_recommended(case):
        return Card(card_id, "info", (*drafts, *tests), drafts[:1])
    return Card(card_id, "info", (*tests, *drafts), tests)


def reduced_card(kidney: Kidney) -> Card:
    """SPEC 3.3 MODERATE: labs first; with a flag, labs only."""
    suggestions = ("labs",) if kidney.tests_only else ("labs", "mg 200")
    return Card("mg-suggest-reduced", "warning", suggestions, ("labs",))


def check_renal_card(case: Case, kidney: Kidney) -> Card:
    """SPEC 3.3 UNKNOWN: the draft comes second and only without a renal-risk feature."""
    labs_only = renal_risk(case) or kidney.tests_only
    return Card("mg-check-renal", "info", ("labs",) if labs_only else ("labs", "mg 200"), ("labs",))


def start_card(case: Case, kidney: Kidney, normal: str) -> Card:
    """The one suggestion to start magnesium outside SEVERE."""
    if kidney.cls == "MODERATE":
        return reduced_card(kidney)
    if kidney.cls == "UNKNOWN":
        return check_renal_card(case, kidney)
    return normal_card(case, normal)


# ------------------------------------------------------------------------- the hazards


def hypermag_indicator(case: Case, kidney: Kidney) -> str:
    """M-11: slightly high with normal kidneys is a warning. A diagnosis on file outweighs that."""
    mild = magnesium_level(case) == "slightly-high" and "hypermag-dx" not in case.blocks
    return "warning" if mild and kidney.cls == "NORMAL" else "critical"


def hazard_dose(case: Case, kidney: Kidney) -> list[Card]:
    """M-6, 12.7.17: everything scheduled is summed."""
    oral = [dose for dose in scheduled(case) if dose.subtype in ORAL_MAGNESIUM]
    total = sum(dose.daily_mg or 0.0 for dose in oral)
    unknown = any(dose.daily_mg is None and dose.subtype in ANTACIDS | LAXATIVES for dose in oral)
    moderate = kidney.cls == "MODERATE"
    if total > 1000 or (moderate and (total > 200 or unknown)):
        return [hazard("mg-hazard-dose", "critical" if total > 2500 else "warning")]
    return []


def hazard(card_id: str, indicator: str) -> Card:
    """M-8: every hazard card offers tests, recommended."""
    return Card(card_id, indicator, ("labs",), ("labs",))


def hazards(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 6.1.1, M-6, M-7; 12.7.10: the dose is silent beside the kidneys."""
    if not on_any_oral_magnesium(case):
        return []
    blocks = blocks_of(case)
    renal = kidney.cls == "SEVERE"
    found = [hazard("mg-hazard-renal", "critical")] if renal else hazard_dose(case, kidney)
    if magnesium_level(case) in HIGH:
        found.append(hazard("mg-hazard-hypermag", hypermag_indicator(case, kidney)))
    if "B4" in blocks:
        found.append(hazard("mg-hazard-bowel", "warning"))
    if "B3" in blocks:
        found.append(hazard("mg-hazard-nmj", "warning"))
    return found


def patient_view(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 6.1. With any hazard there is no suggestion to start magnesium."""
    found = hazards(case, kidney)
    stopping = {"mg-hazard-renal", "mg-hazard-hypermag"} & {card.id for card in found}
    if dangerously_low(case) and not stopping:  # 12.7.24
        return [*found, LOW_SEVERE]
    if found:
        return found
    if not (eligible(case) and indicated(case)):
        return []
    if kidney.cls == "SEVERE":
        return [Card("mg-avoid-renal", "warning")]
    if stopped_before(case):  # M-15, 12.7.20
        return []
    return [start_card(case, kidney, "mg-suggest")]
