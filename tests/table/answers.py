"""From the cards of a real answer back to the words of the second evaluator."""

from __future__ import annotations

from tests.support import cards as card_reading
from tests.support.fhir import Resource

Shown = tuple[str, str, tuple[str, ...]]

CREATININE, MAGNESIUM, POTASSIUM, CALCIUM = "2160-0", "19123-9", "2823-3", "17861-6"
# The tests that must be among those a card offers. M-8: hazards; S-2, S-3: beside a plan.
TESTS_OF: dict[str, set[str]] = {
    "mg-low-severe": {POTASSIUM, CALCIUM},
    "mg-suggest": {CREATININE, MAGNESIUM, POTASSIUM},
    "mg-with-preventive": {CREATININE, MAGNESIUM, POTASSIUM},
    "mg-with-acute": {CREATININE, MAGNESIUM, POTASSIUM},
}
HAZARD_TESTS = {CREATININE, MAGNESIUM, POTASSIUM, CALCIUM}


def shown(card: Resource) -> Shown:
    return (
        str(card_reading.decision(card).get("card", "?")),
        str(card.get("indicator")),
        tuple(card_reading.offers(card)),
    )


def recommended(card: Resource) -> tuple[str, ...]:
    return tuple(card_reading.recommended(card))


def tests_wanted(card_id: str) -> set[str]:
    if card_id.startswith("mg-hazard-"):
        return HAZARD_TESTS
    return TESTS_OF.get(card_id, {CREATININE, MAGNESIUM})


def tests_lacking(card: Resource) -> set[str]:
    """Of a card that offers tests: those that it lacks."""
    card_id, _, offers = shown(card)
    wanted = tests_wanted(card_id) if "labs" in offers else set()
    return wanted - card_reading.lab_codes(card)


def kidney_of(card: Resource) -> str | None:
    found: str | None = card_reading.decision(card).get("kidney", {}).get("class")
    return found


def flags_of(card: Resource) -> set[str]:
    return set(card_reading.decision(card).get("kidney", {}).get("flags", []))
