"""The rehearsal page in a browser: readable at every width, in both colour schemes, and on paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .session import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1024, "dark"), (1440, "light")])
def test_it_has_no_barrier_and_never_scrolls_sideways(
    opens: Callable[..., Page], site: str, width: int, scheme: str
) -> None:
    page = opens(bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(f"{site}/rehearsal", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert Sandbox(page, site).violations(AXE.read_text(encoding="utf-8")) == []


def test_it_is_reached_from_the_sandbox_and_prints(sandbox: Sandbox) -> None:
    page = sandbox.page
    page.goto(sandbox.site + "/")
    page.get_by_role("link", name="Rehearsal").click(timeout=60_000)
    sandbox.expect(page.get_by_role("heading", level=1)).to_contain_text("in a year")
    sandbox.expect(page.get_by_role("img", name="Cards by month")).to_be_visible()
    page.emulate_media(media="print")
    sandbox.expect(page.get_by_role("navigation", name="Contents")).to_be_hidden()
    assert page.pdf(format="A4").startswith(b"%PDF")
