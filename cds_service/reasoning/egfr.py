"""Kidney results as eGFR: the one that counts, contradicting ones, unusable ones (SPEC 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from cds_service import reasons
from cds_service.chart import dates, quantities
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Evidence
from cds_service.chart.labs import LabResult, newest_first
from cds_service.chart.patient import Person
from cds_service.chart.quantities import Measured
from cds_service.knowledge.parameters import CkdEpi2021, Egfr, Parameters
from cds_service.reasoning.question import question
from cds_service.reasons import Reason

REPORTED, COMPUTED = "eGFR", "creatinine"
_FIRST, _LAST = 0, 99
"""Preferences before and after those of the LOINC codes of eGFR."""
_REPORTED_SET = "lab_egfr"
_LOWER = "female"
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""A bound on creatinine is the other bound on the eGFR."""


class Gfr(msgspec.Struct, frozen=True):
    """One kidney result as eGFR, reported or computed (`basis`), in mL/min/{1.73_m2}.

    `bound` is "<" if only an upper bound is known. `when` orders results. Among results of the same
    time the lowest `preference` counts: that of the LOINC code, with computed ones last. `text` is
    the displayed value.
    """

    value: Decimal
    when: dates.When
    evidence: Evidence
    basis: str
    text: str
    preference: int
    bound: str = ""


class Unusable(msgspec.Struct, frozen=True):
    """A kidney result on file that cannot be used. The note of its evidence is the reason."""

    when: dates.When
    evidence: Evidence
    preference: int


class Results(msgspec.Struct, frozen=True):
    """The evaluated kidney results of a chart.

    `latest` is the one that counts. `conflicting` are results of the same time that disagree with
    it, the worse first. `latest` is the worst of them. `unusable` may be newer than all of them.
    `is_open` is true if the dates do not show which result is the newest, and it matters.
    """

    latest: Gfr | None = None
    conflicting: tuple[Gfr, ...] = ()
    unusable: Unusable | None = None
    is_open: bool = False


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
    # Of min(ratio, 1) ** alpha and max(ratio, 1) ** beta one is always 1. By logarithm and
    # exponential function a power takes half the time of `**`, with the same digits.
    power = (ratio.ln() * (alpha if ratio < 1 else coefficients.beta)).exp()
    egfr = coefficients.factor * power * coefficients.age_base**age
    return egfr * coefficients.female_factor if female else egfr


def kidney_results(chart: Chart) -> Results:
    """The result that counts, contradicting results, and unusable ones that may be newer."""
    limits = chart.knowledge.parameters.egfr
    results = list(_until_usable(chart, limits))
    deciders = _deciders([r for r in results if isinstance(r, Gfr)], limits)
    unread = (
        Unusable(u.when, u.evidence, _FIRST if _REPORTED_SET in u.set_ids else _LAST)
        for u in chart.kidney_labs.unread
    )
    # If the dates do not show which one counts, the lowest is the safer reading.
    latest = min(deciders, key=_worst_first, default=None)
    unusable = _unusable_newer((*results, *unread), latest)
    if latest is None:
        return Results(unusable=unusable)
    is_open = any(_border_between(r.value, latest.value, limits) for r in deciders)
    worst, *others = sorted((latest, *_conflicting(chart, latest)), key=_worst_first)
    return Results(worst, tuple(others), unusable, is_open)


def _worst_first(result: Gfr) -> tuple[Decimal, int, str]:
    """The lowest first. Among equal ones, the one that is certainly newer."""
    return result.value, -result.when.first_day.toordinal(), result.evidence.resource


def good_results(chart: Chart) -> Iterator[Gfr]:
    """Every result without reduced function, at any age, newest first."""
    for result in newest_first(chart.kidney_labs.results):
        gfr = _as_gfr(result, chart)
        if isinstance(gfr, Gfr) and gfr.value >= chart.knowledge.parameters.egfr.moderate_below:
            yield gfr


def earlier_results(chart: Chart, than: Gfr) -> Iterator[Gfr]:
    """Every usable result of a day before another result, newest first."""
    for result in newest_first(chart.kidney_labs.results):
        if result.when.last_day < than.when.first_day:
            gfr = _as_gfr(result, chart)
            if isinstance(gfr, Gfr):
                yield gfr


def _until_usable(chart: Chart, limits: Egfr) -> Iterator[Gfr | Unusable]:
    """Read results, newest first, until older ones cannot matter next to a usable one.

    Older ones are not decoded, because a chart may contain hundreds of results.
    """
    lead = timedelta(hours=limits.creatinine_newer_hours)
    bar: datetime | None = None
    for result in newest_first(chart.kidney_labs.results):
        if bar is not None and bar - result.when.latest > lead:
            return
        gfr = _as_gfr(result, chart)
        if gfr is None:
            continue
        yield gfr
        if isinstance(gfr, Gfr):
            bar = max(bar, result.when.earliest) if bar else result.when.earliest


def _as_gfr(result: LabResult, chart: Chart) -> Gfr | Unusable | None:
    """A result as eGFR, or `None` for a creatinine that does not count at the patient's age."""
    known = _gfrs_so_far(chart)
    if result not in known:
        known[result] = _gfr_of(result, chart)
    return known[result]


@question
def _gfrs_so_far(_: Chart) -> dict[LabResult, Gfr | Unusable | None]:
    """The results that were read as eGFR so far in this call: the equation is costly."""
    return {}


def _gfr_of(result: LabResult, chart: Chart) -> Gfr | Unusable | None:
    parameters = chart.knowledge.parameters
    if result.set_id == _REPORTED_SET:
        return _reported(result, parameters)
    return _computed(result, chart.person, parameters)


def _unusable(result: LabResult, evidence: Evidence, why: Reason) -> Unusable:
    noted = msgspec.structs.replace(evidence, note=reasons.cannot_be_used(why))
    return Unusable(result.when, noted, _preference(result))


def _preference(result: LabResult) -> int:
    return result.entry.preference if result.set_id == _REPORTED_SET else _LAST


def _reported(result: LabResult, parameters: Parameters) -> Gfr | Unusable:
    limits = parameters.egfr
    measured, why, evidence = result.read()
    if measured is None:
        return _unusable(result, evidence, why or reasons.NO_NUMBER)
    if measured.unit not in (quantities.EGFR, ""):
        return _unusable(result, evidence, reasons.NO_EGFR_UNIT)
    if not limits.plausible_min <= measured.value <= limits.plausible_max:
        return _unusable(result, evidence, reasons.NOT_PLAUSIBLE)
    text = f"{measured.comparator}{format_gfr(measured.value)}"
    value, bound = _bounded(measured.value, measured.comparator, limits)
    if value is None:
        return _unusable(result, evidence, reasons.OPEN_COMPARATOR)
    return Gfr(value, result.when, evidence, REPORTED, text, _preference(result), bound)


def _bounded(value: Decimal, comparator: str, limits: Egfr) -> tuple[Decimal | None, str]:
    """The value with a comparator (SPEC 3.1): ">60" is 60, "<15" is 14.9, ">45" is inconclusive.

    "<60" means at most MODERATE with an unknown value. It is kept as an upper bound. "<90" is
    inconclusive.
    """
    if comparator == "":
        return value, ""
    if comparator in (">", ">="):
        return (value, "") if value >= limits.greater_than_usable_from else (None, "")
    if comparator in ("<", "<=") and value <= limits.moderate_below:
        bound = "" if value <= limits.severe_below else "<"
        return value - limits.comparator_below_offset, bound
    return None, ""


def _computed(result: LabResult, person: Person, parameters: Parameters) -> Gfr | Unusable | None:
    """eGFR from a creatinine, or `None` if the equation is not valid at this age.

    Under 18 at sampling, only a reported eGFR counts. A creatinine of a patient who may have been 18
    cannot be used. For adults the highest possible age is used, because it gives the lowest eGFR.
    """
    dated = bool(result.when.written)
    youngest = person.age_at_least(result.when.first_day) if dated else None
    oldest = person.age_at_most(result.when.last_day) if dated else None
    adult = parameters.creatinine.min_age_for_equation
    if oldest is not None and oldest < adult:
        return None
    measured, why, evidence = result.read()
    if measured is None:
        return _unusable(result, evidence, why or reasons.NO_NUMBER)
    mg_dl = _creatinine_mg_dl(measured, result.entry.default_unit, parameters)
    if mg_dl is None:
        return _unusable(result, evidence, reasons.NO_PLAUSIBLE_CREATININE)
    if oldest is None or youngest is None or youngest < adult or not person.sex:
        return _unusable(result, evidence, reasons.NO_SEX_OR_AGE)
    egfr = ckd_epi_2021(mg_dl, oldest, person.sex, parameters.ckd_epi_2021)
    comparator = _FLIPPED.get(measured.comparator, measured.comparator)
    value, bound = _bounded(egfr, comparator, parameters.egfr)
    if value is None:
        return _unusable(result, evidence, reasons.OPEN_COMPARATOR)
    return Gfr(
        value, result.when, evidence, COMPUTED, format_gfr(value), _preference(result), bound
    )


def _creatinine_mg_dl(
    measured: Measured, default_unit: str, parameters: Parameters
) -> Decimal | None:
    """The value in mg/dL, or `None` if it has no creatinine unit or is not plausible."""
    limits = parameters.creatinine
    per_mg_dl = {
        quantities.MG_DL: Decimal(1),
        quantities.UMOL_L: limits.umol_l_per_mg_dl,
        quantities.MMOL_L: limits.umol_l_per_mg_dl / 1000,
    }.get(default_unit if measured.unit == "" else measured.unit or "")
    if per_mg_dl is None:
        return None
    mg_dl = measured.value / per_mg_dl
    return mg_dl if limits.plausible_min_mg_dl <= mg_dl <= limits.plausible_max_mg_dl else None


def format_gfr(value: Decimal) -> str:
    """A value for display, with one decimal at most, and never rounded up: 59.96 reads 59.9."""
    if value == value.to_integral_value():
        return f"{value.to_integral_value():f}"
    return f"{value.quantize(Decimal('0.1'), rounding='ROUND_DOWN'):f}"


def _deciders(usable: list[Gfr], limits: Egfr) -> list[Gfr]:
    """The results that may be the one that counts: one, unless dates are not exact.

    That is the newest eGFR, unless the newest creatinine is clearly newer (SPEC 3.1).
    """
    reported = _newest([r for r in usable if r.basis == REPORTED])
    computed = _newest([r for r in usable if r.basis == COMPUTED])
    if not reported or not computed:
        return reported or computed
    lead = timedelta(hours=limits.creatinine_newer_hours)
    newest_egfr = max(r.when.earliest for r in reported)
    newest_creatinine = max(r.when.earliest for r in computed)
    return [
        *(r for r in reported if newest_creatinine - r.when.latest <= lead),
        *(r for r in computed if r.when.latest - newest_egfr > lead),
    ]


def _newest(results: list[Gfr]) -> list[Gfr]:
    """The results that may be the newest. Among those of the same time, the preferred code, then
    the lowest value.
    """
    bar = max((r.when.earliest for r in results), default=None)
    found = [r for r in results if bar is not None and r.when.latest >= bar]
    if len({(r.when.earliest, r.when.latest) for r in found}) == 1:
        return [min(found, key=lambda r: (r.preference, r.value))]
    return found


def _unusable_newer(results: Iterable[Gfr | Unusable], latest: Gfr | None) -> Unusable | None:
    """The newest unusable result, if it may take precedence over the one that counts."""
    found = [r for r in results if isinstance(r, Unusable) and _may_come_first(r, latest)]
    return max(found, key=lambda r: (r.when.latest, r.evidence.resource), default=None)


def _may_come_first(result: Unusable, latest: Gfr | None) -> bool:
    """Whether it may be newer, or has the same time and is not of a less preferred test."""
    if latest is None or result.when.latest > latest.when.earliest:
        return True
    same = result.when.latest == latest.when.earliest
    return same and result.preference <= latest.preference


def _conflicting(chart: Chart, latest: Gfr) -> Iterator[Gfr]:
    """Results of the same time that disagree with the one that counts (SPEC 12.2 N-3, 12.7.19)."""
    limits = chart.knowledge.parameters.egfr
    for result in chart.kidney_labs.results:
        if _is_compared(result, latest, limits):
            other = _lowest_gfr(result, chart)
            if isinstance(other, Gfr) and _disagree(other.value, latest.value, limits):
                yield other


def _lowest_gfr(result: LabResult, chart: Chart) -> Gfr | Unusable | None:
    """A result as eGFR. If the sex is unknown, that of a woman, which is always the lower one.

    Only for finding disagreements. A creatinine alone is not used without the sex (SPEC 3.1).
    """
    person = chart.person
    if result.set_id == _REPORTED_SET or person.sex:
        return _as_gfr(result, chart)
    other = _computed(
        result, msgspec.structs.replace(person, sex=_LOWER), chart.knowledge.parameters
    )
    if not isinstance(other, Gfr):
        return other
    noted = msgspec.structs.replace(other.evidence, note=reasons.COMPUTED_AS_FOR_A_WOMAN)
    return msgspec.structs.replace(other, evidence=noted)


def _is_compared(result: LabResult, latest: Gfr, limits: Egfr) -> bool:
    """A reported and a computed value within 24 hours of each other, or two creatinines of one day.

    If a date is not exact, it is enough that this may be true.
    """
    reported = result.set_id == _REPORTED_SET
    when, other = result.when, latest.when
    if reported and latest.basis == REPORTED:
        return False
    if reported or latest.basis == REPORTED:
        apart = max(when.earliest - other.latest, other.earliest - when.latest)
        return apart <= timedelta(hours=limits.conflict_hours)
    return when.first_day <= other.last_day and other.first_day <= when.last_day


def _disagree(one: Decimal, other: Decimal, limits: Egfr) -> bool:
    """Whether two values are of different classes, and too far apart for two methods."""
    lower, higher = sorted((one, other))
    apart = (higher - lower) * 100 > limits.conflict_percent * higher
    return apart and _border_between(lower, higher, limits)


def _border_between(one: Decimal, other: Decimal, limits: Egfr) -> bool:
    lower, higher = sorted((one, other))
    return any(lower < border <= higher for border in (limits.severe_below, limits.moderate_below))
