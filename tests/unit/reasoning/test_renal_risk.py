"""What makes kidney function that is not known a risk (SPEC 3.3, 12.2 N-4, 12.3 K-2)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service import reasons
from cds_service.chart.evidence import Fact, FactState
from cds_service.reasoning.problems import safety_problems
from cds_service.reasoning.renal_risk import features, kidney_history, validity_risks
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, WOMAN, chart

PRESENT, ABSENT, UNKNOWN = FactState.PRESENT, FactState.ABSENT, FactState.UNKNOWN


def has(code: str, **more: Any) -> Resource:
    return fhir.condition(code, today=TODAY, **more)


def history(*conditions: Resource, procedures: tuple[Resource, ...] = (), **more: Any) -> Fact:
    found: dict[str, list[Resource] | None] = {
        "conditions": list(conditions),
        "kidneyProcedures": list(procedures),
    }
    return kidney_history(chart(found, **more))


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        (has("N18.4"), PRESENT),
        (has("N04.9"), PRESENT),  # nephrotic syndrome
        (has("Q61.2"), PRESENT),  # polycystic kidneys
        (has("Z90.5"), PRESENT),  # a kidney was removed
        (has("Z52.4"), PRESENT),  # kidney donor
        (has("Z94.0"), PRESENT),  # transplant
        (has("Z99.2"), PRESENT),  # dialysis
        (has("E11.22"), PRESENT),  # diabetic kidney disease
        (has("I12.9"), PRESENT),  # hypertensive kidney disease
        (has("N20.0"), ABSENT),  # a stone
        (has("E11.9"), ABSENT),
        # Active, provisional ones too; never refuted.
        (has("N04.9", verification="provisional"), PRESENT),
        (has("N04.9", verification="refuted"), ABSENT),
        (has("N18.4", verification="refuted"), ABSENT),
        # In the past as far as the code says so.
        (has("Z90.5", clinical="resolved"), PRESENT),
        (has("N28.9", clinical="resolved"), ABSENT),
        (has("N28.9"), PRESENT),
        (has("N18.9", clinical="resolved"), PRESENT),
        (has("N17.9", clinical="resolved", recorded_days=1100), PRESENT),
    ],
)
def test_kidney_disease_on_record(condition: Resource, state: FactState) -> None:
    assert history(condition).state is state


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("175905003", PRESENT),  # nephrectomy
        ("175911000", PRESENT),  # a kidney was given
        ("70536003", PRESENT),  # transplant
        ("175899003", PRESENT),  # autotransplant
        ("80146002", ABSENT),  # appendectomy
    ],
)
def test_kidney_disease_on_record_as_a_procedure(code: str, state: FactState) -> None:
    assert history(procedures=(fhir.procedure(code, 4000, today=TODAY),)).state is state


def test_one_code_that_lasts_is_enough() -> None:
    twice = has("N28.9", clinical="resolved")
    twice["code"]["coding"].append(fhir.coding("Z90.5", "icd-10-cm"))
    assert history(twice).present


@pytest.mark.parametrize("key", ["conditions", "kidneyProcedures"])
def test_a_history_that_could_not_be_looked_for_is_not_known(key: str) -> None:
    bundle = fhir.bundle([])
    bundle["entry"] = [{"resource": 5}]
    values: dict[str, Any] = {key: bundle}
    found = history(**values)
    assert found.state is UNKNOWN
    assert in_words(found.why).startswith(f"{key} ")


def test_a_kidney_condition_that_cannot_be_read_is_not_known() -> None:
    house = {**has("N18.4"), "code": {"text": "Nierenversagen"}}
    found = history(house)
    assert found == Fact(
        "kidney_disease",
        UNKNOWN,
        why=reasons.of_key("conditions", reasons.KIDNEY_CONDITION_UNREAD),
        label=reasons.FEATURE_KIDNEY_DISEASE,
    )


@pytest.mark.parametrize(
    ("code", "fact"),
    [("E11.9", "diabetes"), ("I50.9", "heart_failure")],
)
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, PRESENT),
        ({"verification": "provisional"}, PRESENT),
        ({"verification": "refuted"}, ABSENT),
        ({"clinical": "resolved"}, ABSENT),
    ],
)
def test_a_disease_counts_while_active_confirmed_or_not(
    code: str, fact: str, status: dict[str, str], state: FactState
) -> None:
    found = {f.id: f.state for f in features(chart({"conditions": [has(code, **status)]}))}
    assert found[fact] is state


def test_diabetes_is_a_risk_but_does_not_shorten_how_long_a_result_holds() -> None:
    diabetic = chart({"conditions": [has("E11.9")]})
    assert [f.id for f in features(diabetic) if f.present] == ["diabetes"]
    assert [f.id for f in validity_risks(diabetic)] == [f.id for f in features(diabetic)][1:]
    assert not any(f.present for f in validity_risks(diabetic))


@pytest.mark.parametrize(
    ("who", "state"),
    [
        (fhir.patient(TODAY, age=64), ABSENT),
        (fhir.patient(TODAY, age=65), PRESENT),
        (fhir.patient(birth_date="1961"), PRESENT),  # 64 or 65
        (fhir.patient(), UNKNOWN),
    ],
)
def test_age(who: Resource, state: FactState) -> None:
    age = next(f for f in features(chart(who=who)) if f.id == "age")
    assert age.state is state


@pytest.mark.parametrize(
    ("code", "fact"), [("310798", "diuretic"), ("198377", "calcineurin_inhibitor")]
)
@pytest.mark.parametrize("key", ["medicationRequests", "medicationStatements"])
def test_a_medicine_whose_status_is_not_clear_is_not_known(code: str, fact: str, key: str) -> None:
    make = fhir.medication_request if key == "medicationRequests" else fhir.medication_statement
    order = make(code, text="the drug", today=TODAY)
    for status, state in (("active", PRESENT), ("unknown", UNKNOWN), ("stopped", ABSENT)):
        found = {f.id: f for f in features(chart({key: [{**order, "status": status}]}))}
        assert found[fact].state is state, status
    unclear = {f.id: f for f in features(chart({key: [{**order, "status": "unknown"}]}))}
    assert "not clear" in in_words(unclear[fact].why)


def test_safety_problems_are_active_ones_newest_first() -> None:
    found = safety_problems(
        chart(
            {
                "conditions": [
                    has("N18.4", id="old", recorded_days=300, onset_days=300),
                    has("N18.4", id="new", recorded_days=10, onset_days=10),
                    has("N18.4", id="over", clinical="resolved"),
                    has(
                        "N18.4",
                        id="doubted",
                        verification="provisional",
                        recorded_days=500,
                        onset_days=500,
                    ),
                ]
            },
            WOMAN,
        ),
        "renal_ckd",
    )
    names = [p.evidence["renal_ckd"].resource for p in found]
    assert names == ["Condition/new", "Condition/old", "Condition/doubted"]
