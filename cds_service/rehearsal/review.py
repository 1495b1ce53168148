"""A random sample of each card for chart review, the same whatever the order of the work."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from cds_service.rehearsal.lines import key_of
from cds_service.rehearsal.rows import Row

SAMPLE: Final = 20
"""How many moments of each card are reviewed."""
Explaining = Callable[[], dict[str, Any]]


class Sampled(msgspec.Struct, frozen=True):
    """One moment to be reviewed. `rank` is what it was drawn by."""

    rank: str
    row: Row
    text: str


class Sampler:
    """Keeps the moments of the lowest rank for each card. The rank is a hash of the moment."""

    def __init__(self, size: int = SAMPLE) -> None:
        self._size = size
        self._kept: dict[str, list[Sampled]] = {}

    def offer(self, row: Row, explain: Explaining) -> None:
        """A row with a card. It is explained only where it is among the lowest so far."""
        card = row.card or ""
        kept = self._kept.setdefault(card, [])
        rank = rank_of(row)
        if len(kept) == self._size and rank >= kept[-1].rank:
            return
        kept.append(Sampled(rank, row, as_text(explain(), card)))
        kept.sort(key=lambda sampled: sampled.rank)
        del kept[self._size :]

    def kept(self) -> list[Sampled]:
        """What is kept so far, by card and rank."""
        return [s for card in sorted(self._kept) for s in self._kept[card]]


def lowest(samples: Iterable[Sampled], size: int = SAMPLE) -> list[Sampled]:
    """The sample of a whole run out of those of its parts."""
    by_card: dict[str, list[Sampled]] = {}
    for sampled in samples:
        by_card.setdefault(sampled.row.card or "", []).append(sampled)
    return [
        sampled
        for card in sorted(by_card)
        for sampled in sorted(by_card[card], key=lambda s: s.rank)[:size]
    ]


def rank_of(row: Row) -> str:
    """What a row is drawn by."""
    parts = (row.patient, row.at.isoformat(), row.hook, row.order or "", row.card or "")
    return key_of("\0".join(("review", *parts))).hex()


def as_text(explained: dict[str, Any], card: str) -> str:
    """The explanation of a card as text: what it says, and the facts it rests on."""
    shown = [c for c in explained["cards"] if _id_of(c) == card]
    lines = [text for c in shown for text in (c["summary"], "", c.get("detail", ""))]
    lines += ["", "Facts:"]
    lines += [
        f"- {fact.get('label') or fact['id']}: {_evidence(fact)}"
        for fact in explained["facts"]
        if fact["state"] == "present"
    ]
    kidney = explained.get("kidney")
    if kidney:
        value = " ".join(str(kidney[k]) for k in ("value", "unit", "date") if kidney.get(k))
        lines.append(f"Kidney: {kidney['class']} {value}".rstrip())
    unknown = [f"- {gap}" for gap in map(_gap, explained.get("unknown", ()))]
    return "\n".join([*lines, *(["Not known:", *unknown] if unknown else [])]).strip()


REVIEW: Final = "review.csv"
COLUMNS: Final = (
    *("id", "card", "indicator", "hook", "at", "patient", "age", "sex", "explanation"),
    *("correct", "reviewer", "comment"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_review(out: Path, samples: Iterable[Sampled]) -> None:
    """The sample as a table, with empty columns for the reviewer."""
    with (out / REVIEW).open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for sampled in samples:
            row = sampled.row
            at = row.at.strftime("%Y-%m-%dT%H:%MZ")
            known = (row.card, row.indicator, row.hook, at, row.patient, row.age, row.sex)
            cells = (sampled.rank, *known, sampled.text, "", "", "")
            writer.writerow([_cell(cell) for cell in cells])


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _id_of(card: dict[str, Any]) -> str:
    extension = card.get("extension", {})
    return next((e["card"] for e in extension.values() if "card" in e), "")


def _evidence(fact: dict[str, Any]) -> str:
    found = fact.get("evidence", ())
    texts = (
        " ".join(str(e[k]) for k in ("display", "value", "unit", "date", "resource") if e.get(k))
        for e in found
    )
    return "; ".join(texts) or "present"


def _gap(gap: Any) -> str:
    return " ".join(str(v) for v in gap.values()) if isinstance(gap, dict) else str(gap)
