"""The plots of the report are readable in grey, on paper and by ear."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree as ET

import pytest

from cds_service.bars import MOST_SERIES
from cds_service.rehearsal.plots import stacked
from cds_service.rehearsal.report import _distinct

SVG = "{http://www.w3.org/2000/svg}"


def bars(svg: ET.Element, numbers: int) -> list[tuple[str, str]]:
    """Fill and hatching of each bar: its shape, and what is drawn over it."""
    patches = [g for g in svg.iter(f"{SVG}g") if re.search(r"-patch_\d+$", g.get("id", ""))]
    styles = []
    for group in patches:
        path = group.find(f"{SVG}path")
        assert path is not None
        styles.append((path.get("style") or path.get("fill") or "").strip())
    found = [style for style in styles if "stroke: #1f1f1f" in style]
    assert len(found) >= numbers
    return [(re.findall(r"fill: ([^;]+)", style)[0], style) for style in found]


def test_every_series_has_a_fill_of_its_own() -> None:
    series = {f"card {n}": [n + 1.0] for n in range(MOST_SERIES)}
    text = stacked("plot", "Cards <by> month", ["2026-01"], series)
    svg = ET.fromstring(text)  # noqa: S314
    fills = Counter(fill for fill, _ in bars(svg, MOST_SERIES))
    patterns = {
        f"url(#{p.get('id')})": ET.tostring(p).split(b">", 1)[1] for p in svg.iter(f"{SVG}pattern")
    }
    looks = {patterns.get(fill, fill) for fill in fills}
    assert len(looks) == MOST_SERIES


def test_all_colours_are_grey() -> None:
    text = stacked("plot", "t", ["a"], {f"card {n}": [1.0] for n in range(MOST_SERIES)})
    for colour in re.findall(r"#([0-9a-f]{6})\b", text):
        assert colour[:2] == colour[2:4] == colour[4:]


def test_each_series_and_each_bar_is_named_in_text() -> None:
    series = {"mg-suggest": [3.0, 1.0], "mg-avoid-renal": [0.0, 2.0]}
    text = stacked("plot", "Cards", ["2026-01", "2026-02"], series)
    svg = ET.fromstring(text)  # noqa: S314
    texts = {"".join(t.itertext()).strip() for t in svg.iter(f"{SVG}text")}
    assert {"mg-suggest", "mg-avoid-renal", "2026-01", "2026-02", "3"} <= texts
    assert svg.findtext(f"{SVG}desc") == "2026-01: 3; 2026-02: 3"
    assert svg.get("role") == "img"


@pytest.mark.parametrize("number", [1, MOST_SERIES, MOST_SERIES + 1, 30])
def test_never_more_series_than_can_be_told_apart(number: int) -> None:
    """No card is lost: the rest is one series."""
    series = {f"card {n}": [float(n), 1.0] for n in range(number)}
    shown = _distinct(series)
    assert len(shown) <= MOST_SERIES
    assert [sum(v) for v in zip(*shown.values(), strict=True)] == [
        sum(v) for v in zip(*series.values(), strict=True)
    ]
    rest = [name for name in shown if "other cards" in name]
    assert rest == ([f"{number - MOST_SERIES + 1} other cards"] if number > MOST_SERIES else [])


def test_a_year_without_cards_is_drawn_too() -> None:
    assert "Nothing to show." in stacked("plot", "t", [], {})
