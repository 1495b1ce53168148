"""A row of `decisions.parquet`: a moment and one of its cards, or a silent moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from cds_service.rehearsal.lines import key_of
from cds_service.rehearsal.moments import HOOKS

if TYPE_CHECKING:
    import pyarrow as pa

_PLACES: Final = {hook: place for place, hook in enumerate(HOOKS)}


class Row(msgspec.Struct, frozen=True):
    """One row. `card` is `None` where the moment was silent; `at` is a UTC time.

    `repeat_of_days` is how many days ago the same card was shown to the patient before.
    """

    patient: str
    hook: str
    at: datetime
    order: str | None
    encounter: str | None
    practitioner: str | None
    department: str | None
    sex: str | None
    age: int | None
    card: str | None
    indicator: str | None
    kidney: str | None
    risk: tuple[str, ...]
    why_silent: tuple[str, ...]
    unknown: tuple[str, ...]
    repeat_of_days: int | None
    knowledge: str
    site: str | None

    def key(self) -> tuple[bytes, str, datetime, int, str, str, str]:
        """Orders the rows of any run in one way."""
        return (
            *(key_of(self.patient), self.patient, self.at, _PLACES[self.hook]),
            *(self.order or "", self.encounter or "", self.card or ""),
        )


def schema() -> pa.Schema:
    """The columns of the file."""
    import pyarrow as pa

    texts = pa.list_(pa.string())
    types: dict[str, pa.DataType] = dict.fromkeys(Row.__struct_fields__, pa.string())
    types |= {"at": pa.timestamp("us", tz="UTC"), "age": pa.int32(), "repeat_of_days": pa.int32()}
    types |= dict.fromkeys(("risk", "why_silent", "unknown"), texts)
    return pa.schema([pa.field(name, types[name]) for name in Row.__struct_fields__])


def table_of(rows: Iterable[Row]) -> pa.Table:
    """Rows as a table."""
    import pyarrow as pa

    return pa.Table.from_pylist([msgspec.structs.asdict(row) for row in rows], schema=schema())
