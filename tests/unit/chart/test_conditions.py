"""Conditions: by code only, by the status test, with the evidence that matched."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart import dates
from cds_service.chart.conditions import Problem, Problems, code_of, read_problems
from cds_service.chart.reading import Reader
from cds_service.fhir.wire import CodeableConcept, Coding
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import SUBJECT, TODAY, content, day

RECORDED_DAYS = 730
ICD = fhir.SYSTEMS["icd-10-cm"]
ASSERTED = {"url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"}
CERTAINTY = {"url": "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"}


def problems(*conditions: Resource, reader: Reader | None = None) -> Problems:
    return read_problems(
        content("conditions", conditions),
        knowledge().terminology,
        SUBJECT,
        TODAY,
        RECORDED_DAYS,
        reader=reader or Reader("conditions"),
        safety_words=knowledge().safety_words,
    )


def noted(*conditions: Resource) -> list[str]:
    """The elements that were recorded as not readable, when these were read."""
    reader = Reader("conditions")
    problems(*conditions, reader=reader)
    return [found.element for found in reader.lost]


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
    assert (problem.active, in_words(problem.reason)) == (True, "")


@pytest.mark.parametrize("clinical", ["inactive", "remission", "resolved"])
def test_what_is_over_is_set_aside_but_did_happen(clinical: str) -> None:
    found = problems(migraine(clinicalStatus=status(clinical)))
    (problem,) = found.found
    assert (problem.active, problem.past_event) == (False, True)
    assert [in_words(s.why) for s in found.set_aside] == [f"is {clinical}"]


@pytest.mark.parametrize("verification", ["refuted", "entered-in-error"])
def test_what_is_wrong_never_happened(verification: str) -> None:
    problem = one(migraine(verificationStatus=status(verification)))
    assert (problem.active, problem.past_event) == (False, False)
    assert in_words(problem.reason) == f"is {verification}"


@pytest.mark.parametrize("verification", ["unconfirmed", "provisional", "differential"])
def test_what_is_tentative_is_active_but_not_confirmed(verification: str) -> None:
    problem = one(migraine(verificationStatus=status(verification)))
    assert (problem.active, problem.confirmed) == (True, False)
    assert in_words(problem.reason) == f"is {verification}"


@pytest.mark.parametrize("verification", [status("confirmed"), None])
def test_otherwise_it_is_confirmed(verification: Any) -> None:
    problem = one(migraine(verificationStatus=verification))
    assert (problem.active, problem.confirmed, in_words(problem.reason)) == (True, True, "")


def test_a_verification_that_is_said_to_be_unknown_is_tentative() -> None:
    problem = one(migraine(verificationStatus=status("unknown")))
    assert (problem.active, problem.confirmed, in_words(problem.reason)) == (
        True,
        False,
        "is unknown",
    )


UNREADABLE = [
    {"clinicalStatus": status("under-control")},
    {"clinicalStatus": {"coding": [{"code": 5}]}},
    {"clinicalStatus": 5},
    {"clinicalStatus": {}},
    {"clinicalStatus": {"value": status("resolved")}},
    {"verificationStatus": {"value": status("refuted")}},
    {"verificationStatus": {"coding": [{"value": {"code": "refuted"}}]}},
    {"verificationStatus": status("odd")},
    {"verificationStatus": {"coding": [{"code": ["confirmed"]}]}},
    {"verificationStatus": 5},
    {"clinicalStatus": None, "recordedDate": "3000 B.C.", "category": None},
    {"clinicalStatus": None, "recordedDate": None, "category": 5},
    {"clinicalStatus": None, "recordedDate": None, "category": [{"coding": [{"code": 5}]}]},
]


@pytest.mark.parametrize("changes", UNREADABLE)
def test_a_status_that_cannot_be_read_makes_it_neither_present_nor_absent(
    changes: Resource,
) -> None:
    found = problems(migraine(**changes))
    (problem,) = found.found
    assert (problem.active, problem.confirmed) == (False, False)
    assert in_words(problem.reason) == "has a status that cannot be read"
    assert [e.resource for e in found.unread_of("migraine")] == ["Condition/m"]
    assert found.unread_of("renal") == ()


@pytest.mark.parametrize("changes", UNREADABLE)
def test_a_status_that_cannot_be_read_is_recorded(changes: Resource) -> None:
    bundle = content("conditions", [migraine(**changes)])
    elements = [lost.element for lost in bundle.unread] + noted(migraine(**changes))
    named = {name for name, value in changes.items() if value is not None}
    assert {element.partition(".")[0].partition("[")[0] for element in elements} == named


@pytest.mark.parametrize("code", ["N18.5", "N17.9", "Z99.2", "Z94.0"])
def test_a_kidney_disease_whose_status_cannot_be_read_is_not_read(code: str) -> None:
    disease = fhir.condition(code, id="k", today=TODAY)
    found = problems({**disease, "clinicalStatus": 5})
    assert [e.code for e in found.unread_of("renal")] == [code]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"verificationStatus": status("odd"), "clinicalStatus": status("resolved")},
            "is resolved",
        ),
        ({"verificationStatus": 5, "abatementDateTime": day(5)}, "has abated"),
        ({"clinicalStatus": 5, "verificationStatus": status("refuted")}, "is refuted"),
        ({"clinicalStatus": 5, "abatementDateTime": day(5)}, "has abated"),
    ],
)
def test_what_is_surely_over_stays_over_whatever_else_cannot_be_read(
    changes: Resource, reason: str
) -> None:
    found = problems(migraine(**changes))
    assert [in_words(p.reason) for p in found.found] == [reason]
    assert found.unread == {}


def test_what_is_over_is_confirmed_by_a_verification_that_can_be_read() -> None:
    over = {"clinicalStatus": status("resolved")}
    assert one(migraine(**over)).confirmed
    assert not one(migraine(**over, verificationStatus=status("odd"))).confirmed


def test_a_status_with_one_odd_coding_is_read_by_its_other_codings() -> None:
    odd = {"coding": [{"code": 5}, {"code": "resolved"}]}
    problem = one(migraine(clinicalStatus=odd))
    assert (problem.active, in_words(problem.reason)) == (False, "is resolved")


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
        ([], None, False),
        (None, None, False),
        (ENCOUNTER, None, False),
        (ENCOUNTER, day(730), True),
        (ENCOUNTER, day(731), False),
        (ENCOUNTER, "2024-11", False),  # may be older than 730 days
        (ENCOUNTER, "2025", True),
        (None, day(1), True),
    ],
)
@pytest.mark.parametrize("clinical", [None, status("unknown")])
def test_without_a_status_it_counts_on_the_problem_list_or_when_recent(
    category: Any, recorded: str | None, active: bool, clinical: Any
) -> None:
    condition = migraine(clinicalStatus=clinical, recordedDate=recorded)
    condition["category"] = category
    if category is None:
        del condition["category"]
    assert one(condition).active is active


@pytest.mark.parametrize("clinical", [None, status("unknown")])
@pytest.mark.parametrize("written", ["2024", "2024-11"])
def test_without_a_status_what_may_be_recent_is_neither_present_nor_absent(
    clinical: Any, written: str
) -> None:
    condition = fhir.condition("N18.5", id="k", today=TODAY) | {"recordedDate": written}
    condition |= {"clinicalStatus": clinical, "category": ENCOUNTER}
    found = problems(condition)
    assert [p.active for p in found.found] == [False]
    assert [e.resource for e in found.unread_of("renal")] == ["Condition/k"]
    assert noted(condition) == ["clinicalStatus"]


@pytest.mark.parametrize("written", ["2023", "2024-10", None])
def test_without_a_status_what_is_surely_old_does_not_count(written: str | None) -> None:
    condition = fhir.condition("N18.5", id="k", today=TODAY) | {"recordedDate": written}
    condition |= {"clinicalStatus": None, "category": ENCOUNTER}
    assert (problems(condition).unread, noted(condition)) == ({}, [])


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
        ({"abatementDateTime": "2025"}, True),
        ({"abatementDateTime": "2027"}, False),
        ({"abatementPeriod": {"start": day(20), "end": day(10)}}, True),
        ({"abatementPeriod": {"end": day(10), "extension": [{"url": "a"}], "_end": {}}}, True),
        ({"abatementPeriod": {"start": day(20), "end": day(-10)}}, False),
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
    assert in_words(problem.reason) == ("has abated" if over else "")


@pytest.mark.parametrize(
    "abatement",
    [
        {"abatementDateTime": "2026"},  # the year is not over
        {"abatementDateTime": "last year"},
        {"abatementDateTime": 2025},
        {"abatementPeriod": {"start": day(20)}},
        {"abatementPeriod": {"start": day(20), "_end": {"extension": []}}},
        {"abatementPeriod": {"end": "odd"}},
        {"abatementPeriod": {"end": 2025}},
        {"abatementPeriod": {"start": 5, "end": day(10)}},
        {"abatementPeriod": "odd"},
        {"abatementString": 5},
        {"abatementAge": "30 years"},
        {"abatementRange": []},
    ],
)
def test_an_abatement_that_is_not_proven_ends_nothing(abatement: dict[str, Any]) -> None:
    problem = one(migraine(**abatement))
    assert (problem.active, problem.confirmed) == (True, False)
    assert in_words(problem.reason).startswith("perhaps has abated")


def test_an_abatement_that_is_not_there_is_none() -> None:
    disease = {**migraine(), "abatementPeriod": None, "abatementString": None}
    assert one(disease).confirmed


@pytest.mark.parametrize(
    ("abatement", "element"),
    [
        ({"abatementDateTime": "odd"}, "abatementDateTime"),
        ({"abatementPeriod": {"end": "odd"}}, "abatementPeriod.end"),
        ({"abatementPeriod": {"end": 5}}, "abatementPeriod.end"),
        ({"abatementPeriod": 5}, "abatementPeriod"),
        ({"abatementString": 5}, "abatementString"),
        ({"onsetDateTime": "odd"}, "onsetDateTime"),
        ({"onsetPeriod": {"start": "odd"}}, "onsetPeriod.start"),
        ({"onsetPeriod": {"start": 5}}, "onsetPeriod.start"),
        ({"recordedDate": "odd"}, "recordedDate"),
        ({"clinicalStatus": None, "category": [5]}, "category[0]"),
    ],
)
def test_what_cannot_be_read_is_named(abatement: dict[str, Any], element: str) -> None:
    assert noted(migraine(**abatement)) == [element]


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
        (CodeableConcept(coding=[Coding(code="55")], text="active"), "active"),
        (CodeableConcept(coding=[Coding(code="55", display="Resolved")]), "resolved"),
        (CodeableConcept(coding=[Coding(code="55")], text="under control"), "55"),
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
    assert [(s.resource, in_words(s.what)) for s in found.set_aside] == [("Condition/m", named)]
    assert "text never counts" in in_words(found.set_aside[0].why)


def test_a_condition_without_code_is_set_aside() -> None:
    found = problems(migraine(code=None))
    assert (found.found, [in_words(s.what) for s in found.set_aside]) == (
        [],
        ["no code and no text"],
    )


def test_another_patients_condition_is_counted_but_not_read() -> None:
    found = problems(migraine(subject={"reference": "Patient/other"}))
    assert (found.found, found.foreign) == ([], 1)


# ---------------------------------------------------------------------------- date and label


@pytest.mark.parametrize(
    ("members", "written"),
    [
        ({"onsetDateTime": "2020", "recordedDate": "2021"}, "2020"),
        ({"onsetPeriod": {"start": "2019-05"}, "recordedDate": "2021"}, "2019-05"),
        ({"onsetPeriod": {"end": "2019-05"}, "recordedDate": "2021"}, "2019-05"),
        ({"onsetPeriod": {}, "recordedDate": "2021"}, "2021"),
        ({"recordedDate": None}, None),
    ],
)
def test_onset_before_recorded(members: dict[str, Any], written: str | None) -> None:
    problem = one(migraine(**members))
    assert (problem.when.written if problem.when else None) == written
    assert problem.evidence["migraine"].date == written


@pytest.mark.parametrize(
    "members",
    [
        {"onsetPeriod": "odd"},
        {"onsetPeriod": {"start": "odd"}},
        {"onsetPeriod": {"start": day(900), "end": 5}},
        {"onsetDateTime": "as a child"},
        {"onsetDateTime": 2001},
        {"recordedDate": 2001},
        {"recordedDate": "odd"},
        {"recordedDate": None, "extension": 5},
        {"recordedDate": None, "extension": [ASSERTED | {"valueDateTime": "odd"}]},
        {"recordedDate": None, "extension": [ASSERTED | {"valueDateTime": 5}]},
    ],
)
def test_a_date_that_cannot_be_read_may_be_any_day(members: dict[str, Any]) -> None:
    problem = one(migraine(**members))
    assert problem.when in (dates.undated(), None)
    assert problem.evidence["migraine"].date is None
    assert noted(migraine(**members)) or content("conditions", [migraine(**members)]).unread


def test_a_period_lies_between_its_ends() -> None:
    when = one(migraine(onsetPeriod={"start": day(400), "end": day(20)})).when
    assert when is not None
    assert (when.first_day.isoformat(), when.last_day.isoformat()) == (day(400), day(20))


@pytest.mark.parametrize(
    ("members", "written"),
    [
        ({"recordedDate": None}, "2019"),
        ({"recordedDate": "2021"}, "2021"),
        ({"recordedDate": None, "onsetDateTime": "2018"}, "2018"),
    ],
)
def test_the_asserted_date_dates_what_has_no_other_date(
    members: dict[str, Any], written: str
) -> None:
    other = {"url": "http://example.org/other", "valueDateTime": "1990"}
    extension = [other, ASSERTED | {"valueDateTime": "2019"}]
    assert one(migraine(**members, extension=extension)).evidence["migraine"].date == written


# -------------------------------------------------------------- certainty of ICD-10-GM


def certain(letter: Any, **changes: Any) -> Resource:
    """A diagnosis as German software sends it, without a verificationStatus."""
    coding = {"system": fhir.system_url("icd-10"), "code": "G43.0"}
    if letter is not None:
        coding["extension"] = [CERTAINTY | {"valueCoding": {"code": letter}}]
    return migraine(**{"verificationStatus": None, "code": {"coding": [coding]}, **changes})


@pytest.mark.parametrize(
    ("letter", "active", "confirmed", "reason"),
    [
        ("A", False, True, "is refuted"),
        ("V", True, False, "is unconfirmed"),
        ("Z", False, True, "is resolved"),
        ("G", True, True, ""),
        (" g ", True, True, ""),
        (None, True, True, ""),
    ],
)
def test_the_certainty_of_a_german_diagnosis(
    letter: str | None, active: bool, confirmed: bool, reason: str
) -> None:
    problem = one(certain(letter))
    assert (problem.active, problem.confirmed, in_words(problem.reason)) == (
        active,
        confirmed,
        reason,
    )


def test_a_verification_status_stands_before_the_certainty() -> None:
    assert one(certain("A", verificationStatus=status("confirmed"))).active


@pytest.mark.parametrize("letter", ["X", "", 5])
def test_a_certainty_that_cannot_be_read_leaves_it_open(letter: Any) -> None:
    problem = one(certain(letter))
    assert (problem.active, in_words(problem.reason)) == (False, "has a status that cannot be read")
    assert "code" in noted(certain(letter))


@pytest.mark.parametrize("where", ["coding", "code", "condition"])
def test_the_certainty_stands_on_the_coding_or_around_it(where: str) -> None:
    extension = [{"url": CERTAINTY["url"], "valueCode": "Z"}]
    coding: Resource = {"system": ICD, "code": "G43.009"}
    code: Resource = {"coding": [coding]}
    disease = migraine(verificationStatus=None, code=code)
    {"coding": coding, "code": code, "condition": disease}[where]["extension"] = extension
    assert in_words(one(disease).reason) == "is resolved"


def test_two_certainties_that_differ_leave_it_unconfirmed() -> None:
    codings = [certain(letter)["code"]["coding"][0] for letter in ("A", "G")]
    problem = one(certain(None, code={"coding": codings}))
    assert (problem.active, problem.confirmed) == (True, False)


# ------------------------------------------------------------------- codes that are not read

HOUSE = "urn:oid:1.2.3.4"


def in_house(text: str | None, **changes: Any) -> Resource:
    code = {"coding": [{"system": HOUSE, "code": "17", "display": text}]}
    return migraine(code=code, **changes)


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("Chronic kidney disease, stage 5", {"renal"}),
        ("Chronische Niereninsuffizienz", {"renal"}),
        ("Insuffisance rénale", {"renal"}),
        ("Dialysis", {"renal"}),
        ("Kidney transplant", {"renal", "renal_transplant"}),
        ("Myasthenia gravis", {"safety_neuromuscular"}),
        ("Lambert-Eaton syndrome", {"safety_neuromuscular"}),
        ("Complete AV block", {"safety_heart_block"}),
        ("Small bowel obstruction", {"safety_bowel_obstruction"}),
        ("Paralytic ileus", {"safety_bowel_obstruction"}),
        ("Pregnant, second trimester", {"pregnancy"}),
        ("Adrenal insufficiency", set()),
        ("Asthma", set()),
        (None, set()),
    ],
)
def test_words_name_the_safety_set_of_a_code_that_is_not_read(
    text: str | None, sets: set[str]
) -> None:
    found = problems(in_house(text))
    assert (found.found, set(found.unread)) == ([], sets)
    for set_id in sets:
        (evidence,) = found.unread_of(set_id)
        assert (evidence.resource, evidence.display, evidence.matched) == (
            "Condition/m",
            text,
            "text",
        )


def test_a_text_alone_may_name_a_safety_set_too() -> None:
    found = problems(migraine(code={"text": "End-stage renal disease"}))
    assert len(found.unread_of("renal")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"clinicalStatus": status("resolved")},
        {"verificationStatus": status("refuted")},
        {"abatementDateTime": day(1)},
        {"subject": {"reference": "Patient/other"}},
    ],
)
def test_what_is_over_or_of_another_patient_is_no_question(changes: Resource) -> None:
    assert problems(in_house("Kidney failure", **changes)).unread == {}


@pytest.mark.parametrize("changes", [{"clinicalStatus": 5}, {"abatementPeriod": 5}])
def test_what_may_be_over_is_still_a_question(changes: Resource) -> None:
    assert set(problems(in_house("Kidney failure", **changes)).unread) == {"renal"}


def test_a_code_that_is_not_read_is_mentioned_with_its_system_and_leaves_the_key_known() -> None:
    reader = Reader("conditions")
    problems(in_house("Asthma"), migraine(code={"text": "Asthma"}, id="n"), reader=reader)
    assert reader.lost == ()
    assert [(n.resource, n.element, in_words(n.why)) for n in reader.not_readable] == [
        ("Condition/m", "code", f"its code is of {HOUSE}, which is not read"),
        ("Condition/n", "code", "has no code"),
    ]


@pytest.mark.parametrize(
    "code",
    [
        {},
        {"value": {"coding": [{"system": ICD, "code": "N18.5"}]}},
        {
            "coding": [
                {"value": {"system": ICD, "code": "N18.5"}},
                {"system": ICD, "code": "R53.83"},
            ]
        },
        {"coding": [{}, {"system": ICD, "code": "G43.009"}]},
    ],
)
def test_a_code_that_holds_nothing_that_is_read_leaves_the_key_partly_known(code: Resource) -> None:
    assert noted(migraine(code=code)) == ["code"]


def test_a_coding_that_is_read_stands_for_all_of_them() -> None:
    reader = Reader("conditions")
    local = {"system": HOUSE, "code": "17", "display": "Kidney pain"}
    read = {"system": ICD, "code": "R10.9"}
    found = problems(migraine(code={"coding": [local, read]}), reader=reader)
    assert (found.unread, reader.not_readable) == ({}, ())


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
    assert [(s.resource, in_words(s.what)) for s in found.set_aside] == [
        ("Condition/m", "no code and no text"),
        ("Condition/t", "migraine"),
        ("Condition/r", found.found[0].label),
    ]


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
        safety_words=knowledge().safety_words,
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
    assert in_words(one(old).reason) == (
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
