"""The account of a whole decision: what was found, not found, not known, set aside, and considered."""

from __future__ import annotations

import json
from typing import Any

from cards.explanation import explanation
from cds_service.chart.conditions import UncountedResource
from cds_service.chart.evidence import Fact, FactState
from cds_service.reasoning.decision import (
    Decision,
    Kidney,
    KidneyClass,
    MagnesiumState,
    RuleOutcome,
    SerumMagnesium,
)
from tests.support.cards import assert_no_empty
from tests.support.decisions import (
    CREATININE,
    DIABETES,
    decision,
    egfr,
    gap,
    kidney,
    knowledge,
    magnesium,
    rendered,
    suggestion_card,
)


def explained(made: Decision, *cards: dict[str, Any]) -> dict[str, Any]:
    return explanation(made, cards, knowledge())


def test_all_that_was_found_and_considered_is_told() -> None:
    card = rendered(suggestion_card())
    told = explained(
        decision(
            facts=(
                DIABETES,
                Fact("RF2", FactState.ABSENT),
                Fact("pregnancy", FactState.UNKNOWN, why="pregnancyStatus was not sent"),
            ),
            kidney=kidney("48", others=(CREATININE,), flags=("stale",)),
            magnesium=magnesium(MagnesiumState.NORMAL, "2.0 mg/dL", note="no unit was given"),
            rules=(RuleOutcome("indication", "met", "RF1"), RuleOutcome("mg-suggest", "fired")),
            gaps=(gap(),),
            set_aside=(UncountedResource("Condition/2", "Migraine", "is resolved"),),
        ),
        card,
    )

    assert told["service"] == "magnesium-migraine-patient-view"
    assert told["day"] == "2026-11-22"
    assert told["knowledge"] == knowledge().version
    assert told["facts"] == [
        {
            "id": "RF1",
            "label": "diabetes",
            "state": "present",
            "evidence": [
                {
                    "resource": "Condition/d",
                    "coding": {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"},
                    "date": "2020-05-01",
                    "display": "Type 2 diabetes mellitus",
                    "matched": "code",
                }
            ],
        },
        {"id": "RF2", "label": "alcohol dependence", "state": "absent"},
        {"id": "pregnancy", "state": "unknown", "why": "pregnancyStatus was not sent"},
    ]
    assert told["magnesium"]["state"] == "normal"
    assert told["magnesium"]["evidence"]["note"] == "no unit was given"
    assert told["magnesium"]["unknown"] is False
    assert told["rules"] == [
        {"rule": "indication", "outcome": "met", "why": "RF1"},
        {"rule": "mg-suggest", "outcome": "fired"},
    ]
    assert told["unknown"] == [{"key": "allergies", "why": "was not sent"}]
    assert told["setAside"] == [
        {"resource": "Condition/2", "what": "Migraine", "why": "is resolved"}
    ]
    assert told["cards"] == [card]


def test_the_kidney_class_is_told_with_its_row() -> None:
    told = explained(decision(kidney=kidney("48", others=(CREATININE,), flags=("stale",))))

    assert told["kidney"]["class"] == "MODERATE"
    assert told["kidney"]["flags"] == ["stale"]
    assert told["kidney"]["text"] == "48"
    assert told["kidney"]["rule"] == "egfr-moderate"
    assert told["kidney"]["why"] == "Latest eGFR 30 to below 60"
    assert told["kidney"]["evidence"]["display"] == "eGFR"
    assert [e["resource"] for e in told["kidney"]["others"]] == ["Observation/c"]


def test_a_kidney_without_evidence_is_told() -> None:
    told = explained(decision(kidney=Kidney(KidneyClass.UNKNOWN, rule="unknown")))

    assert told["kidney"] == {
        "class": "UNKNOWN",
        "basis": "none",
        "flags": [],
        "rule": "unknown",
        "why": "Everything else",
    }


def test_a_magnesium_that_is_not_known_is_told() -> None:
    told = explained(decision(magnesium=SerumMagnesium(MagnesiumState.NONE, unknown=True)))

    assert told["magnesium"] == {"state": "none", "unknown": True}


def test_a_decision_without_anything_still_names_its_lists() -> None:
    told = explained(decision())

    assert told["facts"] == told["rules"] == told["unknown"] == told["cards"] == []
    assert "kidney" not in told
    assert "magnesium" not in told


def test_it_is_ready_for_json() -> None:
    told = explained(
        decision(facts=(DIABETES,), kidney=kidney("59.996", evidence=egfr("59.996"))),
        rendered(suggestion_card()),
    )

    assert json.loads(json.dumps(told)) == told
    assert told["kidney"]["value"] == "59.99"
    assert_no_empty(told["facts"], "facts")
