"""The tour of docs/tour.md, followed step by step by somebody who opens the page at its address."""

from __future__ import annotations

from ..docs.reading import prose_of
from .session import Sandbox

TOUR = " ".join(prose_of("docs/tour.md").split())


def test_the_steps_of_the_tour_show_what_they_say(sandbox: Sandbox) -> None:
    page = sandbox.page
    page.goto(sandbox.site)

    assert "The page opens with Marigold Fenwick" in TOUR
    sandbox.expect_cards("mg-suggest")

    assert "Press *Start magnesium glycinate*" in TOUR
    page.get_by_role("button", name="Start magnesium glycinate").first.click()
    sandbox.expect(page.get_by_role("button", name="Accept").first).to_be_visible()

    for value, card in ((48, "mg-suggest-reduced"), (22, "mg-avoid-renal")):
        assert str(value) in TOUR.partition("3. ")[2].partition("4. ")[0]
        sandbox.slide("egfr", value)
        sandbox.expect_cards(card)

    assert "Choose Felix Merriweather and then *Chart opened*. There is no card." in TOUR
    page.get_by_role("button", name="Felix Merriweather").click()
    sandbox.expect_cards("mg-with-preventive")
    page.get_by_role("radio", name="Chart opened").check()
    sandbox.expect_cards()
    sandbox.expect(sandbox.tab("Why")).to_contain_text("no risk factor")

    assert "Choose Winifred Blackthorn, who is listed under *Danger*." in TOUR
    page.get_by_role("button", name="Winifred Blackthorn").click()
    card = sandbox.card("rx-mg-renal-critical")
    sandbox.expect(card.get_by_text("Critical", exact=True)).to_be_visible()
