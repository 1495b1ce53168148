"""Conditions: by code only, by the status test, with the evidence that matched."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.conditions import Problem, Problems, code_of, read_problems
from cds_service.chart.reading import Reader
from cds_service.fhir.wire import CodeableConcept, Coding
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.unit.chart.reading import SUBJECT, TODAY, content, day

RECORDED_DAYS = 730
ICD = fhir.SYSTEMS["icd-10-cm"]


def problems(*conditions: Resource) -> Problems:
    found = content("conditions", conditions)
    return read_problems(
        found, knowledge().terminology, SUBJECT, TODAY, RECORDED_DAYS, reader=Reader("conditions")
    )


def migraine(**changes: Any) -> Resource:
    """An active, confirmed migraine; a change to None takes the element away."""
    usual = fhir.condition("G43.009", id="m", recorded_days=10, today=TODAY)
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def one(condition: Resource) -> Problem:
    (problem,) = problems(condition).found
    return problem


def status(code: str) -> Resource:
    return {"coding": [{"system": "http://example.org/status", "code": code}]}


# ------------------------------------------------------------------------------- status test


@pytest.mark.parametrize("clinical", ["active", "recurrence", "relapse"])
def test_active_is_active(clinical: str) -> None:
    problem = one(migraine(clinicalStatus=status(clinical)))
    assert (problem.active, problem.reason) == (True, "")


@pytest.mark.parametrize("clinical", ["inactive", "remission", "resolved"])
def test_what_is_over_is_set_aside_but_did_happen(clinical: str) -> None:
    found = problems(migraine(clinicalStatus=status(clinical)))
    (problem,) = found.found
    assert (problem.active, problem.past_event) == (False, True)
    assert [s.why for s in found.set_aside] == [f"is {clinical}"]


@pytest.mark.parametrize("verification", ["refuted", "entered-in-error"])
def test_what_is_wrong_never_happened(verification: str) -> None:
    problem = one(migraine(verificationStatus=status(verification)))
    assert (problem.active, problem.past_event) == (False, False)
    assert problem.reason == f"is {verification}"


@pytest.mark.parametrize("verification", ["unconfirmed", "provisional", "differential"])
def test_what_is_tentative_is_active_but_not_confirmed(verification: str) -> None:
    problem = one(migraine(verificationStatus=status(verification)))
    assert (problem.active, problem.confirmed) == (True, False)
    assert problem.reason == f"is {verification}"


@pytest.mark.parametrize("verification", [status("confirmed"), None, status("odd")])
def test_otherwise_it_is_confirmed(verification: Any) -> None:
    problem = one(migraine(verificationStatus=verification))
    assert (problem.active, problem.confirmed, problem.reason) == (True, True, "")


PROBLEM_LIST = [{"coding": [{"code": "problem-list-item"}]}]
ENCOUNTER = [{"coding": [{"code": "encounter-diagnosis"}]}]


@pytest.mark.parametrize(
    ("category", "recorded", "active"),
    [
        (PROBLEM_LIST, None, True),
        (PROBLEM_LIST, day(3000), True),
        ([*ENCOUNTER, *PROBLEM_LIST], None, True),
        (PROBLEM_LIST[0], None, True),  # an object where a list should be
        ([{"text": "Problem list"}], None, False),
        ([None], None, False),
        ("problem-list-item", None, False),
        (None, None, False),
        (ENCOUNTER, None, False),
        (ENCOUNTER, day(730), True),
        (ENCOUNTER, day(731), False),
        (ENCOUNTER, "2024-11", False),  # may be older than 730 days
        (ENCOUNTER, "2025", True),
        (ENCOUNTER, "unreadable", False),
        (None, day(1), True),
    ],
)
@pytest.mark.parametrize("clinical", [None, status("of-no-fhir-code")])
def test_without_a_status_it_counts_on_the_problem_list_or_when_recent(
    category: Any, recorded: str | None, active: bool, clinical: Any
) -> None:
    condition = migraine(clinicalStatus=clinical, recordedDate=recorded)
    condition["category"] = category
    if category is None:
        del condition["category"]
    assert one(condition).active is active


def test_recently_recorded_is_not_recently_begun() -> None:
    condition = migraine(
        clinicalStatus=None, category=None, recordedDate=None, onsetDateTime=day(1)
    )
    assert not one(condition).active


@pytest.mark.parametrize(
    ("abatement", "over"),
    [
        ({}, False),
        ({"abatementDateTime": day(1)}, True),
        ({"abatementDateTime": day(0)}, True),
        ({"abatementDateTime": day(-1)}, False),
        ({"abatementDateTime": "2026"}, True),
        ({"abatementDateTime": "2027"}, False),
        ({"abatementDateTime": "last year"}, True),
        ({"abatementPeriod": {"start": day(20), "end": day(10)}}, True),
        ({"abatementPeriod": {"start": day(20), "end": day(-10)}}, False),
        ({"abatementPeriod": {"start": day(20)}}, True),
        ({"abatementPeriod": {"end": "odd"}}, True),
        ({"abatementPeriod": "odd"}, True),
        ({"abatementString": "after treatment"}, True),
        ({"abatementAge": {"value": 30, "unit": "a"}}, True),
        ({"abatementRange": {"high": {"value": 30}}}, True),
    ],
)
@pytest.mark.parametrize("clinical", [None, status("active")])
def test_an_abatement_in_the_past_ends_it(
    abatement: dict[str, Any], over: bool, clinical: Any
) -> None:
    problem = one(migraine(clinicalStatus=clinical, **abatement))
    assert problem.active is not over
    assert problem.reason == ("has abated" if over else "")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (None, ""),
        ("active", "active"),
        (" Active ", "active"),
        (CodeableConcept(), ""),
        (CodeableConcept(text="Resolved"), "resolved"),
        (CodeableConcept(coding=[Coding(code="Active")]), "active"),
        (CodeableConcept(coding=[Coding(display="Active")], text="active"), "active"),
        # A known code is found behind a local one.
        (CodeableConcept(coding=[Coding(code="55"), Coding(code="resolved")]), "resolved"),
        (CodeableConcept(coding=[Coding(code="55")], text="active"), "55"),
    ],
)
def test_the_code_of_a_status(written: CodeableConcept | str | None, code: str) -> None:
    assert code_of(written) == code


def test_a_status_sent_as_a_bare_string() -> None:
    assert not one(migraine(clinicalStatus="resolved")).active
    assert not one(migraine(verificationStatus="refuted")).past_event


# ------------------------------------------------------------------------------------- codes


def coded(*codings: tuple[str, str]) -> Resource:
    named = [{"system": fhir.system_url(s), "code": c} for s, c in codings]
    return migraine(code={"coding": named})


def test_each_coding_brings_its_sets() -> None:
    problem = one(coded(("icd-10-cm", "G43.009"), ("icd-10-cm", "E11.9"), ("snomed", "37796009")))
    assert set(problem.hits) == {"migraine", "risk_diabetes"}
    assert len(problem.hits["migraine"]) == 2
    assert problem.evidence["migraine"].code == "G43.009"
    assert problem.evidence["risk_diabetes"].code == "E11.9"


@pytest.mark.parametrize(("code", "matched"), [("G43.009", "code"), ("G43.000", "prefix")])
def test_the_evidence_tells_a_code_of_the_set_from_one_below_it(code: str, matched: str) -> None:
    assert one(coded(("icd-10-cm", code))).evidence["migraine"].matched == matched


def test_the_evidence_is_the_coding_that_qualifies() -> None:
    problem = one(coded(("icd-10-cm", "G43.A0"), ("snomed", "37796009")))
    assert problem.evidence["migraine"].code == "37796009"
    turned = one(coded(("snomed", "37796009"), ("icd-10-cm", "G43.A0")))
    assert turned.evidence["migraine"].code == "37796009"


def test_an_exclusion_set_is_a_hit_like_any_other() -> None:
    problem = one(coded(("snomed", "37796009"), ("snomed", "161481007")))
    assert {"migraine", "migraine_exclude"} <= set(problem.hits)


def test_another_disease_is_passed_over() -> None:
    found = problems(coded(("icd-10-cm", "J45.909")))
    assert (found.found, found.set_aside) == ([], [])


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ({"text": "Migraine"}, "Migraine"),
        ({"text": "Migraine", "coding": [{"system": ICD}]}, "Migraine"),
        ({"coding": [{"display": "Migraine"}]}, "no code and no text"),
        ({}, "no code and no text"),
    ],
)
def test_text_alone_never_counts_and_is_reported(code: Resource, named: str) -> None:
    found = problems(migraine(code=code))
    assert found.found == []
    assert [(s.resource, s.what) for s in found.set_aside] == [("Condition/m", named)]
    assert "text never counts" in found.set_aside[0].why


def test_a_condition_without_code_is_passed_over() -> None:
    found = problems(migraine(code=None))
    assert (found.found, found.set_aside) == ([], [])


def test_another_patients_condition_is_counted_but_not_read() -> None:
    found = problems(migraine(subject={"reference": "Patient/other"}))
    assert (found.found, found.foreign) == ([], 1)


# ---------------------------------------------------------------------------- date and label


@pytest.mark.parametrize(
    ("members", "written"),
    [
        ({"onsetDateTime": "2020", "recordedDate": "2021"}, "2020"),
        ({"onsetPeriod": {"start": "2019-05"}, "recordedDate": "2021"}, "2019-05"),
        ({"onsetPeriod": {"end": "2019-05"}, "recordedDate": "2021"}, "2021"),
        ({"onsetPeriod": "odd", "recordedDate": "2021"}, "2021"),
        ({"onsetDateTime": "as a child", "recordedDate": "2021"}, "2021"),
        ({"recordedDate": None}, None),
    ],
)
def test_onset_before_recorded(members: dict[str, Any], written: str | None) -> None:
    problem = one(migraine(**members))
    assert (problem.when.written if problem.when else None) == written
    assert problem.evidence["migraine"].date == written


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ({"coding": [{"system": ICD, "code": "G43.009", "display": "As coded"}]}, "As coded"),
        ({"coding": [{"system": ICD, "code": "G43.009"}], "text": "As written"}, "As written"),
    ],
)
def test_what_it_is_called(code: Resource, label: str) -> None:
    problem = one(migraine(code=code))
    assert problem.label == problem.evidence["migraine"].display == label


def test_a_code_without_any_words_has_those_of_the_value_set() -> None:
    problem = one(migraine(code={"coding": [{"system": ICD, "code": "G43.009"}]}))
    assert "migraine" in problem.label.lower()


# ------------------------------------------------------------------------------- in a list


@pytest.mark.parametrize("clinical", ["active", "recurrence", "relapse"])
def test_active_is_enough_however_old_and_wherever_it_stands(clinical: str) -> None:
    old = migraine(clinicalStatus=status(clinical), category=None, recordedDate=day(5000))
    assert one(old).active


def test_what_does_not_count_hides_no_condition_behind_it() -> None:
    others = migraine(subject={"reference": "Patient/other"})
    found = problems(
        migraine(code=None),
        migraine(code={"text": "migraine"}, id="t"),
        migraine(code=fhir.concept("Z00.0", "icd-10-cm")),
        others,
        others,
        migraine(clinicalStatus=status("resolved"), id="r"),
        migraine(),
    )
    assert [p.active for p in found.found].count(True) == 1
    assert found.foreign == 2
    assert next((s.resource, s.what, s.why) for s in found.set_aside) == (
        "Condition/t",
        "migraine",
        "has no code: text never counts",
    )


def test_conditions_without_an_id_are_named_by_their_place() -> None:
    entries = [
        {"resource": migraine(id=None, code={"text": "migraine"})},
        {"resource": migraine(id=None, clinicalStatus=status("resolved"))},
    ]
    found = read_problems(
        content("conditions", [], entry=entries),
        knowledge().terminology,
        SUBJECT,
        TODAY,
        RECORDED_DAYS,
        reader=Reader("conditions"),
    )
    names = [f"Condition (entry {n}, without id)" for n in (0, 1)]
    assert [s.resource for s in found.set_aside] == names
    (problem,) = found.found
    assert {e.resource for e in problem.evidence.values()} == {names[1]}


def test_the_newest_condition_stands_first_and_one_without_a_date_last() -> None:
    dated = [
        migraine(id=name, recordedDate=written)
        for name, written in (("b", day(20)), ("c", None), ("a", day(90)), ("d", day(10)))
    ]
    found = problems(*dated).found
    assert [next(iter(p.evidence.values())).resource for p in found] == [
        f"Condition/{name}" for name in "dbac"
    ]


def test_a_condition_is_called_by_the_display_of_its_code() -> None:
    code = fhir.concept("G43.009", "icd-10-cm", text="Kopfweh", display="Migraine without aura")
    problem = one(migraine(code=code))
    assert problem.label == "Migraine without aura"
    assert {e.display for e in problem.evidence.values()} == {"Migraine without aura"}


def test_a_condition_knows_when_it_was_recorded() -> None:
    problem = one(migraine(recordedDate=day(10), onsetDateTime=day(900)))
    assert problem.recorded is not None
    assert problem.recorded.written == day(10)


def test_why_a_condition_without_a_status_does_not_count() -> None:
    old = migraine(clinicalStatus=None, category=None, recordedDate=day(5000))
    assert one(old).reason == (
        "has no clinicalStatus and is neither on the problem list nor recently recorded"
    )


@pytest.mark.parametrize("ended", ["abatementDateTime", "abatementPeriod"])
@pytest.mark.parametrize(("days_ago", "active"), [(1, False), (0, False), (-1, True)])
def test_what_ends_today_has_abated(ended: str, days_ago: int, active: bool) -> None:
    written = day(days_ago)
    value = {"end": written} if ended == "abatementPeriod" else written
    assert one(migraine(**{ended: value})).active is active


@pytest.mark.parametrize(
    "code", ["resolved", "active", "refuted", "unconfirmed", "differential", "confirmed"]
)
def test_a_status_is_found_behind_a_code_of_the_house(code: str) -> None:
    assert code_of(CodeableConcept(coding=[Coding(code="X1"), Coding(code=code)])) == code
