"""Chart text stays text: in Markdown, in HTML that a client lets through, and on one line."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cards.markdown import LONGEST_TEXT, bullets, escape, link, plain, shorten

# As a client shows it that lets raw HTML through.
CLIENT = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TAGS_OF_A_LIST = re.compile(r"</?(?:ul|li)>")
HOSTILE = (
    "<script>alert(1)</script>",
    "<<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "<http://evil.example>",
    "&lt;b&gt;",
    "**bold** _slanted_ ~~gone~~ `code`",
    "# heading",
    "> quotation",
    "- item",
    "12. item",
    "1) item",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "line\n\n# heading",
    "---",
    "\\<b>",
    "[a]: http://evil.example",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_no_markup(text: str) -> None:
    html = CLIENT.render(bullets([escape(text), f"Migraine: {escape(text)}"]))

    assert "<" not in TAGS_OF_A_LIST.sub("", html).replace("&lt;", "")


@pytest.mark.slow
@given(st.text(max_size=80))
@example("a<b")
@example("![x](y)")
def test_no_text_becomes_markup(text: str) -> None:
    html = CLIENT.render(bullets([f"Migraine: {escape(text)}", escape(text)]))

    assert "<" not in TAGS_OF_A_LIST.sub("", html)


@pytest.mark.parametrize(
    "text",
    [
        "Migraine without aura, not intractable (G43.009)",
        "2026-10-23",
        "eGFR >60 mL/min/1.73 m²",
        "R&D, 50 %",
        "Köseoglu, µmol/L",
        "2.0 mg/dL",
    ],
)
def test_usual_text_stays_as_it_is(text: str) -> None:
    assert escape(text) == text
    assert bullets([text]) == f"- {text}"


@pytest.mark.parametrize("text", ["https://evil.example", "www.evil.example", "a@evil.example"])
def test_addresses_do_not_become_links_by_themselves(text: str) -> None:
    assert "\\" in escape(text)


@pytest.mark.parametrize(
    ("text", "said"), [("eGFR <30", "eGFR &lt;30"), ("&lt;30 &", "&amp;lt;30 &")]
)
def test_a_client_that_reads_html_alone_shows_the_text_too(text: str, said: str) -> None:
    assert escape(text) == said


@given(st.text())
@example("a\u202eb\x00c\u2028d\ud800e\nf")
def test_plain_is_one_printable_line(text: str) -> None:
    said = plain(text)

    assert said.isprintable()
    assert len(said) <= LONGEST_TEXT
    assert said == said.strip()
    assert not re.search(r"<[A-Za-z/!?]", said)


@given(st.text(alphabet="ab ,;-", max_size=40), st.integers(min_value=2, max_value=20))
def test_shortened_text_is_never_too_long(text: str, limit: int) -> None:
    said = shorten(text, limit)

    assert len(said) <= limit
    assert said == text or said.endswith("…")


def test_text_is_cut_at_a_word() -> None:
    assert shorten("one two three", 13) == "one two three"
    assert shorten("one two three", 12) == "one two…"
    assert shorten("one two three", 8) == "one two…"
    assert shorten("one two, three", 10) == "one two…"
    assert shorten("onetwothree", 6) == "onetw…"
    assert shorten("factor X deficiency", 12) == "factor X…"


def test_a_link_keeps_its_address() -> None:
    assert (
        link("Evidence", "https://a.example/e (1)") == "[Evidence](https://a.example/e%20%281%29)"
    )
