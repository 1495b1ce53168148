"""The evidence page in a browser: codes are found while one types, and it prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .session import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Page


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
    sandbox.expect(page.get_by_role("heading", name="Kidney function")).to_be_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_card_leads_to_its_place_on_the_page(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    target = sandbox.tab("Why").get_by_role("link", name="mg-suggest").get_attribute("href")
    sandbox.page.goto(f"{sandbox.site}{target}")
    sandbox.expect(sandbox.page.locator(":target")).to_contain_text("mg-suggest")
