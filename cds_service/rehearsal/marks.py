"""What reviewers said of the sampled cards, and how often the cards were right."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import msgspec

from cds_service.rehearsal.errors import RehearsalError

MARKS: Final = "marks.json"
VERDICTS: Final = ("yes", "no", "unsure")
_WANTED: Final = frozenset({"card", "correct", "reviewer"})
_CONFIDENCE: Final = 0.95


class Marks(msgspec.Struct, frozen=True):
    """By card, how many were right, wrong and unsure; and how many people reviewed."""

    cards: dict[str, tuple[int, int, int]]
    reviewers: int

    def shown(self, cards: Mapping[str, int]) -> dict[str, Any]:
        """The rows of the report. `cards` is how often each card was shown."""
        rows = [(card, *marks, *_value(marks)) for card, marks in sorted(self.cards.items())]
        people = "one person" if self.reviewers == 1 else f"{self.reviewers} people"
        return {"rows": rows, "reviewers": people, "weighted": self._weighted(cards)}

    def _weighted(self, cards: Mapping[str, int]) -> str:
        """The value over all cards, each with the weight of how often it was shown."""
        judged = {c: m for c, m in self.cards.items() if m[0] + m[1] and cards.get(c)}
        weight = sum(cards[card] for card in judged)
        if not weight:
            return ""
        value = sum(cards[c] * m[0] / (m[0] + m[1]) for c, m in judged.items()) / weight
        return f"{100 * value:.0f} %"


def _value(marks: tuple[int, int, int]) -> tuple[str, str]:
    right, wrong, _ = marks
    if not right + wrong:
        return "–", "–"
    low, high = wilson(right, right + wrong)
    return f"{100 * right / (right + wrong):.0f} %", f"{100 * low:.0f} to {100 * high:.0f} %"


def wilson(right: int, number: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """The score interval of Wilson (1927) for a proportion of `number` > 0."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = right / number
    centre = share + z * z / (2 * number)
    half = z * math.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    whole = 1 + z * z / number
    return max(0.0, (centre - half) / whole), min(1.0, (centre + half) / whole)


def read_marks(file: Path) -> Marks:
    """The marks in a reviewed sample; raises `RehearsalError` with the line that is wrong.

    Rows without a mark are left out.
    """
    cards: dict[str, list[int]] = {}
    reviewers: set[str] = set()
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, dialect=_dialect(opened.read(4096)))
            opened.seek(0)
            if not set(reader.fieldnames or ()) >= _WANTED:
                raise RehearsalError(f"{file.name} needs the columns {', '.join(sorted(_WANTED))}")
            for row in reader:
                verdict = (row["correct"] or "").strip().lower()
                if not verdict:
                    continue
                if verdict not in VERDICTS:
                    where = f"{file.name} line {reader.line_num}"
                    raise RehearsalError(f"{where}: correct must be {', '.join(VERDICTS)} or empty")
                marks = cards.setdefault(row["card"], [0, 0, 0])
                marks[VERDICTS.index(verdict)] += 1
                reviewers.add((row["reviewer"] or "").strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RehearsalError(f"{file.name} cannot be read: {type(error).__name__}") from None
    found = {card: (marks[0], marks[1], marks[2]) for card, marks in sorted(cards.items())}
    if not found:
        raise RehearsalError(f"{file.name} has no marks in the column correct")
    return Marks(found, len(reviewers))


def _dialect(start: str) -> type[csv.Dialect]:
    """Spreadsheets write semicolons where the comma is the decimal sign."""
    first = start.partition("\n")[0]

    class Written(csv.excel):
        delimiter = ";" if first.count(";") > first.count(",") else ","

    return Written
