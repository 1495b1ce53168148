"""Bars that can be told apart without colour."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from cds_service.bars import MOST_SERIES, stacked_bars

SVG = "{http://www.w3.org/2000/svg}"


def drawn(series: dict[str, list[float]], names: list[str]) -> ET.Element:
    return ET.fromstring(stacked_bars("plot", "Cards & more", names, series))  # noqa: S314


def greys(text: str) -> list[str]:
    return re.findall(r"#[0-9a-fA-F]{3,8}\b", text)


def test_every_series_has_a_fill_of_its_own_and_all_are_grey() -> None:
    series = {f"series {n}": [1.0, 2.0] for n in range(MOST_SERIES)}
    svg = drawn(series, ["a", "b"])
    bars = [r.get("fill") for r in svg.findall(f"{SVG}rect") if r.get("height") == "18.0"]
    assert len(set(bars)) == MOST_SERIES
    patterns = {p.get("id"): ET.tostring(p).split(b">", 1)[1] for p in svg.iter(f"{SVG}pattern")}
    assert len(set(patterns.values())) == len(patterns) == sum("url(" in str(b) for b in set(bars))
    assert {f"url(#{own})" for own in patterns} <= set(bars)
    for colour in greys(ET.tostring(svg, "unicode")):
        assert colour[1:3] == colour[3:5] == colour[5:7]


def test_plain_fills_differ_clearly_in_shade() -> None:
    series = {f"series {n}": [1.0] for n in range(MOST_SERIES)}
    fills = {str(r.get("fill")) for r in drawn(series, ["a"]).findall(f"{SVG}rect")}
    shades = sorted(int(fill[1:3], 16) for fill in fills if fill.startswith("#"))
    assert all(b - a > 40 for a, b in pairwise(shades))


def test_each_series_is_named_with_its_fill() -> None:
    series = {"accepted": [1.0], "overridden by the clinician": [2.0], "open": [3.0]}
    svg = drawn(series, ["a"])
    keys = [r for r in svg.findall(f"{SVG}rect") if r.get("height") == "14.0"]
    bars = [r for r in svg.findall(f"{SVG}rect") if r.get("height") == "18.0"]
    assert [k.get("fill") for k in keys] == [b.get("fill") for b in bars]
    texts = [t.text for t in svg.findall(f"{SVG}text")]
    assert texts[:3] == list(series)


def test_many_names_are_set_in_rows_that_fit() -> None:
    svg = drawn({f"a long name of series {n}": [1.0] for n in range(MOST_SERIES)}, ["a"])
    width = float((svg.get("viewBox") or "").split()[2])
    keys = [r for r in svg.findall(f"{SVG}rect") if r.get("height") == "14.0"]
    assert len({k.get("y") for k in keys}) > 1
    assert all(float(k.get("x") or 0) + 7 * 25 < width + 20 for k in keys)
    first_bar = next(r for r in svg.findall(f"{SVG}rect") if r.get("height") == "18.0")
    assert float(first_bar.get("y") or 0) > max(float(k.get("y") or 0) for k in keys)


def test_a_single_series_has_no_key_and_nothing_is_no_bar() -> None:
    svg = drawn({"": [3.0, 0.0]}, ["a", "b"])
    assert [r.get("height") for r in svg.findall(f"{SVG}rect")] == ["18.0"]
    assert svg.findtext(f"{SVG}desc") == "a: 3; b: 0"
    assert drawn({"": []}, []).findtext(f"{SVG}desc") == "Nothing to show."


def test_more_series_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="told apart"):
        stacked_bars("plot", "t", ["a"], {str(n): [1.0] for n in range(MOST_SERIES + 1)})


def test_long_numbers_with_notes_stay_inside_the_plot() -> None:
    plot = stacked_bars("p", "Cards", ["a", "b"], {"x": [1_066_649, 3]}, notes=[" (few)", ""])
    assert ">1,066,649 (few)<" in plot
    assert ">3<" in plot
    (left,) = re.findall(r'<text x="([\d.]+)"[^>]*>1,066,649', plot)
    assert float(left) + 7 * len("1,066,649 (few)") < 760
