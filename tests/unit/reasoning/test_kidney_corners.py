"""Kidney function where results are mixed: which one counts, what is doubted, what is shown beside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.reasoning.decision import KidneyClass
from cds_service.reasoning.kidney import ckd_epi_2021, worst_ckd
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart
from tests.unit.reasoning.test_kidney import (
    AKI,
    CKD,
    DIALYSIS,
    TRANSPLANT,
    creatinine,
    dated,
    egfr,
    has,
    kidney,
)

MORNING = "2026-11-05T08:00:00Z"
UNUSABLE = 70  # mg/dL of creatinine


@pytest.mark.parametrize(
    ("sex", "age", "value", "expected"),
    [
        # Below kappa the other exponent holds: 142 x (0.6 / 0.9)^-0.302 x 0.9938^40
        ("male", 40, "0.6", "125.15"),
        ("male", 70, "0.5", "109.73"),
        ("female", 40, "0.5", "121.52"),
        ("male", 50, "1.2", "73.67"),
    ],
)
def test_the_equation_on_both_sides_of_kappa(sex: str, age: int, value: str, expected: str) -> None:
    coefficients = knowledge().parameters.ckd_epi_2021
    found = ckd_epi_2021(Decimal(value), age, sex, coefficients)
    assert found.quantize(Decimal("0.01")) == Decimal(expected)


# ------------------------------------------------------------------- which result counts


def test_a_creatinine_that_is_clearly_newer_counts_also_if_it_is_better() -> None:
    found = kidney(dated(egfr(40), "2026-11-10"), dated(creatinine(0.7), "2026-11-13"))
    assert (found.basis, found.kidney_class) == ("creatinine", KidneyClass.NORMAL)


def test_an_egfr_that_is_newer_counts_also_if_it_is_better() -> None:
    found = kidney(egfr(80, 5), creatinine(1.9, 20))
    assert (found.basis, found.value) == ("eGFR", Decimal(80))


def test_of_two_results_of_one_moment_the_lower_one_counts() -> None:
    for first, second in ((80, 50), (50, 80)):
        found = kidney(dated(egfr(first), MORNING), dated(egfr(second), MORNING))
        assert found.value == 50


@pytest.mark.parametrize(
    ("comparator", "mg_dl", "value"),
    [
        ("<=", 0.5, "117.77"),
        (">=", 3.0, "18.86"),
        ("<=", 1.5, None),
        (">=", 0.5, None),
    ],
)
def test_a_bound_that_includes_its_limit(comparator: str, mg_dl: float, value: str | None) -> None:
    found = kidney(creatinine(mg_dl, comparator=comparator)).value
    if value is None:
        assert found is None
    else:
        assert found is not None
        assert abs(found - Decimal(value)) < Decimal("0.11")


def test_units_of_creatinine_are_converted_at_their_own_scale() -> None:
    in_mg = kidney(creatinine(2.0)).value
    assert in_mg is not None
    for value, unit in ((176.8, "umol/L"), (0.1768, "mmol/L")):
        found = kidney(creatinine(value, unit=unit)).value
        assert found is not None
        assert abs(found - in_mg) < Decimal("0.0001")


# ----------------------------------------------------------------------------- what is doubted


@pytest.mark.parametrize(
    "labs",
    [
        (egfr(92, 10), creatinine(UNUSABLE, 20)),
        (creatinine(0.7, 10), egfr(300, 20)),
        (egfr(92, 10), egfr(300, 20)),
        (dated(egfr(92), MORNING), dated(creatinine(UNUSABLE), MORNING)),  # not newer
    ],
)
def test_what_is_unusable_and_not_newer_is_no_doubt(labs: tuple[Any, ...]) -> None:
    found = kidney(*labs)
    assert (found.kidney_class, found.flags) == (KidneyClass.NORMAL, ())
    assert [in_words(e.note) for e in found.others] == []


@pytest.mark.parametrize(
    ("good", "unusable"),
    [
        (egfr(92, 20), creatinine(UNUSABLE, 10)),
        (creatinine(0.7, 20), creatinine(UNUSABLE, 10)),
        (creatinine(0.7, 20), egfr(300, 10)),
        (egfr(92, 20), egfr(300, 10)),
        (dated(egfr(92), MORNING), dated(creatinine(UNUSABLE), "2026-11-05T08:00:01Z")),
    ],
)
def test_what_is_unusable_and_newer_leaves_a_doubt_and_is_shown(good: Any, unusable: Any) -> None:
    found = kidney(good, unusable)
    assert (found.rule, found.flags) == ("unusable-newer", ("unusable_newer",))
    shown = {e.resource for e in (found.evidence, *found.others) if e is not None}
    assert shown == {f"Observation/{good['id']}", f"Observation/{unusable['id']}"}
    noted = [
        e.resource for e in (found.evidence, *found.others) if e is not None and in_words(e.note)
    ]
    assert noted == [f"Observation/{unusable['id']}"]


def test_a_malformed_entry_may_be_a_result_also_where_there_is_no_other() -> None:
    bundle = fhir.bundle([])
    bundle["entry"] = [{"resource": 5}]
    found = kidney(kidneyLabs=bundle)
    assert (found.rule, found.flags) == ("unknown", ("partly_known",))
    assert in_words(found.why).startswith("kidneyLabs ")


# ----------------------------------------------------------------------------- what is shown


def test_an_old_result_is_what_an_unknown_class_shows() -> None:
    found = kidney(egfr(92, 366))
    assert found.kidney_class is KidneyClass.UNKNOWN
    assert found.evidence is not None
    assert (found.evidence.value, found.value) == ("92", Decimal(92))


def test_an_unusable_result_alone_is_what_an_unknown_class_shows() -> None:
    found = kidney(egfr(300))
    assert found.evidence is not None
    assert found.evidence.value == "300"
    assert found.value is None


def test_a_result_that_decides_nothing_is_shown_beside() -> None:
    found = kidney(egfr(92, 400), conditions=(has(CKD["4"], id="ckd"),))
    assert [e.value for e in found.others] == ["92"]
    assert found.basis == "diagnosis"


def test_a_transplant_is_shown_beside_the_result_that_it_makes_count() -> None:
    conditions = (has(CKD["4"], id="ckd"), has(TRANSPLANT, id="kidney"))
    found = kidney(egfr(65), conditions=conditions)
    assert {e.resource for e in found.others} == {"Condition/ckd", "Condition/kidney"}


def test_everything_that_speaks_is_shown_once() -> None:
    conditions = (has(CKD["4"], id="ckd"), has(DIALYSIS, id="dialysis"))
    found = kidney(egfr(25), conditions=conditions)
    assert found.evidence is not None
    assert found.evidence.resource == "Condition/dialysis"
    assert sorted(e.resource for e in found.others) == sorted(
        ["Condition/ckd", f"Observation/{egfr(25)['id']}"]
    )


def test_the_stage_is_in_the_reason_and_a_plain_word_without_a_display() -> None:
    nameless = has(CKD["4"])
    nameless["code"] = {"coding": [{"system": fhir.system_url("icd-10-cm"), "code": "N18.4"}]}
    assert "4" in in_words(kidney(conditions=(nameless,)).reason)


# ----------------------------------------------------------------------------- diagnoses


def twice_coded(first: str, second: str) -> Any:
    resource = has(first)
    resource["code"]["coding"].append(fhir.coding(second, "icd-10-cm"))
    return resource


@pytest.mark.parametrize(
    ("first", "second", "stage"),
    [
        (CKD["1"], CKD["4"], "4"),
        (CKD["4"], CKD["1"], "4"),
        (CKD["4"], "N18.5", "5"),
        ("N18.9", CKD["2"], "2"),
        (CKD["2"], "N18.9", "2"),
    ],
)
def test_a_problem_with_two_stages_has_the_worse(first: str, second: str, stage: str) -> None:
    assert worst_ckd(chart({"conditions": [twice_coded(first, second)]}))[0] == stage


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("N18.6", "dialysis"),  # end stage
        ("N18.5", "ckd-severe"),
        (CKD["4"], "ckd-severe"),
        (CKD["3b"], "ckd-moderate"),
        (CKD["3"], "ckd-moderate"),
        (CKD["3a"], "ckd-moderate"),
        (CKD["2"], "unknown"),
        (CKD["1"], "unknown"),
        ("N18.9", "ckd-unspecified"),
    ],
)
def test_each_stage_and_what_it_is_worth(code: str, row: str) -> None:
    assert kidney(conditions=(has(code),)).rule == row


def test_of_two_problems_of_one_stage_the_newer_is_named() -> None:
    for order in ((20, 300), (300, 20)):
        conditions = tuple(
            has(CKD["4"], id=f"c{days}", recorded_days=days, onset_days=days) for days in order
        )
        evidence = worst_ckd(chart({"conditions": [*conditions]}))[1]
        assert evidence is not None
        assert evidence.resource == "Condition/c20"


def test_an_injury_that_only_has_a_year_may_be_recent() -> None:
    injury = has(AKI, recorded_days=150)
    injury["onsetDateTime"] = "2026"
    assert kidney(conditions=(injury,)).rule == "aki"


def test_one_open_injury_among_older_ones() -> None:
    """The one that counts is recorded lately, though it began long before the other."""
    for other in ({"onset_days": 100, "recorded_days": 100}, {"recorded_days": None}):
        conditions = (has(AKI, id="a", **other), has(AKI, id="b", onset_days=400, recorded_days=20))
        for order in (conditions, conditions[::-1]):
            found = kidney(conditions=order)
            assert found.rule == "aki"
            assert found.evidence is not None
            assert found.evidence.resource == "Condition/b"


def test_an_injury_that_is_cleared_does_not_hide_one_that_is_not() -> None:
    conditions = (
        has(AKI, id="cleared", onset_days=60, recorded_days=60),
        has(AKI, id="open", onset_days=12, recorded_days=12),
    )
    assert kidney(egfr(92, 10), conditions=conditions).evidence == (
        kidney(egfr(92, 10), conditions=conditions[1:]).evidence
    )


def test_a_result_of_sixty_clears_an_injury_and_one_below_does_not() -> None:
    injury = has(AKI, onset_days=40, recorded_days=40)
    assert kidney(egfr(60, 10), conditions=(injury,)).rule == "egfr-normal"
    assert kidney(egfr(59.9, 10), conditions=(injury,)).rule == "aki"


def test_dialysis_by_procedure_is_told_from_dialysis_by_diagnosis() -> None:
    procedure = fhir.procedure("265764009", 30, today=TODAY, id="p")
    by_procedure = kidney(procedures=(procedure,))
    assert by_procedure.evidence is not None
    assert (by_procedure.basis, by_procedure.evidence.resource) == ("procedure", "Procedure/p")
    both = kidney(procedures=(procedure,), conditions=(has(DIALYSIS, id="d"),))
    assert both.evidence is not None
    assert (both.basis, both.evidence.resource) == ("diagnosis", "Condition/d")


@pytest.mark.parametrize(
    ("days", "flag"),
    [(365, "discordant"), (366, "needs_labs")],
)
def test_a_stage_three_with_a_good_result(days: int, flag: str) -> None:
    for value in (60, 92):
        assert kidney(egfr(value, days), conditions=(has(CKD["3"]),)).flags == (flag,)


@pytest.mark.parametrize(
    ("days", "kidney_class", "why"),
    [
        (-1, KidneyClass.NORMAL, ""),  # tomorrow where the laboratory is
        (-2, KidneyClass.UNKNOWN, "eGFR 92 is dated after the day of the call"),
    ],
)
def test_a_result_may_be_dated_tomorrow_but_no_later(
    days: int, kidney_class: KidneyClass, why: str
) -> None:
    found = kidney(egfr(92, days))
    assert (found.kidney_class, in_words(found.why)) == (kidney_class, why)
