"""Facts that block a suggestion: B2 to B10 except the kidney class (SPEC 4, 6)."""

from __future__ import annotations

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState, fact
from cds_service.reasoning.decision import KidneyClass, MagnesiumState
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.magnesium import magnesium_is_high, serum_magnesium
from cds_service.reasoning.medicines import supplement
from cds_service.reasoning.problems import safety_fact, safety_problems, unread_gaps
from cds_service.reasoning.question import question


@question
def all_blocks(chart: Chart) -> tuple[Fact, ...]:
    """Every block but the kidney class, present or not."""
    return (
        pregnancy(chart),
        supplement(chart),
        heart_block(chart),
        neuromuscular(chart),
        bowel_obstruction(chart),
        hypermagnesaemia(chart),
        allergy(chart),
        transplant(chart),
    )


@question
def heart_block(chart: Chart) -> Fact:
    """High-grade AV block without a pacemaker (B2)."""
    block = safety_fact(chart, "heart_block", "safety_heart_block", "high")
    paced = pacemaker(chart)
    if block.present and paced.present:
        why = reasons.paced(block.evidence[0].resource)
        return Fact("heart_block", FactState.ABSENT, why=why)
    return block


@question
def pacemaker(chart: Chart) -> Fact:
    """A pacemaker, which makes a heart block harmless here."""
    return safety_fact(chart, "pacemaker", "safety_pacemaker")


@question
def neuromuscular(chart: Chart) -> Fact:
    """A disease of the neuromuscular junction (B3)."""
    return safety_fact(chart, "neuromuscular", "safety_neuromuscular")


@question
def bowel_obstruction(chart: Chart) -> Fact:
    """Bowel obstruction or ileus (B4)."""
    return safety_fact(chart, "bowel_obstruction", "safety_bowel_obstruction")


@question
def hypermagnesaemia(chart: Chart) -> Fact:
    """Hypermagnesaemia by diagnosis or by result (B5)."""
    diagnosed, serum = _diagnosed_hypermagnesaemia(chart), serum_magnesium(chart)
    if magnesium_is_high(chart) and serum.evidence is not None:
        evidence = (serum.evidence, *diagnosed.evidence)
        return Fact("hypermagnesaemia", FactState.PRESENT, evidence)
    if diagnosed.present or not (serum.unknown or serum.gaps):
        return diagnosed
    return Fact("hypermagnesaemia", FactState.UNKNOWN, why=reasons.MAGNESIUM_NOT_KNOWN)


@question
def _diagnosed_hypermagnesaemia(chart: Chart) -> Fact:
    return safety_fact(chart, "hypermagnesaemia", "safety_hypermagnesemia")


@question
def is_slightly_high(chart: Chart) -> bool:
    """Whether magnesium is a little above its limit with normal kidneys and no diagnosis (M-11)."""
    return (
        serum_magnesium(chart).state is MagnesiumState.SLIGHTLY_HIGH
        and kidney_function(chart).kidney_class is KidneyClass.NORMAL
        and not _diagnosed_hypermagnesaemia(chart).present
    )


@question
def allergy(chart: Chart) -> Fact:
    """A recorded allergy or intolerance to magnesium that is not limited to the gut (B6)."""
    gut = set(chart.allergies.gut)
    found = [e for e in chart.allergies.magnesium if e not in gut]
    return fact("allergy_magnesium", found, chart.gaps("allergies"))


@question
def pregnancy(chart: Chart) -> Fact:
    """Pregnancy by diagnosis within its window, or by recorded status (B8)."""
    days = chart.knowledge.parameters.pregnancy.lookback_days
    found = [
        p.evidence["pregnancy"]
        for p in safety_problems(chart, "pregnancy")
        if p.when is None
        or dates.maybe_within(p.when, days, chart.today)
        or dates.maybe_within(p.recorded, days, chart.today)
    ]
    status = chart.pregnancy_status
    if status is not None:
        found.append(status)
    gaps = chart.gaps("conditions", "pregnancyStatus")
    return fact("pregnancy", found, (*gaps, *unread_gaps(chart, "pregnancy")))


@question
def transplant(chart: Chart) -> Fact:
    """A kidney transplant, on the problem list or as a procedure (B10, SPEC 12.3 K-1)."""
    listed = safety_fact(chart, "transplant", "renal_transplant")
    found = [*listed.evidence, *chart.procedures.of("renal_transplant_procedure")]
    gaps = chart.gaps("conditions", "kidneyProcedures")
    return fact("transplant", found, (*gaps, *unread_gaps(chart, "renal_transplant")))
