"""The kidney class (SPEC 3.2, 12.2), by the tables `kidney` and `kidney_flags` of the policy.

This module decides which of their findings are present. `egfr` evaluates the results.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import chain

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Evidence, Fact, FactState, Gap, in_order
from cds_service.knowledge.model import KidneyFlag, KidneyRow
from cds_service.reasoning.decision import Kidney, KidneyClass, Outcome
from cds_service.reasoning.egfr import Gfr, Results, ckd_epi_2021, good_results, kidney_results
from cds_service.reasoning.problems import safety_problems
from cds_service.reasoning.question import question
from cds_service.reasoning.renal_risk import validity_risks
from cds_service.reasoning.verdicts import Verdict, of_gaps
from cds_service.reasons import Reason, Said

SEVERE_STAGES = ("5D", "5", "4")
MODERATE_STAGES = ("3b", "3", "3a")
_STAGE_ORDER = (*SEVERE_STAGES, *MODERATE_STAGES, "2", "1", "unspecified")
_STAGE_WORDS = {
    "5D": reasons.END_STAGE,
    **{stage: reasons.ckd_stage(stage) for stage in ("5", "4", *MODERATE_STAGES)},
    "unspecified": reasons.CKD_OF_UNKNOWN_STAGE,
}
"""The name of a stage in a summary. Problem lists have a dozen spellings, some a line long."""
_STAGE_FINDINGS = {
    **dict.fromkeys(SEVERE_STAGES, "ckd_severe"),
    **dict.fromkeys(MODERATE_STAGES, "ckd_moderate"),
    "unspecified": "ckd_unspecified",
}
_SOURCES = {
    "dialysis": ("conditions", "kidneyProcedures"),
    **dict.fromkeys(("aki_open", *_STAGE_FINDINGS.values()), ("conditions",)),
}
"""The prefetch keys for findings of diseases. All other findings come from the results."""

_Found = Iterator[tuple[str, Evidence | None]]


@question
def kidney_function(chart: Chart) -> Kidney:
    """The kidney class of the chart's patient."""
    found = _assess(chart)
    chart.note_gaps(found.gaps)
    return found


def _assess(chart: Chart) -> Kidney:
    policy = chart.knowledge.policy
    results = kidney_results(chart)
    findings = dict(_findings(chart, results))
    row = next(r for r in policy.kidney if _holds(r, findings))
    latest = results.latest
    decisive = next((findings[f] for f in row.when if findings[f] is not None), None)
    shown = (decisive, *(r.evidence for r in (latest, results.unusable) if r is not None))
    evidence = next((e for e in shown if e is not None), None)
    others = (*(c.evidence for c in results.conflicting), *findings.values(), *shown)
    kidney_class = KidneyClass(row.kidney_class)
    flags = [f for f in policy.kidney_flags if row.id in f.rows or not f.rows]
    return Kidney(
        kidney_class=kidney_class,
        rule=row.id,
        basis=_basis(row, latest, decisive, chart),
        value=latest.value if latest else None,
        egfr_text=latest.text if latest else "",
        reason=_reason(row, latest, decisive, chart),
        evidence=evidence,
        others=tuple(dict.fromkeys(e for e in others if e is not None and e != evidence)),
        flags=tuple(dict.fromkeys(f.flag for f in flags if _holds(f, findings))),
        why=next(_lacking(chart, results)) if kidney_class is KidneyClass.UNKNOWN else None,
        gaps=tuple(_gaps(chart, results)),
    )


def _holds(row: KidneyRow | KidneyFlag, findings: dict[str, Evidence | None]) -> bool:
    return all(f in findings for f in row.when) and not any(f in findings for f in row.unless)


def outcome_of(row: KidneyRow, chart: Chart) -> Outcome:
    """The outcome of a row of the table. It is unknown if its data are unknown.

    Rows after the matching one are not evaluated.
    """
    kidney = kidney_function(chart)
    ids = [r.id for r in chart.knowledge.policy.kidney]
    if ids.index(row.id) >= ids.index(kidney.rule):
        return Outcome.MET if row.id == kidney.rule else Outcome.NOT_MET
    keys = _keys_of(row)
    missing = {gap.key for gap in (*chart.gaps(*sorted(keys)), *kidney.gaps)}
    return Outcome.UNKNOWN if keys & missing else Outcome.NOT_MET


def _keys_of(row: KidneyRow) -> set[str]:
    """The prefetch keys with the data for a row of the table."""
    return {key for finding in row.when for key in _SOURCES.get(finding, ("kidneyLabs",))}


def is_of_class(chart: Chart, *classes: KidneyClass) -> Verdict:
    """Whether kidney function is of one of these classes. With UNKNOWN it may be any of them, and
    data that are missing may show a worse one.
    """
    kidney = kidney_function(chart)
    if kidney.kidney_class in classes:
        return True
    if kidney.kidney_class is KidneyClass.UNKNOWN:
        return kidney.why or reasons.NOT_KNOWN
    rows = [row for row in chart.knowledge.policy.kidney if row.kidney_class in classes]
    keys = {key for r in rows if outcome_of(r, chart) is Outcome.UNKNOWN for key in _keys_of(r)}
    return of_gaps(gap for gap in (*chart.gaps(*sorted(keys)), *kidney.gaps) if gap.key in keys)


# ------------------------------------------------------------------------------ findings


def _findings(chart: Chart, results: Results) -> _Found:
    """The findings of the tables that are present, each with its evidence if there is one."""
    yield from _diseases(chart, results)
    if results.latest is not None:
        yield from _values(chart, results.latest)
    if results.is_open:
        yield "order_open", None
    if results.conflicting:
        yield "conflicting", results.conflicting[0].evidence
    if results.unusable is not None:
        yield "unusable_newer", results.unusable.evidence
    unread = in_order(chart.problems.unread_of("renal"))
    if unread or chart.gaps("kidneyLabs"):
        # Data that were not sent or not read may be worse than the result that counts.
        yield "partly_known", next(iter(unread), None)


def _diseases(chart: Chart, results: Results) -> _Found:
    dialysis = _dialysis(chart)
    if dialysis is not None:
        yield "dialysis", dialysis
    aki = _open_aki(chart, results)
    if aki is not None:
        yield "aki_open", aki
    stage, ckd = worst_ckd(chart)
    if stage in _STAGE_FINDINGS:
        yield _STAGE_FINDINGS[stage], ckd


def _values(chart: Chart, latest: Gfr) -> _Found:
    """The findings of the result that counts, and its age."""
    parameters = chart.knowledge.parameters
    limits, found = parameters.egfr, latest.evidence
    yield "egfr_on_file", found
    if latest.bound:
        yield "egfr_bound", found
    if latest.value < limits.severe_below:
        yield "egfr_severe", found
    elif latest.value < limits.moderate_below:
        yield "egfr_moderate", found
        if not _fresh(latest, limits.moderate_fresh_days, chart.today):
            yield "egfr_stale", found
    else:
        if _fresh(latest, limits.discordant_valid_days, chart.today):
            yield "egfr_good", found
        if _good_and_fresh(latest, chart):
            yield "egfr_normal_fresh", found
    transplant = _transplant(chart)
    if transplant is not None and _fresh(
        latest, parameters.renal.transplant_egfr_days, chart.today
    ):
        yield "transplant_with_fresh_egfr", transplant


def _good_and_fresh(latest: Gfr, chart: Chart) -> bool:
    """Whether a good result is still valid. The time is shorter with a kidney risk (N-4)."""
    limits = chart.knowledge.parameters.egfr
    if _fresh(latest, limits.normal_valid_days_at_risk, chart.today):
        return True
    return _fresh(latest, limits.normal_valid_days, chart.today) and _shortener(chart) is None


def _shortener(chart: Chart) -> Fact | None:
    """Risks that shorten the validity of a good result: present or unchecked."""
    return next((f for f in validity_risks(chart) if f.state is not FactState.ABSENT), None)


def _fresh(result: Gfr, days: int, today: date) -> bool:
    """Certainly no older than `days`. A result dated after today proves nothing."""
    age = result.when.days_ago_at_most(today)
    return age <= days and result.when.days_ago_at_least(today) >= -1


def _dialysis(chart: Chart) -> Evidence | None:
    """Codes for dialysis itself come before end-stage disease, which may exist without it."""
    problems = safety_problems(chart, "renal_dialysis")
    named = [p.evidence["renal_dialysis"] for p in problems if "renal_ckd" not in p.hits]
    others = [p.evidence["renal_dialysis"] for p in problems]
    return next(chain(named, chart.procedures.of("renal_dialysis"), others), None)


def _open_aki(chart: Chart, results: Results) -> Evidence | None:
    """A recent acute kidney injury after which no result shows good function.

    A good result with which another one of the same time disagrees clears nothing.
    """
    limits = chart.knowledge.parameters
    doubted = [c.evidence for c in results.conflicting]
    for problem in safety_problems(chart, "renal_aki"):
        if problem.when is None:
            continue
        when = max((w for w in (problem.when, problem.recorded) if w), key=lambda w: w.latest)
        if not dates.maybe_within(when, limits.renal.aki_days, chart.today):
            continue
        cleared = any(
            (r.when.first_day - when.last_day).days >= limits.renal.aki_cleared_after_days
            and r.evidence not in doubted
            for r in good_results(chart)
        )
        if not cleared:
            return problem.evidence["renal_aki"]
    return None


def worst_ckd(chart: Chart) -> tuple[str, Evidence | None]:
    """The most restrictive active CKD stage on record, or "unspecified" if none has a stage."""
    found: list[tuple[int, str, Evidence]] = []
    for problem in safety_problems(chart, "renal_ckd"):
        stage = min(
            (e.stage or "unspecified" for e in problem.hits["renal_ckd"]), key=_STAGE_ORDER.index
        )
        found.append((_STAGE_ORDER.index(stage), stage, problem.evidence["renal_ckd"]))
    if not found:
        return "", None
    _, stage, evidence = min(found, key=lambda f: f[0])
    return stage, evidence


def _transplant(chart: Chart) -> Evidence | None:
    """A kidney transplant, by diagnosis or by procedure (SPEC 12.3 K-1)."""
    diagnosed = (p.evidence["renal_transplant"] for p in safety_problems(chart, "renal_transplant"))
    return next(chain(diagnosed, chart.procedures.of("renal_transplant_procedure")), None)


# ------------------------------------------------------------------------- description


def _basis(row: KidneyRow, latest: Gfr | None, decisive: Evidence | None, chart: Chart) -> str:
    if latest is not None and decisive == latest.evidence:
        return latest.basis
    if row.basis == "diagnosis" and decisive in chart.procedures.of("renal_dialysis"):
        return "procedure"
    return row.basis


def _reason(
    row: KidneyRow, latest: Gfr | None, decisive: Evidence | None, chart: Chart
) -> Reason | None:
    """The finding in a few words; the chart's own words for it are in the evidence."""
    if row.reason == "egfr":
        return reasons.egfr_is(latest.text) if latest is not None else None
    if row.reason == "aki":
        return reasons.ACUTE_KIDNEY_INJURY
    if row.reason == "dialysis" and decisive is not None and _names_dialysis(decisive, chart):
        return reasons.DIALYSIS
    return _STAGE_WORDS.get(worst_ckd(chart)[0]) if row.reason else None


def _names_dialysis(evidence: Evidence, chart: Chart) -> bool:
    """Whether the code is for dialysis. End-stage disease (N18.6) may exist without it."""
    hits = chart.knowledge.terminology.hits(evidence.system, evidence.code)
    return not any(
        hit.set_id == "renal_ckd" and "dialysis" not in hit.entry.display.lower() for hit in hits
    )


def _gaps(chart: Chart, results: Results) -> Iterator[Gap]:
    """Unusable data on file, of keys that could be read."""
    if results.unusable is not None:
        yield Gap("kidneyLabs", reasons.UNUSABLE_RESULT)
    if chart.problems.unread_of("renal"):
        yield Gap("conditions", reasons.KIDNEY_CONDITION_UNREAD)


def _lacking(chart: Chart, results: Results) -> Iterator[Reason]:
    """The reasons why there is no class, for the account of a decision. The first is the most important."""
    latest, unusable = results.latest, results.unusable
    for gap in chart.gaps("kidneyLabs"):
        yield reasons.of_key(gap.key, gap.why)
    if unusable is not None:
        newest = reasons.newer_result if latest is not None else reasons.newest_result
        yield newest(unusable.evidence.note or reasons.UNUSABLE_RESULT)
    if chart.problems.unread_of("renal"):
        yield reasons.of_key("conditions", reasons.KIDNEY_CONDITION_UNREAD)
    if latest is None and chart.kidney_labs.results:
        age = chart.knowledge.parameters.creatinine.min_age_for_equation
        yield reasons.only_creatinine(age)
    elif latest is None:
        yield reasons.NO_KIDNEY_RESULT
    elif latest.when.days_ago_at_most(chart.today) < -1:
        yield reasons.egfr_dated_later(latest.text)
    else:
        yield _not_recent(latest, chart)


def _not_recent(latest: Gfr, chart: Chart) -> Reason:
    limits = chart.knowledge.parameters.egfr
    shortener = _shortener(chart)
    if shortener is None or not _fresh(latest, limits.normal_valid_days, chart.today):
        return reasons.egfr_not_recent(latest.text, limits.normal_valid_days)
    named: Said = shortener.label or shortener.id
    if shortener.why is not None:
        named = reasons.risk_unknown(named, shortener.why)
    days = limits.normal_valid_days_at_risk
    return reasons.egfr_not_recent_at_risk(latest.text, days, named)


__all__ = ["ckd_epi_2021", "is_of_class", "kidney_function", "outcome_of", "worst_ckd"]
