"""Whether to suggest magnesium, and how (SPEC 5, 6.1, 6.2, 12.5): eligibility, then tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cds_service.chart import dates
from cds_service.chart.evidence import Evidence, Fact, FactState
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import MagnesiumProduct
from cds_service.knowledge.model import OfferRow, SuggestRow
from cds_service.reasoning.decision import (
    CardDecision,
    Caution,
    KidneyClass,
    MagnesiumState,
    Offer,
    OfferKind,
    OrderRef,
    RuleOutcome,
)
from cds_service.reasoning.finding import marks
from cds_service.reasoning.findings import ADDITIVE, Findings, drug_words, subtype_of
from cds_service.reasoning.interactions import Partner, interacting
from cds_service.reasoning.magnesium import measured_within

GLYCINATE = Partner(MagnesiumProduct(salts=("magnesium glycinate",)))
LOW_SEVERE = "mg-low-severe"
TESTS_FIRST = frozenset(
    {"stale", "needs_labs", "discordant", "conflicting", "unusable_newer", "partly_known"}
)
"""Flags of the kidney class that mean tests only, no dose."""


class Trigger(msgspec.Struct, frozen=True):
    """What asks for a suggestion: the chart, or a draft order."""

    id: str
    order: OrderRef | None = None
    use: MedicationUse | None = None


def eligibility(findings: Findings) -> tuple[RuleOutcome, ...]:
    """Each condition of eligibility with its outcome (SPEC 6)."""
    outcomes: list[RuleOutcome] = []
    for rule, wanted, fact in _conditions(findings):
        outcome = "unknown" if fact.unknown else "met" if fact.present == wanted else "not met"
        if rule not in {"adult", "migraine"} and outcome == "not met":
            outcome = "blocked"
        outcomes.append(RuleOutcome(rule, outcome, _why(fact)))
    return tuple(outcomes)


def _conditions(findings: Findings) -> list[tuple[str, bool, Fact]]:
    return [
        ("adult", True, findings.adult),
        ("migraine", True, findings.migraine),
        *((f"no {f.id}", False, f) for f in findings.blocks),
    ]


def eligible(findings: Findings) -> bool:
    """Adult with migraine and no block. What is unknown does not block; it weakens the offer."""
    if not findings.migraine.present or not findings.adult.present:
        return False
    return not any(block.present for block in findings.blocks)


def low_severe(
    findings: Findings, row: SuggestRow, trigger: Trigger, ordered_labs: frozenset[str]
) -> CardDecision | None:
    """The card of a dangerously low magnesium: before every block and kidney class (M-10)."""
    from_years = findings.chart.knowledge.parameters.age.low_severe_from_years
    if not findings.migraine.present or findings.age is None or findings.age < from_years:
        return None
    if findings.magnesium.state is not MagnesiumState.SEVERE_LOW or not findings.indicated:
        return None
    return _card(findings, row.low_severe, trigger, ordered_labs)


def suggestion(
    findings: Findings, row: SuggestRow, trigger: Trigger, ordered_labs: frozenset[str]
) -> CardDecision | None:
    """The card that a trigger gives, or silence. The caller has found the patient eligible."""
    if row.needs_indication and not findings.indicated:
        return None
    card = row.cards[findings.kidney.kidney_class]
    if not card or (findings.stopped and card in row.silent_if_stopped):
        return None
    return _card(findings, card, trigger, ordered_labs)


def _card(
    findings: Findings, card: str, trigger: Trigger, ordered_labs: frozenset[str]
) -> CardDecision:
    knowledge = findings.chart.knowledge
    rows = knowledge.policy.offers_of(card, findings.kidney.kidney_class)
    offers = [o for row in rows for o in _offers(findings, row, ordered_labs)]
    return CardDecision(
        card=card,
        indicator=knowledge.cards[card].indicator,
        values=_values(findings, trigger),
        because=_because(findings, card, trigger),
        offers=tuple(sorted(offers, key=lambda o: not o.recommended)),
        cautions=_cautions_of(findings, card, offers),
        gaps=findings.gaps,
        kidney=findings.kidney,
        magnesium=findings.magnesium,
        order=trigger.order,
        reason_reference=findings.migraine.evidence[0].resource,
    )


def _because(findings: Findings, card: str, trigger: Trigger) -> tuple[Fact, ...]:
    """Why the card comes; a hazard that it rests on, and what it comes before, are among it."""
    because = (findings.migraine, findings.menstrual, *findings.present_risks)
    if card == LOW_SEVERE and findings.magnesium.evidence is not None:
        because = (*because, _present("serum_magnesium", findings.magnesium.evidence))
        because = (*because, *findings.blocks)
    if trigger.use is not None:
        because = (*because, _present("trigger_order", trigger.use.evidence))
    return tuple(f for f in because if f.present)


def _cautions_of(findings: Findings, card: str, offers: Sequence[Offer]) -> tuple[Caution, ...]:
    if card == "mg-avoid-renal":
        return ()
    if card == LOW_SEVERE:
        return (*marks(findings.oral_magnesium), *_additive_cautions(findings))
    return cautions(findings, offers)


def _present(fact_id: str, evidence: Evidence) -> Fact:
    return Fact(fact_id, FactState.PRESENT, (evidence,))


# ------------------------------------------------------------------------------- offers


def _offers(findings: Findings, row: OfferRow, ordered_labs: frozenset[str]) -> list[Offer]:
    if row.only_if and not _any(findings, row.only_if):
        return []
    if _any(findings, row.unless):
        return []
    recommended = row.recommended and not _any(findings, row.not_recommended_if)
    recommended = recommended or _any(findings, row.recommended_if)
    if row.kind == "labs":
        labs = tuple(lab for lab in row.labs if lab not in ordered_labs)
        due = _after_start(findings) if row.after_start else None
        return [Offer(OfferKind.LABS, recommended, labs=labs, due_weeks=due)] if labs else []
    plan = _plan(findings, row.kind)
    return [Offer(OfferKind.PLAN, recommended, plan=plan)] if plan else []


def _plan(findings: Findings, kind: str) -> str:
    policy = findings.chart.knowledge.policy
    if kind == "perimenstrual":
        return policy.perimenstrual_plan if findings.menstrual.present else ""
    age = "elderly" if findings.elderly else "adult"
    return policy.plan_for(findings.kidney.kidney_class, age)


def _after_start(findings: Findings) -> tuple[int, int]:
    weeks = findings.chart.knowledge.parameters.labs
    return weeks.with_diuretic_from_weeks, weeks.with_diuretic_to_weeks


def unanswered(findings: Findings) -> bool:
    """Whether anything that could have blocked or changed the suggestion is not known."""
    return bool(findings.gaps) or findings.magnesium.unknown


def at_risk(findings: Findings) -> bool:
    """A diuretic, a magnesium-wasting drug, digoxin or age: tests go beside the plan (S-2)."""
    wasting = any(r.id in ("RF4", "RF8") for r in findings.present_risks)
    return wasting or bool(findings.taking("digoxin")) or findings.elderly


def _not_tested(findings: Findings) -> bool:
    """At risk, and neither magnesium nor kidney function is surely of the last months (S-2)."""
    chart = findings.chart
    days = chart.knowledge.parameters.labs.dated_within_days
    kidney = findings.kidney.evidence
    measured = kidney is not None and kidney.matched == "value"
    when = dates.parse(kidney.date) if kidney is not None and measured else None
    return (
        at_risk(findings)
        and not dates.within(when, days, chart.today)
        and not measured_within(chart, days)
    )


CIRCUMSTANCES: dict[str, Callable[[Findings], bool]] = {
    "renal_risk": lambda findings: findings.renal_risk,
    "unanswered": unanswered,
    "at_risk": at_risk,
    "not_tested": _not_tested,
    "anti_egfr": lambda findings: bool(findings.anti_egfr),
    "stopped_before": lambda findings: bool(findings.stopped),
}
"""Beside the flags of the kidney class, what the rows of the table `offers` ask for by name."""


def _any(findings: Findings, names: Sequence[str]) -> bool:
    return any(
        CIRCUMSTANCES[name](findings) if name in CIRCUMSTANCES else name in findings.kidney.flags
        for name in names
    )


# ------------------------------------------------------------------ values and cautions


def _values(findings: Findings, trigger: Trigger) -> dict[str, str]:
    kidney = findings.kidney
    by_gfr = kidney.basis in ("eGFR", "creatinine")
    values = {
        "risk": risk_words(findings),
        "egfr": kidney.egfr_text if by_gfr else "",
        "renal_reason": kidney.reason,
        "mg": findings.magnesium.text,
    }
    if findings.stopped:
        values["stopped"] = ", ".join(dict.fromkeys(u.label for u in findings.stopped))
    if trigger.use is not None:
        values["drug"] = drug_words(trigger.use)
    return values


def risk_words(findings: Findings) -> str:
    """The risk factors as they are said in a summary: "diabetes and heart disease"."""
    labels = list(dict.fromkeys(findings.risk_label(r) for r in findings.present_risks))
    if not labels and findings.menstrual.present:
        labels = ["menstrual pattern"]
    return (
        labels[0]
        if len(labels) == 1
        else " and ".join(filter(None, (", ".join(labels[:-1]), labels[-1] if labels else "")))
    )


def cautions(findings: Findings, offers: Sequence[Offer]) -> tuple[Caution, ...]:
    """What applies to a suggestion of glycinate with these offers."""
    plan = any(o.kind is OfferKind.PLAN for o in offers)
    return (
        *(recheck(findings) if plan else ()),
        *(_age_caution(findings) if plan else ()),
        *_drug_cautions(findings),
        *_tests_caution(findings, offers),
        *_stopped_cautions(findings),
        *_sparing_cautions(findings),
        *_finding_cautions(findings),
        *spacing(findings),
        *_digoxin_caution(findings),
        *_additive_cautions(findings),
        *marks(findings.oral_magnesium),
    )


def recheck(findings: Findings) -> tuple[Caution, ...]:
    """When to recheck with a dose and MODERATE kidneys: sooner at the lower end (K-3)."""
    kidney = findings.kidney
    if kidney.kidney_class is not KidneyClass.MODERATE or TESTS_FIRST & set(kidney.flags):
        return ()
    limits = findings.chart.knowledge.parameters.recheck
    value = kidney.value
    early = value is not None and limits.early_egfr_from <= value < limits.early_egfr_below
    weeks = limits.early_weeks if early else limits.first_weeks
    return (Caution("C1", {"weeks": str(weeks), "months": str(limits.repeat_months)}),)


def _age_caution(findings: Findings) -> list[Caution]:
    if not findings.elderly or findings.kidney.kidney_class is not KidneyClass.NORMAL:
        return []
    target = findings.chart.knowledge.parameters.dose.elderly_target_mg
    return [Caution("C2", {"age": str(findings.oldest_age), "mg": f"{target:f}"})]


def _drug_cautions(findings: Findings) -> list[Caution]:
    """An antibody against EGFR: a level and the oncology team first (SPEC 12.4 M-17)."""
    uses = _once(findings.anti_egfr)
    return [Caution("M17", {"drug": drug_words(u)}, (u.evidence,)) for u in uses]


def _tests_caution(findings: Findings, offers: Sequence[Offer]) -> list[Caution]:
    """Why tests are offered beside the plan: not those that are due after a diuretic is started."""
    kinds = {o.kind for o in offers if o.due_weeks is None}
    beside = {OfferKind.LABS, OfferKind.PLAN} <= kinds
    normal = findings.kidney.kidney_class is KidneyClass.NORMAL
    return [Caution("S2")] if beside and normal and at_risk(findings) else []


def _stopped_cautions(findings: Findings) -> list[Caution]:
    found = []
    for use in _once(findings.stopped):
        when = use.ended or use.since
        values = {"product": use.label} | ({"date": when.written} if when else {})
        found.append(Caution("M15" if when else "M15-undated", values, (use.evidence,)))
    return found


def _sparing_cautions(findings: Findings) -> list[Caution]:
    reduced = findings.kidney.kidney_class in (KidneyClass.MODERATE, KidneyClass.SEVERE)
    depleting = any(r.id == "RF4" for r in findings.present_risks)
    line = "C3" if reduced else "C3-offset" if depleting else ""
    if not line:
        return []
    return [Caution(line, {"drug": drug_words(u)}, (u.evidence,)) for u in _once(findings.sparing)]


def _finding_cautions(findings: Findings) -> list[Caution]:
    facts = (
        ("C4", findings.slow_conduction),
        ("C6", findings.diarrhoea),
        ("M12", findings.gut_intolerance),
    )
    return [
        Caution(caution_id, {"finding": fact.evidence[0].display or fact.id}, fact.evidence[:1])
        for caution_id, fact in facts
        if fact.present
    ]


def spacing(findings: Findings) -> list[Caution]:
    """Spacing lines for what is taken now, with glycinate."""
    table, kidney_class = findings.chart.knowledge.interactions, findings.kidney.kidney_class
    items = interacting(findings.chart.medications, GLYCINATE, table, kidney_class)
    return [i.caution() for i in items]


def _digoxin_caution(findings: Findings) -> list[Caution]:
    uses = findings.taking("digoxin")
    return [Caution("C7", {}, (uses[0].evidence,))] if uses else []


def _additive_cautions(findings: Findings) -> list[Caution]:
    additive = [u for u in findings.oral_magnesium if subtype_of(u) in ADDITIVE or not u.regular]
    return [Caution("C8", {"product": u.label}, (u.evidence,)) for u in _once(additive)]


def _once(uses: Sequence[MedicationUse]) -> list[MedicationUse]:
    """Each drug once, however many orders there are for it."""
    return list({drug_words(u).lower(): u for u in reversed(uses)}.values())[::-1]


def _why(fact: Fact) -> str:
    if fact.unknown:
        return fact.why
    return ", ".join(dict.fromkeys(e.resource for e in fact.evidence))
