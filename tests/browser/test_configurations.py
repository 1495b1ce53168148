"""The switch between the site file that the service runs with and the built-in defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from .conftest import service
from .session import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Page

SITE_FILE = """\
site: {id: north, title: North Hospital}
parameters: {egfr.severe_below: 35}
cards: {mg-with-acute: {mode: never}, mg-suggest: {mode: silent}}
"""


@pytest.fixture(scope="module")
def configured_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with a site file."""
    folder = tmp_path_factory.mktemp("configured")
    (folder / "site.yaml").write_text(SITE_FILE, encoding="utf-8")
    with service(folder, site_file=str(folder / "site.yaml")) as address:
        yield address


@pytest.fixture
def site(configured_site: str) -> str:
    """The pages may load nothing from elsewhere."""
    return configured_site


@pytest.fixture
def configured(opens: Callable[..., Page], site: str) -> Sandbox:
    """The sandbox page of a service with a site file."""
    return Sandbox(opens(), site)


def test_the_switch_shows_which_card_dose_and_reason_change(configured: Sandbox) -> None:
    configured.open("marigold-fenwick")
    configured.slide("egfr", 32)
    configured.expect_cards("mg-avoid-renal")
    page = configured.page
    page.get_by_role("radio", name="Built-in defaults").check()
    configured.expect_cards("mg-suggest-reduced")
    change = page.get_by_role("region", name="Before and after the last change")
    configured.expect(change).to_contain_text("built-in defaults in place of the site file")
    rows = change.locator("tbody tr")
    configured.expect(rows.nth(0).locator("td").first).to_contain_text("Do not start oral")
    configured.expect(rows.nth(0).locator("td").last).to_contain_text("only at low dose")
    configured.expect(rows.nth(1).locator("td").last).to_contain_text("Order creatinine")
    configured.expect(rows.nth(2).locator("td").first).to_contain_text("severe")
    configured.expect(rows.nth(2).locator("td").last).to_contain_text("moderate")
    configured.expect(change).to_contain_text("Dose:")
    # The thresholds of the plot are those of the values in force.
    limits = page.locator(".plot").first.locator("text.axis")
    configured.expect(limits.first).to_have_text("30")
    page.get_by_role("radio", name="North Hospital").check()
    configured.expect_cards("mg-avoid-renal")
    configured.expect(limits.first).to_have_text("35")


def test_a_card_that_the_site_withholds_is_no_silence_of_the_rules(configured: Sandbox) -> None:
    configured.open("marigold-fenwick")
    configured.expect_cards()
    silence = configured.page.locator(".silence")
    configured.expect(silence).to_contain_text("mg-suggest (info) was decided and is not shown")
    configured.expect(silence).to_contain_text("the site file only has it recorded")
    configured.expect(configured.tab("Why")).to_contain_text("Decided, and not shown")
    configured.page.get_by_role("radio", name="Built-in defaults").check()
    configured.expect_cards("mg-suggest")


def test_a_link_keeps_the_choice_and_the_list_follows_it(
    configured: Sandbox, opens: Callable[..., Page]
) -> None:
    configured.open("marigold-fenwick")
    mark = configured.page.locator("[data-patient=marigold-fenwick] svg")
    configured.expect(mark).to_have_class("mark none", timeout=30_000)
    configured.page.get_by_role("radio", name="Built-in defaults").check()
    configured.expect_cards("mg-suggest")
    configured.expect(mark).to_have_class("mark info", timeout=30_000)
    other = Sandbox(opens(), configured.site)
    other.page.goto(configured.page.url)
    other.expect_cards("mg-suggest")
    other.expect(other.page.get_by_role("radio", name="Built-in defaults")).to_be_checked()
    configured.page.go_back()
    configured.expect_cards()


def test_the_table_frames_the_calls_that_differ(configured: Sandbox) -> None:
    configured.open("marigold-fenwick")
    configured.page.get_by_role("button", name="See every outcome").click()
    table = configured.page.get_by_role("table")
    mark = table.get_by_role("button", name="With the built-in defaults: Information: Migraine")
    configured.expect(mark.first).to_be_visible(timeout=30_000)
    configured.expect(configured.page.locator(".compared")).to_contain_text(
        "outcomes differ from those with the built-in"
    )
    everyone = table.locator("tbody tr").count()
    configured.page.get_by_label("Show only these patients").check()
    some = table.locator("tbody tr").count()
    assert 0 < some < everyone
    configured.expect(table.locator("tbody")).to_contain_text("Marigold")


def test_the_calls_by_the_defaults_go_to_their_own_address(configured: Sandbox) -> None:
    configured.open("marigold-fenwick")
    configured.page.get_by_role("radio", name="Built-in defaults").check()
    configured.expect_cards("mg-suggest")
    configured.expect(configured.tab("Request")).to_contain_text(
        "POST /sandbox/calls/magnesium-migraine-patient-view?values=defaults"
    )
