"""What a person does on the sandbox page, in their words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


class Sandbox:
    """The page, opened at a state."""

    def __init__(self, page: Page, site: str) -> None:
        from playwright.sync_api import expect

        self.page = page
        self.site = site
        self.expect = expect

    def open(self, patient: str, hook: str = "patient-view", draft: str | None = None) -> None:
        """Go to a state by its link, and wait for its answer."""
        parts = {"patient": patient, "hook": hook} | ({"draft": draft} if draft else {})
        fragment = f"#{urlencode(parts)}"
        self.page.goto(f"{self.site}/{fragment}")
        self.expect(self.page.locator("body")).to_have_attribute("data-answered-for", fragment)

    def expect_cards(self, *cards: str) -> None:
        """These cards are shown, in this order, and no others."""
        body = self.page.locator("body")
        self.expect(body).to_have_attribute("data-answered", " ".join(cards))
        self.expect(self.page.locator(".card")).to_have_count(len(cards))

    def card(self, name: str) -> Locator:
        return self.page.locator(f'.card[data-card="{name}"]')

    def slide(self, name: str, value: float) -> None:
        """Move a slider, as the keyboard and the mouse do: by its value and an input event."""
        self.page.locator(f"#try-{name}").fill(str(value))

    def choose(self, label: str, text: str, option: str) -> None:
        """Type into a search box and take the option with this text, with the keyboard alone."""
        box = self.page.get_by_role("combobox", name=label)
        box.press_sequentially(text)
        wanted = self.page.get_by_role("option").filter(has_text=option).first
        wanted.wait_for()
        for _ in range(20):
            box.press("ArrowDown")
            if wanted.get_attribute("aria-selected") == "true":
                break
        box.press("Enter")

    def use_own(self, text: str) -> None:
        """Paste own data."""
        self.page.get_by_role("button", name="Paste or upload").click()
        self.page.get_by_label("or text").fill(text)
        self.page.get_by_role("button", name="Use it").click()

    def tab(self, name: str) -> Locator:
        """The panel of a tab, after choosing it."""
        self.page.get_by_role("tab", name=name).click()
        return self.page.get_by_role("tabpanel")

    def violations(self, axe: str) -> list[dict[str, Any]]:
        """What axe finds on the page: rule, and where."""
        self.page.evaluate(axe)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            {"rule": v["id"], "at": [node["target"] for node in v["nodes"]][:5]}
            for v in found["violations"]
        ]

    def shoot(self, path: Path, **options: Any) -> None:
        self.page.screenshot(path=str(path), animations="disabled", **options)
