"""Which product a Medication resource is, for the orders of patients who are only counted.

An export may have one Medication for each order, so there can be millions. They are kept as short
records in one sorted table. A look-up reads only a few rows of it.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cds_service.rehearsal.lines import KEY_BYTES, Coded, key_of
from cds_service.rehearsal.moments import name_of

PRODUCT_BYTES: Final = 2 * KEY_BYTES


def key_of_medication(own: str) -> bytes:
    """The key of a Medication resource by its id. It differs from that of every product."""
    return key_of(f"Medication/{own}")


def product_record(medication: Coded) -> bytes:
    """The key of a Medication and the key of its product; nothing without an id or a code."""
    name = name_of(medication)
    return key_of_medication(medication.id) + key_of(name) if medication.id and name else b""


def sorted_records(records: Iterable[bytes]) -> bytes:
    """A table, or a part of one: one record for each Medication, in the order of the keys."""
    return b"".join({record[:KEY_BYTES]: record for record in sorted(records)}.values())


class Products:
    """The products of Medication resources, in a sorted table."""

    def __init__(self, table: bytes | mmap.mmap = b"") -> None:
        self._table = table

    def of(self, key: bytes) -> bytes:
        """The key of the product of a Medication, else the same key."""
        place = bisect_left(self, key)
        found = place < len(self) and self[place] == key
        at = place * PRODUCT_BYTES
        return self._table[at + KEY_BYTES : at + PRODUCT_BYTES] if found else key

    def __len__(self) -> int:
        return len(self._table) // PRODUCT_BYTES

    def __getitem__(self, place: int) -> bytes:
        at = place * PRODUCT_BYTES
        return self._table[at : at + KEY_BYTES]


def products_in(file: Path) -> Products:
    """The table in a file; an empty one where there is none."""
    if not file.exists() or not file.stat().st_size:
        return Products()
    with file.open("rb") as opened:
        return Products(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
