"""The synthetic patients: readable files, valid FHIR, dates that never go stale, cards as told."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from fhir.resources.R4B import get_fhir_model_class
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import id_of, templates_of
from cds_service.sandbox.patients import (
    ExpectedCall,
    UnknownDraftError,
    UnknownPatientError,
    UnknownServiceError,
    bundle_of,
    hook_request,
    load_all,
    patient,
    prefetch_of,
)
from cds_service.sandbox.relative_dates import resolve
from tests.support.tables import each_row

SERVICES = [id_of(hook) for hook in HOOKS.values()]
PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN, *_ = SERVICES
CLINICIAN = "Practitioner/sandbox-clinician"
LOINC = "http://loinc.org"
DAY = date(2026, 11, 22)
# Ordinary days, the ends of months and years, and a leap day.
DAYS = [DAY, date(2027, 3, 31), date(2027, 12, 31), date(2028, 1, 1), date(2028, 2, 29)]
PIDS = sorted(load_all())
DATE = re.compile(r"\d{4}-\d\d-\d\d(T.*)?")
CALLS = [(pid, show) for pid, person in load_all().items() for show in person.shows]


def call_name(value: object) -> str:
    """A test id that reads as a sentence."""
    if isinstance(value, ExpectedCall):
        return f"{value.service}-{value.draft or 'no-draft'}"
    return str(value)


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every (member name, plain value) below a JSON value."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, key)
    else:
        yield key, value


def inside(value: Any) -> Iterator[Any]:
    """Every value below a JSON value, lists and objects too."""
    members = value.values() if isinstance(value, dict) else value
    for item in members if isinstance(value, dict | list) else ():
        yield item
        yield from inside(item)


def resources_of(pid: str, day: date = DAY) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle_of(pid, day)["entry"]]


def orders_of(pid: str, draft: str, day: date = DAY) -> list[dict[str, Any]]:
    context = hook_request(pid, ORDER_SIGN, day, draft)["context"]
    return [entry["resource"] for entry in context["draftOrders"]["entry"]]


def drafts() -> list[tuple[str, str]]:
    return [(pid, draft) for pid in PIDS for draft in patient(pid).drafts]


class TestRelativeDates:
    @pytest.mark.parametrize(
        ("written", "text"),
        [
            ("@0d", "2026-11-22"),
            ("@-30d", "2026-10-23"),
            ("@+2w", "2026-12-06"),
            ("@-3mo", "2026-08-22"),
            ("@-2y", "2024-11-22"),
            ("@-45y-4mo", "1981-07-22"),
            ("@-7y/year", "2019"),
            ("@-2mo/month", "2026-09"),
            ("@-30dT08:15", "2026-10-23T08:15:00Z"),
            ("@-30dT08:15-05:00", "2026-10-23T08:15:00-05:00"),
            ("@-1dT18:04:41.000Z", "2026-11-21T18:04:41.000Z"),
        ],
    )
    def test_each_form_of_the_syntax(self, written: str, text: str) -> None:
        assert resolve(written, DAY) == text

    @pytest.mark.parametrize(
        ("written", "today", "text"),
        [
            ("@-1mo", date(2027, 3, 31), "2027-02-28"),
            ("@-1y", date(2028, 2, 29), "2027-02-28"),
            ("@-12mo", date(2027, 1, 15), "2026-01-15"),
            ("@+1mo", date(2027, 12, 31), "2028-01-31"),
        ],
    )
    def test_a_missing_day_of_the_month_gives_its_last(
        self, written: str, today: date, text: str
    ) -> None:
        assert resolve(written, today) == text

    @pytest.mark.parametrize("written", ["@", "@yesterday", "@-3", "@-3mo/day", "@-1dT8:15"])
    def test_anything_else_is_refused(self, written: str) -> None:
        with pytest.raises(ValueError, match="not a relative date"):
            resolve(written, DAY)


class TestFiles:
    def test_there_is_one_file_for_each_patient_named_after_the_id(self) -> None:
        folder = files("cds_service.sandbox") / "patients"
        assert sorted(path.name for path in folder.iterdir()) == [f"{pid}.json" for pid in PIDS]

    @each_row("pid", PIDS)
    def test_a_file_stays_small_enough_to_read(self, pid: str) -> None:
        text = (files("cds_service.sandbox") / "patients" / f"{pid}.json").read_text("utf-8")
        assert json.loads(text)["id"] == pid
        assert len(text.encode()) < 60_000

    def test_no_two_patients_share_a_name(self) -> None:
        names = [resources_of(pid)[0]["name"][0] for pid in PIDS]
        words = Counter(word for name in names for word in (name["given"][0], name["family"]))
        assert [word for word, count in words.items() if count > 1] == []
        assert [f"{name['given'][0]} {name['family']}" for name in names] == [
            patient(pid).name for pid in PIDS
        ]

    def test_no_two_patients_share_an_id(self) -> None:
        ids = Counter(resources_of(pid)[0]["id"] for pid in PIDS)
        assert max(ids.values()) == 1

    @each_row("pid", PIDS)
    def test_the_story_is_one_line_and_the_visit_is_shown(self, pid: str) -> None:
        person = patient(pid)
        assert person.story == person.story.strip()
        assert "\n" not in person.story
        assert [s.service for s in person.shows].count(PATIENT_VIEW) == 1

    @each_row("pid", PIDS)
    def test_every_shown_draft_exists_and_every_draft_is_shown(self, pid: str) -> None:
        person = patient(pid)
        shown = {show.draft for show in person.shows if show.draft is not None}
        assert shown == set(person.drafts)
        assert {show.service for show in person.shows} <= set(SERVICES)

    def test_every_card_is_shown_by_someone(self) -> None:
        cards = json.loads((files("cds_service.knowledge") / "data" / "cards.json").read_bytes())
        shown = {card for _, show in CALLS for card in show.expect}
        # It comes only where data were not sent, and the sandbox always sends everything.
        without_data = {"rx-mg-not-checked"}
        assert {card["id"] for card in cards["cards"]} == shown | without_data


class TestCharts:
    @each_row("pid", PIDS)
    def test_a_chart_has_the_size_of_a_chart(self, pid: str) -> None:
        kinds = Counter(resource["resourceType"] for resource in resources_of(pid))
        assert 15 <= kinds.total() <= 60
        assert kinds["Patient"] == 1

    @each_row("pid", PIDS)
    def test_ids_are_unique_and_full_urls_fit(self, pid: str) -> None:
        entries = bundle_of(pid, DAY)["entry"]
        names = [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries]
        assert len(set(names)) == len(names)
        assert [e["fullUrl"].removeprefix("https://ehr.example/fhir/") for e in entries] == names

    @each_row("pid", PIDS)
    def test_every_reference_leads_somewhere(self, pid: str) -> None:
        chart = resources_of(pid)
        orders = [order for draft in patient(pid).drafts for order in orders_of(pid, draft)]
        known = {f"{r['resourceType']}/{r['id']}" for r in chart} | {CLINICIAN}
        for resource in [*chart, *orders]:
            own = {f"#{inner['id']}" for inner in resource.get("contained", [])}
            targets = {value for key, value in leaves(resource) if key == "reference"}
            assert targets <= known | own

    @each_row("pid", PIDS)
    def test_every_resource_belongs_to_the_patient(self, pid: str) -> None:
        chart = resources_of(pid)
        own = f"Patient/{chart[0]['id']}"
        for resource in chart[1:]:
            subject = resource.get("subject", resource.get("patient"))
            assert subject is None or subject["reference"] == own
            assert subject is not None or resource["resourceType"] == "Medication"

    @each_row("pid", PIDS)
    def test_the_chart_is_valid_fhir(self, pid: str) -> None:
        get_fhir_model_class("Bundle").model_validate(bundle_of(pid, DAY))

    @each_row(("pid", "draft"), drafts())
    def test_draft_orders_are_valid_fhir_and_the_selections_are_among_them(
        self, pid: str, draft: str
    ) -> None:
        orders = orders_of(pid, draft)
        for order in orders:
            get_fhir_model_class(order["resourceType"]).model_validate(order)
            assert order["status"] == "draft"
        names = {f"{order['resourceType']}/{order['id']}" for order in orders}
        assert set(patient(pid).drafts[draft].selections) <= names

    @pytest.mark.parametrize("day", DAYS, ids=str)
    def test_on_any_day_all_dates_are_resolved_and_none_lies_ahead(self, day: date) -> None:
        for pid in PIDS:
            for key, value in leaves(resources_of(pid, day)):
                assert not str(value).startswith("@")
                if key.endswith(("DateTime", "Date", "authoredOn", "issued", "start")):
                    assert value[:10] <= day.isoformat()[: len(value[:10])]

    @pytest.mark.parametrize("day", DAYS, ids=str)
    def test_on_any_day_the_patient_has_the_same_age(self, day: date) -> None:
        assert [age(pid, day) for pid in PIDS] == [age(pid, DAY) for pid in PIDS]

    def test_what_is_handed_out_may_be_changed(self) -> None:
        bundle_of("hugo-plainfield", DAY)["entry"].clear()
        assert len(bundle_of("hugo-plainfield", DAY)["entry"]) >= 15


def age(pid: str, day: date) -> int:
    born = date.fromisoformat(resources_of(pid, day)[0]["birthDate"])
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


class TestPrefetch:
    def entries(self, pid: str, key: str, *codes: tuple[str, str]) -> list[Any]:
        templates = templates_of({key: codes})
        found: list[Any] = prefetch_of(pid, DAY, templates)[key].get("entry", [])
        return [entry["resource"] for entry in found]

    def test_all_keys_are_answered(self) -> None:
        prefetch = prefetch_of("magnus-ironwood", DAY)
        assert prefetch["patient"]["resourceType"] == "Patient"
        assert {key: value["resourceType"] for key, value in prefetch.items()} == {
            "patient": "Patient",
            "conditions": "Bundle",
            "medicationRequests": "Bundle",
            "medicationStatements": "Bundle",
            "allergies": "Bundle",
            "kidneyLabs": "Bundle",
            "magnesiumLabs": "Bundle",
            "pregnancyStatus": "Bundle",
            "kidneyProcedures": "Bundle",
        }

    def test_only_active_orders_come_with_the_medications_they_name(self) -> None:
        found = self.entries("marigold-fenwick", "medicationRequests")
        orders = [r for r in found if r["resourceType"] == "MedicationRequest"]
        medications = {f"Medication/{r['id']}" for r in found if r["resourceType"] == "Medication"}
        assert {order["status"] for order in orders} == {"active"}
        assert {order["medicationReference"]["reference"] for order in orders} == medications
        held = [r for r in resources_of("marigold-fenwick") if r["resourceType"] == "Medication"]
        assert len(medications) < len(held)

    def test_matches_and_includes_are_told_apart(self) -> None:
        page = prefetch_of("marigold-fenwick", DAY)["medicationRequests"]
        modes = Counter(entry["search"]["mode"] for entry in page["entry"])
        assert modes == {"match": page["total"], "include": len(page["entry"]) - page["total"]}

    def test_results_are_narrowed_to_the_codes_newest_first(self) -> None:
        found = self.entries("winifred-blackthorn", "kidneyLabs", (LOINC, "98979-8"))
        values = [observation["valueQuantity"]["value"] for observation in found]
        assert values == [24, 26, 28, 31]

    def test_a_page_holds_no_more_than_asked_but_counts_all(self) -> None:
        page = prefetch_of("winifred-blackthorn", DAY)["pregnancyStatus"]
        assert len(page["entry"]) == 5
        assert page["total"] > 5

    def test_procedures_are_never_cut_short(self) -> None:
        """A transplant may lie behind many sessions of dialysis (SPEC 12.3 K-1)."""
        page = prefetch_of("magnus-ironwood", DAY)["kidneyProcedures"]
        assert len(page["entry"]) == page["total"]

    def test_an_empty_search_is_an_empty_bundle(self) -> None:
        page = prefetch_of("hugo-plainfield", DAY)["allergies"]
        assert page == {"resourceType": "Bundle", "type": "searchset", "total": 0}


class TestHookRequest:
    def test_patient_view(self) -> None:
        body = hook_request("felix-merriweather", PATIENT_VIEW, DAY)
        assert set(body) == {"hook", "hookInstance", "context", "prefetch"}
        assert body["hook"] == "patient-view"
        assert body["context"] == {
            "userId": CLINICIAN,
            "patientId": body["prefetch"]["patient"]["id"],
        }
        assert UUID(body["hookInstance"]).version == 4

    def test_each_call_is_a_new_instance(self) -> None:
        bodies = [hook_request("felix-merriweather", PATIENT_VIEW, DAY) for _ in range(2)]
        assert bodies[0]["hookInstance"] != bodies[1]["hookInstance"]

    def test_order_select_names_what_was_picked(self) -> None:
        context = hook_request("felix-merriweather", ORDER_SELECT, DAY, "two-orders")["context"]
        assert context["selections"] == ["MedicationRequest/rx-topiramate"]
        assert len(context["draftOrders"]["entry"]) == 2

    @each_row(("pid", "draft"), drafts())
    def test_draft_orders_stand_in_entries_with_their_address(self, pid: str, draft: str) -> None:
        context = hook_request(pid, ORDER_SIGN, DAY, draft)["context"]
        for entry in context["draftOrders"]["entry"]:
            name = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            assert entry["fullUrl"] == f"https://ehr.example/fhir/{name}"

    @each_row("pid", PIDS)
    def test_nothing_that_is_sent_is_empty(self, pid: str) -> None:
        """FHIR has no empty lists, objects or strings."""
        body = hook_request(pid, PATIENT_VIEW, DAY)
        assert [value for value in inside(body) if value in ([], {}, "")] == []

    def test_order_sign_has_no_selections(self) -> None:
        context = hook_request("felix-merriweather", ORDER_SIGN, DAY, "two-orders")["context"]
        assert set(context) == {"userId", "patientId", "draftOrders"}

    def test_without_a_draft_the_first_one_shown_there_is_taken(self) -> None:
        context = hook_request("felix-merriweather", ORDER_SIGN, DAY)["context"]
        assert len(context["draftOrders"]["entry"]) == 2

    def test_a_draft_not_shown_there_does_too(self) -> None:
        context = hook_request("lavinia-harrowgate", ORDER_SELECT, DAY)["context"]
        assert context["selections"] == ["MedicationRequest/rx-mg"]

    def test_unknown_names_are_told_clearly(self) -> None:
        with pytest.raises(UnknownPatientError, match="no synthetic patient 'nobody'"):
            bundle_of("nobody", DAY)
        with pytest.raises(UnknownServiceError, match="no service 'nothing'"):
            hook_request("felix-merriweather", "nothing", DAY)
        with pytest.raises(UnknownDraftError, match="has no draft orders 'nothing'"):
            hook_request("felix-merriweather", ORDER_SIGN, DAY, "nothing")
        with pytest.raises(UnknownDraftError, match="'hugo-plainfield' has no draft orders"):
            hook_request("hugo-plainfield", ORDER_SIGN, DAY)
        with pytest.raises(UnknownDraftError, match="takes no draft orders"):
            hook_request("felix-merriweather", PATIENT_VIEW, DAY, "topiramate")


@cache
def published_templates(client: FlaskClient, service: str) -> dict[str, str]:
    """The service's own prefetch templates, read as a client reads them."""
    services = client.get("/cds-services").get_json()["services"]
    templates: dict[str, str] = next(s["prefetch"] for s in services if s["id"] == service)
    return templates


def published_codes(client: FlaskClient, service: str) -> dict[str, set[tuple[str, str]]]:
    """The codes that the templates ask for."""
    queries = {
        key: parse_qs(urlsplit(template).query, keep_blank_values=True)
        for key, template in published_templates(client, service).items()
    }
    return {key: tokens(query["code"][0]) for key, query in queries.items() if "code" in query}


def tokens(text: str) -> set[tuple[str, str]]:
    """The `system|code` pairs of a search parameter; an empty parameter asks for nothing."""
    pairs = (token.partition("|") for token in text.split(",") if token)
    return {(system, code) for system, _, code in pairs}


@pytest.mark.parametrize("service", SERVICES)
def test_every_search_that_is_narrowed_by_code_names_codes(
    client: FlaskClient, service: str
) -> None:
    codes = published_codes(client, service)
    assert set(codes) == {"kidneyLabs", "magnesiumLabs", "pregnancyStatus", "kidneyProcedures"}
    assert {key for key, asked in codes.items() if not asked} == set()


def cards_of(client: FlaskClient, pid: str, show: ExpectedCall, day: date) -> list[str]:
    """The ids of the cards that a client with this chart gets on this day."""
    templates = published_templates(client, show.service)
    body = hook_request(pid, show.service, day, show.draft, templates)
    response = client.post(f"/cds-services/{show.service}", json=body)
    assert response.status_code == 200, response.get_data(as_text=True)
    cards = response.get_json()["cards"]
    return sorted(card["extension"]["org.magnesium-migraine.decision"]["card"] for card in cards)


@each_row(("pid", "show"), CALLS, ids=call_name)
def test_the_cards_are_those_that_the_patient_is_said_to_show(
    client: FlaskClient, pid: str, show: ExpectedCall
) -> None:
    assert cards_of(client, pid, show, datetime.now(UTC).date()) == sorted(show.expect), show.why


def cut(value: Any, length: int) -> Any:
    """The JSON value with every date in it cut to the year (4) or the month (7)."""
    if isinstance(value, dict):
        return {name: cut(item, length) for name, item in value.items()}
    if isinstance(value, list):
        return [cut(item, length) for item in value]
    is_date = isinstance(value, str) and DATE.fullmatch(value)
    return value[:length] if is_date else value


@each_row("length", [4, 7], ids=["year", "month"])
@each_row(("pid", "show"), CALLS, ids=call_name)
def test_dates_without_a_day_are_answered_too(
    client: FlaskClient, pid: str, show: ExpectedCall, length: int
) -> None:
    today = datetime.now(UTC).date()
    templates = published_templates(client, show.service)
    body = hook_request(pid, show.service, today, show.draft, templates)
    body["prefetch"] = cut(body["prefetch"], length)
    for place in ("cds-services", "explain"):
        response = client.post(f"/{place}/{show.service}", json=body)
        assert response.status_code == 200, response.get_data(as_text=True)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_on_any_day_the_cards_are_the_same(day: date) -> None:
    just_after_midnight = datetime.combine(day, time(0, 1), UTC)
    client = create_app(now=lambda: just_after_midnight).test_client()
    found = {(pid, show): cards_of(client, pid, show, day) for pid, show in CALLS}
    assert found == {(pid, show): sorted(show.expect) for pid, show in CALLS}
