"""The tallies of the feedback report as stacked bars: issued cards, divided by outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cds_service import bars
from cds_service.feedback.report import Line, Tally

_OUTCOMES: Final = ("accepted", "overridden", "ignored", "open")


def stacked_bars(plot_id: str, title: str, lines: Sequence[Line]) -> str:
    """One bar for each line. Its length is the number of issued cards."""
    words = " ".join(_sentence(line.name, line.tally) for line in lines)
    return bars.stacked_bars(
        plot_id,
        title,
        [line.name for line in lines],
        {outcome: [getattr(line.tally, outcome) for line in lines] for outcome in _OUTCOMES},
        words=words or "Nothing was issued.",
        notes=[" (few)" if line.tally.few else "" for line in lines],
    )


def _sentence(name: str, tally: Tally) -> str:
    outcomes = ", ".join(f"{getattr(tally, outcome)} {outcome}" for outcome in _OUTCOMES)
    return f"{name}: {tally.issued} issued, {outcomes}."
