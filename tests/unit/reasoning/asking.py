"""Asks for a decision with a few words, and reads the answer: for tests of single rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.chart.chart import Chart
from cds_service.hooks.registry import HOOKS
from cds_service.reasoning import decide as deciding
from cds_service.reasoning.decision import CardDecision, Decision, OfferKind
from tests.support import fhir
from tests.support.fhir import Resource
from tests.unit.chart.reading import TODAY, WOMAN, chart

GLYCINATE, OXIDE, CITRATE = "476818", "198741", "1313985"
OXIDE_INGREDIENT = "6582"
ANTACID, LAXATIVE, MILK_OF_MAGNESIA, BOWEL_PREP = "307747", "1052760", "253017", "1994540"
MULTIVITAMIN = "1116179"
OMEPRAZOLE, HCTZ, DIGOXIN, SPIRONOLACTONE = "198051", "310798", "197604", "313096"
TOPIRAMATE, SUMATRIPTAN = "199888", "313161"
CIPROFLOXACIN, LEVOTHYROXINE = "309309", "966221"
RESIN = "sodium polystyrene sulfonate 15 g"
MIGRAINE, DIABETES, PREGNANT = "G43.009", "E11.9", "Z34.01"
MYASTHENIA, BOWEL_OBSTRUCTION, AV_BLOCK, FIBRILLATION = "G70.00", "K56.609", "I44.2", "I48.91"
OF_THE_GUT = (ANTACID, LAXATIVE, MILK_OF_MAGNESIA, BOWEL_PREP)
DIARRHOEA = {"text": "diarrhea"}
TABLET = fhir.dosage(1, "tablet")


def has(code: str, **more: Any) -> Resource:
    return fhir.condition(code, today=TODAY, **{"id": f"c-{code}", **more})


def takes(code: str | None = OXIDE, **more: Any) -> Resource:
    named = {"id": f"m-{code}", "today": TODAY, "dosage": TABLET}
    return fhir.medication_request(code, **{**named, **more})


def orders(code: str | None = GLYCINATE, mg: float | None = 200, **more: Any) -> Resource:
    dose = fhir.dosage(mg, text=f"{mg} mg elemental magnesium") if mg else TABLET
    return fhir.draft_order(code, **{"id": f"d-{code or 'x'}", "dosage": dose, **more})


def level(value: float, unit: str = "mg/dL", days: int = 5) -> Resource:
    code = fhir.MAGNESIUM_MOLAR if unit == "mmol/L" else fhir.MAGNESIUM
    return fhir.observation(code, value, unit, days, today=TODAY, id="l")


def egfr(value: float, days: int = 10) -> Resource:
    return fhir.observation(fhir.EGFR, value, fhir.EGFR_UNIT, days, today=TODAY, id="e")


def aged(years: int) -> Resource:
    return fhir.patient(TODAY, age=years, sex="female")


def charted(
    *conditions: Resource,
    gfr: float | None = 92,
    taken: tuple[Resource, ...] = (),
    levels: tuple[Resource, ...] = (),
    who: Resource = WOMAN,
    without: tuple[str, ...] = (),
    **found: list[Resource],
) -> Chart:
    """A chart in which everything is known but for the keys of `without`."""
    return chart(
        {
            "conditions": [*conditions],
            "kidneyLabs": [] if gfr is None else [egfr(gfr)],
            "medicationRequests": [*taken],
            "magnesiumLabs": [*levels],
            **found,
        },
        who,
        without,
    )


def decide(hook: str, on: Chart, context: Mapping[str, Any], complete: bool = False) -> Decision:
    """The decision of a call that is well formed and lacks nothing."""
    asked = HOOKS[hook]
    return deciding.decide(hook, asked.policy, on, asked.read_orders(on, context), complete)


def is_settled(hook: str, on: Chart, context: Mapping[str, Any]) -> bool:
    """Whether the draft orders alone settle that there is no card."""
    asked = HOOKS[hook]
    return asked.orders is not None and deciding.is_settled_by(asked.read_orders(on, context))


def views(on: Chart, complete: bool = False) -> Decision:
    return decide("patient-view", on, {}, complete)


def signs(on: Chart, *drafts: Resource, complete: bool = False) -> Decision:
    return decide("order-sign", on, {"draftOrders": fhir.bundle(drafts)}, complete)


def selects(on: Chart, *drafts: Resource, complete: bool = False) -> Decision:
    context = {
        "draftOrders": fhir.bundle(drafts),
        "selections": [f"MedicationRequest/{d['id']}" for d in drafts],
    }
    return decide("order-select", on, context, complete)


def refills(on: Chart, *again: Resource, complete: bool = False) -> Decision:
    return decide("medication-refill", on, {"medications": fhir.bundle(again)}, complete)


def shown(decision: Decision) -> list[tuple[str, str]]:
    """The cards with their indicators."""
    return [(c.card, c.indicator) for c in decision.cards]


def one(decision: Decision) -> CardDecision:
    (card,) = decision.cards
    return card


def card(decision: Decision, card_id: str) -> CardDecision:
    (found,) = (c for c in decision.cards if c.card == card_id)
    return found


def kinds(of: CardDecision) -> list[str]:
    return [o.kind.value for o in of.offers]


def recommended(of: CardDecision) -> list[str]:
    return [o.kind.value for o in of.offers if o.recommended]


def labs_of(of: CardDecision) -> set[str]:
    return {lab for o in of.offers if o.kind is OfferKind.LABS for lab in o.labs}


def unknown(of: CardDecision) -> set[str]:
    return {g.key for g in of.gaps}


def caution_ids(of: CardDecision) -> list[str]:
    return [c.id for c in of.cautions]


def caution(of: CardDecision, caution_id: str) -> dict[str, str]:
    (found,) = (c for c in of.cautions if c.id == caution_id)
    return found.values


def outcome(decision: Decision, rule: str) -> str:
    return next(r.outcome for r in decision.rules if r.rule == rule)
