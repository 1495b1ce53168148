"""Kidney function: which value counts, and the class it gives (SPEC 3).

The table `kidney` of the policy decides; this module finds which of its findings hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec

from cds_service.chart import dates, quantities
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Evidence, in_order
from cds_service.chart.labs import LabResult, newest_first
from cds_service.chart.patient import Person
from cds_service.chart.quantities import Measured
from cds_service.knowledge.parameters import CkdEpi2021, Parameters
from cds_service.reasoning.decision import Kidney, KidneyClass
from cds_service.reasoning.renal_risk import safety_problems

SEVERE_STAGES = ("5D", "5", "4")
MODERATE_STAGES = ("3b", "3", "3a")
_STAGE_ORDER = (*SEVERE_STAGES, *MODERATE_STAGES, "2", "1", "unspecified")
_STAGE_WORDS = {
    "5D": "end-stage renal disease",
    **{stage: f"CKD stage {stage}" for stage in ("5", "4", *MODERATE_STAGES)},
    "unspecified": "CKD of unknown stage",
}
"""What a stage is called in a summary: problem lists say it in a dozen ways, some a line long."""


class Gfr(msgspec.Struct, frozen=True):
    """One kidney result as eGFR, reported or computed.

    `value` is `None` where the result cannot be used, and `why` says why. `bound` is "<" where only
    an upper bound is known. `when` orders results; `preference` is that of the LOINC code, lower is
    better.
    """

    value: Decimal | None
    when: dates.When
    evidence: Evidence
    basis: str
    preference: int = 0
    bound: str = ""
    text: str = ""
    why: str = ""


def ckd_epi_2021(
    creatinine_mg_dl: Decimal, age: int, sex: str, coefficients: CkdEpi2021
) -> Decimal:
    """eGFR in mL/min/{1.73_m2} by the CKD-EPI 2021 creatinine equation (Inker 2021, R11).

    Creatinine in mg/dL, age in years, sex "female" or "male".
    """
    female = sex == "female"
    kappa = coefficients.kappa_female if female else coefficients.kappa_male
    alpha = coefficients.alpha_female if female else coefficients.alpha_male
    ratio = creatinine_mg_dl / kappa
    one = Decimal(1)
    egfr = (
        coefficients.factor
        * min(ratio, one) ** alpha
        * max(ratio, one) ** coefficients.beta
        * coefficients.age_base**age
    )
    return egfr * coefficients.female_factor if female else egfr


def assess(chart: Chart) -> Kidney:
    """The kidney class of the chart's patient."""
    parameters = chart.knowledge.parameters
    results = _results(chart)
    latest = _latest(results, parameters.egfr.creatinine_newer_hours)
    unusable = _unusable_newer(results, latest)
    findings = _findings(chart, latest)
    if unusable is not None or (latest is not None and chart.gaps("kidneyLabs")):
        # A result that is malformed or was not sent may be newer than the one that counts.
        findings["unusable_newer"] = unusable
    row = next(
        r
        for r in chart.knowledge.policy.kidney
        if all(f in findings for f in r.when) and not any(f in findings for f in r.unless)
    )
    kidney_class = KidneyClass(row.kidney_class)
    decisive = next((findings[f] for f in row.when if findings[f] is not None), None)
    flags = _flags(row.id, chart, latest, findings)
    shown = latest if latest is not None and latest.value is not None else None
    by_gfr = decisive is not None and shown is not None and decisive == shown.evidence
    return Kidney(
        kidney_class=kidney_class,
        rule=row.id,
        basis=_basis(row.id, shown, by_gfr, decisive),
        value=shown.value if shown else None,
        egfr_text=shown.text if shown else "",
        reason=_reason(row.id, shown, decisive, chart)
        if kidney_class is not KidneyClass.NORMAL
        else "",
        evidence=decisive or (shown.evidence if shown else unusable),
        others=tuple(
            dict.fromkeys(
                e
                for e in (*findings.values(), shown.evidence if shown else None)
                if e is not None and e != decisive
            )
        ),
        flags=flags,
        why=_why_unknown(chart, latest, unusable) if kidney_class is KidneyClass.UNKNOWN else "",
    )


def _why_unknown(chart: Chart, latest: Gfr | None, unusable: Evidence | None) -> str:
    """What is lacking, for the account of a decision."""
    missing = chart.gaps("kidneyLabs")
    if missing:
        return f"{missing[0].key} {missing[0].why}"
    if unusable is not None:
        newest = "a newer result" if latest is not None else "the newest result"
        return f"{newest} {unusable.note}"
    if latest is None:
        if chart.kidney_labs.results:
            return "there is only creatinine, which does not count under 18"
        return "there is no eGFR and no creatinine by a known code"
    days = chart.knowledge.parameters.egfr.normal_valid_days
    if latest.when.days_ago_at_most(chart.today) < -1:
        return f"eGFR {latest.text} is dated after the day of the call"
    return f"eGFR {latest.text} is not surely from the last {days} days"


def _results(chart: Chart, older: bool = False) -> list[Gfr]:
    """eGFR and creatinine results, newest first, as far back as the newest usable one of each.

    With `older` all of them.
    """
    results = newest_first(chart.kidney_labs.results)
    reported = [r for r in results if r.set_id == "lab_egfr"]
    sampled = [r for r in results if r.set_id != "lab_egfr"]
    parameters = chart.knowledge.parameters
    return [
        *_until_usable(reported, lambda r: _reported(r, parameters), older),
        *_until_usable(sampled, lambda r: _computed(r, chart.person, parameters), older),
    ]


def _until_usable(
    results: list[LabResult], read: Callable[[LabResult], Gfr | None], older: bool
) -> Iterator[Gfr]:
    """Reads results until what is left is surely older than a usable one."""
    bar: datetime | None = None
    for result in results:
        if bar is not None and result.when.latest < bar and not older:
            return
        gfr = read(result)
        if gfr is None:
            continue
        yield gfr
        if gfr.value is not None:
            bar = max(bar, result.when.earliest) if bar else result.when.earliest


def _reported(result: LabResult, parameters: Parameters) -> Gfr:
    limits = parameters.egfr
    measured, why, evidence = result.read()
    value, bound = None, ""
    if measured is not None and measured.unit in (quantities.EGFR, ""):
        value, bound = _bounded(measured.value, measured.comparator, parameters)
        why = "" if value is not None else "its comparator leaves the value open"
        if value is not None and not limits.plausible_min <= measured.value <= limits.plausible_max:
            value, why = None, "is not plausible"
    elif measured is not None:
        why = "has a unit that is not one of eGFR"
    text = f"{measured.comparator}{_said(measured.value)}" if measured and value is not None else ""
    return Gfr(value, result.when, evidence, "eGFR", result.entry.preference, bound, text, why)


def _bounded(value: Decimal, comparator: str, parameters: Parameters) -> tuple[Decimal | None, str]:
    """The value that a comparator leaves (SPEC 3.1): ">60" is 60, "<15" is 14.9, ">45" is nothing.

    "<60" says at most MODERATE, not how low: it is kept as an upper bound. "<90" says nothing.
    """
    limits = parameters.egfr
    if comparator == "":
        return value, ""
    if comparator in (">", ">="):
        return (value, "") if value >= limits.greater_than_usable_from else (None, "")
    if comparator in ("<", "<=") and value <= limits.moderate_below:
        bound = "" if value <= limits.severe_below else "<"
        return value - limits.comparator_below_offset, bound
    return None, ""


def _computed(result: LabResult, person: Person, parameters: Parameters) -> Gfr | None:
    """eGFR from a creatinine; `None` where the equation is not for this patient's age.

    Under 18 at sampling only a reported eGFR counts. Where the age is not exact, the higher one
    is taken: it gives the lower eGFR.
    """
    sampled = result.when.first_day if result.when.written else None
    day = sampled if sampled is not None else date.max
    youngest = person.age_at_least(day) if sampled is not None else None
    oldest = person.age_at_most(day) if sampled is not None else None
    limits = parameters.creatinine
    if youngest is not None and youngest < limits.min_age_for_equation:
        return None
    measured, why, evidence = result.read()
    mg_dl = _creatinine_mg_dl(measured, result.entry.default_unit, parameters)
    if measured is None or mg_dl is None or oldest is None or not person.sex:
        why = why or (
            "has no plausible value in a unit of creatinine"
            if mg_dl is None
            else "the equation needs sex, and age at sampling"
        )
        return Gfr(None, result.when, evidence, "creatinine", why=why)
    egfr = ckd_epi_2021(mg_dl, oldest, person.sex, parameters.ckd_epi_2021)
    flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(
        measured.comparator, measured.comparator
    )
    value, bound = (egfr, "") if not flipped else _bounded(egfr, flipped, parameters)
    text = "" if value is None else _said(value)
    why = "" if value is not None else "its comparator leaves the value open"
    return Gfr(value, result.when, evidence, "creatinine", 0, bound, text, why)


def _said(value: Decimal) -> str:
    """A value for display, with one decimal at most, and never rounded up: 59.96 reads 59.9."""
    if value == value.to_integral_value():
        return f"{value.to_integral_value():f}"
    return f"{value.quantize(Decimal('0.1'), rounding='ROUND_DOWN'):f}"


def _creatinine_mg_dl(
    measured: Measured | None, default_unit: str, parameters: Parameters
) -> Decimal | None:
    if measured is None or measured.unit is None:
        return None
    limits = parameters.creatinine
    unit = measured.unit or default_unit
    per_mg_dl = {
        quantities.MG_DL: Decimal(1),
        quantities.UMOL_L: limits.umol_l_per_mg_dl,
        quantities.MMOL_L: limits.umol_l_per_mg_dl / 1000,
    }.get(unit)
    if per_mg_dl is None:
        return None
    mg_dl = measured.value / per_mg_dl
    return mg_dl if limits.plausible_min_mg_dl <= mg_dl <= limits.plausible_max_mg_dl else None


def _latest(results: list[Gfr], newer_hours: int) -> Gfr | None:
    """The usable result that counts: eGFR, unless a creatinine is clearly newer (SPEC 3.1)."""
    usable = [r for r in results if r.value is not None]
    reported = _newest([r for r in usable if r.basis == "eGFR"])
    computed = _newest([r for r in usable if r.basis == "creatinine"])
    if reported is None or computed is None:
        return reported or computed
    newer = computed.when.earliest - reported.when.latest > timedelta(hours=newer_hours)
    if newer:
        return computed
    surely_not = computed.when.latest - reported.when.earliest <= timedelta(hours=newer_hours)
    if surely_not:
        return reported
    # The dates leave it open which is newer: the lower one is the safer reading.
    return min(reported, computed, key=lambda r: r.value or Decimal(0))


def _newest(results: list[Gfr]) -> Gfr | None:
    """Latest time wins; at the same time the preferred code, then the lowest value."""
    if not results:
        return None
    bar = max(r.when.earliest for r in results)
    candidates = [r for r in results if r.when.latest >= bar]
    exact = len({(r.when.earliest, r.when.latest) for r in candidates}) == 1
    if exact:
        return min(candidates, key=lambda r: (r.preference, r.value or Decimal(0)))
    return min(candidates, key=lambda r: r.value or Decimal(0))


def _unusable_newer(results: Iterable[Gfr], latest: Gfr | None) -> Evidence | None:
    """A result that cannot be used and may be newer than the one that counts."""
    bar = latest.when.earliest if latest is not None else None
    for result in results:
        if result.value is None and (bar is None or result.when.latest > bar):
            return msgspec.structs.replace(result.evidence, note=f"cannot be used: {result.why}")
    return None


def _findings(chart: Chart, latest: Gfr | None) -> dict[str, Evidence | None]:
    """Which findings of the kidney table hold, each with the evidence for it."""
    limits = chart.knowledge.parameters
    findings: dict[str, Evidence | None] = {}
    dialysis = _dialysis(chart)
    if dialysis is not None:
        findings["dialysis"] = dialysis
    aki = _open_aki(chart)
    if aki is not None:
        findings["aki_open"] = aki
    stage, ckd = worst_ckd(chart)
    if ckd is not None:
        name = (
            "ckd_severe"
            if stage in SEVERE_STAGES
            else "ckd_moderate"
            if stage in MODERATE_STAGES
            else ""
        ) or ("ckd_unspecified" if stage == "unspecified" else "ckd_mild")
        findings[name] = ckd
    if latest is not None and latest.value is not None:
        if latest.value < limits.egfr.severe_below:
            findings["egfr_severe"] = latest.evidence
        elif latest.value < limits.egfr.moderate_below:
            findings["egfr_moderate"] = latest.evidence
        elif _fresh(latest, limits.egfr.normal_valid_days, chart.today):
            findings["egfr_normal_fresh"] = latest.evidence
        transplant = _transplant(chart)
        if transplant is not None and _fresh(
            latest, limits.renal.transplant_egfr_days, chart.today
        ):
            findings["transplant_with_fresh_egfr"] = transplant
    return findings


def _fresh(result: Gfr, days: int, today: date) -> bool:
    """Surely no older than `days`; a result dated after today proves nothing."""
    age = result.when.days_ago_at_most(today)
    return age <= days and result.when.days_ago_at_least(today) >= -1


def _dialysis(chart: Chart) -> Evidence | None:
    """What names dialysis itself goes before end-stage disease, which may be without it."""
    problems = safety_problems(chart, "renal_dialysis")
    named = [p.evidence["renal_dialysis"] for p in problems if "renal_ckd" not in p.hits]
    others = [p.evidence["renal_dialysis"] for p in problems]
    return next(iter((*named, *in_order(chart.dialysis.procedures), *others)), None)


def _open_aki(chart: Chart) -> Evidence | None:
    limits = chart.knowledge.parameters
    for problem in safety_problems(chart, "renal_aki"):
        if problem.when is None:
            continue
        when = max((w for w in (problem.when, problem.recorded) if w), key=lambda w: w.latest)
        if not dates.maybe_within(when, limits.renal.aki_days, chart.today):
            continue
        cleared = any(
            r.value is not None
            and r.value >= limits.egfr.moderate_below
            and (r.when.first_day - when.last_day).days >= limits.renal.aki_cleared_after_days
            for r in _results(chart, older=True)
        )
        if not cleared:
            return problem.evidence["renal_aki"]
    return None


def worst_ckd(chart: Chart) -> tuple[str, Evidence | None]:
    """The most restrictive active CKD stage on record, "unspecified" if none has a stage."""
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
    problems = safety_problems(chart, "renal_transplant")
    return problems[0].evidence["renal_transplant"] if problems else None


def _flags(
    rule: str,
    chart: Chart,
    latest: Gfr | None,
    findings: dict[str, Evidence | None],
) -> tuple[str, ...]:
    limits = chart.knowledge.parameters.egfr
    flags = []
    good = latest is not None and latest.value is not None and latest.value >= limits.moderate_below
    if rule == "egfr-moderate" and latest is not None:
        if not _fresh(latest, limits.moderate_fresh_days, chart.today):
            flags.append("stale")
        if latest.bound:
            flags.append("needs_labs")
    if rule == "ckd-moderate":
        fresh_good = (
            good
            and latest is not None
            and _fresh(latest, limits.discordant_valid_days, chart.today)
        )
        flags.append("discordant" if fresh_good else "needs_labs")
    if rule == "ckd-unspecified":
        flags.append("needs_labs")
    if rule == "ckd-severe" and latest is not None:
        flags.append("disagrees")
    if "unusable_newer" in findings:
        flags.append("unusable_newer")
    return tuple(flags)


def _basis(rule: str, shown: Gfr | None, by_gfr: bool, decisive: Evidence | None) -> str:
    if by_gfr and shown is not None:
        return shown.basis
    if decisive is not None and decisive.resource.startswith("Procedure"):
        return "procedure"
    if rule == "dialysis" or rule.startswith(("aki", "ckd")):
        return "diagnosis"
    return "none"


def _reason(rule: str, shown: Gfr | None, decisive: Evidence | None, chart: Chart) -> str:
    """The finding in a few words; the chart's own words for it stand in the evidence."""
    if rule == "dialysis" and decisive is not None and _names_dialysis(decisive, chart):
        return "dialysis"
    if rule == "aki":
        return "acute kidney injury"
    if rule.startswith("egfr") and shown is not None:
        return f"eGFR {shown.text}"
    return _STAGE_WORDS[worst_ckd(chart)[0]] if rule.startswith(("ckd", "dialysis")) else ""


def _names_dialysis(evidence: Evidence, chart: Chart) -> bool:
    """Whether dialysis is what is coded. End-stage disease (N18.6) may be without it."""
    hits = chart.knowledge.terminology.hits(evidence.system, evidence.code)
    return not any(
        hit.set_id == "renal_ckd" and "dialysis" not in hit.entry.display.lower() for hit in hits
    )


__all__ = ["assess", "ckd_epi_2021", "safety_problems", "worst_ckd"]
