"""A user's own patients stand in the list next to the synthetic ones, for the time of the visit."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from cds_service.sandbox.patients import bundle_of, hook_request, load_all

from .session import Sandbox

VIEW, SIGN = "magnesium-migraine-patient-view", "magnesium-migraine-order-sign"
DROP = """(files) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name, { type: "application/json" }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""


def drop(sandbox: Sandbox, **files: Any) -> None:
    """Drop files on the page: each a name and its content."""
    texts = [
        [f"{name}.json", content if isinstance(content, str) else json.dumps(content)]
        for name, content in files.items()
    ]
    sandbox.page.evaluate(DROP, texts)


def test_dropped_files_join_the_list_with_their_outcome(sandbox: Sandbox, today: date) -> None:
    sandbox.open("hugo-plainfield")
    drop(
        sandbox,
        danger=bundle_of("winifred-blackthorn", today),
        order=hook_request("winifred-blackthorn", SIGN, today, "magnesium"),
    )
    sandbox.expect_cards("mg-avoid-renal")
    own = sandbox.page.get_by_role("list", name="Your own patients").get_by_role("button")
    first, second = own.nth(0), own.nth(2)
    sandbox.expect(first).to_contain_text("Bundle, danger.json")
    sandbox.expect(first).to_have_attribute("aria-current", "true")
    sandbox.expect(first.locator("svg.mark.warning")).to_have_count(1)
    sandbox.expect(second.locator("svg.mark.critical")).to_have_count(1)
    second.click()
    sandbox.expect_cards("rx-mg-renal-critical")
    count = sandbox.page.locator("[data-people-count]")
    sandbox.expect(count).to_contain_text(f"{len(load_all())} synthetic patients, 2 of 2 of your")
    # A synthetic patient in between, and back by the list.
    sandbox.page.locator("[data-patient=hugo-plainfield]").click()
    sandbox.expect_cards()
    first.click()
    sandbox.expect_cards("mg-avoid-renal")


def test_they_are_rows_of_the_table_of_outcomes(sandbox: Sandbox, today: date) -> None:
    sandbox.open("hugo-plainfield")
    bundle = bundle_of("winifred-blackthorn", today)
    draft = hook_request("winifred-blackthorn", SIGN, today, "magnesium")["context"]["draftOrders"]
    drop(sandbox, chart=bundle, ordering={**bundle, "entry": bundle["entry"] + draft["entry"]})
    sandbox.expect_cards("mg-avoid-renal")
    sandbox.page.get_by_role("button", name="See every outcome").click()
    rows = sandbox.page.get_by_role("table").locator("tbody tr")
    sandbox.expect(rows).to_have_count(len(load_all()) + 2, timeout=30_000)
    sandbox.expect(rows.nth(0)).to_contain_text("your own")
    sandbox.expect(rows.nth(0)).to_contain_text("no order")
    sandbox.expect(rows.nth(1)).not_to_contain_text("no order")
    rows.nth(1).get_by_role("button", name="Critical").first.click()
    sandbox.expect_cards("rx-mg-renal-critical")
    sandbox.expect(sandbox.page.locator(".drafts li")).to_have_count(1)


def test_nothing_of_them_outlives_the_page(sandbox: Sandbox, today: date) -> None:
    sandbox.open("hugo-plainfield")
    drop(sandbox, chart=bundle_of("winifred-blackthorn", today))
    sandbox.expect_cards("mg-avoid-renal")
    kept = (
        "JSON.stringify([history.state, {...localStorage}, {...sessionStorage}, document.cookie])"
    )
    assert sandbox.page.evaluate(kept) == '[{"own":"own-1"},{},{},""]'
    sandbox.page.reload()
    sandbox.expect_cards("mg-suggest")
    sandbox.expect(sandbox.page.get_by_role("list", name="Your own patients")).to_have_count(0)


def test_back_leads_to_each_of_them_again(sandbox: Sandbox, today: date) -> None:
    sandbox.open("marigold-fenwick")
    drop(sandbox, one=bundle_of("winifred-blackthorn", today))
    sandbox.expect_cards("mg-avoid-renal")
    drop(sandbox, two=bundle_of("hugo-plainfield", today))
    sandbox.expect_cards()
    sandbox.page.go_back()
    sandbox.expect_cards("mg-avoid-renal")
    sandbox.page.go_back()
    sandbox.expect_cards("mg-suggest")
    sandbox.page.go_forward()
    sandbox.expect_cards("mg-avoid-renal")


def test_one_of_them_is_forgotten_by_the_keyboard(sandbox: Sandbox, today: date) -> None:
    sandbox.open("hugo-plainfield")
    drop(sandbox, chart=bundle_of("winifred-blackthorn", today))
    sandbox.expect_cards("mg-avoid-renal")
    sandbox.page.get_by_role("button", name="Forget Winifred").press("Enter")
    sandbox.expect_cards("mg-suggest")
    sandbox.expect(sandbox.page.get_by_role("list", name="Your own patients")).to_have_count(0)


def test_a_call_without_an_answer_is_no_reassurance(sandbox: Sandbox, today: date) -> None:
    body = hook_request("hugo-plainfield", VIEW, today)
    del body["prefetch"]["conditions"]
    sandbox.open("marigold-fenwick")
    drop(sandbox, gap=body)
    own = sandbox.page.get_by_role("list", name="Your own patients").get_by_role("button").first
    sandbox.expect(own.locator("svg.mark.failed")).to_have_count(1)
    sandbox.expect(own).to_contain_text("No answer")


def test_the_files_that_cannot_be_used_are_named(sandbox: Sandbox, today: date) -> None:
    sandbox.open("hugo-plainfield")
    drop(sandbox, good=bundle_of("winifred-blackthorn", today), bad="{")
    sandbox.expect_cards("mg-avoid-renal")
    dialog = sandbox.page.get_by_role("dialog")
    sandbox.expect(dialog).to_contain_text("bad.json: This is not valid JSON.")
    sandbox.expect(dialog).not_to_contain_text("good.json")
