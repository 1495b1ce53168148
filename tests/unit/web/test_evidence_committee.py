"""The evidence page for a committee: flow charts, cards, sources, queries, signatures."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from markupsafe import Markup

from cds_service import create_app
from cds_service.chart.chart import open_chart
from cds_service.fetching.forms import FORMS, forms_of, queries
from cds_service.knowledge.lint import STATUSES
from cds_service.knowledge.loader import load
from cds_service.knowledge.tables import CIRCUMSTANCES
from cds_service.knowledge.wording import KIDNEY_CLASSES
from cds_service.reasoning.blocks import all_blocks
from cds_service.settings import Settings
from cds_service.site.showing import SEVERITY
from cds_service.web.pages import evidence_flow, evidence_queries, evidence_sources, evidence_words
from cds_service.web.pages.evidence_examples import as_html, examples
from cds_service.web.pages.evidence_flow import charts
from cds_service.web.pages.styles import print_styles
from cds_service.web.parts import parts_of
from tests.unit.web.test_evidence_page import KNOWLEDGE, LAYOUT, text_of, with_site


@pytest.fixture(scope="module")
def page(client: FlaskClient) -> str:
    return text_of(client)


@pytest.fixture(scope="module")
def told(client: FlaskClient) -> Any:
    return client.get("/evidence.json").json


def test_every_card_is_shown_as_a_clinician_reads_it(page: str, client: FlaskClient) -> None:
    """Each card of the registry has an example from the function that answers calls."""
    parts = parts_of(client.application)
    found = examples(parts.answering.force, parts.services)
    assert list(found) == list(KNOWLEDGE.cards)
    for card_id, of_card in found.items():
        place = page.split(f'<article class="of-card" id="{card_id}">')[1].split(
            "</article>", maxsplit=1
        )[0]
        for example in of_card:
            assert example.card == card_id
            assert example.summary in place
            assert example.name in place
            assert unescape(str(example.detail)).strip() in place
            assert all(offer.label in place for offer in example.offers)
    levels = {(card, example.indicator) for card, those in found.items() for example in those}
    stated = {(card.id, card.indicator) for card in KNOWLEDGE.cards.values()}
    assert stated <= levels, "each card at the level of its registry"


def test_the_page_of_one_version_is_the_same_on_every_day(tmp_path: Path) -> None:
    """What was signed can be compared with what is in force, also a year later."""
    days = (datetime(2026, 11, 28, 9, tzinfo=UTC), datetime(2027, 12, 1, 22, tzinfo=UTC))
    settings = Settings(data_dir=str(tmp_path))
    first, second = (
        create_app(settings, now=lambda day=day: day).test_client().get("/evidence").text
        for day in days
    )
    assert first == second


def test_a_card_that_a_site_never_shows_is_shown_here_with_that_remark(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "site: {id: st-mary, title: St Mary}\n"
        "parameters: {egfr.severe_below: 45}\n"
        "cards: {mg-suggest: {mode: never}, mg-avoid-renal: {mode: silent}}\n"
        "hooks: {encounter-discharge: {mode: never}}\n"
        "mode: {silent: true, until: 2027-01-31}\n",
        encoding="utf-8",
    )
    settings = Settings(site_file=str(file), data_dir=str(tmp_path))
    day = datetime(2026, 11, 28, tzinfo=UTC)
    page = text_of(create_app(settings, now=lambda: day).test_client())
    for card_id in KNOWLEDGE.cards:
        place = page.split(f'<article class="of-card" id="{card_id}">')[1].split("</article>")[0]
        assert "No synthetic patient gets this card" not in place, card_id
        remark = {"mg-suggest": "never shown", "mg-avoid-renal": "decided and recorded, but not"}
        assert ("At this site" in place) is (card_id in remark)
        assert remark.get(card_id, "") in place
    assert "With the site's values no synthetic patient gets this card" in page


def test_a_text_of_a_chart_never_becomes_markup() -> None:
    shown = as_html("**Do:** <script>x</script> [a](javascript:x) ![b](http://evil)")
    assert "<script" not in shown
    assert "javascript:" not in shown.replace("[a](javascript:x)", "")


@pytest.fixture(scope="module")
def flows(page: str) -> dict[str, str]:
    """The text of each chart in its wide form."""
    figures = page.split('<figure class="flow" id="')[1:]
    return {f.split('"')[0]: f.split('<div class="narrow">')[0] for f in figures}


def words_of(drawn: str) -> str:
    """The texts of a drawing, with single spaces: a line may be broken anywhere."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", drawn)
    return " ".join(" ".join(re.sub(r"<[^>]*>", "", text) for text in texts).split())


def test_the_flow_charts_come_from_the_tables(flows: dict[str, str]) -> None:
    opened = words_of(flows["flow-chart"])
    for row in KNOWLEDGE.policy.kidney:
        assert row.title in opened
    for plan in KNOWLEDGE.plans.plans:
        assert plan.in_words in opened
    for risk in KNOWLEDGE.policy.risk_factors:
        assert risk.label in opened
    given = {
        card for row in KNOWLEDGE.policy.suggest for card in (*row.cards.values(), row.low_severe)
    }
    given |= {row.card for row in (*KNOWLEDGE.policy.hazards, *KNOWLEDGE.policy.order_safety)}
    given |= {KNOWLEDGE.policy.unchecked.card}
    assert given - {""} == set(KNOWLEDGE.cards)
    everything = "".join(flows.values())
    for card in KNOWLEDGE.cards.values():
        assert f'href="#{card.id}"' in everything
        assert card.title in words_of(everything)


def test_the_flow_charts_change_with_the_knowledge() -> None:
    before, after = (
        [words_of(chart.wide) for chart in charts(load(changes=changes))]
        for changes in ({}, {"egfr.severe_below": 35, "age.elderly": 70})
    )
    assert "below 30" in before[0]
    assert "below 35" in after[0]
    assert "Under 70:" in after[0]
    assert "Under 65:" not in after[0]


def test_the_chart_names_every_fact_that_blocks_a_suggestion() -> None:
    chart = open_chart({}, "p", date(2026, 11, 28), KNOWLEDGE)
    assert {fact.id for fact in all_blocks(chart)} == set(evidence_flow._BLOCKS)


def test_every_source_of_a_row_can_be_followed(page: str, told: Any) -> None:
    rows = [
        *(row for name in SOURCED for row in told[name]),
        told["unchecked"],
        told["coindications"],
        told["overrideReasons"],
    ]
    assert len(rows) > 200
    for row in rows:
        found = evidence_sources.links(row["source"])
        assert found, row["source"]
        for link in found:
            assert f'href="{link.href}"' in page
            if link.href.startswith("#"):
                assert page.count(f'id="{link.href[1:]}"') == 1, link.href


SOURCED = (
    *("cards", "kidney", "kidneyFlags", "suggest", "hazards", "orderSafety", "riskFactors"),
    *("wastingDrugs", "thresholds", "plans", "labs", "cautions", "spacing", "evidence"),
)


def test_paragraphs_have_the_numbers_of_the_specification_whatever_the_site(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    text = "site: {id: st-mary, title: St Mary}\nparameters: {egfr.severe_below: 35}\n"
    file.write_text(text, encoding="utf-8")
    place = text_of(with_site(file)).split('id="spec-3.2"')[1].split("</dd>")[0]
    assert "eGFR below 30, however old" in place


def test_every_id_of_a_table_has_its_words() -> None:
    policy, plans = KNOWLEDGE.policy, KNOWLEDGE.plans
    words = evidence_words
    rows = (*policy.order_safety, *policy.hazards)
    assert {row.trigger for row in policy.suggest} == set(words.TRIGGERS)
    assert {s for row in policy.order_safety for s in row.subtypes} == set(words.PRODUCTS)
    assert {row.grade for row in rows} == set(words.GRADES)
    offers = {o.kind for c in KNOWLEDGE.cards.values() for r in c.offers for o in r.offers}
    offers |= {offer for row in policy.order_safety for offer in row.offers}
    assert offers == set(words.OFFERS)
    assert {card.kind for card in KNOWLEDGE.cards.values()} == set(words.KINDS)
    assert {row.age for row in policy.plans} == set(words.AGES)
    assert {row.window for row in policy.wasting_drugs} == set(words.windows(KNOWLEDGE))
    assert {r for row in policy.wasting_drugs for r in row.routes} == set(words.ROUTES)
    assert {row.salts for row in KNOWLEDGE.interactions.interactions} == set(words.SALTS)
    assert set(words.CONDITIONS) == CIRCUMSTANCES
    assert set(words.kidney_classes(KNOWLEDGE)) == set(KIDNEY_CLASSES)
    assert set(words.STATES) == set(STATUSES)
    assert set(SEVERITY) == set(words.LEVELS)
    others = {form.name for forms in FORMS.values() for form in forms} - {"template"}
    assert others == set(evidence_queries.FORMS)
    assert plans.plans


def test_no_id_stands_in_place_of_a_name(page: str) -> None:
    """Ids are small, beside the name: in a code element, an attribute or an address."""
    shown = re.sub(r"<code.*?</code>|<[^>]*>", " ", page, flags=re.DOTALL)
    ids = [*KNOWLEDGE.cards, *(plan.id for plan in KNOWLEDGE.plans.plans), *KNOWLEDGE.sets]
    found = [name for name in ids if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", shown)]
    assert [name for name in found if "-" in name or "_" in name] == []


def test_the_queries_are_those_that_are_sent(page: str, told: Any, client: FlaskClient) -> None:
    (service, *_) = client.get("/cds-services").json["services"]
    assert {row["key"]: row["query"] for row in told["queries"]} == service["prefetch"]
    assert {row["key"]: row["query"] for row in told["sourceAttributes"]["patientData"]} == service[
        "prefetch"
    ]
    for key, template in service["prefetch"].items():
        assert f"<code>{template}</code>" in page
        for form in forms_of(key):
            for query in queries(template, form):
                assert f"<code>{query.template}</code>" in page


def test_the_printed_page_has_the_version_and_its_number(
    client: FlaskClient, tmp_path: Path
) -> None:
    style = client.get("/evidence/print.css")
    assert style.mimetype == "text/css"
    assert "counter(page)" in style.text
    assert "counter(pages)" in style.text
    assert KNOWLEDGE.hash in style.text
    file = tmp_path / "site.yaml"
    file.write_text("site: {id: st-mary, title: St Mary}\n", encoding="utf-8")
    site = with_site(file)
    label = site.get("/evidence.json").json["site"]
    assert f"Site st-mary+{label['hash']}" in site.get("/evidence/print.css").text


def test_a_text_cannot_end_the_string_of_a_style_sheet() -> None:
    style = print_styles('x"} body{display:none} \\', "")
    assert '"x\\22 \\7d  body\\7b display:none\\7d  \\5c "' in style


def test_the_form_for_signatures_names_what_is_signed(page: str) -> None:
    place = page.split('<div class="sign">')[1].split("</section>", maxsplit=1)[0]
    assert KNOWLEDGE.hash in place
    for head in ("Role", "Name", "Date", "Signature", "Medical director", "Pharmacist"):
        assert head in place


def test_a_table_keeps_its_cells_when_it_is_made_readable() -> None:
    table = Markup(
        '<table><thead><tr><th scope="col">A &amp; b</th><th scope="col" class="number">C</th></tr></thead>'
        '<tbody><tr id="x"><th scope="row">1</th><td class="number"><em>2</em></td></tr></tbody></table>'
    )
    made = evidence_sources.readable_table(table)
    assert 'data-label="A &amp; b"' in made
    assert '<td class="number" role="cell" data-label="C"><em>2</em></td>' in made
    assert LAYOUT.sub("", made) == table
