"""The kidney class: each row of the table with its flags, and which result counts (SPEC 3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.reasoning.decision import Kidney, KidneyClass
from cds_service.reasoning.kidney import kidney_function, worst_ckd
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, WOMAN, chart, day

NORMAL, MODERATE, SEVERE, UNKNOWN = (
    KidneyClass.NORMAL,
    KidneyClass.MODERATE,
    KidneyClass.SEVERE,
    KidneyClass.UNKNOWN,
)
CKD = {"1": "N18.1", "2": "N18.2", "3": "N18.30", "3a": "N18.31", "3b": "N18.32", "4": "N18.4"}
DIALYSIS, AKI, TRANSPLANT, CKD_ANY = "Z99.2", "N17.9", "Z94.0", "N18.9"
MAN = fhir.patient(TODAY, age=60, sex="male")


def egfr(value: Any = None, days: int = 10, **more: Any) -> Resource:
    return fhir.observation(fhir.EGFR, value, fhir.EGFR_UNIT, days, today=TODAY, **more)


def creatinine(
    value: Any, days: int = 10, unit: str | None = "mg/dL", code: str = "2160-0", **more: Any
) -> Resource:
    return fhir.observation(code, value, unit, days, today=TODAY, **more)


def has(code: str, **more: Any) -> Resource:
    return fhir.condition(code, today=TODAY, **more)


def dated(result: Resource, written: str | None) -> Resource:
    moved = {**result, "id": f"{result['id']}-{written}", "effectiveDateTime": written}
    return {k: v for k, v in moved.items() if v is not None}


def kidney(
    *labs: Resource,
    conditions: tuple[Resource, ...] = (),
    procedures: tuple[Resource, ...] = (),
    who: Resource = WOMAN,
    without: tuple[str, ...] = (),
    **values: Any,
) -> Kidney:
    found = {
        "kidneyLabs": list(labs),
        "conditions": list(conditions),
        "kidneyProcedures": list(procedures),
    }
    return kidney_function(chart(found, who, without, **values))


# ------------------------------------------------------------------------- rows of the table


@each_row(
    ("labs", "conditions", "row", "kidney_class", "flags"),
    [
        ([], [DIALYSIS], "dialysis", SEVERE, ()),
        ([egfr(92)], [DIALYSIS], "dialysis", SEVERE, ()),
        ([egfr(92, 20)], [(AKI, 20)], "aki", SEVERE, ()),
        ([], [(AKI, 90)], "aki", SEVERE, ()),
        ([], [(AKI, 91)], "unknown", UNKNOWN, ()),
        ([egfr(92, 13)], [(AKI, 20)], "egfr-normal", NORMAL, ()),  # 7 days later
        ([egfr(92, 14)], [(AKI, 20)], "aki", SEVERE, ()),
        ([egfr(59, 10)], [(AKI, 20)], "aki", SEVERE, ()),
        ([egfr(29)], [], "egfr-severe", SEVERE, ()),
        ([egfr(29.9)], [], "egfr-severe", SEVERE, ()),
        ([egfr(25, 4000)], [], "egfr-severe", SEVERE, ()),
        ([], [CKD["4"]], "ckd-severe", SEVERE, ()),
        ([], ["N18.5"], "ckd-severe", SEVERE, ()),
        ([egfr(45)], [CKD["4"]], "ckd-severe", SEVERE, ("disagrees",)),
        ([egfr(92)], [CKD["4"]], "ckd-severe", SEVERE, ("disagrees",)),
        ([egfr(65)], [CKD["4"], TRANSPLANT], "egfr-normal", NORMAL, ()),
        ([egfr(65, 183)], [CKD["4"], TRANSPLANT], "egfr-normal", NORMAL, ()),
        ([egfr(65, 184)], [CKD["4"], TRANSPLANT], "ckd-severe", SEVERE, ("disagrees",)),
        ([egfr(30)], [], "egfr-moderate", MODERATE, ()),
        ([egfr(59.9)], [], "egfr-moderate", MODERATE, ()),
        ([egfr(45, 183)], [], "egfr-moderate", MODERATE, ()),
        ([egfr(45, 184)], [], "egfr-moderate", MODERATE, ("stale",)),
        ([egfr(45, 4000)], [], "egfr-moderate", MODERATE, ("stale",)),
        ([], [CKD["3"]], "ckd-moderate", MODERATE, ("needs_labs",)),
        ([], [CKD["3a"]], "ckd-moderate", MODERATE, ("needs_labs",)),
        ([], [CKD["3b"]], "ckd-moderate", MODERATE, ("needs_labs",)),
        ([egfr(92, 365)], [CKD["3"]], "ckd-moderate", MODERATE, ("discordant",)),
        ([egfr(92, 366)], [CKD["3"]], "ckd-moderate", MODERATE, ("needs_labs",)),
        ([], [CKD_ANY], "ckd-unspecified", MODERATE, ("needs_labs",)),
        ([egfr(92, 183)], [CKD_ANY], "egfr-normal", NORMAL, ()),
        ([egfr(92, 184)], [CKD_ANY], "ckd-unspecified", MODERATE, ("needs_labs",)),
        ([egfr(92, 366)], [CKD_ANY], "ckd-unspecified", MODERATE, ("needs_labs",)),
        ([egfr(92)], [CKD_ANY], "egfr-normal", NORMAL, ()),
        ([egfr(92)], [CKD["1"]], "egfr-normal", NORMAL, ()),
        ([egfr(60)], [CKD["2"]], "egfr-normal", NORMAL, ()),
        ([], [CKD["2"]], "unknown", UNKNOWN, ()),
        ([egfr(60)], [], "egfr-normal", NORMAL, ()),
        ([egfr(92, 365)], [], "egfr-normal", NORMAL, ()),
        ([egfr(92, 366)], [], "unknown", UNKNOWN, ()),
        ([], [], "unknown", UNKNOWN, ()),
        ([egfr(92, 20), egfr(300, 10)], [], "unusable-newer", UNKNOWN, ("unusable_newer",)),
        ([egfr(45, 20), egfr(300, 10)], [], "egfr-moderate", MODERATE, ("unusable_newer",)),
        ([egfr(25, 20), egfr(300, 10)], [], "egfr-severe", SEVERE, ("unusable_newer",)),
        ([egfr(300, 20), egfr(92, 10)], [], "egfr-normal", NORMAL, ()),
        ([egfr(300, 10)], [], "unknown", UNKNOWN, ("unusable_newer",)),
    ],
)
def test_a_row(
    labs: list[Resource],
    conditions: list[Any],
    row: str,
    kidney_class: KidneyClass,
    flags: tuple[str, ...],
) -> None:
    problems = tuple(
        has(c) if isinstance(c, str) else has(c[0], onset_days=c[1], recorded_days=c[1])
        for c in conditions
    )
    found = kidney(*labs, conditions=problems)
    assert (found.rule, found.kidney_class, found.flags) == (row, kidney_class, flags)


@pytest.mark.parametrize("code", ["265764009", "233581009"])  # dialysis; hemofiltration
def test_a_recent_dialysis_procedure(code: str) -> None:
    found = kidney(egfr(92), procedures=(fhir.procedure(code, 90, today=TODAY),))
    assert (found.rule, found.basis, in_words(found.reason)) == (
        "dialysis",
        "procedure",
        "dialysis",
    )


@pytest.mark.parametrize(
    ("labs", "conditions", "basis", "reason", "text"),
    [
        ([egfr(25)], [], "eGFR", "eGFR 25", "25"),
        ([egfr(59.96)], [], "eGFR", "eGFR 59.9", "59.9"),  # never rounded up to 60
        ([egfr(92)], [], "eGFR", "", "92"),
        ([egfr(60, comparator=">")], [], "eGFR", "", ">60"),
        ([creatinine(2.4)], [], "creatinine", "eGFR 24.7", "24.7"),
        ([], [DIALYSIS], "diagnosis", "dialysis", ""),
        ([], [AKI], "diagnosis", "acute kidney injury", ""),
        ([], ["N18.6"], "diagnosis", "end-stage renal disease", ""),
        ([], ["N18.5"], "diagnosis", "CKD stage 5", ""),
        ([], [CKD["4"]], "diagnosis", "CKD stage 4", ""),
        ([], [CKD["3b"]], "diagnosis", "CKD stage 3b", ""),
        ([], [CKD["3a"]], "diagnosis", "CKD stage 3a", ""),
        ([], [CKD["3"]], "diagnosis", "CKD stage 3", ""),
        ([], [CKD_ANY], "diagnosis", "CKD of unknown stage", ""),
        ([egfr(92, 20), egfr("?", 1)], [CKD_ANY], "eGFR", "", "92"),  # UNKNOWN: the newer result
        ([], [], "none", "", ""),
    ],
)
def test_what_the_class_rests_on(
    labs: list[Resource], conditions: list[str], basis: str, reason: str, text: str
) -> None:
    problems = tuple(has(c, onset_days=5, recorded_days=5) for c in conditions)
    found = kidney(*labs, conditions=problems)
    assert (found.basis, in_words(found.reason), found.egfr_text) == (basis, reason, text)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("236435004", "dialysis"),  # End stage renal failure on dialysis
        ("428982002", "dialysis"),  # Dependence on hemodialysis due to end stage renal disease
        ("433144002", "CKD stage 3"),
    ],
)
def test_kidney_disease_on_dialysis_is_said_as_dialysis(code: str, reason: str) -> None:
    coded = has(CKD["4"])
    coded["code"] = {"coding": [{"system": fhir.system_url("snomed"), "code": code}]}
    assert in_words(kidney(conditions=(coded,)).reason) == reason


def test_a_stage_is_said_in_a_few_words_whatever_the_problem_list_calls_it() -> None:
    named = has(CKD["4"])
    named["code"]["coding"][0]["display"] = "Chronic kidney disease stage 4 (disorder)"
    found = kidney(conditions=(named,))
    assert in_words(found.reason) == "CKD stage 4"
    assert found.evidence is not None
    assert found.evidence.display == "Chronic kidney disease stage 4 (disorder)"


def test_what_disagrees_is_shown_beside() -> None:
    found = kidney(egfr(45), conditions=(has(CKD["4"], id="ckd"),))
    assert found.evidence is not None
    assert found.evidence.resource == "Condition/ckd"
    assert [e.value for e in found.others] == ["45"]
    assert found.value == 45


@pytest.mark.parametrize(
    ("codes", "stage"),
    [
        ([CKD["2"], CKD["4"]], "4"),
        ([CKD["3a"], CKD["3b"]], "3b"),
        ([CKD["3"], CKD_ANY], "3"),
        ([CKD_ANY, CKD["1"]], "1"),  # a stage says more than none
        ([], ""),
    ],
)
def test_the_most_restrictive_stage_wins(codes: list[str], stage: str) -> None:
    problems = [has(c) for c in codes]
    for order in (problems, problems[::-1]):
        assert worst_ckd(chart({"conditions": order}))[0] == stage


@pytest.mark.parametrize(
    ("condition", "row"),
    [
        (has(CKD["4"], verification="provisional"), "ckd-severe"),
        (has(CKD["4"], verification="unconfirmed"), "ckd-severe"),
        (has(CKD["4"], verification="refuted"), "unknown"),
        (has(CKD["4"], clinical="resolved"), "unknown"),
        (has(AKI, recorded_days=None), "unknown"),  # undated: not SEVERE by itself
        (has(AKI, onset_days=400, recorded_days=20), "aki"),  # the later date counts
        (has(AKI, onset_days=20, recorded_days=400), "aki"),
    ],
)
def test_kidney_diagnoses_are_safety_conditions(condition: Resource, row: str) -> None:
    assert kidney(conditions=(condition,)).rule == row


# ------------------------------------------------------------------- which result counts


def race(value: int, code: str, days: int = 10) -> Resource:
    return fhir.observation(code, value, fhir.EGFR_UNIT, days, today=TODAY)


@pytest.mark.parametrize(
    ("labs", "value"),
    [
        ([egfr(64, 200), egfr(28, 10)], "28"),
        ([egfr(28, 200), egfr(64, 10)], "64"),
        # The same time: the preferred code, then the lowest value.
        ([race(58, "48642-3"), race(67, "48643-1")], "58"),
        ([race(67, "48642-3"), race(58, "48643-1")], "67"),
        ([race(70, "98979-8"), race(50, "33914-3")], "70"),
        ([race(70, "98979-8"), race(50, "98980-6")], "50"),
        # Where the dates leave it open which is newer, the lowest that may be.
        ([dated(egfr(45), "2026"), egfr(80, 10)], "45"),
        ([dated(egfr(80), "2026"), egfr(45, 10)], "45"),
        ([dated(egfr(45), "2025"), egfr(80, 10)], "80"),
        ([dated(egfr(45), None), egfr(80, 10)], "45"),
        ([dated(egfr(45), "2026-11"), dated(egfr(80), "2026-11-05")], "45"),
        ([dated(egfr(80), "2026-11-05T09:00:00Z"), dated(egfr(50), "2026-11-05T08:00:00Z")], "80"),
        ([dated(egfr(80), "2026-11-05"), dated(egfr(50), "2026-11-05T08:00:00Z")], "50"),
    ],
)
def test_the_latest_counts(labs: list[Resource], value: str) -> None:
    for order in (labs, labs[::-1]):
        assert kidney(*order).value == Decimal(value)


@pytest.mark.parametrize(
    ("reported", "sampled", "basis"),
    [
        ("2026-11-10T08:00:00Z", "2026-11-11T08:00:00Z", "eGFR"),  # exactly 24 hours
        ("2026-11-10T08:00:00Z", "2026-11-11T08:00:01Z", "creatinine"),
        ("2026-11-10T08:00:00Z", "2026-11-09T08:00:00Z", "eGFR"),
        ("2026-11-10", "2026-11-10", "eGFR"),
        ("2026-11-10", "2026-11-13", "creatinine"),
        # Open which is newer by how much: the lower one.
        ("2026", "2026-11-10", "creatinine"),
        ("2026-11-10", "2026-11-12", "creatinine"),
    ],
)
def test_a_creatinine_counts_if_it_is_clearly_newer(
    reported: str, sampled: str, basis: str
) -> None:
    # 1.9 mg/dL is about 33 for her: lower than what was reported, but of the same class.
    found = kidney(dated(egfr(45), reported), dated(creatinine(1.9), sampled))
    assert (found.basis, found.flags) == (basis, ())


def test_where_it_is_open_the_lower_one_counts_also_if_it_was_reported() -> None:
    found = kidney(dated(egfr(40), "2026"), dated(creatinine(0.7), "2026-11-10"))
    assert (found.basis, found.value) == ("eGFR", Decimal(40))


@pytest.mark.parametrize("written", ["9999-12-31", "0001-01-01", "9999", "2027-01-01", None])
def test_a_date_that_cannot_be_is_never_fresh(written: str | None) -> None:
    assert kidney(dated(egfr(92), written)).kidney_class is UNKNOWN
    assert kidney(dated(egfr(25), written)).kidney_class is SEVERE
    assert kidney(dated(egfr(45), written)).kidney_class is MODERATE


def test_tomorrow_by_the_clock_of_another_zone_is_still_fresh() -> None:
    assert kidney(dated(egfr(92), day(-1))).kidney_class is NORMAL
    assert kidney(dated(egfr(92), day(-2))).kidney_class is UNKNOWN


# ------------------------------------------------------------------- what a result says


@pytest.mark.parametrize(
    ("result", "row", "flags"),
    [
        (egfr(60, comparator=">"), "egfr-normal", ()),
        (egfr(90, comparator=">"), "egfr-normal", ()),
        (egfr(60, comparator=">="), "egfr-normal", ()),
        (egfr(59, comparator=">"), "unknown", ("unusable_newer",)),
        (egfr(45, comparator=">"), "unknown", ("unusable_newer",)),
        (egfr(15, comparator="<"), "egfr-severe", ()),
        (egfr(30, comparator="<"), "egfr-severe", ()),
        (egfr(30, comparator="<="), "egfr-severe", ()),
        (egfr(31, comparator="<"), "egfr-moderate", ("needs_labs",)),
        (egfr(60, comparator="<"), "egfr-moderate", ("needs_labs",)),
        (egfr(61, comparator="<"), "unknown", ("unusable_newer",)),
        (egfr(90, comparator="<"), "unknown", ("unusable_newer",)),
        (egfr(90, comparator="~"), "unknown", ("unusable_newer",)),
        (egfr(value_string=">60"), "egfr-normal", ()),
        (egfr(value_string="reduced"), "unknown", ("unusable_newer",)),
        # Plausible from 1 to 250.
        (egfr(1), "egfr-severe", ()),
        (egfr(0.9), "unknown", ("unusable_newer",)),
        (egfr(250), "egfr-normal", ()),
        (egfr(251), "unknown", ("unusable_newer",)),
        (egfr(0), "unknown", ("unusable_newer",)),
        # No unit: that of the code. Another unit: not used.
        (fhir.observation(fhir.EGFR, 92, None, today=TODAY), "egfr-normal", ()),
        (fhir.observation(fhir.EGFR, 92, "mL/min", today=TODAY), "egfr-normal", ()),
        (fhir.observation(fhir.EGFR, 92, "mg/dL", today=TODAY), "unknown", ("unusable_newer",)),
        (fhir.observation(fhir.EGFR, 92, "L/min", today=TODAY), "unknown", ("unusable_newer",)),
        # Not a result at all.
        (egfr(92, status="preliminary"), "unknown", ()),
        (egfr(92, status="entered-in-error"), "unknown", ()),
    ],
)
def test_a_reported_egfr(result: Resource, row: str, flags: tuple[str, ...]) -> None:
    found = kidney(result)
    assert (found.rule, found.flags) == (row, flags)


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (creatinine(1.0), "70.85"),
        (creatinine(88.4, unit="umol/L"), "70.85"),
        (creatinine(0.0884, unit="mmol/L"), "70.85"),
        # The stated unit beats the default of the code.
        (creatinine(1.0, unit="mg/dL", code="14682-9"), "70.85"),
        # Without a unit, the default of the code; never guessed from the number.
        (creatinine(1.0, unit=None), "70.85"),
        (creatinine(88.4, unit=None, code="14682-9"), "70.85"),
        (creatinine(88.4, unit=None, code="77140-2"), "70.85"),
        (creatinine(1.0, unit=None, code="38483-4"), "70.85"),
        (creatinine(88.4, unit=None), None),
        (creatinine(1.0, unit=None, code="14682-9"), None),
        (creatinine(1.0, unit=None, code="35203-9"), None),  # mass or moles
        (creatinine(1.0, unit="mg/dL", code="35203-9"), "70.85"),
        (creatinine(70), None),
        (creatinine(1.0, unit="g/L"), None),
        (creatinine(1.0, unit="mEq/L"), None),
        # Plausible from 0.1 to 30 mg/dL.
        (creatinine(0.1), "173.62"),
        (creatinine(0.09), None),
        (creatinine(30.1), None),
        (creatinine(1.0, code="21232-4"), None),
        # A bound on creatinine is the other bound on the eGFR.
        (creatinine(0.5, comparator="<"), "117.77"),
        (creatinine(1.5, comparator="<"), None),
        (creatinine(3.0, comparator=">"), "18.86"),
        (creatinine(0.5, comparator=">"), None),
        (creatinine(1.0, comparator="~"), None),
    ],
)
def test_a_creatinine(result: Resource, value: str | None) -> None:
    """A woman of 45."""
    found = kidney(result)
    assert (found.value is None) is (value is None), found.value
    if value is not None and found.value is not None:
        assert abs(found.value - Decimal(value)) < Decimal("0.11")
        assert found.basis == "creatinine"


def test_a_creatinine_above_a_limit_says_moderate_at_best() -> None:
    found = kidney(creatinine(1.3, comparator=">"))
    assert (found.kidney_class, found.flags) == (MODERATE, ("needs_labs",))


@pytest.mark.parametrize(
    ("who", "computed"),
    [
        (fhir.patient(TODAY, age=45, sex="female"), True),
        (fhir.patient(TODAY, age=45, sex="male"), True),
        (fhir.patient(TODAY, age=45, sex="other"), False),
        (fhir.patient(TODAY, age=45), False),
        (fhir.patient(TODAY, sex="female"), False),
    ],
)
def test_the_equation_needs_age_and_sex(who: Resource, computed: bool) -> None:
    found = kidney(creatinine(0.8), who=who)
    assert (found.value is not None) is computed
    assert found.flags == (() if computed else ("unusable_newer",))


def test_under_18_at_sampling_only_a_reported_egfr_counts() -> None:
    child = fhir.patient(TODAY, age=18, sex="female", birthday_days_ago=5)
    found = kidney(creatinine(0.8, 10), egfr(92, 100), who=child)
    assert (found.kidney_class, found.value, found.flags) == (NORMAL, Decimal(92), ())
    assert kidney(creatinine(0.8, 5), who=child).basis == "creatinine"


def test_a_creatinine_of_a_patient_who_may_have_been_18_is_not_ignored() -> None:
    who = fhir.patient(birth_date="2008", sex="female")
    found = kidney(creatinine(5, 1), egfr(92, 100), who=who)
    assert (found.kidney_class, found.flags) == (UNKNOWN, ("unusable_newer",))
    exact = fhir.patient(TODAY, age=18, sex="female", birthday_days_ago=5)
    found = kidney(dated(creatinine(5), "2026"), egfr(92, 400), who=exact)
    assert (found.kidney_class, found.flags) == (UNKNOWN, ("unusable_newer",))


def test_a_creatinine_of_a_patient_who_was_certainly_a_child_is_ignored() -> None:
    who = fhir.patient(birth_date="2009", sex="female")
    found = kidney(creatinine(5, 1), egfr(92, 100), who=who)
    assert (found.kidney_class, found.flags) == (NORMAL, ())


def test_an_inexact_age_gives_the_lower_egfr() -> None:
    """60.01 at 54, 59.6 at 55: born in 1971, she may be 55."""
    exact = kidney(creatinine(1.1), who=fhir.patient(TODAY, age=55, sex="female"))
    inexact = kidney(creatinine(1.1), who=fhir.patient(birth_date="1971", sex="female"))
    assert inexact.value == exact.value


def test_an_undated_creatinine_cannot_be_used() -> None:
    found = kidney(dated(creatinine(0.8), None))
    assert (found.value, found.flags) == (None, ("unusable_newer",))


def test_an_aki_may_be_cleared_by_an_older_result_than_the_one_that_counts() -> None:
    injury = has(AKI, onset_days=60, recorded_days=60)
    assert kidney(egfr(88, 40), egfr(50, 10), conditions=(injury,)).rule == "egfr-moderate"
    assert kidney(creatinine(0.7, 40), egfr(50, 10), conditions=(injury,)).rule == "egfr-moderate"
    assert kidney(egfr(50, 10), conditions=(injury,)).rule == "aki"


# --------------------------------------------------------------------- what is not known


@pytest.mark.parametrize("key", ["kidneyLabs"])
def test_results_that_were_not_sent(key: str) -> None:
    unknown = kidney(without=(key,))
    assert (unknown.kidney_class, unknown.flags) == (UNKNOWN, ("partly_known",))
    assert kidney(without=(key,), conditions=(has(CKD["4"]),)).kidney_class is SEVERE


@pytest.mark.parametrize(("value", "kidney_class"), [(92, UNKNOWN), (45, MODERATE), (25, SEVERE)])
def test_a_malformed_entry_may_be_the_newest(value: int, kidney_class: KidneyClass) -> None:
    bundle = fhir.bundle([egfr(value)])
    bundle["entry"].append({"resource": 5})
    found = kidney(kidneyLabs=bundle)
    assert (found.kidney_class, found.flags) == (kidney_class, ("partly_known",))


@pytest.mark.parametrize("age", [12, 60])
def test_dialysis_counts_at_any_age(age: int) -> None:
    who = fhir.patient(TODAY, age=age, sex="male")
    assert kidney(conditions=(has(DIALYSIS),), who=who).kidney_class is SEVERE


def test_the_man_of_the_vignette() -> None:
    """212 umol/L at 60 is about 30.2; 2.4 mg/dL at 65 is 29.2."""
    assert kidney(creatinine(212, unit="umol/L"), who=MAN).kidney_class is MODERATE
    older = fhir.patient(TODAY, age=65, sex="male")
    assert kidney(creatinine(2.4), who=older).kidney_class is SEVERE
