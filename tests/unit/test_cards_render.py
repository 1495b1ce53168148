"""The whole card: every id renders, nothing null or empty, the contract of its reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cards.reason import EXTENSION, floored
from cards.render import render
from cds_service.chart.evidence import Evidence, Fact, FactState
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import CardDecision, Offer, OfferKind
from tests.support.cards import assert_valid_answer, without_uuids
from tests.support.decisions import (
    CREATININE,
    DIABETES,
    ICD,
    MAGNESIUM_ORDER,
    MIGRAINE,
    call,
    caution,
    decision,
    gap,
    kidney,
    knowledge,
    labs,
    one_of,
    order,
    plan,
    rendered,
    safety_card,
    suggestion_card,
)
from tests.support.tables import each_row

CARDS = sorted(knowledge().cards)
BODY = {
    "context": {"patientId": "pat-1", "draftOrders": {"entry": [{"resource": MAGNESIUM_ORDER}]}}
}


def reason(card: CardDecision) -> dict[str, Any]:
    found: dict[str, Any] = rendered(card)["extension"][EXTENSION]
    return found


@each_row("card", CARDS)
def test_every_card_is_valid(card: str) -> None:
    shown = rendered(one_of(card))

    assert_valid_answer({"cards": [shown]}, BODY)
    assert shown["extension"][EXTENSION]["card"] == card
    assert shown["indicator"] == knowledge().cards[card].indicator


@each_row("card", CARDS)
def test_a_card_of_which_nothing_is_known_is_valid(card: str) -> None:
    assert_valid_answer({"cards": [rendered(CardDecision(card, "info"))]}, BODY)


def test_every_kind_of_suggestion_is_valid() -> None:
    offers = (
        labs("lab_magnesium", "lab_potassium", "lab_calcium", "lab_creatinine"),
        *(plan(p.id, recommended=False) for p in knowledge().plans.plans),
        Offer(OfferKind.UPDATE, order=order(), daily_mg=Decimal(200)),
        Offer(OfferKind.DELETE, order=order()),
    )

    assert_valid_answer({"cards": [rendered(suggestion_card(offers=offers))]}, BODY)


def test_cards_keep_the_order_of_the_decision() -> None:
    made = decision(one_of("rx-mg-renal-critical"), one_of("rx-mg-dose"), one_of("mg-suggest"))
    cards = render(made, call(), knowledge())

    assert [c["extension"][EXTENSION]["card"] for c in cards] == [
        "rx-mg-renal-critical",
        "rx-mg-dose",
        "mg-suggest",
    ]
    assert render(decision(), call(), knowledge()) == []


def test_equal_decisions_give_equal_cards_but_for_the_uuids() -> None:
    card = suggestion_card(offers=(labs(), plan("mg_200_reduced")))
    new_uuid = call().new_uuid
    first, second = (rendered(card, new_uuid=new_uuid) for _ in range(2))

    assert first["uuid"] != second["uuid"]
    assert without_uuids(first) == without_uuids(second)


def test_source_and_link_lead_to_the_evidence_page() -> None:
    shown = rendered(suggestion_card(), base_url="https://cds.example.org/")

    assert shown["source"] == {
        "label": "Magnesium and migraine rules v2. Rules not yet approved for patient care",
        "url": "https://cds.example.org/evidence",
        "topic": {
            "system": "https://magnesium-migraine.org/fhir/CodeSystem/card-topic",
            "code": "prevention",
            "display": "Magnesium for migraine prevention",
        },
    }
    assert shown["links"] == [
        {
            "label": "Evidence, rules and limits",
            "url": "https://cds.example.org/evidence#mg-suggest",
            "type": "absolute",
        }
    ]
    assert rendered(safety_card("rx-mg-dose"))["source"]["topic"]["code"] == "safety"


def test_reasons_to_override_fit_the_kind_of_card() -> None:
    suggested = [r["code"] for r in rendered(suggestion_card())["overrideReasons"]]
    warned = [r["code"] for r in rendered(safety_card("rx-mg-dose"))["overrideReasons"]]

    assert {"patient-refuses", "already-taking-otc", "not-migraine"} <= set(suggested)
    assert {"risk-benefit-ratio", "under-specialist"} <= set(warned)
    assert not {"already-taking-otc", "not-migraine", "patient-refuses"} & set(warned)


# --------------------------------------------------------------- the reason


def test_the_reason_is_as_the_contract_says() -> None:
    card = suggestion_card(
        "mg-suggest-reduced",
        kidney=kidney("48", flags=("stale",)),
        cautions=(caution("C5", drug="a", advice="b"), caution("C5", drug="c", advice="d")),
        gaps=(gap(),),
        order=order(),
    )

    assert reason(card) == {
        "card": "mg-suggest-reduced",
        "knowledge": knowledge().version,
        "because": [
            {
                "fact": "migraine",
                "resource": "Condition/m",
                "coding": {"system": ICD, "code": "G43.009"},
                "date": "2026-01-10",
            },
            {
                "fact": "RF1",
                "resource": "Condition/d",
                "coding": {"system": ICD, "code": "E11.9"},
                "date": "2020-05-01",
            },
        ],
        "kidney": {
            "class": "MODERATE",
            "basis": "eGFR",
            "value": "48",
            "unit": "mL/min/{1.73_m2}",
            "resource": "Observation/9",
            "date": "2026-10-23T08:00:00Z",
            "flags": ["stale"],
        },
        "cautions": ["C5"],
        "unknown": [{"key": "allergies", "why": "was not sent"}],
        "order": "MedicationRequest/order-1",
    }


def test_nothing_empty_stands_in_the_reason() -> None:
    said = reason(suggestion_card(because=(), kidney=None))

    assert said == {
        "card": "mg-suggest",
        "knowledge": knowledge().version,
        "kidney": {"class": "UNKNOWN", "basis": "none"},
    }
    assert "order" not in reason(safety_card("rx-mg-nmj", order=order(reference="")))


def test_what_is_not_known_is_named_once_with_each_reason() -> None:
    gaps = (gap("conditions", "was cut"), gap("conditions", "was cut"), gap("conditions", "x"))

    assert reason(suggestion_card(gaps=gaps))["unknown"] == [
        {"key": "conditions", "why": "was cut"},
        {"key": "conditions", "why": "x"},
    ]


def label(known: Knowledge) -> str:
    (shown,) = render(decision(suggestion_card()), call(), known)
    return str(shown["source"]["label"])


def test_the_label_says_that_the_rules_are_not_approved() -> None:
    assert "not yet approved for patient care" in label(knowledge())
    approved = msgspec.structs.replace(knowledge(), approved=True)
    assert label(approved) == "Magnesium and migraine rules v2"


def test_every_piece_of_evidence_is_a_reason_and_nothing_absent_is() -> None:
    found = tuple(Evidence(f"Condition/{n}", ICD, "E11.9") for n in range(5))
    facts = (
        Fact("RF1", FactState.PRESENT, found),
        Fact("RF2", FactState.ABSENT),
        Fact("RF3", FactState.PRESENT),
    )
    because = reason(suggestion_card(because=facts))["because"]

    assert [item["fact"] for item in because] == ["RF1"] * 5 + ["RF3"]
    assert because[-1] == {"fact": "RF3"}


def test_a_measured_reason_carries_value_and_unit() -> None:
    fact = Fact("RF6", FactState.PRESENT, (CREATININE,))

    (item,) = reason(suggestion_card(because=(fact,)))["because"]
    assert (item["value"], item["unit"]) == ("1.9", "mg/dL")


@pytest.mark.parametrize(
    "place", ["urn:uuid:1", "Condition (entry 2, without id)", "https://ehr.example/Condition/1"]
)
def test_what_has_no_reference_is_said_by_its_place(place: str) -> None:
    evidence = Evidence(place, None, "x", "Diabetes")
    fact = Fact("RF1", FactState.PRESENT, (evidence,))
    said = reason(suggestion_card(because=(fact,), kidney=kidney("48", evidence=evidence)))

    assert said["because"] == [{"fact": "RF1", "entry": place}]
    assert said["kidney"]["entry"] == place
    assert "resource" not in said["kidney"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("48", "48"),
        ("59.9", "59.9"),
        ("59.996", "59.99"),
        ("29.2134567", "29.21"),
        ("1E+2", "100"),
    ],
)
def test_a_computed_value_is_never_rounded_up(value: str, text: str) -> None:
    assert floored(Decimal(value)) == text


def test_facts_that_make_a_card_are_kept_in_order() -> None:
    because = reason(suggestion_card(because=(DIABETES, MIGRAINE)))["because"]

    assert [item["fact"] for item in because] == ["RF1", "migraine"]
