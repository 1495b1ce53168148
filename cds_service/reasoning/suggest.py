"""Whether to suggest magnesium, and how (SPEC 5, 6.1, 6.2, 12.5): eligibility, then tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Evidence, Fact, FactState
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import MagnesiumProduct
from cds_service.knowledge.model import OfferRow, SuggestRow
from cds_service.reasoning import blocks, cautions, indication, medicines, person, renal_risk, risk
from cds_service.reasoning.decision import (
    CardDecision,
    Caution,
    KidneyClass,
    MagnesiumState,
    Offer,
    OfferKind,
    OrderRef,
    Outcome,
    RuleOutcome,
)
from cds_service.reasoning.finding import status_cautions
from cds_service.reasoning.gaps import all_gaps
from cds_service.reasoning.interactions import Partner, interacting
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import measured_within, serum_magnesium
from cds_service.reasoning.medicines import drug_words, subtype_of
from cds_service.reasons import Said

ADDITIVE = frozenset({"antacid", "laxative", "laxative-antacid", "bowel-prep", "multivitamin"})
GLYCINATE = Partner(MagnesiumProduct(salts=("magnesium glycinate",)))
DEFICIENCY, INFORMATION = "deficiency", "information"
"""Kinds of cards that a trigger can give and that are not suggestions."""
TESTS_FIRST = frozenset(
    {"stale", "needs_labs", "discordant", "conflicting", "unusable_newer", "partly_known"}
)
"""Flags of the kidney class that mean tests only, no dose."""


class Trigger(msgspec.Struct, frozen=True):
    """The trigger of a suggestion: the chart, or a draft order."""

    id: str
    order: OrderRef | None = None
    use: MedicationUse | None = None


def eligibility(chart: Chart) -> tuple[RuleOutcome, ...]:
    """Each condition of eligibility with its outcome (SPEC 6)."""
    outcomes: list[RuleOutcome] = []
    for rule, wanted, fact in conditions(chart):
        outcome = Outcome.MET if fact.present == wanted else Outcome.NOT_MET
        if fact.unknown:
            outcome = Outcome.UNKNOWN
        elif rule not in {"adult", "migraine"} and outcome is Outcome.NOT_MET:
            outcome = Outcome.BLOCKED
        outcomes.append(RuleOutcome(rule, outcome, _why(fact)))
    return tuple(outcomes)


def conditions(chart: Chart) -> list[tuple[str, bool, Fact]]:
    """Each condition of eligibility: its name, whether its fact must be present, and the fact."""
    return [
        ("adult", True, person.adult(chart)),
        ("migraine", True, indication.migraine(chart)),
        *((f"no {f.id}", False, f) for f in blocks.all_blocks(chart)),
    ]


def eligible(chart: Chart) -> bool:
    """Adult with migraine and no block. Unknown facts do not block. They weaken the offer."""
    if not indication.migraine(chart).present or not person.adult(chart).present:
        return False
    return not any(block.present for block in blocks.all_blocks(chart))


def low_severe(
    chart: Chart, row: SuggestRow, trigger: Trigger, ordered_labs: frozenset[str]
) -> CardDecision | None:
    """The card of a dangerously low magnesium: before every block and kidney class (M-10)."""
    from_years = chart.knowledge.parameters.age.low_severe_from_years
    age = person.age(chart)
    if not indication.migraine(chart).present or age is None or age < from_years:
        return None
    severe = serum_magnesium(chart).state is MagnesiumState.SEVERE_LOW
    if not severe or not indication.is_indicated(chart):
        return None
    return _card(chart, row.low_severe, trigger, ordered_labs)


def suggestion(
    chart: Chart, row: SuggestRow, trigger: Trigger, ordered_labs: frozenset[str]
) -> CardDecision | None:
    """The card for a trigger, or `None`. The caller has checked that the patient is eligible."""
    if row.needs_indication and not indication.is_indicated(chart):
        return None
    card = row.cards[kidney_function(chart).kidney_class]
    if not card or (medicines.stopped(chart) and card in row.silent_if_stopped):
        return None
    return _card(chart, card, trigger, ordered_labs)


def _card(chart: Chart, card: str, trigger: Trigger, ordered_labs: frozenset[str]) -> CardDecision:
    entry = chart.knowledge.cards[card]
    rows = entry.offers_in(kidney_function(chart).kidney_class)
    offers = [o for row in rows for o in _offers(chart, row, ordered_labs)]
    return CardDecision(
        card=card,
        indicator=entry.indicator,
        values=_values(chart, trigger),
        because=_because(chart, entry.kind, trigger),
        offers=tuple(sorted(offers, key=lambda o: not o.recommended)),
        cautions=_cautions_of(chart, entry.kind, offers),
        gaps=all_gaps(chart),
        kidney=kidney_function(chart),
        magnesium=serum_magnesium(chart),
        order=trigger.order,
        reason_reference=indication.migraine(chart).evidence[0].resource,
    )


def _because(chart: Chart, kind: str, trigger: Trigger) -> tuple[Fact, ...]:
    """The reasons of the card, including a hazard that it rests on."""
    because = (
        indication.migraine(chart),
        indication.menstrual(chart),
        *risk.present_factors(chart),
    )
    serum = serum_magnesium(chart)
    if kind == DEFICIENCY and serum.evidence is not None:
        because = (*because, _present("serum_magnesium", serum.evidence))
        because = (*because, *blocks.all_blocks(chart))
    if trigger.use is not None:
        because = (*because, _present("trigger_order", trigger.use.evidence))
    return tuple(f for f in because if f.present)


def _cautions_of(chart: Chart, kind: str, offers: Sequence[Offer]) -> tuple[Caution, ...]:
    if kind == INFORMATION:
        return ()
    if kind == DEFICIENCY:
        return (*status_cautions(medicines.oral_magnesium(chart)), *_additive_cautions(chart))
    return suggestion_cautions(chart, offers)


def _present(fact_id: str, evidence: Evidence) -> Fact:
    return Fact(fact_id, FactState.PRESENT, (evidence,))


# ------------------------------------------------------------------------------- offers


def _offers(chart: Chart, row: OfferRow, ordered_labs: frozenset[str]) -> list[Offer]:
    if row.only_if and not _any(chart, row.only_if):
        return []
    if _any(chart, row.unless):
        return []
    recommended = row.recommended and not _any(chart, row.not_recommended_if)
    recommended = recommended or _any(chart, row.recommended_if)
    if row.kind == "labs":
        labs = tuple(lab for lab in row.labs if lab not in ordered_labs)
        due = _after_start(chart) if row.after_start else None
        return [Offer(OfferKind.LABS, recommended, labs=labs, due_weeks=due)] if labs else []
    plan = _plan(chart, row.kind)
    return [Offer(OfferKind.PLAN, recommended, plan=plan)] if plan else []


def _plan(chart: Chart, kind: str) -> str:
    policy = chart.knowledge.policy
    if kind == "perimenstrual":
        return policy.perimenstrual_plan if indication.menstrual(chart).present else ""
    age = "elderly" if person.is_elderly(chart) else "adult"
    return policy.plan_for(kidney_function(chart).kidney_class, age)


def _after_start(chart: Chart) -> tuple[int, int]:
    weeks = chart.knowledge.parameters.labs
    return weeks.with_diuretic_from_weeks, weeks.with_diuretic_to_weeks


def has_unknowns(chart: Chart) -> bool:
    """Whether anything that could have blocked or changed the suggestion is not known."""
    return bool(all_gaps(chart)) or serum_magnesium(chart).unknown


def at_risk(chart: Chart) -> bool:
    """With a diuretic, a magnesium-wasting drug, digoxin or from 65 years on, tests are offered
    next to the plan (S-2).
    """
    wasting = risk.is_present_of(chart, "diuretic", "wasting-drug")
    return wasting or bool(medicines.taking(chart, "digoxin")) or person.is_elderly(chart)


def _not_tested(chart: Chart) -> bool:
    """At risk, and neither magnesium nor kidney function was certainly measured in the last months (S-2)."""
    days = chart.knowledge.parameters.labs.dated_within_days
    kidney = kidney_function(chart).evidence
    measured = kidney is not None and kidney.matched == "value"
    when = dates.parse(kidney.date) if kidney is not None and measured else None
    return (
        at_risk(chart)
        and not dates.within(when, days, chart.today)
        and not measured_within(chart, days)
    )


CIRCUMSTANCES: dict[str, Callable[[Chart], bool]] = {
    "renal_risk": renal_risk.is_possible,
    "unanswered": has_unknowns,
    "at_risk": at_risk,
    "not_tested": _not_tested,
    "anti_egfr": lambda chart: bool(risk.anti_egfr(chart)),
    "stopped_before": lambda chart: bool(medicines.stopped(chart)),
}
"""The names that rows of the table `offers` use in addition to the flags of the kidney class."""


def _any(chart: Chart, names: Sequence[str]) -> bool:
    return any(
        CIRCUMSTANCES[name](chart)
        if name in CIRCUMSTANCES
        else name in kidney_function(chart).flags
        for name in names
    )


# ------------------------------------------------------------------ values and cautions


def _values(chart: Chart, trigger: Trigger) -> dict[str, Said]:
    kidney = kidney_function(chart)
    by_gfr = kidney.basis in ("eGFR", "creatinine")
    values: dict[str, Said] = {
        "risk": risk_words(chart),
        "egfr": kidney.egfr_text if by_gfr else "",
        "renal_reason": kidney.reason or "",
        "mg": serum_magnesium(chart).text,
    }
    if medicines.stopped(chart):
        values["stopped"] = ", ".join(dict.fromkeys(u.label for u in medicines.stopped(chart)))
    if trigger.use is not None:
        values["drug"] = drug_words(trigger.use)
    return values


def risk_words(chart: Chart) -> Said:
    """The risk factors as text for a summary: "diabetes and heart disease"."""
    labels = tuple(dict.fromkeys(risk.label(chart, r) for r in risk.present_factors(chart)))
    if labels:
        return labels[0] if len(labels) == 1 else reasons.all_of(labels)
    return reasons.MENSTRUAL_PATTERN if indication.menstrual(chart).present else ""


def suggestion_cautions(chart: Chart, offers: Sequence[Offer]) -> tuple[Caution, ...]:
    """The cautions for a suggestion of glycinate with these offers."""
    plan = any(o.kind is OfferKind.PLAN for o in offers)
    return (
        *(recheck(chart) if plan else ()),
        *(_age_caution(chart) if plan else ()),
        *_drug_cautions(chart),
        *_tests_caution(chart, offers),
        *_stopped_cautions(chart),
        *_sparing_cautions(chart),
        *_finding_cautions(chart),
        *spacing(chart),
        *_digoxin_caution(chart),
        *_additive_cautions(chart),
        *status_cautions(medicines.oral_magnesium(chart)),
    )


def recheck(chart: Chart) -> tuple[Caution, ...]:
    """When to recheck with a dose and MODERATE kidneys: sooner at the lower end (K-3)."""
    kidney = kidney_function(chart)
    if kidney.kidney_class is not KidneyClass.MODERATE or TESTS_FIRST & set(kidney.flags):
        return ()
    limits = chart.knowledge.parameters.recheck
    value = kidney.value
    early = value is not None and limits.early_egfr_from <= value < limits.early_egfr_below
    weeks = limits.early_weeks if early else limits.first_weeks
    return (Caution("C1", {"weeks": str(weeks), "months": str(limits.repeat_months)}),)


def _age_caution(chart: Chart) -> list[Caution]:
    if (
        not person.is_elderly(chart)
        or kidney_function(chart).kidney_class is not KidneyClass.NORMAL
    ):
        return []
    target = chart.knowledge.parameters.dose.elderly_target_mg
    return [Caution("C2", {"age": str(person.oldest_age(chart)), "mg": f"{target:f}"})]


def _drug_cautions(chart: Chart) -> list[Caution]:
    """An antibody against EGFR: a level and the oncology team first (SPEC 12.4 M-17)."""
    uses = _once(risk.anti_egfr(chart))
    return [Caution("M17", {"drug": drug_words(u)}, (u.evidence,)) for u in uses]


def _tests_caution(chart: Chart, offers: Sequence[Offer]) -> list[Caution]:
    """The reasons for tests next to the plan, except tests that are due after a diuretic is started."""
    kinds = {o.kind for o in offers if o.due_weeks is None}
    beside = {OfferKind.LABS, OfferKind.PLAN} <= kinds
    normal = kidney_function(chart).kidney_class is KidneyClass.NORMAL
    return [Caution("S2")] if beside and normal and at_risk(chart) else []


def _stopped_cautions(chart: Chart) -> list[Caution]:
    found = []
    for use in _once(medicines.stopped(chart)):
        when = use.ended or use.since
        values = {"product": use.label} | ({"date": when.written} if when else {})
        found.append(Caution("M15" if when else "M15-undated", values, (use.evidence,)))
    return found


def _sparing_cautions(chart: Chart) -> list[Caution]:
    reduced = kidney_function(chart).kidney_class in (KidneyClass.MODERATE, KidneyClass.SEVERE)
    depleting = risk.is_present_of(chart, "diuretic")
    line = "C3" if reduced else "C3-offset" if depleting else ""
    if not line:
        return []
    return [
        Caution(line, {"drug": drug_words(u)}, (u.evidence,))
        for u in _once(medicines.potassium_sparing(chart))
    ]


def _finding_cautions(chart: Chart) -> list[Caution]:
    facts = (
        ("C4", cautions.slow_conduction(chart)),
        ("C6", cautions.diarrhoea(chart)),
        ("M12", cautions.gut_intolerance(chart)),
    )
    return [
        Caution(caution_id, {"finding": fact.evidence[0].display or fact.id}, fact.evidence[:1])
        for caution_id, fact in facts
        if fact.present
    ]


def spacing(chart: Chart) -> list[Caution]:
    """Spacing lines for current medicines, with glycinate."""
    table, kidney_class = chart.knowledge.interactions, kidney_function(chart).kidney_class
    items = interacting(chart.medications, GLYCINATE, table, kidney_class)
    return [i.caution() for i in items]


def _digoxin_caution(chart: Chart) -> list[Caution]:
    uses = medicines.taking(chart, "digoxin")
    return [Caution("C7", {}, (uses[0].evidence,))] if uses else []


def _additive_cautions(chart: Chart) -> list[Caution]:
    additive = [
        u for u in medicines.oral_magnesium(chart) if subtype_of(u) in ADDITIVE or not u.regular
    ]
    return [Caution("C8", {"product": u.label}, (u.evidence,)) for u in _once(additive)]


def _once(uses: Sequence[MedicationUse]) -> list[MedicationUse]:
    """Each drug once, however many orders there are for it."""
    return list({drug_words(u).lower(): u for u in reversed(uses)}.values())[::-1]


def _why(fact: Fact) -> Said:
    if fact.unknown:
        return fact.why or ""
    return ", ".join(dict.fromkeys(e.resource for e in fact.evidence))
