"""Units: exact UCUM codes and the variants labs write, each with its factor. Nothing is guessed.

Factors are exact decimals; `mL/min` is accepted for eGFR because the LOINC code fixes the area.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

EGFR = "mL/min/{1.73_m2}"
MG_DL = "mg/dL"
MMOL_L = "mmol/L"
UMOL_L = "umol/L"
MEQ_L = "meq/L"

_WRITTEN = {
    "ml/min/{1.73_m2}": EGFR,
    "ml/min/{1.73m2}": EGFR,
    "ml/min/1.73m2": EGFR,
    "ml/min/1.73 m2": EGFR,
    "ml/min/1.73m^2": EGFR,
    "ml/min/1.73 m^2": EGFR,
    "ml/min/1.73m²": EGFR,
    "ml/min/1.73 m²": EGFR,
    "ml/min/1.73": EGFR,
    "ml/min/1.73 sq m": EGFR,
    "ml/min/bsa": EGFR,
    "ml/min": EGFR,
    "mg/dl": MG_DL,
    "milligram per deciliter": MG_DL,
    "umol/l": UMOL_L,
    "µmol/l": UMOL_L,
    "μmol/l": UMOL_L,
    "mcmol/l": UMOL_L,
    "micromol/l": UMOL_L,
    "mmol/l": MMOL_L,
    "meq/l": MEQ_L,
    "meq/liter": MEQ_L,
    "mval/l": MEQ_L,
}
"""Unit texts by their lower-case form. A unit not in this table is not known."""

_UCUM = frozenset({"http://unitsofmeasure.org", "urn:oid:2.16.840.1.113883.6.8"})
_NUMBER_TEXT = re.compile(
    r"(?P<comparator><=|>=|<|>|≤|≥)?\s*(?P<value>\d{1,6}(?:\.\d{1,12})?)\s*(?P<unit>\D.*)?",
    re.ASCII,
)


class Measured(NamedTuple):
    """A number as a lab reported it. `unit` is canonical, "" if none was given, `None` if odd."""

    value: Decimal
    comparator: str
    unit: str | None
    unit_written: str


def canonical_unit(code: str | None, system: str | None, unit: str | None) -> str | None:
    """The unit of a Quantity: by its UCUM code, else by its text; "" if it says none.

    `None` if code or text says a unit that is not in the table, or if they contradict each other.
    """
    known = set()
    for written in (code if system in _UCUM or system is None else None, unit):
        if written is not None and written.strip():
            known.add(_WRITTEN.get(written.strip().lower()))
    if not known:
        return ""
    if len(known) > 1:
        known.discard(None)
    return known.pop() if len(known) == 1 else None


def from_text(text: str) -> Measured | None:
    """A result given as text, if the whole text is a comparator, a number and perhaps a unit."""
    match = _NUMBER_TEXT.fullmatch(text.strip())
    if match is None:
        return None
    unit_text = (match["unit"] or "").strip()
    unit = _WRITTEN.get(unit_text.lower()) if unit_text else ""
    if unit is None:
        return None
    comparator = {"≤": "<=", "≥": ">="}.get(match["comparator"] or "", match["comparator"] or "")
    return Measured(Decimal(match["value"]), comparator, unit, unit_text)
