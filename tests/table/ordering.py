"""Orders (SPEC 6.2 to 6.4, 12.4, 12.5)."""

from __future__ import annotations

from dataclasses import replace

from tests.table.facts import Card, Case, Draft, Taking
from tests.table.knowing import unknown_keys
from tests.table.renal import Kidney, has_kidney_history, renal_risk
from tests.table.serum import unknown_may_be_newest
from tests.table.suggesting import (
    LOW_SEVERE,
    blocks_of,
    dangerously_low,
    eligible,
    gut_intolerance,
    hypermag_indicator,
    indicated,
    normal_drafts,
    on_any_oral_magnesium,
    scheduled,
    start_card,
)
from tests.table.tables import (
    COINDICATIONS,
    DRUGS,
    INDICATOR_ORDER,
    LAXATIVES,
    NOT_SUPPLEMENTS,
    OPTIONAL_KEYS,
    ORAL_MAGNESIUM,
    SALT_OF,
    SALTS,
    SPACED,
    TRIGGER_ORDER,
    TRIGGERS,
)

KSPARING = Card("rx-ksparing-ckd", "info")
DELETE = ("delete",)

# --------------------------------------------------------------- orders that start something


def is_triggered(case: Case, draft: Draft) -> bool:
    """SPEC 6.2: is this order a reason to speak of magnesium at all? A diuretic needs no reason."""
    trigger = TRIGGERS.get(draft.kind)
    if trigger is None or (trigger != "diuretic" and draft.reason == "other"):
        return False
    other_use = draft.reason is None and COINDICATIONS.get(draft.kind, set()) & case.rf
    return not other_use  # S-1


def starts_suggestion(case: Case, kidney: Kidney, draft: Draft) -> bool:
    """SPEC 6.2, the first three rules: may this order lead to a suggestion?"""
    return (
        eligible(case)
        and kidney.cls != "SEVERE"  # 6.5, 11.10
        and (TRIGGERS[draft.kind] != "acute" or indicated(case))
    )


def suggestion_for(case: Case, kidney: Kidney, draft: Draft) -> Card | None:
    """SPEC 6.2, the first three rules."""
    if not is_triggered(case, draft):
        return None
    if dangerously_low(case):  # M-10, 12.7.20
        return LOW_SEVERE
    if not starts_suggestion(case, kidney, draft):
        return None
    trigger = TRIGGERS[draft.kind]
    if trigger == "diuretic" and kidney.cls == "UNKNOWN":
        return Card("mg-with-diuretic", "info", ("labs",), ("labs",))
    if trigger == "diuretic" and kidney.cls == "NORMAL":  # S-3
        return Card("mg-with-diuretic", "info", ("labs", *normal_drafts(case)), ("labs",))
    return start_card(case, kidney, f"mg-with-{trigger}")


REFILL = "medication-refill"


# ------------------------------------------------------------------------ what is renewed


def ingredient(magnesium: Draft | Taking) -> tuple[str, str]:
    return magnesium.subtype, magnesium.salt.partition("-")[0]


def renewed(case: Case, draft: Draft) -> Taking | None:
    """M-14: the magnesium that this order continues; 12.7.20: a bare ingredient is no product."""
    if draft.renews and case.taking and ingredient(case.taking[0]) == ingredient(draft):
        return case.taking[0]
    if case.hook == REFILL:  # 6.8: it always continues an order
        return next((dose for dose in case.taking if ingredient(dose) == ingredient(draft)), None)
    products = {"oxide", "glycinate-tablets"}
    return next(
        (
            dose
            for dose in case.taking
            if (dose.subtype, dose.salt) == (draft.subtype, draft.salt)
            and (draft.subtype != "supplement" or draft.salt in products)
        ),
        None,
    )


def other_supplements(case: Case, draft: Draft) -> list[Taking]:
    """12.7.23: a renewal replaces the order that it renews in every sum and comparison."""
    replaced = renewed(case, draft)
    taken = [dose for dose in scheduled(case) if dose.subtype == "supplement"]
    return [dose for dose in taken if dose is not replaced]


def total_elemental(case: Case, draft: Draft, supplements: list[Draft]) -> float:
    """SPEC 4.3, 11.6: the orders, and the scheduled supplements already taken."""
    current = [dose.daily_mg or 0.0 for dose in other_supplements(case, draft)]
    return sum(order.elemental or 0.0 for order in supplements) + sum(current)


# ------------------------------------------------------------------------ interactions


def interaction(drug: str, salts: set[str]) -> str | None:
    """SPEC 4.4, M-18: the indicator of a drug with magnesium of these salts."""
    entry = DRUGS[drug]
    if entry is None:
        return None
    if entry.salts == "any" or salts & SALTS[entry.salts]:
        return entry.indicator
    return entry.otherwise


def interaction_card(drugs: set[str], salts: set[str]) -> list[Card]:
    """S-5: one card, with the worst indicator."""
    found = [indicator for drug in drugs if (indicator := interaction(drug, salts)) is not None]
    worst = min(found, key=INDICATOR_ORDER.index, default=None)
    return [] if worst is None else [Card("rx-mg-interaction", worst)]


def drug_of(draft: Draft) -> str | None:
    return draft.kind.removeprefix("drug:") if draft.kind.startswith("drug:") else None


def ordered_drugs(case: Case) -> set[str]:
    return {drug for draft in case.drafts if (drug := drug_of(draft)) is not None}


def drugs_beside(case: Case) -> set[str]:
    """The interacting drugs that are taken or ordered."""
    return set(case.drugs) | (case.rf & set(DRUGS)) | ordered_drugs(case)


def salt_of(magnesium: Draft | Taking) -> str:
    return SALT_OF.get(magnesium.subtype, magnesium.salt)


def is_spaced_renewal(case: Case, drug: str, dose: Taking) -> bool:
    """M-14: taken together for 30 days or more."""
    taken_for = min(case.drug_days, 9999 if dose.days is None else dose.days)
    return drug in case.drugs and taken_for >= 30


def interacting_order(case: Case, drug: str) -> list[Card]:
    """SPEC 6.2 rule 6, V111: on scheduled magnesium, or magnesium among the drafts."""
    taken = [d for d in scheduled(case) if d.subtype in SPACED]
    salts = {salt_of(d) for d in taken if not is_spaced_renewal(case, drug, d)}
    salts |= {salt_of(d) for d in case.drafts if d.kind == "mg" and d.subtype in SPACED}
    return interaction_card({drug}, salts) if salts else []


# ------------------------------------------------------------------------ magnesium orders


def paediatric_limit(age: int) -> float:
    """SPEC 4.2 B7. There is no limit on file for the first year: any dose is above it."""
    return 0 if age < 1 else 65 if age <= 3 else 110 if age <= 8 else 350


def age_card(case: Case, draft: Draft) -> list[Card]:
    """SPEC 4.2 B7, 11.4, 11.6: the ordered dose alone. M-5: the rest of the forms below 2 years."""
    if draft.subtype in NOT_SUPPLEMENTS:
        infant = case.age is not None and case.age < 2
        return [Card("rx-mg-age", "warning")] if infant else []
    if case.age is None:
        return [Card("rx-mg-age", "info")]
    if case.age >= 18:
        return []
    above = draft.elemental is not None and draft.elemental > paediatric_limit(case.age)
    return [Card("rx-mg-age", "warning" if above else "info")]


def allergy_card(case: Case) -> list[Card]:
    """SPEC 4.2 B6, M-12."""
    if "B6" in blocks_of(case):
        return [Card("rx-mg-allergy", "critical", DELETE)]
    return [Card("rx-mg-allergy", "info")] if gut_intolerance(case) else []


def hypermag_card(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 4.2 B5, M-11."""
    if "B5" not in blocks_of(case):
        return []
    indicator = hypermag_indicator(case, kidney)
    return [Card("rx-mg-hypermag", indicator, ("labs",) if indicator == "warning" else DELETE)]


def bowel_card(draft: Draft) -> Card:
    """M-1, 12.7.9."""
    if draft.subtype in LAXATIVES:
        return Card("rx-mg-bowel", "critical", DELETE)
    return Card("rx-mg-bowel", "warning")


def caution_card(case: Case, draft: Draft) -> Card:
    """SPEC 6.4, 11.3, M-3; N-6: an update only for a dose known to be above 200 mg.

    Under 18 the adult dose is no advice: it may be above the child's own limit.
    """
    ambiguous = draft.up_to or draft.salt == "glycinate-tablets"  # 12.7.16
    above = draft.elemental is not None and draft.elemental > 200 and not ambiguous
    grown = case.age is None or case.age >= 18
    update = above and grown and draft.subtype == "supplement"
    return Card("rx-mg-renal-caution", "warning", ("labs", "update 200") if update else ("labs",))


def unknown_card(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    """SPEC 6.4, N-2, M-4. Withheld results leave another form to M-4 or rx-mg-not-checked."""
    if draft.subtype == "supplement":
        warned = kidney.newest_unknown or renal_risk(case)
    else:
        old = case.age is not None and case.age >= 75
        history = has_kidney_history(case) or "kidney-words" in case.unread
        asked = draft.subtype in LAXATIVES and (history or old)
        if not (asked or kidney.unusable):
            return []
        warned = kidney.unusable
    return [Card("rx-mg-renal-unknown", "warning" if warned else "info", ("labs",))]


def renal_card(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    if kidney.cls == "SEVERE":
        return [Card("rx-mg-renal-critical", "critical", DELETE)]
    if kidney.cls == "MODERATE":
        return [caution_card(case, draft)]
    return unknown_card(case, kidney, draft) if kidney.cls == "UNKNOWN" else []


def every_form(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    """SPEC 6.4, M-1 to M-5: what is asked of supplements, antacids and laxatives alike."""
    blocks = blocks_of(case)
    return [
        *renal_card(case, kidney, draft),
        *hypermag_card(case, kidney),
        *allergy_card(case),
        *([Card("rx-mg-avblock", "warning")] if "B2" in blocks else []),
        *([Card("rx-mg-nmj", "warning")] if "B3" in blocks else []),
        *([bowel_card(draft)] if "B4" in blocks else []),
        *age_card(case, draft),
    ]


def pregnancy_card(case: Case, draft: Draft) -> Card:
    """S-9: above 350 mg a day, what is taken already included."""
    above = total_elemental(case, draft, [draft]) > 350
    return Card("rx-mg-pregnancy", "warning" if above else "info")


def on_other_magnesium(case: Case, draft: Draft) -> bool:
    """Whether magnesium is taken, without the order that a refill continues."""
    if case.hook != REFILL:
        return on_any_oral_magnesium(case)
    rest = [dose for dose in case.taking if dose is not renewed(case, draft)]
    return on_any_oral_magnesium(replace(case, taking=tuple(rest)))


def supplement_only(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    """SPEC 6.4, the rest of the list. S-4, 12.7.8: what is silent beside rx-mg-renal-critical."""
    supplements = [d for d in case.drafts if d.kind == "mg" and d.subtype == "supplement"]
    on_sparing = bool(case.rf & {"ksparing", "combo"})
    severe = kidney.cls == "SEVERE"
    # N-6: nobody can work out the dose, and it matters.
    matters = kidney.cls != "NORMAL" or on_other_magnesium(case, draft)
    rows = [
        (not severe and total_elemental(case, draft, supplements) > 500, "rx-mg-dose", "warning"),
        (not severe and draft.unread_dose and matters, "rx-mg-dose-unknown", "info"),
        # 11.7: two supplement orders in one session are duplicates of each other.
        # 6.8: a refill is none.
        (
            not severe
            and case.hook != REFILL
            and (bool(other_supplements(case, draft)) or len(supplements) > 1),
            "rx-mg-duplicate",
            "warning",
        ),
        (kidney.cls in {"MODERATE", "SEVERE"} and on_sparing, *KSPARING[:2]),  # 11.2
    ]
    pregnant = [pregnancy_card(case, draft)] if "B8" in blocks_of(case) else []
    return [
        *(Card(card_id, indicator) for holds, card_id, indicator in rows if holds),
        *pregnant,
        *interaction_card(drugs_beside(case), {draft.salt}),
    ]


def magnesium_order(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    """SPEC 6.4 for one draft magnesium order."""
    if draft.subtype in NOT_SUPPLEMENTS:  # M-18: per_drug_subtypes names one drug
        named = drugs_beside(case) & {"polystyrene"}
        return [*every_form(case, kidney, draft), *interaction_card(named, {salt_of(draft)})]
    if draft.subtype != "supplement":
        return []  # parenteral, topical, phosphate binders; 11.12: multivitamins, salicylates
    return [*every_form(case, kidney, draft), *supplement_only(case, kidney, draft)]


def not_checked(case: Case, draft: Draft) -> list[Card]:
    """U-1, N-2, 12.7.6: no silence about an order whose checks lacked data."""
    if draft.subtype not in SPACED:
        return []
    needed = OPTIONAL_KEYS | {"conditions", "medicationRequests"}
    if draft.subtype in NOT_SUPPLEMENTS:
        needed -= {"medicationStatements", "pregnancyStatus"}
    lacking = unknown_keys(case) & needed or unknown_may_be_newest(case)
    if draft.subtype in NOT_SUPPLEMENTS and case.age is None:  # M-5: perhaps under two years
        lacking = True
    return [Card("rx-mg-not-checked", "info")] if lacking else []


# ------------------------------------------------------------------------ other orders


def sparing_order(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 6.2 rule 4: a K-sparing order with MODERATE or SEVERE and any magnesium."""
    ordered = any(d.kind == "mg" and d.subtype in ORAL_MAGNESIUM for d in case.drafts)
    holds = kidney.cls in {"MODERATE", "SEVERE"} and (on_any_oral_magnesium(case) or ordered)
    return [KSPARING] if holds else []


def other_order(case: Case, kidney: Kidney, draft: Draft) -> list[Card]:
    if draft.kind in {"ksparing", "combo"}:
        return sparing_order(case, kidney)
    drug = drug_of(draft)
    return [] if drug is None else interacting_order(case, drug)


def suggestions(case: Case, kidney: Kidney, judged: list[Draft]) -> list[Card]:
    """SPEC 6.2: one suggestion to start magnesium, from the rule that stands first.

    6.2 last rule, 11.7: magnesium in the drafts, antacids included, silences it. A dangerously low
    result is no suggestion to start.
    """
    found = [
        (TRIGGER_ORDER.index(TRIGGERS[draft.kind]), card)
        for draft in judged
        if (card := suggestion_for(case, kidney, draft)) is not None
    ]
    if any(d.kind == "mg" and d.subtype in SPACED for d in case.drafts):
        found = [row for row in found if row[1] == LOW_SEVERE]
    return [card for _, card in sorted(found, key=lambda row: row[0])[:1]]


def one_interaction_card(cards: list[Card]) -> list[Card]:
    """S-5."""
    found = [card for card in cards if card.id == "rx-mg-interaction"]
    worst = min(found, key=lambda c: INDICATOR_ORDER.index(c.indicator), default=None)
    rest = [card for card in cards if card.id != "rx-mg-interaction"]
    return rest if worst is None else [*rest, worst]


def orders(case: Case, kidney: Kidney) -> list[Card]:
    """SPEC 6.2 and 6.3."""
    judged = [d for d in case.drafts if d.selected or case.hook != "order-select"]
    cards: list[Card] = []
    for draft in judged:
        if draft.kind == "mg":
            cards += magnesium_order(case, kidney, draft) or not_checked(case, draft)
        else:
            cards += other_order(case, kidney, draft)
    if case.hook == "order-select":
        cards += suggestions(case, kidney, judged)
    return one_interaction_card(cards)
