"""Which medicines are taken, and which magnesium among them (SPEC 6.1, 11.12, 12.4 M-15)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.chart import Chart
from cds_service.chart.dosage import DailyDose, daily_elemental
from cds_service.chart.evidence import Fact, Gap, fact
from cds_service.chart.medications import MedicationUse, magnesium_uses
from cds_service.knowledge.drugs import COMBINATION, SPARING
from cds_service.reasoning.question import question
from cds_service.reasoning.verdicts import Verdict, any_holds, of_gaps

MEDICATION_KEYS = ("medicationRequests", "medicationStatements")
ORAL_MAGNESIUM = frozenset(
    {
        "supplement",
        "antacid",
        "laxative",
        "laxative-antacid",
        "bowel-prep",
        "multivitamin",
        "analgesic-salicylate",
    }
)
NOT_ASKED_OF_TAKEN = frozenset(
    {
        "migraine_acute",
        "migraine_preventive_specific",
        "migraine_preventive_nonspecific",
        "sglt2_inhibitor",
    }
)
"""Classes of drugs whose current use no rule checks."""


@question
def oral_magnesium(chart: Chart) -> tuple[MedicationUse, ...]:
    """Every oral product with magnesium taken now, as needed or not (SPEC 6.1, 11.12)."""
    return tuple(u for u in magnesium_uses(chart.medications) if is_oral_magnesium(u))


@question
def supplements(chart: Chart) -> tuple[MedicationUse, ...]:
    """Scheduled magnesium supplements (B9)."""
    return tuple(u for u in oral_magnesium(chart) if u.regular and subtype_of(u) == "supplement")


@question
def supplement(chart: Chart) -> Fact:
    """Whether a scheduled supplement is taken."""
    found = [use.evidence for use in supplements(chart)]
    return fact("current_magnesium", found, chart.gaps(*MEDICATION_KEYS))


@question
def stopped(chart: Chart) -> tuple[MedicationUse, ...]:
    """Magnesium supplements that may have been stopped recently (SPEC 12.4 M-15).

    The end of a period counts, otherwise the day of the order. Without both it may be recent.
    """
    uses = (*chart.requests.stopped, *chart.statements.stopped)
    return tuple(use for use in uses if _may_be_recent(chart, use.ended or use.since))


@question
def stopped_before(chart: Chart) -> Fact:
    """Whether a magnesium supplement was tried and stopped."""
    found = [use.evidence for use in stopped(chart)]
    gaps = (*chart.gaps(*MEDICATION_KEYS), *lost_stopped_gaps(chart))
    return fact("stopped_magnesium", found, gaps)


def taking(chart: Chart, drug_class: str) -> tuple[MedicationUse, ...]:
    """The uses of a drug class by a systemic route."""
    return tuple(u for u in chart.medications if u.of(drug_class) and u.oral)


@question
def potassium_sparing(chart: Chart) -> tuple[MedicationUse, ...]:
    """Potassium-sparing drugs, fixed combinations included (C3, 11.2)."""
    return tuple(u for u in chart.medications if u.oral and (u.of(SPARING) or u.of(COMBINATION)))


def dose_of(chart: Chart, use: MedicationUse) -> DailyDose:
    """The elemental magnesium a day of an order or statement."""
    return daily_elemental(use, chart.knowledge.drugs, chart.knowledge.dosage)


# ------------------------------------------------------------- facts and gaps of medicines


def medicine_fact(
    chart: Chart, fact_id: str, counts: Callable[[MedicationUse], bool | None]
) -> Fact:
    """A fact that rests on medicines. It is unknown if the status or dates of a medicine do not show
    whether the medicine counts.

    `counts` returns `None` for a medicine whose dates leave that open.
    """
    found = [use.evidence for use in chart.medications if counts(use)]
    status = unclear_gaps(chart, lambda use: counts(use) is not False)
    return fact(fact_id, found, (*chart.gaps(*MEDICATION_KEYS), *status, *_open(chart, counts)))


def _open(chart: Chart, counts: Callable[[MedicationUse], bool | None]) -> Iterator[Gap]:
    """Gaps of a fact for current medicines whose dates leave open whether they count."""
    parts = zip(MEDICATION_KEYS, (chart.requests.uses, chart.statements.uses), strict=True)
    for key, uses in parts:
        for use in uses:
            if counts(use) is None:
                yield Gap(key, reasons.dates_unclear(use.label))


def unclear_gaps(chart: Chart, counts: Callable[[MedicationUse], bool]) -> tuple[Gap, ...]:
    """Gaps for medicines whose status or date does not show whether they are current. They are
    recorded.
    """
    return chart.note_gaps(status_gaps(chart, counts))


def status_gaps(chart: Chart, counts: Callable[[MedicationUse], bool]) -> Iterator[Gap]:
    """The same gaps, without recording them."""
    parts = zip(MEDICATION_KEYS, (chart.requests.unclear, chart.statements.unclear), strict=True)
    for key, uses in parts:
        for use in uses:
            if counts(use):
                why = reasons.status_unclear if use.status_unclear else reasons.dates_unclear
                yield Gap(key, why(use.label))


def perhaps_taken(
    chart: Chart, counts: Callable[[MedicationUse], bool] = lambda _: False
) -> Verdict:
    """No, or not known if medicines that are taken may be missing or their status is not clear.

    `counts` selects the medicines whose status matters.
    """
    return of_gaps((*chart.gaps(*MEDICATION_KEYS), *status_gaps(chart, counts)))


def takes_magnesium(chart: Chart) -> Verdict:
    """Whether any oral magnesium is taken."""
    return any_holds(bool(oral_magnesium(chart)), perhaps_taken(chart))


def lost_stopped_gaps(chart: Chart) -> tuple[Gap, ...]:
    """Medicines that were stopped recently and may have been magnesium, but cannot be identified."""
    lost = (chart.requests.lost_stopped, chart.statements.lost_stopped)
    return chart.note_gaps(
        Gap(key, reasons.STOPPED_UNIDENTIFIED)
        for key, ends in zip(MEDICATION_KEYS, lost, strict=True)
        if any(_may_be_recent(chart, end) for end in ends)
    )


def _may_be_recent(chart: Chart, end: dates.When | None) -> bool:
    """Whether something that was stopped at that time, or at an unknown time, still counts."""
    months = chart.knowledge.parameters.medication.stopped_within_months
    return end is None or end.last_day >= months_before(chart.today, months)


def months_before(day: date, months: int) -> date:
    """The day a number of months earlier. In a shorter month it is the last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


# --------------------------------------------------------------------- one medicine at a time


def is_asked_for(use: MedicationUse) -> bool:
    """Whether a fact or a check could follow from a medicine that is taken."""
    return any(c not in NOT_ASKED_OF_TAKEN for c in use.drug.classes)


def is_oral_magnesium(use: MedicationUse) -> bool:
    """Whether it is a product with magnesium by mouth that the rules know."""
    return use.oral and subtype_of(use) in ORAL_MAGNESIUM


def drug_words(use: MedicationUse) -> str:
    """The name of a drug: its only ingredient, otherwise the text of the order."""
    return use.drug.ingredients[0] if len(use.drug.ingredients) == 1 else use.label


def subtype_of(use: MedicationUse) -> str:
    """The purpose of a magnesium product, or "" for other drugs."""
    return use.drug.magnesium.subtype if use.drug.magnesium is not None else ""
