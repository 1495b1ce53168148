"""Every threshold, window and dose limit, by name. Values, units and sources: `data/parameters.json`.

The classes mirror the dotted ids of the file: `egfr.severe_below` is `parameters.egfr.severe_below`.
A parameter that the file lacks, or that no field here reads, stops the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec


class Parameter(msgspec.Struct, frozen=True):
    """One number or flag as the knowledge file has it, with its unit and where it comes from."""

    id: str
    value: Any
    unit: str
    title: str
    source: str
    why: str
    version: str
    status: str


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


class AuditC(_Group, frozen=True):
    """AUDIT-C as evidence of harmful drinking (off by default)."""

    enabled: bool
    positive_at: int
    valid_days: int


class Cards(_Group, frozen=True):
    """Limits on cards."""

    cooldown_days: int
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
    """Elemental magnesium, mg a day unless the name says otherwise."""

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
    """eGFR in mL/min/{1.73_m2}, and how long a result holds."""

    comparator_below_offset: Decimal
    conflict_hours: int
    conflict_percent: Decimal
    creatinine_newer_hours: int
    discordant_valid_days: int
    greater_than_usable_from: Decimal
    moderate_below: Decimal
    moderate_fresh_days: int
    no_rounding_before_compare: bool
    normal_valid_days: int
    normal_valid_days_at_risk: int
    plausible_max: Decimal
    plausible_min: Decimal
    severe_below: Decimal
    severe_never_expires: bool


class Hazard(_Group, frozen=True):
    """Daily elemental magnesium, in mg, above which what is taken is a hazard."""

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
    mmol_l_per_mg_dl: Decimal
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
    """What counts as migraine and as an indication."""

    infer_from_therapy: bool
    menstrual_qualifies_alone: bool


class Ppi(_Group, frozen=True):
    """Long-term use."""

    min_days: int


class Pregnancy(_Group, frozen=True):
    """How long a record of pregnancy holds."""

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
    audit_c: AuditC
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
    """The typed parameters; raises `msgspec.ValidationError` naming what is missing or unread.

    Numbers become the decimals that were written: 59.9 is 59.9.
    """
    tree: dict[str, Any] = {}
    for row in rows:
        *groups, name = row.id.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[name] = row.value
    return msgspec.convert(tree, Parameters)
