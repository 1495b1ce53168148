"""Kidney function in doubt: results that disagree, that are old, that cannot be read (SPEC 12.2, 12.7)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service import reasons
from cds_service.chart.evidence import Gap
from cds_service.reasoning.decision import KidneyClass
from cds_service.reasoning.kidney import outcome_of
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart, day
from tests.unit.reasoning.test_kidney import (
    AKI,
    CKD,
    TRANSPLANT,
    creatinine,
    dated,
    egfr,
    has,
    kidney,
)

NORMAL, MODERATE, SEVERE, UNKNOWN = (
    KidneyClass.NORMAL,
    KidneyClass.MODERATE,
    KidneyClass.SEVERE,
    KidneyClass.UNKNOWN,
)
MORNING, NOON, EVENING = (f"2026-11-10T{hour}:00:00Z" for hour in ("08", "12", "20"))
NEXT_MORNING, A_SECOND_LATER = "2026-11-11T08:00:00Z", "2026-11-11T08:00:01Z"
HOUSE = "urn:oid:2.16.840.1.113883.3.9999.4.7"
UNUSABLE = Gap("kidneyLabs", "has a result that cannot be used")
UNREAD = Gap("conditions", reasons.KIDNEY_CONDITION_UNREAD)

# For the woman of 45: 0.7 mg/dL is 108.6, 1.05 is 66.8, 1.6 is 40.2, 1.9 is 32.7, 3.09 is 18.2.


# ------------------------------------------------------------- results that disagree (N-3)


@pytest.mark.parametrize(
    ("labs", "kidney_class", "value", "other"),
    [
        # A reported and a computed one.
        ((dated(egfr(72), MORNING), dated(creatinine(3.09), MORNING)), SEVERE, "3.09", "72"),
        ((dated(egfr(95), MORNING), dated(creatinine(1.6), MORNING)), MODERATE, "1.6", "95"),
        ((dated(egfr(25), MORNING), dated(creatinine(0.7), MORNING)), SEVERE, "25", "0.7"),
        ((dated(egfr(72), MORNING), dated(creatinine(1.6), NEXT_MORNING)), MODERATE, "1.6", "72"),
        ((dated(egfr(72), NEXT_MORNING), dated(creatinine(1.6), MORNING)), MODERATE, "1.6", "72"),
        ((dated(egfr(60), MORNING), dated(creatinine(1.6), MORNING)), MODERATE, "1.6", "60"),
        # Two creatinines of one day.
        (
            (dated(creatinine(0.7), MORNING), dated(creatinine(1.6), EVENING)),
            MODERATE,
            "1.6",
            "0.7",
        ),
        (
            (dated(creatinine(1.6), MORNING), dated(creatinine(0.7), EVENING)),
            MODERATE,
            "1.6",
            "0.7",
        ),
        # Where a date is not exact, they may be of one day.
        (
            (dated(egfr(72), "2026-11-10"), dated(creatinine(1.6), "2026-11-11")),
            MODERATE,
            "1.6",
            "72",
        ),
        ((dated(egfr(72), "2026-11"), dated(creatinine(1.6), MORNING)), MODERATE, "1.6", "72"),
        ((dated(creatinine(0.7), "2026"), dated(creatinine(1.6), "2026")), MODERATE, "1.6", "0.7"),
    ],
)
def test_of_two_results_that_disagree_the_worse_counts_and_both_are_shown(
    labs: tuple[Resource, ...], kidney_class: KidneyClass, value: str, other: str
) -> None:
    for order in (labs, labs[::-1]):
        found = kidney(*order)
        assert found.kidney_class is kidney_class
        assert "conflicting" in found.flags
        assert found.evidence is not None
        assert (found.evidence.value, found.others[0].value) == (value, other)
        assert found.evidence.date
        assert found.others[0].date


@pytest.mark.parametrize(
    "labs",
    [
        (dated(egfr(62), MORNING), dated(creatinine(1.05), MORNING)),  # the same class
        (dated(egfr(61), MORNING), dated(creatinine(1.2), MORNING)),  # another class, but near
        (dated(egfr(150), MORNING), dated(creatinine(1.05), MORNING)),  # far, but one class
        (dated(egfr(95), MORNING), dated(egfr(45, id="b"), MORNING)),  # two reported ones
        (dated(egfr(72), MORNING), dated(creatinine(1.6), A_SECOND_LATER)),
        (dated(egfr(72), A_SECOND_LATER), dated(creatinine(1.6), MORNING)),
        (dated(egfr(72), "2026-11-10"), dated(creatinine(1.6), "2026-11-08")),
        (dated(creatinine(0.7), EVENING), dated(creatinine(1.6), NEXT_MORNING)),  # two days
        (dated(egfr(72), MORNING), dated(creatinine(99), MORNING)),  # not plausible
    ],
)
def test_results_that_agree_or_are_not_to_be_compared(labs: tuple[Resource, ...]) -> None:
    for order in (labs, labs[::-1]):
        assert "conflicting" not in kidney(*order).flags


def test_a_difference_of_thirty_percent_of_the_higher_one_is_none_yet() -> None:
    """The woman of 45 with 1.5 mg/dL: 43.4."""
    computed = kidney(creatinine(1.5)).value
    assert computed is not None
    for share, conflicting in ((Decimal("0.7"), False), (Decimal("0.699"), True)):
        reported = dated(egfr(str(computed / share)), MORNING)
        found = kidney(reported, dated(creatinine(1.5), MORNING))
        assert ("conflicting" in found.flags) is conflicting


@pytest.mark.parametrize(
    ("amount", "kidney_class", "flags"),
    [(3.09, SEVERE, ("conflicting",)), (1.6, MODERATE, ("conflicting",)), (1.0, NORMAL, ())],
)
def test_without_the_sex_results_may_disagree_too(
    amount: float, kidney_class: KidneyClass, flags: tuple[str, ...]
) -> None:
    """The lower of the two values that a creatinine can mean is compared; alone it does not count."""
    who = fhir.patient(TODAY, age=45, sex="unknown")
    both = dated(egfr(72), MORNING), dated(creatinine(amount), MORNING)
    found = kidney(*both, who=who)
    assert (found.kidney_class, found.flags) == (kidney_class, flags)
    noted = [
        in_words(e.note)
        for e in (found.evidence, *found.others)
        if e is not None and in_words(e.note)
    ]
    assert noted == [
        "computed as for a woman: the sex is not known, and this gives the lower eGFR"
    ] * len(flags)
    alone = kidney(dated(creatinine(amount), MORNING), who=who)
    assert (alone.kidney_class, alone.flags) == (UNKNOWN, ("unusable_newer",))


def test_without_the_sex_a_creatinine_in_no_unit_is_no_conflict() -> None:
    who = fhir.patient(TODAY, age=45, sex="unknown")
    odd = dated(creatinine(3.09, unit="mg"), MORNING)
    assert kidney(dated(egfr(72), MORNING), odd, who=who).kidney_class is NORMAL


def test_a_conflict_must_hold_the_result_that_would_decide() -> None:
    old = (dated(egfr(72), "2026-05-10T08:00:00Z"), dated(creatinine(3.09), "2026-05-10T08:00:00Z"))
    found = kidney(*old, egfr(80, 10))
    assert (found.kidney_class, found.value, found.flags) == (NORMAL, Decimal(80), ())


def test_a_conflict_is_found_behind_a_newer_result_that_agrees() -> None:
    labs = (
        dated(egfr(72), NOON),
        dated(creatinine(1.05, id="agrees"), EVENING),
        dated(creatinine(3.09, id="disagrees"), MORNING),
    )
    found = kidney(*labs)
    assert (found.kidney_class, found.flags) == (SEVERE, ("conflicting",))
    assert [e.value for e in found.others] == ["72"]


def test_of_several_that_disagree_the_worst_counts() -> None:
    labs = [dated(creatinine(v, id=f"c{v}"), MORNING) for v in (0.7, 3.09, 1.6)]
    found = kidney(*labs)
    assert found.evidence is not None
    assert (found.kidney_class, found.evidence.value) == (SEVERE, "3.09")
    assert [e.value for e in found.others][:1] == ["1.6"]


def test_a_good_result_that_another_one_contradicts_clears_no_injury() -> None:
    injury = has(AKI, onset_days=40, recorded_days=40)
    good, bad = dated(egfr(72), MORNING), dated(creatinine(1.6), MORNING)
    assert kidney(good, conditions=(injury,)).rule == "egfr-normal"
    assert kidney(good, bad, conditions=(injury,)).rule == "aki"
    agrees = dated(creatinine(1.05), MORNING)
    assert kidney(good, agrees, conditions=(injury,)).rule == "egfr-normal"


def test_a_good_result_of_an_inexact_date_must_surely_be_later_than_an_injury() -> None:
    good = dated(egfr(92), "2026-10")
    for days, row in ((61, "egfr-normal"), (56, "aki")):  # 22 and 27 September
        injury = has(AKI, onset_days=days, recorded_days=days)
        assert kidney(good, conditions=(injury,)).rule == row


def test_beside_a_disease_that_decides_nothing_is_said_of_the_conflict() -> None:
    labs = (dated(egfr(95), MORNING), dated(creatinine(1.6), MORNING))
    found = kidney(*labs, conditions=(has(CKD["4"]),))
    assert (found.rule, found.flags) == ("ckd-severe", ("disagrees",))


@pytest.mark.parametrize(
    ("labs", "flags"),
    [
        ((dated(egfr(45), "2026-10"), dated(egfr(80), "2026-10-12")), ("needs_labs",)),
        ((dated(egfr(80), "2026"), egfr(45, 10)), ("needs_labs",)),
        ((dated(egfr(45), None), egfr(80, 10)), ("stale", "needs_labs")),
        (
            (dated(creatinine(1.6), "2026-10"), dated(egfr(80), "2026-10-12")),
            ("conflicting", "needs_labs"),
        ),
        (
            (dated(creatinine(0.7), "2026-10"), dated(creatinine(1.6), "2026-10-12")),
            ("conflicting", "needs_labs"),
        ),
        (
            (dated(creatinine(1.6), "2026-10"), dated(creatinine(0.7), "2026-10-12")),
            ("conflicting", "needs_labs"),
        ),
        # One interval in the other, though both begin or end together.
        ((dated(egfr(45), "2026-10"), dated(egfr(80), "2026-10-01")), ("needs_labs",)),
        ((dated(egfr(45), "2026-10"), dated(egfr(80), "2026-10-31")), ("needs_labs",)),
        # The same class, or surely older.
        ((dated(egfr(45), "2026"), egfr(50, 10)), ("stale",)),
        ((dated(egfr(80), "2025"), egfr(45, 10)), ()),
        ((dated(egfr(45), MORNING), dated(egfr(80), EVENING)), ()),
        # Of one moment: the preferred code says which one counts.
        ((dated(egfr(45), MORNING), dated(fhir.observation("33914-3", 80, None), MORNING)), ()),
    ],
)
def test_where_dates_leave_it_open_which_result_is_the_newest_tests_come_first(
    labs: tuple[Resource, ...], flags: tuple[str, ...]
) -> None:
    for order in (labs, labs[::-1]):
        assert kidney(*order).flags == flags


def test_a_creatinine_that_may_be_the_newest_result_is_not_hidden_by_an_older_and_worse_one() -> (
    None
):
    labs = [
        dated(creatinine(1.2), "2026"),
        dated(creatinine(1.25), "2026-01-26T08:00:00Z"),
        dated(egfr(75), "2026-09-23T08:00:00Z"),
    ]
    assert kidney(*labs[1:]).kidney_class is NORMAL
    found = kidney(*labs)
    assert found.evidence is not None
    assert (found.kidney_class, found.evidence.value) == (MODERATE, "1.2")


# ------------------------------------------------------- how long a good result holds (N-4)

ELDERLY = fhir.patient(TODAY, age=65, sex="female")
HEART_FAILURE, DIABETES, POLYCYSTIC = has("I50.22"), has("E11.9"), has("Q61.2")


@pytest.mark.parametrize(
    ("values", "days", "named"),
    [
        ({}, 365, "365 days"),
        ({"conditions": (DIABETES,)}, 365, "365 days"),
        ({"who": fhir.patient(TODAY, age=64, sex="female")}, 365, "365 days"),
        ({"conditions": (has("I25.10"),)}, 365, "365 days"),
        ({"who": ELDERLY}, 183, "age 65 or over"),
        ({"conditions": (HEART_FAILURE,)}, 183, "heart failure"),
        ({"conditions": (POLYCYSTIC,)}, 183, "kidney disease on record"),
        ({"conditions": (has(CKD["2"]),)}, 183, "kidney disease on record"),
        (
            {"conditions": (has(AKI, clinical="resolved", recorded_days=900),)},
            183,
            "kidney disease",
        ),
        ({"conditions": (has(TRANSPLANT),)}, 183, "kidney disease on record"),
        # What could not be looked for may be there.
        (
            {"without": ("medicationStatements",)},
            183,
            "diuretic: medicationStatements was not sent",
        ),
    ],
)
def test_a_good_result_holds_a_year_and_half_a_year_with_a_risk(
    values: dict[str, Any], days: int, named: str
) -> None:
    assert kidney(egfr(75, days), **values).kidney_class is NORMAL
    late = kidney(egfr(75, days + 1), **values)
    assert late.kidney_class is UNKNOWN
    assert late.flags == ()
    assert named in in_words(late.why)
    assert f"the last {days} days" in in_words(late.why)


@pytest.mark.parametrize("code", ["310798", "198377"])  # hydrochlorothiazide; tacrolimus
def test_with_a_diuretic_or_a_calcineurin_inhibitor_it_holds_half_a_year(code: str) -> None:
    taken = fhir.bundle([fhir.medication_request(code, today=TODAY)])
    assert kidney(egfr(75, 183), medicationRequests=taken).kidney_class is NORMAL
    assert kidney(egfr(75, 184), medicationRequests=taken).kidney_class is UNKNOWN


def test_beyond_a_year_nothing_is_said_of_a_risk() -> None:
    assert in_words(kidney(egfr(75, 400), who=ELDERLY).why).endswith("from the last 365 days")


def test_a_date_without_a_day_must_surely_be_within_the_time() -> None:
    assert kidney(dated(egfr(75), "2026-06"), who=ELDERLY).kidney_class is NORMAL
    assert kidney(dated(egfr(75), "2026-05"), who=ELDERLY).kidney_class is UNKNOWN
    assert kidney(dated(egfr(75), "2026-05")).kidney_class is NORMAL


# ------------------------------------------------ results that cannot be used or read (N-2, U-7)


@pytest.mark.parametrize(
    "result",
    [
        fhir.observation(fhir.EGFR, 80, "mg/L", today=TODAY),
        fhir.observation("2160-0", 0.8, "U/L", today=TODAY),
        egfr(value_string="see comment"),
        {
            **egfr(22),
            "code": {"coding": [{"system": HOUSE, "code": "1", "display": "GFR, estimated"}]},
        },
        {**egfr(22), "code": {"coding": [{"system": HOUSE, "code": "1"}]}},
        {**egfr(22), "code": {"text": "Kreatinin"}},
    ],
)
def test_a_result_that_cannot_be_used_is_named_and_gives_tests_only(result: Resource) -> None:
    alone = kidney(result)
    assert (alone.kidney_class, alone.flags, in_words(alone.gaps)) == (
        UNKNOWN,
        ("unusable_newer",),
        (UNUSABLE,),
    )
    older = {**egfr(92, 30), "id": "older"}
    newest = kidney(result, older)
    assert (newest.rule, newest.flags, in_words(newest.gaps)) == (
        "unusable-newer",
        ("unusable_newer",),
        (UNUSABLE,),
    )
    moderate = kidney(result, {**egfr(45, 30), "id": "older"})
    assert (moderate.kidney_class, moderate.flags) == (MODERATE, ("unusable_newer",))
    assert in_words(alone.why).startswith("the newest result cannot be used: ")
    assert in_words(newest.why).startswith("a newer result cannot be used: ")
    newer = kidney(result, {**egfr(92, 5), "id": "newer"})
    assert (newer.kidney_class, newer.flags, newer.gaps) == (NORMAL, (), ())


@pytest.mark.parametrize(
    ("unusable", "usable", "flags"),
    [
        # At the same moment the eGFR would count, and the preferred code of two.
        (egfr(value_string="?"), creatinine(0.7), ("unusable_newer",)),
        (egfr(value_string="?"), fhir.observation("33914-3", 92, None, 10, today=TODAY), ("unusable_newer",)),
        (fhir.observation("33914-3", 300, None, 10, today=TODAY), egfr(92), ()),
        (egfr(300), egfr(92), ("unusable_newer",)),  # its value might be the lower one
        (creatinine(99), creatinine(0.7), ("unusable_newer",)),
        # Without a time they may be of any order on their day.
        (dated(egfr(300), NOON), dated(egfr(92), "2026-11-10"), ("unusable_newer",)),
        (dated(egfr(300), "2026-11-10"), dated(egfr(92), NOON), ("unusable_newer",)),
        (creatinine(99), egfr(92), ()),
        ({**egfr(92), "code": {"text": "GFR"}}, creatinine(0.7), ("unusable_newer",)),
        ({**egfr(92), "code": {"text": "GFR"}}, {**egfr(92), "id": "b"}, ("unusable_newer",)),
        ({**egfr(92), "code": {"text": "Creatinine"}}, {**egfr(92), "id": "b"}, ()),
    ],
)  # fmt: skip
def test_what_cannot_be_used_and_would_count_at_the_same_moment_is_a_doubt(
    unusable: Resource, usable: Resource, flags: tuple[str, ...]
) -> None:
    for order in ((unusable, usable), (usable, unusable)):
        assert kidney(*order).flags == flags


def test_what_is_broken_and_surely_older_is_not_even_looked_at() -> None:
    broken = {**egfr(92, 100), "id": "old", "valueQuantity": {"value": "?"}}
    for newer in (egfr(92), creatinine(0.7)):
        found = kidney(
            newer, {**creatinine(0.7, 100), "valueQuantity": {"value": "?"}}, egfr(92, 20)
        )
        assert (found.kidney_class, found.flags) == (NORMAL, ())
    assert kidney(egfr(92, 10), broken).flags == ()
    assert kidney(dated(egfr(92), "2026-11"), egfr(92, 10), broken).flags == ()
    assert kidney(egfr(92, 200), broken).flags == ("unusable_newer", "partly_known")
    between = dated(broken, "2026-11-08")
    assert (
        kidney(dated(egfr(92, id="month"), "2026-11"), egfr(92, 10), between).kidney_class is NORMAL
    )


def test_what_is_surely_older_than_one_of_two_that_may_be_the_newest_counts_for_nothing() -> None:
    may, september = "2026-05-01T08:00:00Z", "2026-09-01T08:00:00Z"
    reported = (dated(egfr(92), "2026"), dated(egfr(92), september))
    assert kidney(*reported, dated(creatinine(1.6), may)).rule == "egfr-normal"
    sampled = (dated(creatinine(1.05), "2026"), dated(creatinine(1.05), september))
    assert kidney(*sampled, dated(egfr(58), may)).rule == "egfr-normal"


def test_an_egfr_of_the_day_before_a_creatinine_may_count() -> None:
    """By how much it is older its date does not say; 1.1 mg/dL is about 63."""
    sampled = dated(creatinine(1.1), "2026-11-12T08:00:00Z")
    assert kidney(sampled).kidney_class is NORMAL
    found = kidney(sampled, dated(egfr(55), "2026-11-11"))
    assert (found.kidney_class, found.value, found.flags) == (
        MODERATE,
        Decimal(55),
        ("needs_labs",),
    )
    assert kidney(sampled, dated(egfr(55), "2026-11-10")).kidney_class is NORMAL


def test_a_creatinine_of_an_inexact_date_is_computed_with_the_higher_age() -> None:
    born = fhir.patient(birth_date="1976-06-30", sex="female")  # 49 in spring, 50 in summer
    exact = {
        day: kidney(dated(creatinine(1.1), day), who=born).value
        for day in ("2026-02-01", "2026-09-01")
    }
    assert kidney(dated(creatinine(1.1), "2026"), who=born).value == min(
        v for v in exact.values() if v
    )
    assert len(set(exact.values())) == 2


def test_of_nested_dates_the_innermost_may_be_the_newest() -> None:
    labs = [dated(egfr(80), "2026"), dated(egfr(81), "2026-11"), egfr(45, 10)]
    for order in (labs, labs[::-1]):
        assert kidney(*order).value == 45


@pytest.mark.parametrize("status", [None, "FINAL", "done"])
def test_a_result_of_no_status_that_might_disagree_is_not_passed_over(status: str | None) -> None:
    disagrees = {**dated(creatinine(3.09), MORNING), "status": status}
    found = kidney(dated(egfr(92), MORNING), {k: v for k, v in disagrees.items() if v is not None})
    assert (found.kidney_class, found.flags) == (UNKNOWN, ("partly_known",))


def test_the_newest_of_several_that_cannot_be_used_is_shown() -> None:
    labs = [
        fhir.observation(fhir.EGFR, 80, "mg/L", days, id=f"o{days}", today=TODAY)
        for days in (9, 3, 6)
    ]
    for order in (labs, labs[::-1]):
        found = kidney(*order)
        assert found.evidence is not None
        assert found.evidence.resource == "Observation/o3"
        assert in_words(found.evidence.note) == "cannot be used: has a unit that is not one of eGFR"
        year = dated(fhir.observation(fhir.EGFR, 80, "mg/L", id="y", today=TODAY), "2026")
        found = kidney(*order, year)
        assert found.evidence is not None
        assert found.evidence.resource == "Observation/y-2026"


@pytest.mark.parametrize("lost", ["soon", 5, None])
def test_a_good_result_whose_date_is_lost_counts_for_nothing(lost: Any) -> None:
    found = kidney({**egfr(92), "effectiveDateTime": lost})
    assert found.kidney_class is UNKNOWN
    assert kidney({**egfr(25), "effectiveDateTime": lost}).kidney_class is SEVERE


# ------------------------------------------------------------- known only in part (12.7.1, 12.7.6)


@pytest.mark.parametrize(
    ("value", "kidney_class"), [(92, UNKNOWN), (45, MODERATE), (25, SEVERE), (None, UNKNOWN)]
)
def test_of_results_known_in_part_a_low_one_counts_and_a_good_one_does_not(
    value: int | None, kidney_class: KidneyClass
) -> None:
    results = [] if value is None else [egfr(value)]
    withheld = fhir.bundle(results)
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "suppressed"}],
    }
    withheld["entry"] = [
        *withheld.get("entry", []),
        {"resource": outcome, "search": {"mode": "outcome"}},
    ]
    found = kidney(kidneyLabs=withheld)
    assert (found.kidney_class, found.flags) == (kidney_class, ("partly_known",))


HOUSE_CKD = {
    **has(CKD["4"], id="house"),
    "code": {"coding": [{"system": HOUSE, "code": "5"}], "text": "Chronic kidney disease, stage 5"},
}


@pytest.mark.parametrize(
    ("labs", "others", "rule", "flags"),
    [
        ((), (), "unknown", ("partly_known",)),
        ((egfr(92),), (), "partly-known", ("partly_known",)),
        ((egfr(92, 400),), (), "unknown", ("partly_known",)),
        ((egfr(45),), (), "egfr-moderate", ("partly_known",)),
        ((egfr(25),), (), "egfr-severe", ("partly_known",)),
        ((), (has(CKD["3"]),), "ckd-moderate", ("needs_labs", "partly_known")),
        ((), (has(CKD["4"]),), "ckd-severe", ("partly_known",)),
    ],
)
def test_a_kidney_condition_that_cannot_be_read_hides_nothing_and_reassures_nobody(
    labs: tuple[Resource, ...], others: tuple[Resource, ...], rule: str, flags: tuple[str, ...]
) -> None:
    found = kidney(*labs, conditions=(HOUSE_CKD, *others))
    assert (found.rule, found.flags, found.gaps) == (rule, flags, (UNREAD,))
    assert "Condition/house" in {e.resource for e in (found.evidence, *found.others) if e}


def test_why_a_class_is_unknown_names_the_condition_that_cannot_be_read() -> None:
    assert in_words(kidney(egfr(92), conditions=(HOUSE_CKD,)).why) == (
        "conditions has a kidney condition that cannot be read"
    )


def test_another_condition_that_cannot_be_read_does_not_touch_the_class() -> None:
    other = {
        **HOUSE_CKD,
        "code": {"coding": [{"system": HOUSE, "code": "5"}], "text": "Myasthenia"},
    }
    found = kidney(egfr(92), conditions=(other,))
    assert (found.kidney_class, found.flags, found.gaps) == (NORMAL, (), ())


# ------------------------------------------------------------------- diagnoses (12.7.4, K-1, V126)


@pytest.mark.parametrize("period", [{"start": 5}, "odd", {"start": "in spring"}])
def test_an_injury_whose_period_cannot_be_read_counts_as_recent(period: Any) -> None:
    injury = {**has(AKI, recorded_days=None), "onsetPeriod": period}
    assert kidney(egfr(90, 10), conditions=(injury,)).rule == "aki"


def test_an_injury_dated_by_a_period_with_an_extension_is_dated() -> None:
    about = {"extension": [{"url": "http://example.org/precision", "valueCode": "about"}]}
    injury = {**has(AKI, recorded_days=None), "onsetPeriod": {"start": day(20), **about}}
    assert kidney(egfr(90, 60), conditions=(injury,)).rule == "aki"
    assert kidney(egfr(90, 10), conditions=(injury,)).rule == "egfr-normal"


def test_a_disease_that_ends_next_year_is_not_over() -> None:
    period = {"start": day(-300), "end": day(-400), "extension": [{"url": "http://example.org/e"}]}
    ckd = {**has(CKD["4"], clinical=None), "abatementPeriod": period}
    assert kidney(egfr(90, 30), conditions=(ckd,)).rule == "ckd-severe"


# ----------------------------------------------------------------- procedures (K-1), other keys


@pytest.mark.parametrize(
    ("code", "row"), [("70536003", "egfr-normal"), ("175899003", "ckd-severe")]
)
def test_a_transplant_by_procedure_makes_a_fresh_result_count(code: str, row: str) -> None:
    """An autotransplant is none: the kidney was the patient's own."""
    procedure = fhir.procedure(code, 1900, today=TODAY, id="transplant")
    found = kidney(egfr(77), conditions=(has(CKD["4"]),), procedures=(procedure,))
    assert found.rule == row
    shown = {e.resource for e in found.others}
    assert ("Procedure/transplant" in shown) is (row == "egfr-normal")


@pytest.mark.parametrize("key", ["magnesiumLabs", "pregnancyStatus"])
def test_a_result_under_another_key_counts(key: str) -> None:
    values: dict[str, Any] = {key: fhir.bundle([egfr(22)])}
    assert kidney(**values).rule == "egfr-severe"
    assert kidney(egfr(92, 30), **values).rule == "egfr-severe"
    assert kidney(without=("kidneyLabs",), **values).rule == "egfr-severe"


def test_the_highest_creatinine_that_is_plausible_counts() -> None:
    assert kidney(creatinine(30)).rule == "egfr-severe"
    assert kidney(creatinine(30.01)).flags == ("unusable_newer",)


CHILD = fhir.patient(TODAY, age=12, sex="female")


def test_a_creatinine_of_a_child_is_no_result_and_no_doubt() -> None:
    found = kidney(creatinine(0.6), who=CHILD)
    assert (found.kidney_class, found.flags, found.gaps) == (UNKNOWN, (), ())
    assert in_words(found.why) == "there is only creatinine, which does not count under 18"
    assert in_words(kidney(who=CHILD).why) == "there is no eGFR and no creatinine by a known code"


def test_a_creatinine_of_a_child_clears_no_injury() -> None:
    injury = has(AKI, onset_days=40, recorded_days=40)
    assert kidney(creatinine(0.6), who=CHILD, conditions=(injury,)).rule == "aki"
    assert kidney(egfr(90), creatinine(0.6), who=CHILD, conditions=(injury,)).rule == "egfr-normal"


# ---------------------------------------------------------------------------- the account


def outcomes(*labs: Resource, without: tuple[str, ...] = (), **found: Any) -> dict[str, str]:
    known = chart({"kidneyLabs": list(labs), **found}, without=without)
    return {row.id: outcome_of(row, known) for row in known.knowledge.policy.kidney}


def test_a_row_whose_data_are_not_known_is_unknown_and_not_unmet() -> None:
    everything = outcomes(egfr(92))
    assert {row for row, outcome in everything.items() if outcome == "met"} == {"egfr-normal"}
    assert set(everything.values()) == {"met", "not met"}
    results = outcomes(without=("kidneyLabs",))
    assert {row for row, outcome in results.items() if outcome == "unknown"} == {
        *("egfr-severe", "egfr-moderate", "unusable-newer", "partly-known", "egfr-normal"),
    }
    procedures = outcomes(egfr(92), without=("kidneyProcedures",))
    assert [row for row, outcome in procedures.items() if outcome == "unknown"] == ["dialysis"]


def test_a_row_about_a_disease_is_unknown_where_a_condition_cannot_be_read() -> None:
    found = outcomes(egfr(92), conditions=[HOUSE_CKD])
    assert [row for row, outcome in found.items() if outcome == "unknown"] == [
        *("dialysis", "aki", "ckd-severe", "ckd-moderate", "ckd-unspecified"),
    ]
    assert (found["partly-known"], found["egfr-normal"]) == ("met", "not met")
