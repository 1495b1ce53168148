"""Whether to suggest magnesium, and how (SPEC 5, 6.1, 6.2): eligibility, then two tables."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cds_service.chart.evidence import Evidence, Fact, FactState
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import MagnesiumProduct
from cds_service.knowledge.model import OfferRow, SuggestRow
from cds_service.reasoning.decision import (
    CardDecision,
    Caution,
    Kidney,
    KidneyClass,
    MagnesiumState,
    Offer,
    OfferKind,
    OrderRef,
    RuleOutcome,
)
from cds_service.reasoning.findings import ADDITIVE, Findings, drug_words, subtype_of
from cds_service.reasoning.interactions import interacting

GLYCINATE = MagnesiumProduct(salts=("magnesium glycinate",))


class Trigger(msgspec.Struct, frozen=True):
    """What asks for a suggestion: the chart, or a draft order."""

    id: str
    order: OrderRef | None = None
    use: MedicationUse | None = None


def eligibility(findings: Findings) -> tuple[RuleOutcome, ...]:
    """Each condition of eligibility with its outcome (SPEC 6); the first that fails comes last."""
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


def suggestion(
    findings: Findings, row: SuggestRow, trigger: Trigger, ordered_labs: frozenset[str]
) -> CardDecision | None:
    """The card that a trigger gives, or silence. The caller has found the patient eligible."""
    if row.needs_indication and not findings.indicated:
        return None
    if findings.magnesium.state is MagnesiumState.SEVERE_LOW:
        return _card(findings, row.low_severe, trigger, ordered_labs)
    card = row.cards[findings.kidney.kidney_class]
    return _card(findings, card, trigger, ordered_labs) if card else None


def _card(
    findings: Findings, card: str, trigger: Trigger, ordered_labs: frozenset[str]
) -> CardDecision:
    knowledge = findings.chart.knowledge
    kidney = findings.kidney
    rows = knowledge.policy.offers_of(card, kidney.kidney_class)
    offers = [o for row in rows for o in _offers(findings, row, ordered_labs)]
    because = (findings.migraine, findings.menstrual, *findings.present_risks)
    # A hazard the card rests on is named among its reasons.
    if card == "mg-low-severe" and findings.magnesium.evidence is not None:
        because = (*because, _present("serum_magnesium", findings.magnesium.evidence))
    if trigger.use is not None:
        because = (*because, _present("trigger_order", trigger.use.evidence))
    return CardDecision(
        card=card,
        indicator=knowledge.cards[card].indicator,
        values=_values(findings, trigger),
        because=tuple(f for f in because if f.present),
        offers=_one_recommended(offers),
        cautions=cautions(findings) if card not in ("mg-avoid-renal", "mg-low-severe") else (),
        gaps=findings.gaps,
        kidney=kidney,
        magnesium=findings.magnesium,
        order=trigger.order,
        reason_reference=findings.migraine.evidence[0].resource,
    )


def _present(fact_id: str, evidence: Evidence) -> Fact:
    return Fact(fact_id, FactState.PRESENT, (evidence,))


def _offers(findings: Findings, row: OfferRow, ordered_labs: frozenset[str]) -> list[Offer]:
    if row.kind == "labs":
        labs = tuple(lab for lab in row.labs if lab not in ordered_labs)
        return [Offer(OfferKind.LABS, row.recommended, labs=labs)] if labs else []
    if row.unless_renal_risk and (findings.renal_risk or findings.chart.gaps("kidneyLabs")):
        return []
    if any(flag in findings.kidney.flags for flag in row.unless_flags):
        return []
    if row.kind == "perimenstrual":
        menstrual = findings.menstrual.present
        plan = findings.chart.knowledge.policy.perimenstrual_plan if menstrual else ""
    else:
        age = "elderly" if findings.elderly else "adult"
        plan = findings.chart.knowledge.policy.plan_for(findings.kidney.kidney_class, age)
    if not plan:
        return []
    # With data missing that could have blocked the suggestion, the draft is offered, not advised.
    return [Offer(OfferKind.PLAN, row.recommended and not unanswered(findings), plan=plan)]


def unanswered(findings: Findings) -> bool:
    """Whether anything that could have blocked or changed the suggestion is not known."""
    return bool(findings.gaps) or findings.magnesium.unknown


def _one_recommended(offers: list[Offer]) -> tuple[Offer, ...]:
    """With drafts only (at most one can be chosen) no more than one may be recommended."""
    if any(o.kind is OfferKind.LABS for o in offers):
        return tuple(offers)
    seen = False
    result = []
    for offer in offers:
        keep = offer.recommended and not seen
        seen = seen or offer.recommended
        result.append(msgspec.structs.replace(offer, recommended=keep))
    return tuple(result)


def _values(findings: Findings, trigger: Trigger) -> dict[str, str]:
    kidney = findings.kidney
    by_gfr = kidney.basis in ("eGFR", "creatinine")
    values = {
        "risk": risk_words(findings),
        "egfr": kidney.egfr_text if by_gfr else "",
        "renal_reason": kidney.reason,
        "mg": findings.magnesium.text,
    }
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


def cautions(findings: Findings) -> tuple[Caution, ...]:
    """C1 to C8, as far as they apply to a suggestion of glycinate."""
    return (
        *_renal_cautions(findings, findings.kidney),
        *_age_caution(findings),
        *_sparing_cautions(findings),
        *_finding_cautions(findings),
        *spacing(findings),
        *_digoxin_caution(findings),
        *_additive_cautions(findings),
    )


def recheck_weeks(findings: Findings) -> int:
    """When to recheck: sooner with an eGFR at the lower end of MODERATE (SPEC 3.3)."""
    limits = findings.chart.knowledge.parameters.recheck
    value = findings.kidney.value
    early = value is not None and limits.early_egfr_from <= value < limits.early_egfr_below
    return limits.early_weeks if early else limits.first_weeks


def _renal_cautions(findings: Findings, kidney: Kidney) -> list[Caution]:
    if kidney.kidney_class is not KidneyClass.MODERATE:
        return []
    months = findings.chart.knowledge.parameters.recheck.repeat_months
    return [Caution("C1", {"weeks": str(recheck_weeks(findings)), "months": str(months)})]


def _age_caution(findings: Findings) -> list[Caution]:
    if not findings.elderly or findings.kidney.kidney_class is not KidneyClass.NORMAL:
        return []
    target = findings.chart.knowledge.parameters.dose.elderly_target_mg
    return [Caution("C2", {"age": str(findings.oldest_age), "mg": f"{target:f}"})]


def _sparing_cautions(findings: Findings) -> list[Caution]:
    reduced = findings.kidney.kidney_class in (KidneyClass.MODERATE, KidneyClass.SEVERE)
    depleting = any(r.id == "RF4" for r in findings.present_risks)
    line = "C3" if reduced else "C3-offset" if depleting else ""
    if not line:
        return []
    return [Caution(line, {"drug": drug_words(u)}, (u.evidence,)) for u in _once(findings.sparing)]


def _finding_cautions(findings: Findings) -> list[Caution]:
    found = []
    for caution_id, fact in (("C4", findings.slow_conduction), ("C6", findings.diarrhoea)):
        if fact.present:
            name = fact.evidence[0].display or fact.id
            found.append(Caution(caution_id, {"finding": name}, fact.evidence[:1]))
    return found


def spacing(findings: Findings) -> list[Caution]:
    """Spacing lines for what is taken now, with glycinate."""
    table = findings.chart.knowledge.interactions
    return [i.caution() for i in interacting(findings.chart.medications, GLYCINATE, table)]


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
