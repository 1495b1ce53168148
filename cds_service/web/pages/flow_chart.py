"""Flow charts as SVG: questions below each other, with their answers next to them.

Pure drawing: what the boxes say is passed in. One chart is drawn for wide screens and paper, with
the answers next to a question, and once for phones, with the answers below it. The colours of the
light scheme are attributes, so that a chart is complete on paper. A style sheet can replace them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from textwrap import wrap
from typing import Final, NamedTuple

_SIZE: Final = 13.0
_LINE: Final = 17.0
_PAD: Final = 10.0
_GAP: Final = 22.0
_BESIDE: Final = 26.0
_BETWEEN: Final = 10.0
_CHARACTER: Final = 0.56
"""The usual width of a character, in parts of its size. Bold text is wider."""
_BOLD: Final = 1.1
_INDENT: Final = 30.0
_COLUMNS: Final = 4
_TONES: Final = {
    "question": ("#f7f9fb", "#8695a3"),
    "start": ("#e3f0f5", "#0b5c7a"),
    "none": ("#ffffff", "#8695a3"),
    "good": ("#e5f4ea", "#1b6a3a"),
    "info": ("#e6f1fa", "#0a5f9e"),
    "warning": ("#fdf2de", "#d98a00"),
    "critical": ("#fdeaec", "#b3162c"),
}
"""Fill and edge of a box, by its tone."""


class Box(NamedTuple):
    """A box: a heading, and lines below it. With `href` it is a link."""

    heading: str
    lines: tuple[str, ...] = ()
    tone: str = "question"
    href: str = ""


class Row(NamedTuple):
    """A question and its answers. `onward` is the word at the arrow to the next question."""

    question: Box
    answers: tuple[Box, ...] = ()
    onward: str = ""


class _Placed(NamedTuple):
    box: Box
    left: float
    top: float
    width: float
    height: float
    texts: tuple[tuple[str, bool], ...]


def flow_chart(chart_id: str, title: str, rows: Sequence[Row], width: int, *, narrow: bool) -> str:
    """The SVG of a chart in a coordinate system of this width."""
    parts: list[str] = []
    top = 2.0
    below: float | None = None
    word = ""
    for row in rows:
        placed = _row(row, top, width, narrow=narrow)
        question = placed[0]
        middle = question.left + min(question.width / 2, 60.0)
        if below is not None:
            parts.append(_arrow(middle, below, top, word))
        parts += [_line_to(question, answer, narrow=narrow) for answer in placed[1:]]
        parts += map(_drawn, placed)
        bottom = max(p.top + p.height for p in placed)
        # On a phone the answers hang below the question, and the arrow continues from the last one.
        below = bottom if narrow else question.top + question.height
        top, word = bottom + _GAP, row.onward
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top - _GAP + 4:.0f}"'
        f' class="flow" role="group" aria-labelledby="{chart_id}" font-size="{_SIZE:.0f}"'
        f' font-family="Liberation Sans, Arial, sans-serif">'
        f'<title id="{chart_id}">{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _row(row: Row, top: float, width: float, *, narrow: bool) -> list[_Placed]:
    """The question and its answers with their places."""
    if narrow:
        return _column(row, top, width)
    left = width if not row.answers else width * 0.25
    question = _placed(row.question, 1, top, min(left, 420.0) - 2)
    return [question, *_grid(row.answers, left + _BESIDE, top, width - left - _BESIDE - 1)]


def _column(row: Row, top: float, width: float) -> list[_Placed]:
    placed = [_placed(row.question, 1, top, width - 2)]
    for answer in row.answers:
        under = placed[-1].top + placed[-1].height + _BETWEEN
        placed.append(_placed(answer, 1 + _INDENT, under, width - _INDENT - 2))
    return placed


def _grid(boxes: Sequence[Box], left: float, top: float, width: float) -> Iterator[_Placed]:
    """Boxes next to each other, in as many lines as needed. Boxes of one line are equally high."""
    columns = min(len(boxes), _COLUMNS)
    for first in range(0, len(boxes), columns or 1):
        line = boxes[first : first + columns]
        each = (width - _BETWEEN * (columns - 1)) / columns
        placed = [
            _placed(box, left + n * (each + _BETWEEN), top, each) for n, box in enumerate(line)
        ]
        height = max(p.height for p in placed)
        yield from (p._replace(height=height) for p in placed)
        top += height + _BETWEEN


def _placed(box: Box, left: float, top: float, width: float) -> _Placed:
    texts = [(text, True) for text in _wrapped(box.heading, width, _BOLD)]
    texts += [(text, False) for line in box.lines for text in _wrapped(line, width, 1.0)]
    height = 2 * _PAD + _LINE * len(texts)
    return _Placed(box, left, top, width, height, tuple(texts))


def _wrapped(text: str, width: float, factor: float) -> list[str]:
    fits = int((width - 2 * _PAD) / (_SIZE * _CHARACTER * factor))
    return wrap(text, max(fits, 8))


def _drawn(placed: _Placed) -> str:
    fill, edge = _TONES[placed.box.tone]
    # One text for a box: its lines are read as one sentence.
    lines = "".join(
        f'<tspan x="{placed.left + _PAD:.1f}" y="{placed.top + _PAD + _LINE * n + _SIZE:.1f}"'
        f"{_WEIGHT if is_bold else ''}>{escape(text)} </tspan>"
        for n, (text, is_bold) in enumerate(placed.texts)
    )
    drawn = (
        f'<rect class="box {placed.box.tone}" x="{placed.left:.1f}" y="{placed.top:.1f}"'
        f' width="{placed.width:.1f}" height="{placed.height:.1f}" rx="6" fill="{fill}"'
        f' stroke="{edge}" stroke-width="1.5"/><text fill="#17212b">{lines}</text>'
    )
    if not placed.box.href:
        return f"<g>{drawn}</g>"
    return f'<a href="{escape(placed.box.href, quote=True)}" role="link">{drawn}</a>'


_WEIGHT: Final = ' font-weight="bold"'


def _line_to(question: _Placed, answer: _Placed, *, narrow: bool) -> str:
    """The line from a question to one of its answers."""
    if narrow:
        x, y = 1 + _INDENT / 2, answer.top + answer.height / 2
        return _path(f"M{x:.1f} {question.top + question.height:.1f} V{y:.1f} H{answer.left:.1f}")
    y = question.top + min(question.height, answer.height) / 2
    if answer.top > question.top:
        return ""
    start = question.left + question.width
    return _path(f"M{start:.1f} {y:.1f} H{answer.left:.1f}")


def _arrow(x: float, start: float, end: float, word: str) -> str:
    head = f"M{x - 4:.1f} {end - 6:.1f} L{x:.1f} {end:.1f} L{x + 4:.1f} {end - 6:.1f}"
    text = (
        f'<text class="word" x="{x + 8:.1f}" y="{(start + end) / 2 + 5:.1f}" fill="#4c5b69">'
        f"{escape(word)}</text>"
        if word
        else ""
    )
    return _path(f"M{x:.1f} {start:.1f} V{end:.1f} {head}") + text


def _path(drawn: str) -> str:
    return f'<path class="edge" d="{drawn}" fill="none" stroke="#8695a3" stroke-width="1.5"/>'
