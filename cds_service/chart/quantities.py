"""Units of kidney and magnesium results in all usual spellings, and results in text form.

One function normalises spellings (SPEC 12.2 N-1): spaces, case, powers, brackets, "per", decimal
commas. The normalised unit must be in one small table. Any other unit is unknown, and nothing is
guessed. `mL/min` is accepted for eGFR because the LOINC code fixes the area.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import NamedTuple

EGFR = "mL/min/{1.73_m2}"
MG_DL = "mg/dL"
MMOL_L = "mmol/L"
UMOL_L = "umol/L"
MEQ_L = "meq/L"

_FOLDED = {
    "ml/min/1.73m2": EGFR,
    "ml/min1.73m2": EGFR,
    "ml/min/1.73": EGFR,
    "ml/min/bsa": EGFR,
    "ml/min": EGFR,
    "mg/dl": MG_DL,
    "mg%": MG_DL,
    "mg/100ml": MG_DL,
    "milligram/deciliter": MG_DL,
    "umol/l": UMOL_L,
    "μmol/l": UMOL_L,
    "mcmol/l": UMOL_L,
    "micromol/l": UMOL_L,
    "mmol/l": MMOL_L,
    "meq/l": MEQ_L,
    "meq/liter": MEQ_L,
    "mval/l": MEQ_L,
}
"""Units by their folded spelling. A unit that is not in this table is not known."""

_REMARK = re.compile(r"[\[({](?:calc\.?|calculated|ckd-?epi(?:2009|2021)?)[\])}]", re.ASCII)
_DROPPED = str.maketrans(
    dict.fromkeys("*^_(){}[]\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}")
    | {",": ".", "\N{DIVISION SLASH}": "/", "\N{FRACTION SLASH}": "/"}
)
_SQUARE_METRE = re.compile(r"(?:qm|sq(?:uare)?\.?m(?:et(?:er|re)s?)?)$", re.ASCII)

_COMPARATORS = {
    "<=": "<=",
    ">=": ">=",
    "≤": "<=",
    "≥": ">=",
    "<": "<",
    ">": ">",
    "=": "",
}
"""Spellings of comparators, the longer ones first, and FHIR's code for each. "=" means none."""

_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,12}|,\d{1,2}(?!\d))?(?![\d.,])", re.ASCII)
"""A number at the beginning of a text. A comma before three digits may group thousands and is not read."""


class Measured(NamedTuple):
    """A number as reported by a laboratory. `unit` is canonical, "" if none was given, `None` if unknown."""

    value: Decimal
    comparator: str
    unit: str | None
    unit_written: str


def canonical_unit(*written: str | None) -> str | None:
    """The unit in the code and text of a Quantity, or "" if both are missing.

    `None` if neither is in the table, or if they contradict each other.
    """
    known = {_FOLDED.get(folded(text)) for text in written if text is not None and text.strip()}
    if not known:
        return ""
    if len(known) > 1:
        known.discard(None)
    return known.pop() if len(known) == 1 else None


def folded(unit: str) -> str:
    """A unit in the one spelling that the table knows: "mL / min per 1,73 m²" is ml/min/1.73m2."""
    plain = "".join(unicodedata.normalize("NFKC", unit).lower().split())
    plain = _REMARK.sub("", plain).translate(_DROPPED).replace("per", "/")
    return _SQUARE_METRE.sub("m2", plain)


def comparator_of(written: str | None) -> str:
    """A comparator in FHIR's spelling, or "" for none and for "=". Unknown ones are unchanged."""
    plain = "".join((written or "").split())
    return _COMPARATORS.get(plain, plain)


def from_text(text: str) -> Measured | None:
    """A result in text form, if the whole text is a comparator, a number and optionally a unit."""
    rest = text.strip()
    comparator = next((sign for sign in _COMPARATORS if rest.startswith(sign)), "")
    rest = rest[len(comparator) :].lstrip()
    number = _NUMBER.match(rest)
    if number is None:
        return None
    unit_text = rest[number.end() :].lstrip()
    unit = canonical_unit(unit_text)
    if unit is None:
        return None
    value = Decimal(number[0].replace(",", "."))
    return Measured(value, comparator_of(comparator), unit, unit_text)
