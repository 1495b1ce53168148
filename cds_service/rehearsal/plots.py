"""Bars as SVG, drawn by matplotlib. They differ by shade and hatching, so they read in grey.

Each plot has a title and a description; the same numbers are in a table next to it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

_FILLS: Final = (
    *(("#1f1f1f", ""), ("#ffffff", "////"), ("#b0b0b0", ""), ("#ffffff", "....")),
    *(("#6b6b6b", "xx"), ("#e0e0e0", "\\\\\\\\"), ("#ffffff", "++"), ("#8c8c8c", "--")),
)
_WIDTH, _ROW, _HEAD = 8.0, 0.32, 1.1
_STYLE: Final[Mapping[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rehearsal",
    "font.family": "sans-serif",
    "font.size": 10,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,
}
_OF_A_FILE = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_SIZE = re.compile(r' (?:width|height)="[^"]*"')
_BEFORE_SVG = re.compile(r"^.*?(?=<svg)", re.DOTALL)


def stacked(
    plot_id: str, title: str, names: Sequence[str], series: Mapping[str, Sequence[float]]
) -> str:
    """One bar for each name, divided by series."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(dict(_STYLE)):
        figure = Figure(figsize=(_WIDTH, _HEAD + _ROW * max(len(names), 1)), layout="constrained")
        axes = figure.add_subplot()
        left = [0.0] * len(names)
        for number, (label, values) in enumerate(series.items()):
            colour, hatch = _FILLS[number % len(_FILLS)]
            axes.barh(
                range(len(names)),
                values,
                left=left,
                color=colour,
                hatch=hatch,
                edgecolor="#1f1f1f",
                label=label,
            )
            left = [a + b for a, b in zip(left, values, strict=True)]
        axes.set_yticks(range(len(names)), labels=list(names))
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(0, 1.1 * max(left, default=0) or 1)
        for place, total in enumerate(left):
            axes.annotate(f" {total:g}", (total, place), va="center")
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=9, loc="lower right")
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    words = "; ".join(f"{name}: {total:g}" for name, total in zip(names, left, strict=True))
    return _labelled(drawn.getvalue(), plot_id, title, words)


def _labelled(svg: str, plot_id: str, title: str, words: str) -> str:
    """The plot for those who hear it, without what only a file of its own needs."""
    inside = _BEFORE_SVG.sub("", svg)
    inside = _OF_A_FILE.sub("", inside)
    inside = _ID.sub(rf"\1{plot_id}-", inside)
    head, _, body = inside.partition(">")
    head = _SIZE.sub("", head)
    names = f' role="img" aria-labelledby="{plot_id}-title {plot_id}-text"'
    return (
        f'{head}{names}><title id="{plot_id}-title">{escape(title)}</title>'
        f'<desc id="{plot_id}-text">{escape(words or "Nothing to show.")}</desc>{body}'
    )
