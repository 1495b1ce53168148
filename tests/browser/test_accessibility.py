"""axe-core finds no barrier on any page, in light and in dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .session import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.fixture(scope="session")
def axe() -> str:
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    opens: Callable[..., Page], site: str, axe: str, scheme: str, width: int
) -> None:
    # axe is not one of our files, so our policy would keep it out; the policy has its own tests.
    page = opens(
        bypass_csp=True,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
    )
    sandbox = Sandbox(page, site)
    sandbox.open("agatha-winterbourne")
    assert sandbox.violations(axe) == []
    sandbox.open("marigold-fenwick")
    page.get_by_role("button", name="Pull eGFR to 22").click()
    page.get_by_text("Data faults").click()
    sandbox.expect(page.locator(".strip button").first).to_be_visible()
    sandbox.expect(page.get_by_role("region", name="Before and after")).to_be_visible()
    assert sandbox.violations(axe) == []
    sandbox.open("marigold-fenwick", "order-sign", "magnesium")
    sandbox.expect(page.locator(".checks li").first).to_be_visible()
    if width < 960:
        page.get_by_text("Patients", exact=True).click()
    page.get_by_role("button", name="See every outcome").click()
    sandbox.expect(page.locator(".overview table")).to_be_visible(timeout=30_000)
    assert sandbox.violations(axe) == []
    page.get_by_role("button", name="Close").click()
    sandbox.open("cornelius-ravenscroft", "order-sign", "magnesium-400")
    card = sandbox.card("rx-mg-renal-caution")
    card.get_by_role("button", name="Change to 200 mg").click()
    page.get_by_text("Write an order").click()
    page.get_by_role("tab", name="Request").click()
    assert sandbox.violations(axe) == []
    card.get_by_role("button", name="Override").click()
    page.get_by_role("tab", name="Why").click()
    page.get_by_text("rules considered").click()
    assert sandbox.violations(axe) == []
    sandbox.open("hugo-plainfield")
    if width > 960:
        page.get_by_role("button", name="Paste or upload").click()
    assert sandbox.violations(axe) == []


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    ["/evidence", "/evidence/codes?q=crohn", "/evidence/valuesets/lab_egfr", "/feedback/report"],
)
def test_axe_finds_nothing_on_the_pages_for_a_committee(
    opens: Callable[..., Page], site: str, axe: str, path: str, scheme: str, width: int
) -> None:
    page = opens(
        bypass_csp=True,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
    )
    page.goto(site + path)
    assert Sandbox(page, site).violations(axe) == []
