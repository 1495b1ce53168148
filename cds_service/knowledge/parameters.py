"""Every threshold, window and dose limit, by name. Values, units and sources: `data/parameters.json`.

The classes mirror the dotted ids of the file: `egfr.severe_below` is `parameters.egfr.severe_below`.
A parameter that the file lacks, or that no field here reads, stops the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

Value = bool | Decimal


MAXIMUM = "dose.max_mg"
"""No plan is above this daily dose."""


class SiteChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a site may change a parameter in its site file, and why.

    `direction` ("up", "down") is the one in which nothing becomes less strict, and `limit` the last
    allowed value. A flag with the direction "down" may be disabled.
    """

    may_change: bool
    why: str
    direction: Literal["", "up", "down"] = ""
    limit: Any = None

    def __post_init__(self) -> None:
        """The limit as it was written; raises `ValueError` if it is neither number nor flag."""
        if self.limit is not None:
            msgspec.structs.force_setattr(self, "limit", _as_written(self.limit, "its limit"))


class SameAs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit in one unit must equal a limit in another unit.

    The parameter `times` the conversion is `id`, within `tolerance_percent`, because limits are
    rounded in each unit.
    """

    id: str
    times: str
    tolerance_percent: Decimal


def _as_written(value: Any, name: str) -> Value:
    """A flag, or the decimal that was written: 59.9 is 59.9."""
    if isinstance(value, bool | Decimal):
        return value
    if isinstance(value, int | float):
        return Decimal(str(value))
    raise ValueError(f"{name} must be a number or a flag")


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number or flag as in the knowledge file, with its unit and source.

    It must not exceed any of `at_most`, which are ids of other parameters.
    """

    id: str
    value: Any
    unit: str
    title: str
    source: str
    why: str
    site: SiteChange
    version: str
    status: str
    at_most: tuple[str, ...] = ()
    same_as: SameAs | None = None

    def __post_init__(self) -> None:
        """The value as it was written; raises `ValueError` if it is neither number nor flag."""
        msgspec.structs.force_setattr(self, "value", _as_written(self.value, self.id))


class _Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group of parameters; unknown members are an error."""


class Age(_Group, frozen=True):
    """Years."""

    adult: int
    elderly: int
    laxative_from_years: int
    laxative_unknown_kidney: int
    low_severe_from_years: int
    renal_risk: int


class Alcohol(_Group, frozen=True):
    """Whether mild alcohol use disorder counts."""

    abuse_counts: bool


class Cards(_Group, frozen=True):
    """Limits on cards."""

    detail_max: int
    drugs_in_summary: int
    max: int
    summary_max: int
    summary_template_max: int


class CkdEpi2021(_Group, frozen=True):
    """Coefficients of the CKD-EPI 2021 creatinine equation."""

    age_base: Decimal
    alpha_female: Decimal
    alpha_male: Decimal
    beta: Decimal
    factor: Decimal
    female_factor: Decimal
    kappa_female: Decimal
    kappa_male: Decimal


class ConditionLimits(_Group, frozen=True):
    """Days for which a Condition without clinicalStatus counts."""

    recorded_within_days: int


class Creatinine(_Group, frozen=True):
    """Creatinine: plausible range and conversion."""

    min_age_for_equation: int
    plausible_max_mg_dl: Decimal
    plausible_min_mg_dl: Decimal
    umol_l_per_mg_dl: Decimal


class ChildLimit(_Group, frozen=True):
    """Upper level of supplemental magnesium of an age band."""

    from_age: int
    mg: Decimal


class Dose(_Group, frozen=True):
    """Elemental magnesium in mg per day, unless the name says otherwise."""

    elderly_target_mg: Decimal
    elderly_titrate_after_days: int
    max_mg: Decimal
    moderate_ckd_max_mg: Decimal
    perimenstrual_cycles: int
    perimenstrual_days: int
    perimenstrual_doses_per_day: int
    perimenstrual_mg_per_dose: Decimal
    perimenstrual_start_cycle_day: int
    pregnancy_max_mg: Decimal
    reduced_start_mg: Decimal
    split_mg_per_dose: Decimal
    start_mg: Decimal
    target_mg: Decimal
    titrate_after_days: int
    upper_level_child: dict[str, ChildLimit]
    upper_level_mg: Decimal


class Egfr(_Group, frozen=True):
    """eGFR in mL/min/{1.73_m2}, and how long a result is valid."""

    comparator_below_offset: Decimal
    conflict_hours: int
    conflict_percent: Decimal
    creatinine_newer_hours: int
    discordant_valid_days: int
    greater_than_usable_from: Decimal
    moderate_below: Decimal
    moderate_fresh_days: int
    normal_valid_days: int
    normal_valid_days_at_risk: int
    plausible_max: Decimal
    plausible_min: Decimal
    severe_below: Decimal


class Hazard(_Group, frozen=True):
    """Daily elemental magnesium in mg above which current magnesium is a hazard."""

    dose_any_above_mg: Decimal
    dose_critical_above_mg: Decimal
    dose_moderate_above_mg: Decimal


class LabLimits(_Group, frozen=True):
    """How recent tests must be for a plan, and when to take them after a diuretic."""

    dated_within_days: int
    with_diuretic_from_weeks: int
    with_diuretic_to_weeks: int


class Magnesium(_Group, frozen=True):
    """Serum magnesium limits in both units."""

    critical_high_mg_dl: Decimal
    critical_high_mmol_l: Decimal
    high_mg_dl: Decimal
    high_mmol_l: Decimal
    low_mg_dl: Decimal
    low_mmol_l: Decimal
    meq_per_mmol: Decimal
    mg_dl_per_mmol_l: Decimal
    mild_high_below_mg_dl: Decimal
    mild_high_below_mmol_l: Decimal
    plausible_max_mg_dl: Decimal
    plausible_min_mg_dl: Decimal
    severe_low_mg_dl: Decimal
    severe_low_mmol_l: Decimal
    use_reported_high: bool
    valid_days: int


class MedicationLimits(_Group, frozen=True):
    """For how long an order counts as use, as stopped, and as taken together with another."""

    authored_within_days: int
    course_over_days: int
    renewal_days: int
    stopped_within_months: int


class Migraine(_Group, frozen=True):
    """The definition of migraine and of an indication."""

    menstrual_qualifies_alone: bool


class Ppi(_Group, frozen=True):
    """Long-term use."""

    min_days: int


class Pregnancy(_Group, frozen=True):
    """How long a record of pregnancy is valid."""

    lookback_days: int


class Recheck(_Group, frozen=True):
    """When to repeat kidney function and magnesium."""

    early_egfr_below: Decimal
    early_egfr_from: Decimal
    early_weeks: int
    first_weeks: int
    repeat_months: int


class Renal(_Group, frozen=True):
    """Days within which acute kidney events count."""

    aki_cleared_after_days: int
    aki_days: int
    dialysis_procedure_days: int
    transplant_egfr_days: int


class Risk(_Group, frozen=True):
    """Risk-factor windows."""

    antiinfective_days: int
    extended_factors: bool
    oncology_days: int


class Supply(_Group, frozen=True):
    """Days supplied."""

    days: int
    reduced_days: int


class Trial(_Group, frozen=True):
    """The preventive trial."""

    recheck_weeks: int
    responder_percent: int
    weeks: int


class Parameters(_Group, frozen=True):
    """All of them."""

    age: Age
    alcohol: Alcohol
    cards: Cards
    ckd_epi_2021: CkdEpi2021
    condition: ConditionLimits
    creatinine: Creatinine
    dose: Dose
    egfr: Egfr
    hazard: Hazard
    labs: LabLimits
    magnesium: Magnesium
    medication: MedicationLimits
    migraine: Migraine
    ppi: Ppi
    pregnancy: Pregnancy
    recheck: Recheck
    renal: Renal
    risk: Risk
    supply: Supply
    trial: Trial


def parameters_from(rows: Iterable[Parameter]) -> Parameters:
    """The typed parameters. Raises `msgspec.ValidationError` that names a missing or unread one.

    Numbers become exact decimals: 59.9 is 59.9.
    """
    tree: dict[str, Any] = {}
    for row in rows:
        *groups, name = row.id.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[name] = _number(row.value)
    return msgspec.convert(tree, Parameters)


def _number(value: Value) -> bool | int | Decimal:
    """Whole numbers as such: days and years are whole, and 18.5 of them stop the start."""
    if isinstance(value, bool) or value.as_tuple().exponent != 0:
        return value
    return int(value)


def contradictions(rows: Iterable[Parameter], *, of_site: bool = False) -> Iterator[str]:
    """Contradictions between parameters, or in what a site may change, in words.

    In rows `of_site` its values replace the defaults. A lower maximum does not contradict a target,
    because the plans are shortened.
    """
    by_id = {row.id: row for row in rows}
    for row in by_id.values():
        for other in row.at_most:
            if of_site and other == MAXIMUM:
                continue
            if other not in by_id:
                yield f"{row.id}: there is no parameter {other}"
            elif row.value > by_id[other].value:
                yield f"{row.id} ({said(row.value)}) is above {other} ({said(by_id[other].value)})"
        yield from _disagreeing(row, by_id)
        if not of_site:
            yield from _site(row)


def _disagreeing(row: Parameter, by_id: Mapping[str, Parameter]) -> Iterator[str]:
    same = row.same_as
    if same is None:
        return
    unknown = sorted({same.id, same.times} - set(by_id))
    if unknown:
        yield f"{row.id}: there is no parameter {unknown[0]}"
    elif not _agree(row, by_id[same.id], by_id[same.times], same.tolerance_percent):
        other = by_id[same.id]
        yield (
            f"{row.id} ({said(row.value)} {row.unit}) and {other.id} ({said(other.value)}"
            f" {other.unit}) are one limit in two units, but differ"
        )


def _agree(row: Parameter, other: Parameter, times: Parameter, tolerance_percent: Decimal) -> bool:
    converted, expected = Decimal(row.value) * Decimal(times.value), Decimal(other.value)
    return abs(converted - expected) * 100 <= tolerance_percent * abs(expected)


def _site(row: Parameter) -> Iterator[str]:
    """A change that a site may make has a safe direction, and a limit in that direction."""
    site = row.site
    if not site.may_change:
        if site.direction or site.limit is not None:
            yield f"{row.id}: has a limit for sites, but may not be changed"
        return
    if not site.direction or site.limit is None:
        yield f"{row.id}: a site may change it, but its direction or limit is missing"
    elif isinstance(site.limit, bool) != isinstance(row.value, bool):
        yield f"{row.id}: its limit for sites is of another kind than its value"
    elif (site.limit > row.value) != (site.direction == "up") or site.limit == row.value:
        yield f"{row.id}: its limit for sites is not {site.direction} from {said(row.value)}"


def said(value: Value) -> str:
    """A value as texts have it: 30, 1,300, 0.5, "yes"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,f}"
