"""Why a call returned no card, in one word for the metrics.

It follows the order of the policies and asks only what they have already asked, so it costs little
and the decision stays the same. `/explain` gives the whole account.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from cds_service.chart.chart import Chart
from cds_service.knowledge.model import SuggestRow
from cds_service.reasoning import blocks, indication, person, risk
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.orders import Drafts
from cds_service.reasoning.policies import triggers_of


class Silence(StrEnum):
    """The reasons. With those that end in "unknown", data were missing or not readable."""

    ORDERS_NOT_COVERED = "orders_not_covered"
    DECEASED = "deceased"
    WITHHELD = "withheld"
    NOTHING_FOUND = "nothing_found"
    ALREADY_ORDERED = "already_ordered"
    NO_MIGRAINE = "no_migraine"
    MIGRAINE_UNKNOWN = "migraine_unknown"
    NOT_ADULT = "not_adult"
    AGE_UNKNOWN = "age_unknown"
    BLOCKED = "blocked"
    NO_RISK_FACTOR = "no_risk_factor"
    RISK_FACTOR_UNKNOWN = "unknown_risk_factor"
    KIDNEY = "kidney"
    STOPPED = "stopped"


def why_silent(
    chart: Chart, drafts: Drafts, rows: Sequence[SuggestRow], *, is_withheld: bool
) -> Silence:
    """Why there is no card. `rows` are the hook's rows of `suggest`.

    `is_withheld`: a card was decided, and the site or a lock-out withholds it.
    """
    if chart.person.deceased:
        return Silence.DECEASED
    if is_withheld:
        return Silence.WITHHELD
    triggers = triggers_of(chart, drafts) if drafts.selected else {}
    row = next((row for row in rows if row.trigger in ("chart", *triggers)), None)
    if row is None:
        return Silence.NOTHING_FOUND
    if row.trigger in triggers and drafts.silences_suggestions:
        return Silence.ALREADY_ORDERED
    return _not_eligible(chart) or _not_suggested(chart, row)


def _not_eligible(chart: Chart) -> Silence | None:
    migraine = indication.migraine(chart)
    if not migraine.present:
        return Silence.MIGRAINE_UNKNOWN if migraine.unknown else Silence.NO_MIGRAINE
    adult = person.adult(chart)
    if not adult.present:
        return Silence.AGE_UNKNOWN if adult.unknown else Silence.NOT_ADULT
    is_blocked = any(block.present for block in blocks.all_blocks(chart))
    return Silence.BLOCKED if is_blocked else None


def _not_suggested(chart: Chart, row: SuggestRow) -> Silence:
    if row.needs_indication and not indication.is_indicated(chart):
        is_unknown = any(factor.unknown for factor in risk.factors(chart))
        return Silence.RISK_FACTOR_UNKNOWN if is_unknown else Silence.NO_RISK_FACTOR
    has_card = bool(row.cards[kidney_function(chart).kidney_class])
    return Silence.STOPPED if has_card else Silence.KIDNEY
