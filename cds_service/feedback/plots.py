"""Stacked bars as SVG. They differ by shade and hatching, so they are readable in grey and on
paper.

Each has a title and a description for screen readers. The same numbers are in a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from cds_service.feedback.report import Line, Tally

_SERIES = (
    ("accepted", "#1f1f1f"),
    ("overridden", "url(#hatched)"),
    ("ignored", "#c4c4c4"),
    ("open", "#ffffff"),
)
_PATTERN = (
    '<defs><pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><rect width="6" height="6" fill="#ffffff"/>'
    '<rect width="3" height="6" fill="#6b6b6b"/></pattern></defs>'
)
_WIDTH = 760
_LABEL = 190
_NUMBER = 60
_ROW = 26
_BAR = 18
_HEAD = 34
_KEY = 110
_LONGEST_LABEL = 28


def stacked_bars(plot_id: str, title: str, lines: Sequence[Line]) -> str:
    """One bar for each line. Its length is the number of issued cards, divided by outcome."""
    longest = max((line.tally.issued for line in lines), default=0)
    height = _HEAD + _ROW * len(lines) + 6
    rows = "".join(_bar(number, line, longest) for number, line in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' aria-labelledby="{plot_id}-title {plot_id}-text" font-size="13">'
        f'<title id="{plot_id}-title">{escape(title)}</title>'
        f'<desc id="{plot_id}-text">{escape(_in_words(lines))}</desc>'
        f"{_PATTERN}{_legend()}{rows}</svg>"
    )


def _in_words(lines: Sequence[Line]) -> str:
    return " ".join(_sentence(line.name, line.tally) for line in lines) or "Nothing was issued."


def _sentence(name: str, tally: Tally) -> str:
    outcomes = ", ".join(f"{getattr(tally, series)} {series}" for series, _ in _SERIES)
    return f"{name}: {tally.issued} issued, {outcomes}."


def _legend() -> str:
    return "".join(
        _box(_LABEL + number * _KEY, 6, 14, 14, fill) + _text(_LABEL + number * _KEY + 20, 18, name)
        for number, (name, fill) in enumerate(_SERIES)
    )


def _bar(number: int, line: Line, longest: int) -> str:
    top = _HEAD + number * _ROW
    name = line.name if len(line.name) <= _LONGEST_LABEL else line.name[: _LONGEST_LABEL - 1] + "…"
    label = _text(_LABEL - 8, top + 14, name, "end")
    end = _LABEL + _length(line.tally.issued, longest)
    said = f"{line.tally.issued}{' (few)' if line.tally.few else ''}"
    return label + "".join(_pieces(line.tally, top, longest)) + _text(end + 6, top + 14, said)


def _pieces(tally: Tally, top: int, longest: int) -> Iterator[str]:
    left = float(_LABEL)
    for series, fill in _SERIES:
        width = _length(getattr(tally, series), longest)
        if width:
            yield _box(left, top, width, _BAR, fill)
        left += width


def _length(count: int, longest: int) -> float:
    return (_WIDTH - _LABEL - _NUMBER) * count / longest if longest else 0.0


def _box(left: float, top: float, width: float, height: float, fill: str) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f' fill="{fill}" stroke="#1f1f1f" stroke-width="1"/>'
    )


def _text(left: float, baseline: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{left:.1f}" y="{baseline:.1f}" text-anchor="{anchor}" fill="#1f1f1f">'
        f"{escape(text)}</text>"
    )
