"""How often and how much: timing codes, sig wording and dose units (`data/dosage.json`)."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class DosageTables(msgspec.Struct, frozen=True):
    """Times a day by timing code and by phrase (first match wins); days per UCUM time unit; units.

    `units` maps what EHRs write to "mg", "g", "ml", "mmol", "meq" or "unit" (tablet, capsule ...).
    """

    version: str
    status: str
    source: str
    timing_codes: dict[str, Decimal]
    phrases: tuple[tuple[str, Decimal], ...]
    days_per_unit: dict[str, Decimal]
    units: dict[str, str]
    number_words: dict[str, Decimal]
