"""What documents tell readers to do, done."""

from __future__ import annotations

import json
import re
import shlex
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import id_of
from cds_service.sandbox.patients import load_all

from ..support import http
from ..support.cards import assert_valid_answer, card_id
from .reading import blocks_of, prose_of, text_of

PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN, *_ = map(id_of, HOOKS.values())


def curls(block: str) -> list[list[str]]:
    """The curl calls of a shell block, with its variables filled in."""
    text = block.replace("\\\n", " ")
    values = dict(re.findall(r"^ *([A-Z]+)=(\S+)$", text, re.MULTILINE))
    for name, value in values.items():
        text = text.replace(f"${name}", value)
    return [
        shlex.split(part) for part in re.split(r"[|\n]", text) if part.strip().startswith("curl")
    ]


def test_the_call_for_integrators_returns_a_card(client: FlaskClient) -> None:
    [block] = [block for block in blocks_of("docs/integrating.md", "sh") if "curl" in block]
    download, upload = curls(block)
    body = client.get(urlsplit(download[-1]).path)
    assert body.status_code == 200
    assert "Content-Type: application/json" in upload
    assert upload[upload.index("--data-binary") + 1] == "@-"
    answer = client.post(
        urlsplit(upload[-1]).path, data=body.get_data(), content_type="application/json"
    )
    assert answer.get_json()["cards"]
    assert_valid_answer(answer.get_json(), body.get_json())


def test_the_other_paths_of_the_example(client: FlaskClient) -> None:
    assert client.get("/sandbox/patients").get_json()
    path = f"/sandbox/requests/marigold-fenwick/{PATIENT_VIEW}"
    body = client.get(path).get_json()
    assert http.send(client, f"/explain/{PATIENT_VIEW}", body).get_json()["facts"]


def test_the_card_that_clinicians_are_shown_is_a_real_one(client: FlaskClient) -> None:
    path = f"/sandbox/requests/marigold-fenwick/{PATIENT_VIEW}"
    [card] = http.cards(client, PATIENT_VIEW, client.get(path).get_json())
    shown = "\n".join(
        line.lstrip("> ").rstrip("\\")
        for line in text_of("docs/clinicians.md").splitlines()
        if line.startswith(">")
    )
    result = re.compile(r"\(eGFR \d+, [\d-]+\)")
    assert result.sub("", shown.splitlines()[0]) == f"**{result.sub('', card['summary'])}**"
    headings = re.findall(r"^\*\*([\w ]+)\*\* ", shown, re.MULTILINE)
    assert headings == ["Do", "Check first", "Tell the patient", "Kidney", "Why", "Evidence"]
    places = [card["detail"].index(f"**{heading}") for heading in headings]
    assert places == sorted(places)
    dose = "100 mg twice daily with meals for 14 days, then 200 mg twice daily"
    for words in (dose, "Normal for this purpose; eGFR 93"):
        assert words in shown
        assert words in card["detail"]
    label = card["suggestions"][0]["label"]
    assert label.startswith("Start magnesium glycinate")
    assert "*Start magnesium glycinate*" in prose_of("docs/clinicians.md")


@pytest.mark.parametrize(
    ("patient", "service", "draft", "expected"),
    [
        ("marigold-fenwick", PATIENT_VIEW, None, ["mg-suggest"]),
        ("felix-merriweather", PATIENT_VIEW, None, []),
        ("winifred-blackthorn", ORDER_SELECT, "magnesium", ["rx-mg-renal-critical"]),
    ],
)
def test_the_tour_shows_what_it_says(
    client: FlaskClient, patient: str, service: str, draft: str | None, expected: list[str]
) -> None:
    name = patient.replace("-", " ").title()
    assert name in prose_of("docs/tour.md")
    assert patient in load_all()
    query = {"draft": draft} if draft else {}
    body = client.get(f"/sandbox/requests/{patient}/{service}", query_string=query).get_json()
    assert [card_id(card) for card in http.cards(client, service, body)] == expected


def test_the_sliders_of_the_tour(client: FlaskClient) -> None:
    """eGFR 48 gives the low dose with tests, 22 none."""
    told = prose_of("docs/tour.md")
    for value, expected in ((48, "mg-suggest-reduced"), (22, "mg-avoid-renal")):
        assert f"{value}" in told
        path = f"/sandbox/requests/marigold-fenwick/{PATIENT_VIEW}"
        body = client.get(path).get_json()
        results = [e["resource"] for e in body["prefetch"]["kidneyLabs"]["entry"]]
        newest = next(r for r in results if r["valueQuantity"]["unit"].startswith("mL/min"))
        newest["valueQuantity"]["value"] = value
        assert [card_id(c) for c in http.cards(client, PATIENT_VIEW, body)] == [expected]


def test_the_feedback_of_the_document_is_taken(client: FlaskClient) -> None:
    [block] = [b for b in blocks_of("docs/feedback.md", "json") if '"feedback"' in b]
    answer = http.send(client, f"/cds-services/{PATIENT_VIEW}/feedback", json.loads(block))
    assert answer.status_code == 200
    assert f"`200 {json.dumps(answer.get_json())}`" in text_of("docs/feedback.md")


def test_the_servers_of_the_document_can_be_listed() -> None:
    from cds_service.settings import read_settings

    [line] = re.findall(
        r'^CDS_FHIR_SERVERS="([^"]+)"$', text_of("docs/integrating-fetching.md"), re.MULTILINE
    )
    assert len(read_settings({"CDS_FHIR_SERVERS": line}).fhir_servers) == 3
