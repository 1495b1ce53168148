"""What a reader sees of chart text, and what an order becomes whose product does not fit the dose."""

from __future__ import annotations

import html
import re
from decimal import Decimal
from typing import Any

import pytest
from markdown_it import MarkdownIt

from cards import markdown
from cards.markdown import bullets, escape, link, plain, shorten
from cards.reason import floored
from cds_service.reasoning.decision import Offer, OfferKind
from tests.support.decisions import MAGNESIUM_ORDER, order, rendered, safety_card

CLIENT = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
SALT = ("6582", "magnesium oxide")


def shown(markdown: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", CLIENT.render(markdown))).strip()


@pytest.mark.parametrize(
    "text",
    [
        "eGFR <30 & falling",
        "&lt;b&gt; &amp; &#60;",
        "a < b > c",
        "**bold** _slanted_ ~~gone~~ `code` [x](y) $z$ @you \\ |",
        "see https://example.org and WWW.example.org",
        "12. item",
        "1) item",
        "# heading",
        "- item",
        "> quotation",
        "=== and +",
    ],
)
def test_the_reader_sees_the_text_of_the_chart(text: str) -> None:
    assert shown(bullets([escape(text)])) == plain(text) == text
    assert shown(bullets([f"Migraine: {escape(text)}"])) == f"Migraine: {text}"


@pytest.mark.parametrize(
    "text",
    [
        *("www.evil.example", "WWW.evil.example", "see evil.example now", "EVIL.COM/x?q=1"),
        *("//evil.com", "https://evil.com", "ftp://evil.com", "mailto:a@evil.com", "a@evil.com"),
        *("xn--80ak6aa92e.com", "evil.com:8080/path", "(evil.com)", "x,evil.org.", "[a](evil.com)"),
    ],
)
def test_an_address_is_no_link_in_common_renderers(text: str) -> None:
    """Many web EHRs make links of bare domains (markdown-it with linkify, GitHub's flavour)."""
    for renderer in (
        MarkdownIt("commonmark", {"linkify": True, "html": True}).enable("linkify"),
        MarkdownIt("gfm-like", {"html": True}),
    ):
        shown = renderer.render(f"- {escape(text)}")
        assert "<a" not in shown, shown
        assert text in html.unescape(shown), "and what is shown is the text"


def test_control_characters_become_spaces_and_tags_lose_their_opening() -> None:
    assert plain("one\u202etwo\x00three\nfour") == "one two three four"
    assert plain("<b>bold</b> 1 < 2") == "b>bold/b> 1 < 2"


def test_the_longest_text_is_told_from_one_that_is_too_long() -> None:
    fits = "a" * 240
    assert len(fits) == markdown.LONGEST_TEXT
    assert plain(fits) == fits
    assert plain(f"{fits}b").endswith("…")
    for trailing in (",", ";", ":", "-", " "):
        assert shorten(f"one two{trailing} three", 11) == "one two…"


def test_an_address_of_the_service_is_written_so_that_markdown_keeps_it() -> None:
    address = "https://a.example/ <>()\\"
    assert link("x", address) == "[x](https://a.example/%20%3C%3E%28%29%5C)"


@pytest.mark.parametrize(
    ("value", "said"),
    [("59.996", "59.99"), ("59.99", "59.99"), ("60", "60"), ("60.00", "60.00"), ("0.001", "0.00")],
)
def test_a_figure_is_never_rounded_up(value: str, said: str) -> None:
    assert floored(Decimal(value)) == said


# ----------------------------------------------------- a product whose strength does not fit


def changed(resource: dict[str, Any], salt: tuple[str, str] | None = SALT) -> dict[str, Any]:
    """The action of an offer that sets an order to 200 mg a day."""
    ordered = order({**MAGNESIUM_ORDER, **resource})
    offer = Offer(OfferKind.UPDATE, order=ordered, daily_mg=Decimal(200), salt=salt)
    card = rendered(safety_card("rx-mg-renal-caution", order=ordered, offers=(offer,)))
    ((action,),) = (s["actions"] for s in card["suggestions"])
    return action  # type: ignore[no-any-return]


def test_the_salt_is_ordered_and_the_pharmacy_chooses_the_product() -> None:
    action = changed({})
    assert action["type"] == "update"
    assert action["resource"]["medicationCodeableConcept"] == {
        "coding": [
            {
                "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                "code": "6582",
                "display": "magnesium oxide",
            }
        ],
        "text": "Magnesium oxide oral (dose given as elemental magnesium)",
    }
    assert re.fullmatch(
        r"Change .+ to magnesium oxide, 200 mg elemental magnesium once daily; .+",
        action["description"],
    )


def test_without_a_salt_the_product_stays() -> None:
    action = changed({}, salt=None)
    assert (
        action["resource"]["medicationCodeableConcept"]
        == (MAGNESIUM_ORDER["medicationCodeableConcept"])
    )
    assert action["resource"]["dispenseRequest"] == MAGNESIUM_ORDER["dispenseRequest"]


def test_how_many_units_to_supply_goes_with_the_product() -> None:
    supply = {
        "quantity": {"value": 90},
        "initialFill": {"quantity": {"value": 10}},
        "numberOfRepeatsAllowed": 2,
    }
    assert changed({"dispenseRequest": supply})["resource"]["dispenseRequest"] == {
        "numberOfRepeatsAllowed": 2
    }
    assert (
        "dispenseRequest"
        not in changed({"dispenseRequest": {"quantity": {"value": 90}}})["resource"]
    )
    assert changed({"dispenseRequest": 5})["resource"]["dispenseRequest"] == 5


def test_the_product_inside_the_order_goes_with_its_reference() -> None:
    product = {"resourceType": "Medication", "id": "product"}
    other = {"resourceType": "Practitioner", "id": "other"}
    inside = {"medicationReference": {"reference": "#product"}}
    both = changed({**inside, "contained": [product, 5, other]})["resource"]
    assert both["contained"] == [5, other]
    assert "medicationReference" not in both
    assert "contained" not in changed({**inside, "contained": [product]})["resource"]
    outside = {"medicationReference": {"reference": "Medication/1"}, "contained": [other]}
    assert changed(outside)["resource"]["contained"] == [other]
    assert changed({"contained": [other]})["resource"]["contained"] == [other]
    assert "contained" not in changed(inside)["resource"]


def test_the_order_of_the_client_is_left_as_it_was() -> None:
    sent = {"dispenseRequest": {"quantity": {"value": 90}, "numberOfRepeatsAllowed": 1}}
    before = repr({**MAGNESIUM_ORDER, **sent})
    resource = {**MAGNESIUM_ORDER, **sent}
    ordered = order(resource)
    offer = Offer(OfferKind.UPDATE, order=ordered, daily_mg=Decimal(200), salt=SALT)
    rendered(safety_card("rx-mg-renal-caution", order=ordered, offers=(offer,)))
    assert repr(resource) == before
