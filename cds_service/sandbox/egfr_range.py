"""The cards of one call for every eGFR from 5 to 120, for the strip on the sandbox page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any, Final, TypeAlias

import msgspec

from cds_service.fhir.reading import FAILURES
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import LOINC
from cds_service.sandbox.outcomes import Outcome

LOWEST: Final = 5
HIGHEST: Final = 120
_STEP: Final = 5
_EGFR_VALUE: Final = re.compile(r"eGFR (\d{1,4})(?!\d)")
_KEY: Final = "kidneyLabs"
_NOT_JSON: Final = Issue("invalid", "The body is not JSON.")
_UNIT: Final = "mL/min/{1.73_m2}"
_NO_LABS: Final = Issue(
    "invalid", "The prefetch key kidneyLabs must be a Bundle, null or absent for this."
)
Json: TypeAlias = dict[str, Any]


def ranges(
    body: bytes,
    code: str,
    today: date,
    limits: Iterable[int],
    outcome: Callable[[bytes], Outcome],
) -> list[Json]:
    """Neighbouring eGFR values with the same cards: `from`, `to` and the `cards` of `from`.

    To each call a result of today with this LOINC code is added. The call is made for every fifth
    value and for those next to the `limits` of the rules, then for the values between two that
    differ. Raises `BadCallError` (400) if there is no place for the result in the call.
    """
    try:
        call = msgspec.json.decode(body)
    except FAILURES:
        raise BadCallError(400, _NOT_JSON) from None
    set_value = _place(call, code, today)

    @cache
    def cards_at(value: int) -> Outcome:
        set_value(value)
        return outcome(msgspec.json.encode(call))

    starts = [LOWEST]
    for low, high in pairwise(_first_values(limits)):
        starts += _changes(low, high, lambda value: _kinds(cards_at(value), value))
    ends = [start - 1 for start in starts[1:]] + [HIGHEST]
    return [
        {"from": start, "to": end, "cards": cards_at(start)}
        for start, end in zip(starts, ends, strict=True)
    ]


def _first_values(limits: Iterable[int]) -> list[int]:
    adjacent = {value for limit in limits for value in (limit - 1, limit, limit + 1)}
    inside = {value for value in adjacent if LOWEST < value < HIGHEST}
    return sorted(inside.union(range(LOWEST, HIGHEST + 1, _STEP)))


def _changes(low: int, high: int, kind: Callable[[int], Any]) -> list[int]:
    """The values in ]low, high] that differ from the value before them."""
    if kind(low) == kind(high):
        return []
    if high - low == 1:
        return [high]
    middle = (low + high) // 2
    return _changes(low, middle, kind) + _changes(middle, high, kind)


def _place(call: Any, code: str, today: date) -> Callable[[int], None]:
    """A function that sets the added result in the call."""
    try:
        prefetch, context = call["prefetch"], call["context"]
        labs = prefetch.get(_KEY) or {"resourceType": "Bundle", "type": "searchset"}
        entries = [*labs.get("entry", ())]
        patient = str(context["patientId"]).removeprefix("Patient/")
    except (AttributeError, KeyError, TypeError):
        raise BadCallError(400, _NO_LABS) from None
    if labs.get("resourceType") != "Bundle":
        raise BadCallError(400, _NO_LABS)
    result = {
        "resourceType": "Observation",
        "id": "egfr-of-the-strip",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": today.isoformat(),
    }
    entry: Json = {"resource": result}
    prefetch[_KEY] = {**labs, "entry": [entry, *entries]}

    def add(value: int) -> None:
        quantity = {"value": value, "unit": _UNIT, "code": _UNIT}
        result["valueQuantity"] = quantity | {"system": "http://unitsofmeasure.org"}

    return add


def _kinds(cards: Outcome, value: int) -> list[tuple[str, str, str]] | None:
    """What makes two outcomes the same: cards, suggestions and texts except for the eGFR itself."""
    return None if cards is None else [_kind(card, value) for card in cards]


def _kind(card: Mapping[str, Any], value: int) -> tuple[str, str, str]:
    def without_value(found: re.Match[str]) -> str:
        return "eGFR" if found[1] == str(value) else found[0]

    summary = _EGFR_VALUE.sub(without_value, card["summary"])
    return card["card"], card["suggestion"] or "", summary
