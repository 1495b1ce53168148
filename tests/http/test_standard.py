"""What the standard asks for and no other test looks at, through the HTTP face.

`tests/requirements.csv` says which requirement is verified by which test.
"""

from __future__ import annotations

import json
import re
import time
from datetime import date
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from ..support import charts, fhir, http
from ..support.cards import actions, card_id, without_uuids
from ..support.fhir import ORDER_SIGN, PATIENT_VIEW, SERVICES
from ..support.outcomes import assert_outcome

Body = dict[str, Any]

REVERSE_DOMAIN = re.compile(r"[a-z]{2,}(\.[a-z0-9-]+)+")
OF_STANDARDS = {"davinci-crd.associated-resource"}
"""Extensions whose names were given by an implementation guide."""
SECONDS_OF_THE_STANDARD = 0.5
AUTHORIZATION = {
    "access_token": "an-access-token",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.rs",
    "subject": "cds-service",
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def body(service: str, today: date) -> Body:
    found: Body = charts.CALLS[service](today)
    return found


# ----------------------------------------------------------------------- the JSON


def _no_number(text: str) -> NoReturn:
    raise AssertionError(f"{text} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> Body:
    members = dict(pairs)
    assert len(members) == len(pairs), "a name is written twice"
    return members


def strict(raw: bytes) -> Any:
    """JSON as RFC 8259 has it: UTF-8 without a mark, no NaN, each name once."""
    assert not raw.startswith(b"\xef\xbb\xbf")
    return json.loads(raw.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_once)


def test_every_answer_is_strict_json(client: FlaskClient, service: str, body: Body) -> None:
    path = f"/cds-services/{service}"
    answers = [
        client.get("/cds-services"),
        http.send(client, path, body),
        http.send(client, f"/explain/{service}", body),
        http.send(client, path, {**body, "prefetch": {}}),
        http.send(client, path, b'{"hook": "patient-view",}'),
        http.send(client, path, b'{"hook": /* none */ 1}'),
        http.send(client, "/cds-services/none", body),
        client.get(path),
        client.post(path, data="x"),
    ]
    assert [answer.status_code for answer in answers] == [
        *(200, 200, 200, 412, 400, 400, 404, 405, 415)
    ]
    for answer in answers:
        assert answer.mimetype == "application/json"
        assert isinstance(strict(answer.get_data()), dict)


# ---------------------------------------------------------------------- discovery


def test_discovery_says_the_same_at_each_call(client: FlaskClient) -> None:
    first = client.get("/cds-services").get_data()
    assert client.get("/cds-services").get_data() == first
    assert client.get("/cds-services?since=yesterday").get_data() == first


def test_each_listed_service_is_called_by_its_id(client: FlaskClient, today: date) -> None:
    listed = client.get("/cds-services").get_json()["services"]
    assert listed
    for each in listed:
        answer = http.send(
            client, f"/cds-services/{each['id']}", charts.CALLS[each["id"]](today)
        ).get_json()
        assert answer["cards"]


@pytest.mark.parametrize("token", ["Bearer e30.e30.x", "Bearer no-token", "Basic QTpC"])
def test_a_token_that_was_not_asked_for_is_no_error(
    client: FlaskClient, service: str, body: Body, token: str
) -> None:
    """The reference client signs every call, also those to a service that knows no clients."""
    headers = {"Authorization": token}
    assert client.get("/cds-services", headers=headers).status_code == 200
    answer = client.post(f"/cds-services/{service}", json=body, headers=headers)
    assert without_uuids(answer.get_json()) == without_uuids(http.post(client, service, body))


# ----------------------------------------------------------------------- the call


@pytest.mark.parametrize(
    "user", ["Practitioner/1", "PractitionerRole/1", "Patient/pat-1", "RelatedPerson/1"]
)
def test_every_kind_of_user_may_open_a_chart(client: FlaskClient, today: date, user: str) -> None:
    body = charts.patient_view(today)
    body["context"]["userId"] = user
    assert [card_id(card) for card in http.cards(client, PATIENT_VIEW, body)] == ["mg-suggest"]


@pytest.mark.parametrize(
    "instance", ["1", "no UUID at all", "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"]
)
def test_any_text_names_a_call_and_may_come_again(
    client: FlaskClient, service: str, body: Body, instance: str
) -> None:
    """A UUID is the client's duty; an answer does not hang on it."""
    body["hookInstance"] = instance
    first, again = (http.post(client, service, body) for _ in range(2))
    assert first["cards"]
    assert without_uuids(first) == without_uuids(again)


@pytest.mark.parametrize("more", [{}, {"patient": "pat-1"}, {"extension": {"org.example.a": 1}}])
def test_an_access_token_with_all_that_belongs_to_it(
    client: FlaskClient, service: str, body: Body, more: Body
) -> None:
    usual = http.post(client, service, body)
    body["fhirServer"] = "https://ehr.invalid/fhir"
    body["fhirAuthorization"] = AUTHORIZATION | more
    assert without_uuids(http.post(client, service, body)) == without_uuids(usual)


def test_an_access_token_without_its_server_is_refused(
    client: FlaskClient, service: str, body: Body
) -> None:
    body["fhirAuthorization"] = AUTHORIZATION
    assert "fhirServer" in assert_outcome(http.call(client, service, body), 400)


def test_an_answer_comes_within_the_time_of_the_standard(
    client: FlaskClient, service: str, today: date
) -> None:
    """The best of a few, so that a busy machine does not decide; 500 resources beside the usual."""
    colds = [fhir.condition("J00", id=f"cold-{n}", today=today) for n in range(500)]
    usual = charts.chart(today)["conditions"] or []
    body = charts.CALLS[service](today, conditions=[*usual, *colds])
    raw = json.dumps(body).encode()
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        assert http.cards(client, service, raw)
        taken.append(time.perf_counter() - started)
    assert min(taken) < SECONDS_OF_THE_STANDARD


# ---------------------------------------------------------------------- the cards


def test_what_this_service_never_sends(client: FlaskClient, service: str, body: Body) -> None:
    """System actions, icons, app links and what clients must first be known to understand."""
    answer = http.post(client, service, body)
    assert set(answer) == {"cards"}
    assert '"actionSelectionBehavior"' not in json.dumps(answer)
    for card in answer["cards"]:
        assert set(card["source"]) == {"label", "url", "topic"}
        for link in card["links"]:
            assert set(link) == {"label", "url", "type"}
            assert link["type"] == "absolute"


def test_links_and_sources_open_in_a_browser(client: FlaskClient, service: str, body: Body) -> None:
    """By GET, as a page, without a token; a link at the place of its card."""
    for card in http.cards(client, service, body):
        for url in [card["source"]["url"], *(link["url"] for link in card["links"])]:
            parts = urlsplit(url)
            page = client.get(parts.path)
            assert (page.status_code, page.mimetype) == (200, "text/html")
            assert f'id="{parts.fragment}"' in page.get_data(as_text=True) or not parts.fragment


def test_the_source_says_nothing_of_the_patient(client: FlaskClient, today: date) -> None:
    """One address for all cards: a source is no way to the case at hand."""
    urls = {
        card["source"]["url"]
        for service in SERVICES
        for card in http.cards(client, service, charts.CALLS[service](today))
    }
    assert len(urls) == 1
    assert urlsplit(urls.pop()).query == ""


def test_names_of_extensions_belong_to_a_domain(
    client: FlaskClient, service: str, body: Body
) -> None:
    for card in http.cards(client, service, body):
        assert isinstance(card["extension"], dict)
        names = card["extension"].keys() - OF_STANDARDS
        assert [name for name in names if not REVERSE_DOMAIN.fullmatch(name)] == []


def test_a_dangerous_order_is_deleted_by_its_reference(client: FlaskClient, today: date) -> None:
    severe = [fhir.observation(fhir.EGFR, 22, fhir.EGFR_UNIT, 30, today=today)]
    body = charts.order_sign(today, kidneyLabs=severe)
    [card] = http.cards(client, ORDER_SIGN, body)
    assert card["indicator"] == "critical"
    [action] = actions(card)
    assert set(action) == {"type", "description", "resourceId"}
    assert (action["type"], action["resourceId"]) == ("delete", "MedicationRequest/magnesium-1")


def test_a_created_resource_brings_no_id(client: FlaskClient, service: str, body: Body) -> None:
    """What is created is new: the client gives it an id."""
    for card in http.cards(client, service, body):
        created = [a["resource"] for a in actions(card) if a["type"] == "create"]
        assert all("id" not in resource and resource["resourceType"] for resource in created)
