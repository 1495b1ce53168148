"""Serum magnesium and creatinine in the units of a site, for the words of a card.

Decisions and the machine-readable reason keep the values as they were reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from typing import Final

import msgspec

from cards.values import plain_number
from cds_service.chart.evidence import Evidence, Fact
from cds_service.chart.labs import LOINC
from cds_service.chart.quantities import MEQ_L, MG_DL, MMOL_L, UMOL_L
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.parameters import Parameters
from cds_service.knowledge.terminology import codes_in
from cds_service.reasoning.decision import CardDecision, Kidney, SerumMagnesium

CONVENTIONAL: Final = "conventional"
MAGNESIUM, CREATININE = "lab_magnesium", "lab_creatinine"
_SHOWN: Final = {
    (MAGNESIUM, CONVENTIONAL): (MG_DL, Decimal("0.01")),
    (MAGNESIUM, "si"): (MMOL_L, Decimal("0.001")),
    (CREATININE, CONVENTIONAL): (MG_DL, Decimal("0.01")),
    (CREATININE, "si"): (UMOL_L, Decimal("0.1")),
}
"""The unit of each test, and the step to which a converted value is truncated: one digit more than
the limits have. It is not rounded, so that no value reaches a limit that it does not reach.
"""
_VALUE = re.compile(r"([<>]=?)?(\d+(?:\.\d+)?)", re.ASCII)
_TEXT = re.compile(r"(\S+) (mg/dL|mmol/L|mEq/L)", re.ASCII)
_AS_WRITTEN: Final = {"mEq/L": MEQ_L}


def in_units(card: CardDecision, units: str, knowledge: Knowledge) -> CardDecision:
    """The card with its results in the units of the site; without `units` as reported."""
    return _Shown(units, knowledge).card(card) if units else card


@lru_cache(maxsize=8)
def _tests(knowledge: Knowledge) -> Mapping[str, str]:
    """The test of each LOINC code."""
    return {
        code: test
        for test in (MAGNESIUM, CREATININE)
        for code in codes_in(knowledge.sets, test, LOINC)
    }


def _factors(parameters: Parameters) -> Mapping[tuple[str, str], Decimal]:
    """How many of each unit are equal, by test: the same amount of a substance."""
    magnesium, creatinine = parameters.magnesium, parameters.creatinine
    return {
        (MAGNESIUM, MMOL_L): Decimal(1),
        (MAGNESIUM, MEQ_L): magnesium.meq_per_mmol,
        (MAGNESIUM, MG_DL): magnesium.mg_dl_per_mmol_l,
        (CREATININE, MG_DL): Decimal(1),
        (CREATININE, UMOL_L): creatinine.umol_l_per_mg_dl,
        (CREATININE, MMOL_L): creatinine.umol_l_per_mg_dl / 1000,
    }


class _Shown:
    """The values of one card in one system of units."""

    def __init__(self, units: str, knowledge: Knowledge) -> None:
        self._units = units
        self._tests = _tests(knowledge)
        self._factors = _factors(knowledge.parameters)

    def card(self, card: CardDecision) -> CardDecision:
        """The card with every result converted."""
        magnesium = self._magnesium(card.magnesium)
        values = card.values
        if magnesium is not None and card.magnesium is not None and card.magnesium.text:
            old, new = card.magnesium.text, magnesium.text
            values = {name: new if value == old else value for name, value in values.items()}
        return msgspec.structs.replace(
            card,
            values=values,
            because=tuple(self._fact(fact) for fact in card.because),
            cautions=tuple(
                msgspec.structs.replace(c, evidence=self._all(c.evidence)) for c in card.cautions
            ),
            kidney=self._kidney(card.kidney),
            magnesium=magnesium,
        )

    def _fact(self, fact: Fact) -> Fact:
        return msgspec.structs.replace(fact, evidence=self._all(fact.evidence))

    def _kidney(self, kidney: Kidney | None) -> Kidney | None:
        if kidney is None:
            return None
        return msgspec.structs.replace(
            kidney,
            evidence=self._evidence(kidney.evidence) if kidney.evidence else None,
            others=self._all(kidney.others),
        )

    def _magnesium(self, magnesium: SerumMagnesium | None) -> SerumMagnesium | None:
        if magnesium is None:
            return None
        text = magnesium.text
        said = _TEXT.fullmatch(text)
        if said is not None:
            unit = _AS_WRITTEN.get(said[2], said[2])
            text = " ".join(self._converted(MAGNESIUM, said[1], unit) or (text,))
        evidence = self._evidence(magnesium.evidence) if magnesium.evidence else None
        return msgspec.structs.replace(magnesium, text=text, evidence=evidence)

    def _all(self, found: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple(self._evidence(evidence) for evidence in found)

    def _evidence(self, evidence: Evidence) -> Evidence:
        """A result of these tests. A value without a readable number or unit stays as reported."""
        test = self._tests.get(evidence.code or "")
        if test is None or evidence.value is None or evidence.unit is None:
            return evidence
        converted = self._converted(test, evidence.value, evidence.unit)
        if converted is None:
            return evidence
        return msgspec.structs.replace(evidence, value=converted[0], unit=converted[1])

    def _converted(self, test: str, value: str, unit: str) -> tuple[str, str] | None:
        """Value and unit as they are shown, `None` to leave them as they are."""
        wanted, step = _SHOWN[test, self._units]
        number = _VALUE.fullmatch(value)
        if unit == wanted or number is None or (test, unit) not in self._factors:
            return None
        exact = Decimal(number[2]) * self._factors[test, wanted] / self._factors[test, unit]
        shown = exact.quantize(step, ROUND_DOWN)
        return f"{number[1] or ''}{plain_number(shown)}", wanted
