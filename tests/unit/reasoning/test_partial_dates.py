"""A date of a year or month that lies across a limit in days proves neither side of it (K2).

What would follow from such a date is unknown, or it is read in the way that is safer for the
patient. It is never absent. Every limit in days has a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cds_service.chart import dates
from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact
from cds_service.reasoning import blocks, medicines, person, renal_risk, risk
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.suggest import CIRCUMSTANCES
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY
from tests.unit.reasoning.asking import (
    LEVOTHYROXINE,
    MYASTHENIA,
    OMEPRAZOLE,
    OXIDE,
    PREGNANT,
    aged,
    charted,
    egfr,
    has,
    level,
    orders,
    shown,
    signs,
    takes,
    views,
)

FUROSEMIDE, CISPLATIN, GENTAMICIN, PATIROMER = "313988", "309311", "313996", "1716217"


def across(days: int) -> str:
    """The month in which `days` days before today lies: some of its days are within, some are not."""
    month = (TODAY - timedelta(days=days)).strftime("%Y-%m")
    when = dates.parse(month)
    assert dates.maybe_within(when, days, TODAY)
    assert not dates.within(when, days, TODAY)
    return month


def dated(resource: Resource, **written: str) -> Resource:
    """A resource without its usual dates, but with these."""
    usual = ("recordedDate", "authoredOn", "effectiveDateTime", "performedDateTime")
    return {k: v for k, v in resource.items() if k not in usual} | written


def state(ask: Callable[[Chart], Fact], on: Chart) -> str:
    return ask(on).state.value


def factor(on: Chart, name: str) -> str:
    return next(f for f in risk.factors(on) if f.id == name).state.value


def feature(on: Chart, name: str) -> str:
    return next(f for f in renal_risk.features(on) if f.id == name).state.value


def kidney(on: Chart) -> str:
    return kidney_function(on).kidney_class.value


def creatinine(value: float, written: str) -> Resource:
    result = fhir.observation(fhir.CREATININE, value, "mg/dL", 1, today=TODAY, id="c")
    return dated(result, effectiveDateTime=written)


def procedure(code: str, written: str) -> Resource:
    return dated(fhir.procedure(code, 1, id="p", today=TODAY), performedDateTime=written)


def ordered(code: str, written: str, **more: str) -> Chart:
    return charted(taken=(dated(takes(code), authoredOn=written, **more),))


def lasting(end: str) -> Chart:
    """Furosemide, ordered 300 days ago, with a validity that ends on this date."""
    order = takes(FUROSEMIDE, authored_days=300)
    return charted(taken=({**order, "dispenseRequest": {"validityPeriod": {"end": end}}},))


def without_status(written: str) -> Chart:
    return charted(
        dated(has(MYASTHENIA, clinical=None, category=None), recordedDate=written),
    )


def stopped(end: str) -> Chart:
    ended = fhir.medication_statement(OXIDE, id="s", status="completed", today=TODAY)
    return charted(medicationStatements=[{**ended, "effectivePeriod": {"end": end}}])


def spaced(since: str) -> str:
    """The cards on a renewal of levothyroxine, taken with magnesium since this date."""
    taken = (dated(takes(OXIDE), authoredOn=since), takes(LEVOTHYROXINE, authored_days=200))
    order = orders(LEVOTHYROXINE, None)
    return ", ".join(card for card, _ in shown(signs(charted(taken=taken), order)))


def kidney_after_transplant(written: str) -> str:
    """CKD 4 and a transplant: a fresh eGFR would come before the stage."""
    found = charted(has("N18.4"), has("Z94.0"), kidneyLabs=[gfr(65, written)])
    return kidney(found)


def gfr(value: float, written: str) -> Resource:
    return dated(egfr(value), effectiveDateTime=written)


def clears(written: str) -> str:
    """A kidney injury of 20 days ago, and a good eGFR after it."""
    injury = dated(has("N17.9"), onsetDateTime=fhir.day(20, TODAY))
    return kidney(charted(injury, kidneyLabs=[gfr(92, written)]))


def flags(on: Chart, flag: str) -> bool:
    return flag in kidney_function(on).flags


ROWS: list[tuple[str, int, Callable[[str], object], object]] = [
    (
        "condition.recorded_within_days",
        730,
        lambda w: state(blocks.neuromuscular, without_status(w)),
        "unknown",
    ),
    (
        "medication.authored_within_days",
        730,
        lambda w: factor(ordered(FUROSEMIDE, w), "RF4"),
        "unknown",
    ),
    (
        "medication.authored_within_days",
        730,
        lambda w: feature(ordered(FUROSEMIDE, w), "diuretic"),
        "unknown",
    ),
    ("medication.course_over_days", 30, lambda w: factor(lasting(w), "RF4"), "unknown"),
    (
        "medication.stopped_within_months",
        730,
        lambda w: state(medicines.stopped_before, stopped(w)),
        "present",
    ),
    ("medication.renewal_days", 30, spaced, "rx-mg-interaction"),
    ("ppi.min_days", 90, lambda w: factor(ordered(OMEPRAZOLE, w), "RF5"), "unknown"),
    ("risk.oncology_days", 180, lambda w: factor(ordered(CISPLATIN, w), "RF8"), "unknown"),
    ("risk.antiinfective_days", 30, lambda w: factor(ordered(GENTAMICIN, w), "RF8"), "unknown"),
    ("magnesium.valid_days", 180, lambda w: factor(measured(1.5, w), "RF6"), "unknown"),
    ("magnesium.valid_days", 180, lambda w: factor(measured(1.1, w), "RF6"), "present"),
    (
        "magnesium.valid_days",
        180,
        lambda w: state(blocks.hypermagnesaemia, measured(3.1, w)),
        "present",
    ),
    ("labs.dated_within_days", 183, lambda w: CIRCUMSTANCES["not_tested"](untested(w)), True),
    (
        "pregnancy.lookback_days",
        300,
        lambda w: state(blocks.pregnancy, charted(dated(has(PREGNANT), recordedDate=w))),
        "present",
    ),
    (
        "renal.aki_days",
        90,
        lambda w: kidney(charted(dated(has("N17.9"), recordedDate=w), gfr=None)),
        "SEVERE",
    ),
    ("renal.aki_cleared_after_days", 13, clears, "SEVERE"),
    (
        "renal.dialysis_procedure_days",
        90,
        lambda w: kidney(charted(kidneyProcedures=[procedure("265764009", w)])),
        "SEVERE",
    ),
    ("renal.transplant_egfr_days", 183, kidney_after_transplant, "SEVERE"),
    ("egfr.normal_valid_days", 365, lambda w: kidney(charted(kidneyLabs=[gfr(92, w)])), "UNKNOWN"),
    (
        "egfr.normal_valid_days_at_risk",
        183,
        lambda w: kidney(charted(who=aged(70), kidneyLabs=[gfr(92, w)])),
        "UNKNOWN",
    ),
    (
        "egfr.moderate_fresh_days",
        183,
        lambda w: flags(charted(kidneyLabs=[gfr(45, w)]), "stale"),
        True,
    ),
    (
        "egfr.discordant_valid_days",
        365,
        lambda w: flags(charted(has("N18.30"), kidneyLabs=[gfr(75, w)]), "discordant"),
        False,
    ),
    (
        "egfr.conflict_hours",
        12,
        lambda w: flags(charted(kidneyLabs=[egfr(92, 12), creatinine(3, w)]), "conflicting"),
        True,
    ),
    (
        "egfr.creatinine_newer_hours",
        12,
        lambda w: kidney(charted(kidneyLabs=[egfr(92, 12), creatinine(3, w)])),
        "SEVERE",
    ),
]
"""Parameter, a number of days that the date lies across, the question, and the answer."""

OF_WHAT_IS_ORDERED = ("dose.", "supply.", "recheck.", "trial.", "labs.with_diuretic")
"""Parameters that fill plans and sentences. No date of the chart is compared with them."""


def measured(value: float, written: str) -> Chart:
    return charted(levels=(dated(level(value), effectiveDateTime=written),))


def untested(written: str) -> Chart:
    """A patient at risk whose only result is the eGFR of this date."""
    return charted(taken=(takes(CISPLATIN, authored_days=10),), kidneyLabs=[gfr(92, written)])


@each_row(("days", "ask", "answer"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_date_across_a_limit_never_makes_a_fact_absent(
    days: int, ask: Callable[[str], object], answer: object
) -> None:
    assert ask(across(days)) == answer


def test_every_limit_in_days_has_a_row() -> None:
    limits = {
        row.id
        for row in knowledge().parameter_rows
        if row.unit in ("d", "h", "mo") and not row.id.startswith(OF_WHAT_IS_ORDERED)
    }
    assert {row[0] for row in ROWS} == limits


def test_an_order_without_a_date_leaves_the_days_of_use_open() -> None:
    for code, name in ((OMEPRAZOLE, "RF5"), (CISPLATIN, "RF8"), (GENTAMICIN, "RF8")):
        assert factor(charted(taken=(takes(code, authored_days=None),)), name) == "unknown"


def test_a_course_that_is_surely_over_leaves_nothing_open() -> None:
    assert factor(lasting("2026-09"), "RF4") == "absent"
    ended = {"dispenseRequest": {"validityPeriod": {"end": "2026-09"}}}
    for code, name in ((OMEPRAZOLE, "RF5"), (PATIROMER, "RF8")):
        order = takes(code, authored_days=None)
        assert factor(charted(taken=(order | ended,)), name) == "absent"


def test_a_course_without_a_longest_duration_is_not_surely_over() -> None:
    low = {"value": 30, "unit": "d"}
    for high, answer in (
        ({"value": 60, "unit": "d"}, "absent"),
        (None, "unknown"),
        ({"value": 60, "unit": "parsecs"}, "unknown"),
        ({"value": 99_999, "unit": "mo"}, "unknown"),
    ):
        bounds = {"low": low} | ({"high": high} if high is not None else {})
        dosage = {"timing": {"repeat": {"boundsRange": bounds}}}
        order = takes(FUROSEMIDE, authored_days=300, dosage=dosage)
        assert factor(charted(taken=(order,)), "RF4") == answer


@pytest.mark.parametrize(
    ("comparator", "answer"),
    [(None, "absent"), ("<=", "absent"), (">=", "unknown"), (">", "unknown"), ("odd", "unknown")],
)
def test_a_course_of_more_than_some_days_is_not_surely_over(
    comparator: str | None, answer: str
) -> None:
    """In the bounds of the dosage and in the expected duration of the supply."""
    days = {"value": 30, "unit": "d"} | ({"comparator": comparator} if comparator else {})
    bounds = takes(
        FUROSEMIDE, authored_days=300, dosage={"timing": {"repeat": {"boundsDuration": days}}}
    )
    supply = takes(FUROSEMIDE, authored_days=300) | {
        "dispenseRequest": {"expectedSupplyDuration": days}
    }
    for order in (bounds, supply):
        assert factor(charted(taken=(order,)), "RF4") == answer


def test_the_days_of_a_course_end_with_its_last_possible_day() -> None:
    """Ordered 100 days ago: whether 90 days were reached depends on the day of November."""
    order = takes(OMEPRAZOLE, authored_days=100)
    for end, state_of_use in (
        ("2026-09", "absent"),
        ("2026-11", "unknown"),
        ("2026-12", "present"),
    ):
        course = {"dispenseRequest": {"validityPeriod": {"end": end}}}
        assert factor(charted(taken=(order | course,)), "RF5") == state_of_use


def test_the_account_names_what_the_dates_leave_open() -> None:
    on = ordered(OMEPRAZOLE, across(90))
    decision = views(on, complete=True)
    (open_,) = [f for f in decision.facts if f.id == "RF5"]
    assert "dates that do not show whether it counts" in in_words(open_.why)
    assert [in_words(s.why) for s in decision.set_aside] == [
        "has dates that do not show whether it counts"
    ]
    low = views(measured(1.5, across(180)), complete=True)
    assert low.magnesium is not None
    assert in_words(low.magnesium.why) == "has a low result that may be more than 180 days old"


def test_a_medicine_perhaps_too_old_is_named_and_nothing_is_recommended() -> None:
    on = charted(
        has("G43.009"), has("E11.9"), taken=(dated(takes(FUROSEMIDE), authoredOn=across(730)),)
    )
    (card,) = views(on).cards
    assert [offer.recommended for offer in card.offers if offer.kind == "plan"] == [False]
    (gap,) = [gap for gap in card.gaps if gap.key == "medicationRequests"]
    assert "with dates that do not show whether it counts" in in_words(gap.why)


def test_a_statement_without_a_status_is_current_only_if_its_period_surely_is() -> None:
    statement = fhir.medication_statement(FUROSEMIDE, id="s", status="unknown", today=TODAY)
    for period, answer in (
        ({"start": "2025"}, "present"),
        ({"start": "2025", "end": "2027"}, "present"),
        ({"start": "2026"}, "unknown"),
        ({"end": "2026"}, "unknown"),
        ({}, "unknown"),
    ):
        on = charted(medicationStatements=[{**statement, "effectivePeriod": period}])
        assert factor(on, "RF4") == answer


def test_a_birth_year_leaves_open_whether_somebody_is_18() -> None:
    for born, answer in (("2007", "present"), ("2008", "unknown"), ("2009", "absent")):
        on = charted(who={**aged(18), "birthDate": born})
        assert state(person.adult, on) == answer
    on = charted(has("G43.009"), has("E11.9"), who={**aged(18), "birthDate": "2008"})
    assert (views(on).cards, views(on).silence) == ((), "age_unknown")
