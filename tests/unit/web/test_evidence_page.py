"""The evidence page and its data are the knowledge, whole, with anchors that cards can link to."""

from __future__ import annotations

import re
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.knowledge.loader import load
from cds_service.settings import Settings
from cds_service.site.load import read_site
from tests.support.waiting import ready

KNOWLEDGE = load()


# Attributes that only the layout of narrow screens needs.
LAYOUT = re.compile(r' (?:role|data-label)="[^"]*"')


def text_of(client: FlaskClient, path: str = "/evidence") -> str:
    return LAYOUT.sub("", unescape(client.get(path).text))


@pytest.fixture(scope="module")
def page(client: FlaskClient) -> str:
    return text_of(client)


@pytest.fixture(scope="module")
def told(client: FlaskClient) -> Any:
    return client.get("/evidence.json").json


def test_every_threshold_stands_on_the_page_with_value_unit_and_source(page: str) -> None:
    for row in KNOWLEDGE.parameter_rows:
        line = page.split(f'<tr id="{row.id}">')[1].split("</tr>", maxsplit=1)[0]
        assert row.title in line
        assert row.why in line
        if not isinstance(row.value, bool):
            assert f">{row.value}<" in line


@pytest.mark.parametrize(
    "texts",
    [
        [row.title for row in KNOWLEDGE.policy.kidney],
        [row.text for row in KNOWLEDGE.evidence],
        [row.citation for row in KNOWLEDGE.references.values()],
        [row.checked for row in KNOWLEDGE.references.values()],
        [row.advice for row in KNOWLEDGE.interactions.interactions],
        [step.text for plan in KNOWLEDGE.plans.plans for step in plan.steps],
        [row.label for row in KNOWLEDGE.policy.risk_factors],
        [row.text for row in KNOWLEDGE.source_attributes.attributes],
        list(KNOWLEDGE.source_attributes.does_not),
    ],
)
def test_the_page_says_all_that_the_knowledge_says(page: str, texts: list[str]) -> None:
    assert [text for text in texts if text not in page] == []


def test_everything_that_a_card_can_name_has_its_place(page: str) -> None:
    places = [
        *KNOWLEDGE.cards,
        *KNOWLEDGE.references,
        *(row.id for row in KNOWLEDGE.evidence),
        *(row.id for row in KNOWLEDGE.policy.cautions),
        *(row.id for row in KNOWLEDGE.policy.risk_factors),
        *(f"kidney-{row.id}" for row in KNOWLEDGE.policy.kidney),
    ]
    for place in places:
        assert page.count(f'id="{place}"') == 1, place


def test_no_link_of_the_page_leads_nowhere(page: str, client: FlaskClient) -> None:
    for part in page.split('href="')[1:]:
        target = part.split('"')[0]
        if target.startswith("#"):
            assert f'id="{target[1:]}"' in page, target
        elif target.startswith("/evidence/valuesets/"):
            assert client.get(target).status_code == 200


def test_the_data_carry_the_source_attributes_that_users_are_owed(told: Any) -> None:
    owed = told["sourceAttributes"]
    ids = {row["id"] for row in owed["attributes"]}
    assert {
        *("developer", "funding", "intended-use", "race", "ethnicity", "language", "sex"),
        *("sexual-orientation", "gender-identity", "date-of-birth", "social-determinants"),
        "health-status",
    } <= ids
    assert owed["released"] <= owed["revised"]
    assert len(owed["bibliography"]) == len(KNOWLEDGE.references)
    assert len(owed["patientData"]) == 9


def test_the_data_have_every_card_with_when_it_comes(told: Any) -> None:
    cards = {card["id"]: card for card in told["cards"]}
    assert set(cards) == set(KNOWLEDGE.cards)
    assert {"hook": "patient-view", "trigger": "chart", "class": "NORMAL"} in cards["mg-suggest"][
        "when"
    ]
    assert cards["mg-low-severe"]["insteadOf"]
    assert cards["mg-hazard-renal"]["hazard"] is True
    assert "supplement" in cards["rx-mg-dose"]["order"]["products"]


def test_the_review_state_counts_what_awaits_sign_off(told: Any) -> None:
    state = told["reviewState"]
    assert sum(state["states"].values()) > 100
    assert state["signedOff"] is told["approved"] is False


def test_codes_are_found_by_code_name_and_value_set(client: FlaskClient) -> None:
    found = client.get("/evidence/codes.json?q=g43.009").json
    assert found["total"] >= 1
    assert found["codes"][0]["set"] == "migraine"
    assert client.get("/evidence/codes.json?q=crohn+icd-10").json["total"] > 3
    assert client.get("/evidence/codes.json").json == {"total": 0, "codes": []}
    many = client.get("/evidence/codes.json?q=e").json
    assert len(many["codes"]) < many["total"]


def test_a_value_set_shows_every_code_beginning_and_name(client: FlaskClient) -> None:
    text = unescape(client.get("/evidence/valuesets/med_magnesium").text)
    chosen = KNOWLEDGE.sets["med_magnesium"]
    for code in chosen.codes:
        assert code.code in text
    assert chosen.prefixes[0].prefix in text
    assert chosen.text[0] in text


def test_a_question_never_becomes_markup(client: FlaskClient) -> None:
    answer = client.get("/evidence/codes", query_string={"q": '"><script>x</script>'})
    assert "<script>x" not in answer.text


def with_site(file: Path) -> FlaskClient:
    settings = Settings(site_file=str(file), data_dir=str(file.parent))
    return create_app(settings).test_client()


def test_the_values_of_a_site_stand_next_to_the_defaults(
    tmp_path: Path,
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "site: {id: st-mary, title: St Mary}\nparameters: {egfr.severe_below: 35}\n"
        "cards: {mg-suggest: {mode: silent}}\n"
        f"approvals: [{{name: A. Reed, role: r, date: 2026-11-20, of: knowledge {KNOWLEDGE.hash}}}]\n",
        encoding="utf-8",
    )
    client = with_site(file)
    site = client.get("/evidence.json").json["site"]
    changed = {v["place"]: (v["default"], v["value"]) for v in site["values"] if v["changed"]}
    assert changed == {
        "parameters.egfr.severe_below": ("30", "35"),
        "cards.mg-suggest.mode": ("show", "silent"),
    }
    assert site["review"] == {"knowledge": "approved", "site": "draft"}
    assert [approval["name"] for approval in site["approvals"]] == ["A. Reed"]
    page = text_of(client)
    assert f"st-mary+{site['hash']}" in page
    line = page.split("parameters.egfr.severe_below</code>")[1].split("</tr>")[0]
    assert "<td>30</td><td><strong>35</strong></td>" in line
    assert "A. Reed, r, 2026-11-20" in page
    assert "Latest eGFR below 35" in page
    assert "Rules not yet approved for patient care" in page


def test_without_a_site_file_every_value_has_its_default(told: Any, page: str) -> None:
    assert not [value for value in told["site"]["values"] if value["changed"]]
    assert len(told["site"]["values"]) > 50
    assert "No site file: every value has its default." in page


def test_the_badge_comes_from_the_state(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    text = "site: {id: st-mary, title: St Mary}\n"
    file.write_text(text, encoding="utf-8")
    site = read_site(file, KNOWLEDGE, HOOKS_OF_FILES, date(2026, 11, 28))
    subjects = (f"knowledge {KNOWLEDGE.hash}", f"site {site.hash}")
    lines = [f"  - {{name: A, role: r, date: 2026-11-20, of: {of}}}\n" for of in subjects]
    for approvals, shown in (("", True), ("approvals:\n" + "".join(lines), False)):
        file.write_text(text + approvals, encoding="utf-8")
        client = with_site(file)
        for path in ("/", "/evidence"):
            assert ("Rules not yet approved for patient care" in client.get(path).text) is shown
        assert ready(client)["approved"] is not shown
