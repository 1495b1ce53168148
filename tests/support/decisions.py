"""Hand-built decisions, so that cards are tested without charts and without reasoning."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from cards.render import CardContext, render
from cds_service import reasons
from cds_service.chart.evidence import Evidence, Fact, FactState, Gap
from cds_service.knowledge.loader import Knowledge, load
from cds_service.reasoning.decision import (
    CardDecision,
    Caution,
    Decision,
    Kidney,
    KidneyClass,
    MagnesiumState,
    Offer,
    OfferKind,
    OrderRef,
    SerumMagnesium,
)

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)

MIGRAINE = Fact(
    "migraine",
    FactState.PRESENT,
    (Evidence("Condition/m", ICD, "G43.009", "Migraine without aura", "2026-01-10"),),
)
DIABETES = Fact(
    "RF1",
    FactState.PRESENT,
    (Evidence("Condition/d", ICD, "E11.9", "Type 2 diabetes mellitus", "2020-05-01"),),
)
CREATININE = Evidence(
    "Observation/c", LOINC, "2160-0", "Creatinine", "2026-10-23", "1.9", "mg/dL", "value"
)

MAGNESIUM_ORDER: dict[str, Any] = {
    "resourceType": "MedicationRequest",
    "id": "order-1",
    "extension": [{"url": "http://example.org/pharmacy", "valueString": "north"}],
    "identifier": [{"system": "http://example.org/orders", "value": "77"}],
    "status": "draft",
    "intent": "order",
    "medicationCodeableConcept": {"text": "magnesium oxide 400 mg tablet"},
    "subject": {"reference": "Patient/pat-1"},
    "dosageInstruction": [
        {
            "text": "1 tablet three times daily",
            "patientInstruction": "one tablet with each meal",
            "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
            "route": {"text": "by mouth"},
            "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
        }
    ],
    "dispenseRequest": {"quantity": {"value": 90}},
}


@lru_cache
def knowledge() -> Knowledge:
    """The knowledge of the service, loaded once."""
    return load()


def egfr(value: str, date: str = "2026-10-23T08:00:00Z", **other: Any) -> Evidence:
    unit = "mL/min/{1.73_m2}"
    return Evidence(
        "Observation/9", LOINC, "98979-8", "eGFR", date, value, unit, matched="value", **other
    )


def kidney(of: str = "92", **other: Any) -> Kidney:
    """Kidney function by a reported eGFR."""
    number = Decimal(of)
    of_value = (
        KidneyClass.NORMAL
        if number >= 60
        else KidneyClass.MODERATE
        if number >= 30
        else KidneyClass.SEVERE
    )
    usual: dict[str, Any] = {
        "kidney_class": of_value,
        "rule": f"egfr-{of_value.lower()}",
        "basis": "eGFR",
        "value": number,
        "egfr_text": of,
        "reason": None if of_value is KidneyClass.NORMAL else reasons.egfr_is(of),
        "evidence": egfr(of),
    }
    return Kidney(**usual | other)


NO_KIDNEY_DATA = Kidney(KidneyClass.UNKNOWN, rule="unknown")


def magnesium(state: MagnesiumState, text: str, date: str = "2026-10-01", **other: Any) -> Any:
    value, unit = text.split()
    found = Evidence(
        "Observation/mg", LOINC, "19123-9", "Magnesium", date, value, unit, "value", **other
    )
    return SerumMagnesium(state, text, found)


def order(resource: dict[str, Any] | None = None, **other: Any) -> OrderRef:
    usual: dict[str, Any] = {
        "reference": "MedicationRequest/order-1",
        "label": "magnesium oxide 400 mg tablet",
        "resource": MAGNESIUM_ORDER if resource is None else resource,
    }
    return OrderRef(**usual | other)


def plan(plan_id: str = "mg_200_400", recommended: bool = True) -> Offer:
    return Offer(OfferKind.PLAN, recommended, plan=plan_id)


def labs(*tests: str, recommended: bool = True) -> Offer:
    wanted = tests or ("lab_creatinine", "lab_magnesium")
    return Offer(OfferKind.LABS, recommended, labs=wanted)


def suggestion_card(card: str = "mg-suggest", **other: Any) -> CardDecision:
    """A card that suggests magnesium to a patient with migraine and diabetes."""
    usual: dict[str, Any] = {
        "card": card,
        "indicator": knowledge().cards[card].indicator,
        "values": {"risk": "diabetes"},
        "because": (MIGRAINE, DIABETES),
        "offers": (plan(),),
        "kidney": kidney(),
        "reason_reference": "Condition/m",
    }
    return CardDecision(**usual | other)


def safety_card(card: str, **other: Any) -> CardDecision:
    """A card about an order of magnesium."""
    usual: dict[str, Any] = {
        "card": card,
        "indicator": knowledge().cards[card].indicator,
        "kidney": kidney("48"),
        "order": order(),
        "safety": True,
    }
    return CardDecision(**usual | other)


def caution(caution_id: str, *evidence: Evidence, **values: str) -> Caution:
    return Caution(caution_id, values, evidence)


def gap(key: str = "allergies", why: str = "was not sent") -> Gap:
    return Gap(key, why)


def counted_uuids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: str(UUID(int=next(numbers)))


def call(**other: Any) -> CardContext:
    usual: dict[str, Any] = {
        "patient_id": "pat-1",
        "user_id": "Practitioner/7",
        "now": NOW,
        "base_url": "https://cds.example.org",
        "new_uuid": counted_uuids(),
        "encounter_id": "enc-1",
    }
    return CardContext(**usual | other)


def decision(*cards: CardDecision, **other: Any) -> Decision:
    return Decision("magnesium-migraine-patient-view", date(2026, 11, 22), cards, **other)


def rendered(card: CardDecision, **of_call: Any) -> dict[str, Any]:
    """One card as the service sends it."""
    (shown,) = render(decision(card), call(**of_call), knowledge())
    return shown


# One of each, with what the reasoning fills in.
_VALUES: dict[str, dict[str, str]] = {
    "mg-avoid-renal": {"renal_reason": "eGFR 25"},
    "mg-low-severe": {"mg": "1.1 mg/dL"},
    "mg-hazard-renal": {"renal_reason": "eGFR 25", "product": "magnesium citrate"},
    "mg-hazard-hypermag": {"mg": "2.9 mg/dL", "product": "magnesium citrate"},
    "mg-hazard-dose": {"dose": "723", "limit": "200", "renal_reason": "eGFR 40"},
    "mg-hazard-bowel": {"product": "magnesium oxide", "finding": "Ileus"},
    "mg-hazard-nmj": {"product": "magnesium oxide", "finding": "Myasthenia gravis"},
    "mg-suggest": {"risk": "diabetes"},
    "mg-suggest-reduced": {"risk": "diabetes", "egfr": "48"},
    "mg-check-renal": {"risk": "diabetes"},
    "mg-with-preventive": {"drug": "topiramate"},
    "mg-with-diuretic": {"drug": "chlorthalidone"},
    "mg-with-acute": {"risk": "diabetes", "drug": "sumatriptan"},
    "rx-mg-renal-critical": {"renal_reason": "dialysis", "product": "milk of magnesia"},
    "rx-mg-renal-caution": {"egfr": "48", "dose": "400"},
    "rx-mg-renal-unknown": {"features": "diabetes"},
    "rx-mg-hypermag": {"mg": "3.0 mg/dL", "product": "magnesium oxide"},
    "rx-mg-avblock": {"finding": "Second-degree AV block"},
    "rx-mg-nmj": {"finding": "Myasthenia gravis"},
    "rx-mg-bowel": {"finding": "Ileus"},
    "rx-mg-allergy": {"finding": "magnesium oxide", "product": "magnesium citrate"},
    "rx-mg-dose": {"dose": "723", "ordered": "482", "current": "241", "basis": "tablets counted"},
    "rx-mg-dose-unknown": {"text": "two heaped scoops"},
    "rx-mg-duplicate": {"product": "magnesium citrate", "dose": "441"},
    "rx-mg-age": {"age": "7", "limit": "110", "dose": "200"},
    "rx-mg-pregnancy": {"dose": "200"},
    "rx-mg-interaction": {"drug": "dolutegravir", "advice": "2 h before or 6 h after magnesium"},
    "rx-ksparing-ckd": {"drug": "spironolactone", "egfr": "40"},
    "rx-mg-not-checked": {"product": "magnesium glycinate"},
}


def one_of(card: str) -> CardDecision:
    """A usual decision for a card."""
    values = _VALUES[card]
    if card.startswith("rx-") or "hazard" in card:
        return safety_card(card, values=values)
    suggests = card not in {"mg-avoid-renal", "mg-low-severe"}
    usual = {"kidney": kidney("48")} if card == "mg-suggest-reduced" else {}
    offers = (plan(),) if suggests else (labs(),)
    return suggestion_card(card, values=values, offers=offers, **usual)
