"""Serum magnesium: the latest usable result in its window, compared in its own unit (SPEC 4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal

import msgspec

from cds_service import reasons
from cds_service.chart import dates, quantities
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Evidence, Gap
from cds_service.chart.labs import LabResult, newest_first
from cds_service.chart.quantities import Measured
from cds_service.knowledge.parameters import Magnesium
from cds_service.reasoning.decision import MagnesiumState, SerumMagnesium
from cds_service.reasoning.question import question
from cds_service.reasons import Reason

_HALF_STEP = Decimal("0.0001")
_SHOWN = Decimal("0.001")
_FIRST = datetime.min.replace(tzinfo=UTC)
_HIGH_STATES = frozenset(
    {MagnesiumState.SLIGHTLY_HIGH, MagnesiumState.HIGH, MagnesiumState.CRITICAL_HIGH}
)


class _Limits(msgspec.Struct, frozen=True):
    """The limits in one unit."""

    severe_low: Decimal
    low: Decimal
    high: Decimal
    slightly_high_below: Decimal
    critical_high: Decimal


class _Level(msgspec.Struct, frozen=True):
    """A usable result in mg/dL or mmol/L."""

    value: Decimal
    high: Decimal
    limits: _Limits
    result: LabResult
    measured: Measured
    evidence: Evidence


@question
def serum_magnesium(chart: Chart) -> SerumMagnesium:
    """The range of the serum magnesium. It is unknown if a result that may be the newest is unknown."""
    found = _assess(chart)
    chart.note_gaps(found.gaps)
    return found


def magnesium_is_high(chart: Chart) -> bool:
    """Whether the latest serum magnesium is above its limit."""
    return serum_magnesium(chart).state in _HIGH_STATES


def _assess(chart: Chart) -> SerumMagnesium:
    limits = chart.knowledge.parameters.magnesium
    labs = chart.magnesium_labs

    def is_recent(when: dates.When) -> bool:
        return dates.maybe_within(when, limits.valid_days, chart.today)

    recent = [r for r in newest_first(labs.results) if r.entry.use and is_recent(r.when)]
    levels, unusable = _newest_levels(recent, limits)
    bar = max((level.result.when.earliest for level in levels), default=_FIRST)
    unread = any(is_recent(u.when) and u.when.latest >= bar for u in labs.unread)
    gaps = (Gap("magnesiumLabs", reasons.UNUSABLE_RESULT),) if unusable or unread else ()
    unknown = bool(gaps or chart.gaps("magnesiumLabs"))
    why = _why(chart, bool(levels), unknown, limits)
    if not levels:
        return SerumMagnesium(MagnesiumState.NONE, unknown=unknown, why=why, gaps=gaps)
    decisive = _decisive([level for level in levels if level.result.when.latest >= bar])
    state, low = _state(decisive), None
    if state is MagnesiumState.LOW and not dates.within(
        decisive.result.when, limits.valid_days, chart.today
    ):
        state, low = MagnesiumState.NONE, reasons.low_result_perhaps_old(limits.valid_days)
    text, evidence = _text(decisive), decisive.evidence
    return SerumMagnesium(state, text, evidence, unknown, why or low, gaps, low)


def measured_within(chart: Chart, days: int) -> bool:
    """Whether a usable result is certainly no older than this number of days."""
    limits = chart.knowledge.parameters.magnesium
    return any(
        result.entry.use
        and dates.within(result.when, days, chart.today)
        and _level(result, limits) is not None
        for result in chart.magnesium_labs.results
    )


def _newest_levels(recent: Iterable[LabResult], limits: Magnesium) -> tuple[list[_Level], bool]:
    """The usable results that may be the newest, and whether an unusable one may be.

    All other results are certainly older than a usable one.
    """
    levels: list[_Level] = []
    unusable = False
    for result in recent:
        if levels and result.when.latest < max(level.result.when.earliest for level in levels):
            break
        level = _level(result, limits)
        if level is None:
            unusable = True
        else:
            levels.append(level)
    return levels, unusable


def _decisive(latest: list[_Level]) -> _Level:
    """Among results that may be equally new, the one that is furthest from harmless."""
    primary = [level for level in latest if not level.result.entry.secondary]
    return max(primary or latest, key=lambda level: _RANK[_state(level)])


def _why(chart: Chart, found: bool, unknown: bool, limits: Magnesium) -> Reason | None:
    """The reason for a missing value, for the account of a decision."""
    missing = chart.gaps("magnesiumLabs")
    if missing:
        return reasons.of_key(missing[0].key, missing[0].why)
    if unknown:
        return reasons.NEWER_MAGNESIUM_UNUSABLE if found else reasons.NO_USABLE_RESULT
    if not found and any(r.entry.use for r in chart.magnesium_labs.results):
        return reasons.results_too_old(limits.valid_days)
    return None


_RANK = {
    MagnesiumState.NONE: 0,
    MagnesiumState.NORMAL: 1,
    MagnesiumState.LOW: 2,
    MagnesiumState.SEVERE_LOW: 3,
    MagnesiumState.SLIGHTLY_HIGH: 4,
    MagnesiumState.HIGH: 5,
    MagnesiumState.CRITICAL_HIGH: 6,
}


def _level(result: LabResult, limits: Magnesium) -> _Level | None:
    measured, _, evidence = result.read()
    if measured is None or measured.unit is None:
        return None
    unit = measured.unit or result.entry.default_unit
    value = _in_own_unit(measured.value, unit, limits)
    if value is None:
        return None
    own = quantities.MG_DL if unit == quantities.MG_DL else quantities.MMOL_L
    mg_dl = value if own == quantities.MG_DL else value * limits.mg_dl_per_mmol_l
    if not limits.plausible_min_mg_dl <= mg_dl <= limits.plausible_max_mg_dl:
        return None
    scale = _limits(limits, own)
    high = _reported_high(result, unit, scale, limits)
    certain_value = _certain_value(value, measured.comparator, scale.low, high)
    if certain_value is None:
        return None
    return _Level(certain_value, high, scale, result, measured, evidence)


def _in_own_unit(value: Decimal, unit: str, limits: Magnesium) -> Decimal | None:
    """Normalise mg/dL and mmol/L. mEq/L is halved to mmol/L. No other unit counts."""
    if unit in (quantities.MG_DL, quantities.MMOL_L):
        return value
    return value / limits.meq_per_mmol if unit == quantities.MEQ_L else None


def _limits(limits: Magnesium, unit: str) -> _Limits:
    if unit == quantities.MG_DL:
        return _Limits(
            severe_low=limits.severe_low_mg_dl,
            low=limits.low_mg_dl,
            high=limits.high_mg_dl,
            slightly_high_below=limits.mild_high_below_mg_dl,
            critical_high=limits.critical_high_mg_dl,
        )
    return _Limits(
        severe_low=limits.severe_low_mmol_l,
        low=limits.low_mmol_l,
        high=limits.high_mmol_l,
        slightly_high_below=limits.mild_high_below_mmol_l,
        critical_high=limits.critical_high_mmol_l,
    )


def _reported_high(result: LabResult, unit: str, scale: _Limits, limits: Magnesium) -> Decimal:
    """The laboratory's own upper limit, unless it makes no sense as one."""
    reported = result.high()
    if not limits.use_reported_high or reported is None or reported.unit not in (unit, ""):
        return scale.high
    value = _in_own_unit(reported.value, unit, limits)
    return value if value is not None and scale.low < value <= scale.critical_high else scale.high


def _certain_value(value: Decimal, comparator: str, low: Decimal, high: Decimal) -> Decimal | None:
    """A value with "<" or ">" counts only if it is certainly low, or certainly high."""
    if comparator == "":
        return value
    if comparator in ("<", "<=") and value <= low:
        return value - _HALF_STEP
    if comparator in (">", ">=") and value >= high:
        return value + _HALF_STEP
    return None


def _state(level: _Level) -> MagnesiumState:
    limits = level.limits
    if level.value < limits.severe_low:
        return MagnesiumState.SEVERE_LOW
    if level.value < limits.low:
        return MagnesiumState.LOW
    if level.value <= level.high:
        return MagnesiumState.NORMAL
    if level.value > limits.critical_high:
        return MagnesiumState.CRITICAL_HIGH
    # A lower bound does not show how far above the limit it is.
    is_bound = level.measured.comparator != ""
    is_slight = level.value < limits.slightly_high_below and not is_bound
    return MagnesiumState.SLIGHTLY_HIGH if is_slight else MagnesiumState.HIGH


def _text(level: _Level) -> str:
    measured = level.measured
    unit = measured.unit or level.result.entry.default_unit
    shown = "mEq/L" if unit == quantities.MEQ_L else unit
    value = measured.value
    if value != value.quantize(_SHOWN, ROUND_DOWN):
        value = value.quantize(
            _SHOWN, ROUND_DOWN
        )  # truncated, not rounded: it must not reach a limit
    return f"{measured.comparator}{value.normalize():f} {shown}"
