"""The evidence page in a browser: codes are found while one types, and it prints."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from .session import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module", autouse=True)
def made(site: str) -> None:
    """The first request makes the page, which can take long on a busy machine."""
    with urlopen(site + "/evidence", timeout=60) as response:  # noqa: S310 - our own server
        assert response.status == 200


def test_codes_are_found_while_one_types(sandbox: Sandbox) -> None:
    page = sandbox.page
    page.goto(sandbox.site + "/evidence")
    page.get_by_label("Find a code or a name").press_sequentially("crohn")
    found = page.get_by_role("region", name="Codes found")
    sandbox.expect(found).to_contain_text("34000006")
    found.get_by_role("link").first.click()
    sandbox.expect(page.get_by_role("heading", level=1)).to_contain_text("malabsorption")


def test_without_scripts_the_search_is_a_page(opens: Callable[..., Page], site: str) -> None:
    page = opens(java_script_enabled=False)
    page.goto(site + "/evidence")
    page.get_by_label("Find a code or a name").fill("crohn")
    page.get_by_role("button", name="Find").click()
    page.get_by_text("34000006").first.wait_for()


def test_it_prints_without_what_only_a_screen_needs(sandbox: Sandbox) -> None:
    page = sandbox.page
    page.goto(sandbox.site + "/evidence")
    page.emulate_media(media="print")
    sandbox.expect(page.get_by_role("navigation", name="Contents")).to_be_hidden()
    heading = page.get_by_role("heading", name="Kidney function", exact=True)
    sandbox.expect(heading).to_be_visible()
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed (make install-dev)")
    pages = pypdf.PdfReader(io.BytesIO(printed)).pages
    version = page.request.get(sandbox.site + "/evidence.json").json()["version"]
    for number in (1, 2, len(pages)):
        text = pages[number - 1].extract_text()
        assert f"Page {number} of {len(pages)}" in text
        assert version in text


WIDTHS = (390, 768, 1024, 1440)


@pytest.mark.parametrize("path", ["/evidence", "/feedback/report", "/evidence/codes?q=crohn"])
def test_no_page_scrolls_sideways(opens: Callable[..., Page], site: str, path: str) -> None:
    page = opens()
    page.goto(site + path)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert found[0] <= found[1], width


def test_every_column_of_the_tables_is_in_view(opens: Callable[..., Page], site: str) -> None:
    """At 1024 the column with the sources was cut off before."""
    page = opens()
    page.goto(site + "/evidence")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        cut = page.evaluate(
            "[...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 1)"
            ".map(s => s.getAttribute('aria-label'))"
        )
        assert cut == [], width


def test_on_a_phone_rows_are_blocks_and_the_chart_is_the_narrow_one(
    opens: Callable[..., Page], site: str
) -> None:
    page = opens(viewport={"width": 390, "height": 844})
    page.goto(site + "/evidence#kidney")
    row = page.locator("#kidney-dialysis")
    cells = row.get_by_role("cell")
    tops = [cells.nth(n).bounding_box()["y"] for n in range(cells.count())]
    assert tops == sorted(set(tops)), "each cell below the one before"
    label = cells.nth(1).evaluate("cell => getComputedStyle(cell, '::before').content")
    assert label == '"Finding"'
    assert page.locator("#flow-chart .narrow svg").is_visible()
    assert page.locator("#flow-chart .wide svg").is_hidden()
    page.set_viewport_size({"width": 1024, "height": 900})
    assert page.locator("#flow-chart .wide svg").is_visible()


def test_no_text_of_a_flow_chart_leaves_its_box(opens: Callable[..., Page], site: str) -> None:
    page = opens()
    page.goto(site + "/evidence")
    for width, form in ((1440, "wide"), (390, "narrow")):
        page.set_viewport_size({"width": width, "height": 900})
        outside = page.evaluate(OUTSIDE, f".{form} svg.flow")
        assert outside == [], form


OUTSIDE = """selector => [...document.querySelectorAll(selector + ' rect')].flatMap(rect => {
  const box = rect.getBBox();
  return [...rect.parentNode.querySelectorAll('text')]
    .filter(text => text.getBBox().x + text.getBBox().width > box.x + box.width)
    .map(text => text.textContent);
})"""


def test_a_card_leads_to_its_place_on_the_page(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    target = sandbox.tab("Why").get_by_role("link", name="mg-suggest").get_attribute("href")
    sandbox.page.goto(f"{sandbox.site}{target}")
    sandbox.expect(sandbox.page.locator(":target")).to_contain_text("mg-suggest")
