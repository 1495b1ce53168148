"""Two versions of the rules side by side: which cards appear, vanish or change, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cds_service.rehearsal.deciding import Outcome
from cds_service.rehearsal.moments import Moment

if TYPE_CHECKING:
    import pyarrow as pa

CHANGES: Final = "changes.parquet"
APPEARS, VANISHES, CHANGED = KINDS = ("appears", "vanishes", "changes")


class Change(msgspec.Struct, frozen=True):
    """A card that only one of the two gives at a moment, or that both give with another indicator.

    `indicator` is that of the rehearsed rules, `indicator_against` that of the others.
    """

    patient: str
    hook: str
    at: datetime
    order: str | None
    encounter: str | None
    card: str
    change: str
    indicator: str | None
    indicator_against: str | None


def changes(patient: str, moment: Moment, new: Outcome, old: Outcome) -> Iterator[Change]:
    """What differs at a moment."""
    shown, before = (
        {card: indicator for card, indicator, _ in outcome.cards} for outcome in (new, old)
    )
    for card in sorted({*shown, *before}):
        now, then = shown.get(card), before.get(card)
        if now == then:
            continue
        yield Change(
            patient=patient,
            hook=moment.hook,
            at=moment.at.earliest,
            order=moment.order or None,
            encounter=moment.encounter or None,
            card=card,
            change=APPEARS if then is None else VANISHES if now is None else CHANGED,
            indicator=now,
            indicator_against=then,
        )


class Comparison(msgspec.Struct, frozen=True):
    """How often each card appears, vanishes or changes. `label` names the other rules."""

    label: str
    numbers: list[tuple[str, str, int]]

    def shown(self) -> dict[str, Any]:
        """The rows of the report."""
        found = {(card, kind): number for card, kind, number in self.numbers}
        cards = sorted({card for card, _, _ in self.numbers})
        rows = [(card, *(found.get((card, kind), 0) for kind in KINDS)) for card in cards]
        return {"label": self.label, "rows": rows}


def counted(found: Iterable[Change]) -> list[tuple[str, str, int]]:
    """The number of changes by card and kind."""
    numbers = Counter((change.card, change.change) for change in found)
    return [(*key, number) for key, number in sorted(numbers.items())]


def schema() -> pa.Schema:
    """The columns of the file."""
    import pyarrow as pa

    types = dict.fromkeys(Change.__struct_fields__, pa.string())
    types["at"] = pa.timestamp("us", tz="UTC")
    return pa.schema([pa.field(name, types[name]) for name in Change.__struct_fields__])


def table_of(found: Sequence[Change]) -> pa.Table:
    """Changes as a table."""
    import pyarrow as pa

    return pa.Table.from_pylist([msgspec.structs.asdict(c) for c in found], schema=schema())
