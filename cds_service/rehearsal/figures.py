"""The numbers of the report, out of the rows of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from cds_service.knowledge.model import Card
from cds_service.rehearsal.moments import DISCHARGE, ORDER_SELECT, PATIENT_VIEW

LOCKOUTS: Final = (30, 90, 365)
_COLUMNS: Final = (
    *("patient", "hook", "at", "department", "practitioner", "card", "indicator"),
    *("why_silent", "unknown", "repeat_of_days"),
)
_BATCH = 20_000
_SUGGESTING = frozenset({PATIENT_VIEW, DISCHARGE, ORDER_SELECT})
NO_DEPARTMENT: Final = "not recorded"
Key = tuple[str, ...]


class Figures(msgspec.Struct):
    """What the rows of a run add up to.

    `cards` is by (card, indicator, hook). `per_patient` and `per_practitioner` say how many have so
    many cards. `left` is how many cards a lock-out of so many days leaves; cards that may not be
    silenced stay. `near_misses` are silent moments with one condition that was not met.
    """

    cards: Counter[Key] = msgspec.field(default_factory=Counter)
    months: Counter[Key] = msgspec.field(default_factory=Counter)
    departments: Counter[str] = msgspec.field(default_factory=Counter)
    per_patient: Counter[int] = msgspec.field(default_factory=Counter)
    per_practitioner: Counter[int] = msgspec.field(default_factory=Counter)
    repeats: Counter[str] = msgspec.field(default_factory=Counter)
    left: dict[int, int] = msgspec.field(default_factory=lambda: dict.fromkeys(LOCKOUTS, 0))
    silent: Counter[Key] = msgspec.field(default_factory=Counter)
    near_misses: Counter[str] = msgspec.field(default_factory=Counter)
    unknown: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All cards."""
        return self.cards.total()

    def by(self, place: int) -> Counter[str]:
        """Cards by card (0), indicator (1) or hook (2)."""
        found: Counter[str] = Counter()
        for key, number in self.cards.items():
            found[key[place]] += number
        return found


def figures_of(rows: Iterable[Mapping[str, Any]], cards: Mapping[str, Card]) -> Figures:
    """The numbers of the rows of a run, in their order."""
    figures = Figures()
    practitioners: Counter[str] = Counter()
    patient = _Patient("")
    for row in rows:
        if row["patient"] != patient.id:
            patient.close(figures)
            patient = _Patient(row["patient"])
        if row["card"] is None:
            _count_silence(figures, row)
            continue
        _count_card(figures, row)
        patient.add(figures, row, cards)
        if row["practitioner"]:
            practitioners[row["practitioner"]] += 1
    patient.close(figures)
    figures.per_practitioner.update(practitioners.values())
    return figures


def rows_in(decisions: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, in batches."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(decisions) as file:
        for batch in file.iter_batches(_BATCH, columns=list(_COLUMNS)):
            yield from batch.to_pylist()


def _count_card(figures: Figures, row: Mapping[str, Any]) -> None:
    card = row["card"]
    figures.cards[card, row["indicator"], row["hook"]] += 1
    figures.months[row["at"].strftime("%Y-%m"), card] += 1
    figures.departments[row["department"] or NO_DEPARTMENT] += 1
    figures.unknown.update(row["unknown"])
    if row["repeat_of_days"] is not None:
        figures.repeats[card] += 1


def _count_silence(figures: Figures, row: Mapping[str, Any]) -> None:
    for why in row["why_silent"]:
        figures.silent[row["hook"], why] += 1
    if len(row["why_silent"]) == 1 and row["hook"] in _SUGGESTING and _is_condition(row):
        figures.near_misses[row["why_silent"][0]] += 1


def _is_condition(row: Mapping[str, Any]) -> bool:
    """Whether what was not met is a condition of the patient, and not the order alone."""
    return "order" not in row["why_silent"][0]


class _Patient:
    """The cards of one patient, in the order of time."""

    def __init__(self, own: str) -> None:
        self.id = own
        self._cards = 0
        self._shown: dict[tuple[str, int], datetime] = {}

    def add(self, figures: Figures, row: Mapping[str, Any], cards: Mapping[str, Card]) -> None:
        """Count one card, and whether each lock-out would leave it."""
        self._cards += 1
        card, at = row["card"], row["at"]
        locks = card in cards and cards[card].may_be_silenced
        for days in LOCKOUTS:
            before = self._shown.get((card, days)) if locks else None
            if before is None or (at - before).days >= days:
                figures.left[days] += 1
                self._shown[card, days] = at

    def close(self, figures: Figures) -> None:
        """The patient has no more cards."""
        if self._cards:
            figures.per_patient[self._cards] += 1
