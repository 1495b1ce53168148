"""Stacked bars as SVG. They differ by shade and pattern, so they are readable in grey and on paper.

Each plot has a title and a description for screen readers. The page shows the same numbers in a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

_INK: Final = "#1f1f1f"
_WHITE: Final = "#ffffff"
_RISING = '<path d="M-2 2 2-2M0 8 8 0M6 10 10 6" stroke="#1f1f1f" stroke-width="2"/>'
_FALLING = '<path d="M-2 6 2 10M0 0 8 8M6-2 10 2" stroke="#1f1f1f" stroke-width="1.2"/>'
_DOTS = (
    '<circle cx="2" cy="2" r="1.2" fill="#1f1f1f"/><circle cx="6" cy="6" r="1.2" fill="#1f1f1f"/>'
)
_LINES = '<path d="M0 4H8" stroke="#1f1f1f" stroke-width="1.5"/>'


class _Fill(NamedTuple):
    """A grey, and what is drawn on it."""

    ground: str
    pattern: str = ""


_FILLS: Final = (
    _Fill(_INK),
    _Fill(_WHITE, _RISING),
    _Fill("#c4c4c4"),
    _Fill(_WHITE),
    _Fill(_WHITE, _DOTS),
    _Fill("#6b6b6b"),
    _Fill("#c4c4c4", _FALLING),
    _Fill(_WHITE, _LINES),
)
MOST_SERIES: Final = len(_FILLS)
"""How many series can be told apart."""
_ALONE: Final = 2
"""The fill of a single series."""
_WIDTH = 760
_LABEL = 190
_ROW = 26
_BAR = 18
_HEAD = 10
_GAP = 6
_KEY_ROW = 24
_LETTER = 7.2
_LONGEST_LABEL = 28


def stacked_bars(
    plot_id: str,
    title: str,
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    words: str = "",
    notes: Sequence[str] = (),
) -> str:
    """One bar for each name, divided by series. A single series has no key.

    `words` is the description, by default the name and the number of each bar. `notes` are written
    after the numbers. Raises ValueError for more series than can be told apart.
    """
    if len(series) > MOST_SERIES:
        raise ValueError(f"at most {MOST_SERIES} series can be told apart")
    totals = [sum(values[place] for values in series.values()) for place in range(len(names))]
    fills = [_fill(plot_id, place if len(series) > 1 else _ALONE) for place in range(len(series))]
    keys = list(_keys(list(series), fills)) if len(series) > 1 else []
    head = _HEAD + _KEY_ROW * (max((row for row, _ in keys), default=-1) + 1)
    height = head + _ROW * len(names) + 6
    numbers = [
        _written(total) + (notes[place] if notes else "") for place, total in enumerate(totals)
    ]
    space = _GAP + _LETTER * max(map(len, numbers), default=0)
    scale = (_WIDTH - _LABEL - space) / max(totals) if any(totals) else 0.0
    bars = "".join(
        _bar(fills, name, [values[place] for values in series.values()], scale, head, place)
        + _text(_LABEL + totals[place] * scale + _GAP, head + place * _ROW + 14, numbers[place])
        for place, name in enumerate(names)
    )
    said = words or "; ".join(
        f"{n}: {t}" for n, t in zip(names, map(_written, totals), strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' aria-labelledby="{plot_id}-title {plot_id}-text" font-size="13">'
        f'<title id="{plot_id}-title">{escape(title)}</title>'
        f'<desc id="{plot_id}-text">{escape(said or "Nothing to show.")}</desc>'
        f"{_patterns(plot_id, len(series))}{''.join(key for _, key in keys)}{bars}</svg>"
    )


def _patterns(plot_id: str, number: int) -> str:
    found = "".join(
        f'<pattern id="{plot_id}-fill-{place}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8" fill="{fill.ground}"/>{fill.pattern}</pattern>'
        for place, fill in enumerate(_FILLS[:number])
        if fill.pattern
    )
    return f"<defs>{found}</defs>" if found else ""


def _fill(plot_id: str, place: int) -> str:
    fill = _FILLS[place]
    return f"url(#{plot_id}-fill-{place})" if fill.pattern else fill.ground


def _keys(names: Sequence[str], fills: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The key of each series with its row: as many in a row as there is space for."""
    left, row = float(_LABEL), 0
    for name, fill in zip(names, fills, strict=True):
        width = 36 + _LETTER * len(name)
        if left + width > _WIDTH and left > _LABEL:
            left, row = float(_LABEL), row + 1
        top = 6 + _KEY_ROW * row
        yield row, _box(left, top, 14, 14, fill) + _text(left + 20, top + 12, name)
        left += width


def _bar(
    fills: Sequence[str], name: str, counts: Sequence[float], scale: float, head: int, place: int
) -> str:
    top = head + place * _ROW
    short = name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"
    parts, left = [_text(_LABEL - 8, top + 14, short, "end")], float(_LABEL)
    for fill, count in zip(fills, counts, strict=True):
        if count:
            parts.append(_box(left, top, count * scale, _BAR, fill))
        left += count * scale
    return "".join(parts)


def _written(total: float) -> str:
    return f"{total:,.10g}"


def _box(left: float, top: float, width: float, height: float, fill: str) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f' fill="{fill}" stroke="{_INK}" stroke-width="1"/>'
    )


def _text(left: float, baseline: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{left:.1f}" y="{baseline:.1f}" text-anchor="{anchor}" fill="{_INK}">'
        f"{escape(text)}</text>"
    )
