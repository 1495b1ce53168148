"""The cards of one call for every eGFR from 5 to 120, for the strip on the sandbox page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from itertools import groupby
from typing import Any, Final, TypeAlias

import msgspec

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import LOINC
from cds_service.sandbox.outcomes import Outcome

LOWEST: Final = 5
HIGHEST: Final = 120
_KEY: Final = "kidneyLabs"
_UNIT: Final = "mL/min/{1.73_m2}"
_NO_LABS: Final = Issue(
    "invalid", "The prefetch key kidneyLabs must be a Bundle, null or absent for this."
)
Json: TypeAlias = dict[str, Any]


def ranges(body: bytes, code: str, today: date, outcome: Callable[[bytes], Outcome]) -> list[Json]:
    """Neighbouring eGFR values with the same cards: `from`, `to` and the `cards` of `from`.

    To each call a result of today with this LOINC code is added. Raises `BadCallError` (400) if
    there is no place for it in the call.
    """
    call = msgspec.json.decode(body)
    add = _place(call, code, today)
    each = []
    for value in range(LOWEST, HIGHEST + 1):
        add(value)
        each.append((value, outcome(msgspec.json.encode(call))))
    runs = (list(run) for _, run in groupby(each, lambda one: _kinds(one[1])))
    return [{"from": run[0][0], "to": run[-1][0], "cards": run[0][1]} for run in runs]


def _place(call: Any, code: str, today: date) -> Callable[[int], None]:
    """A function that sets the added result in the call."""
    try:
        prefetch, context = call["prefetch"], call["context"]
        labs = prefetch.get(_KEY) or {"resourceType": "Bundle", "type": "searchset"}
        if labs["resourceType"] != "Bundle":
            raise TypeError
        entries = [*labs.get("entry", ())]
        patient = str(context["patientId"]).removeprefix("Patient/")
    except (AttributeError, KeyError, TypeError):
        raise BadCallError(400, _NO_LABS) from None
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


def _kinds(cards: Outcome) -> list[tuple[str, str]] | None:
    """What makes two outcomes the same: the cards and what they suggest, not the numbers."""
    return None if cards is None else [_kind(card) for card in cards]


def _kind(card: Mapping[str, Any]) -> tuple[str, str]:
    return card["card"], card["suggestion"] or ""
