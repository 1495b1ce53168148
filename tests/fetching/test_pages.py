"""Pages, included medications, and how real servers differ (smaller pages, no totals, odd links)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from cds_service import reasons
from cds_service.fetching.searching import joined
from cds_service.fhir.prefetch import Content, LostPart, MisplacedResource, State

from ..support import charts, fhir, http
from ..support.cards import card_id, recommended, unknown_keys, without_uuids
from ..support.fhir import ORDER_SIGN, PATIENT_VIEW, PREFETCH_KEYS
from ..support.wording import in_words
from .calling import call_at, fetched, ids_of, key_of, serving, why_unknown
from .conftest import Serve, Service
from .ehr import Answering, Asked, Ehr, Json, Reply, say

Link = Callable[[str, str, int], str]

LINKS: dict[str, Link] = {
    "absolute": lambda base, what, page: f"{base}/{what}?page={page}",
    "absolute path": lambda _, what, page: f"/fhir/{what}?page={page}",
    "relative": lambda _, what, page: f"{what}?page={page}",
    "query alone": lambda _, __, page: f"?page={page}",
    "to the base": lambda base, what, page: f"{base}?page={page}&of={what}",
    "upper case host": lambda base, what, page: f"HTTP{base[4:]}/{what}?page={page}",
}


def paged(chart: Json, link: Link, size: int = 1, total: bool = True) -> Answering:
    """A server with small pages."""

    def answer(asked: Asked) -> Reply:
        what = asked.query.get("of") or asked.what
        key = key_of(asked) or key_of(_as(asked, what)) or "conditions"
        if key == "patient":
            return say(chart["patient"])
        page = int(asked.query.get("page", "0"))
        if page and what == "Observation":
            key = "kidneyLabs"
        entries = chart[key].get("entry", [])
        here = entries[page * size : (page + 1) * size]
        bundle: Json = {"resourceType": "Bundle", "type": "searchset", "entry": here}
        if total:
            bundle["total"] = len(entries)
        if (page + 1) * size < len(entries):
            base = f"http://{asked.headers['Host']}/fhir"
            bundle["link"] = [{"relation": "next", "url": link(base, what, page + 1)}]
        return say(bundle)

    return answer


def _as(asked: Asked, what: str) -> Asked:
    asked.path = f"/fhir/{what}"
    return asked


def chart_of_many(today: date) -> Json:
    codes = ["I10", "J45.909", "M54.5", charts.DIABETES, "E78.5", charts.MIGRAINE]
    conditions = [fhir.condition(c, id=f"c{n}", today=today) for n, c in enumerate(codes)]
    body: Json = charts.patient_view(today, conditions=conditions)
    return body


@pytest.mark.parametrize("total", [True, False], ids=["total", "no total"])
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_all_pages_are_read(
    serve: Serve, service: Service, today: date, link: Link, total: bool
) -> None:
    body = chart_of_many(today)
    server = serve(paged(body["prefetch"], link, total=total))
    client = service(server.base)
    fetched = http.post(client, PATIENT_VIEW, call_at(server.base, body))
    assert without_uuids(fetched) == without_uuids(http.post(client, PATIENT_VIEW, body))
    assert fetched["cards"]


AWAY = {
    "another host": "http://169.254.169.254/fhir/Condition?page=1",
    "another port": "http://127.0.0.1:1/fhir/Condition?page=1",
    "another scheme": "https://127.0.0.1/fhir/Condition?page=1",
    "another path": "/admin/Condition?page=1",
    "up and away": "../admin?page=1",
    "hidden steps": "/fhir/%2e%2e/admin?page=1",
    "a longer name": "/fhirs/Condition?page=1",
    "credentials": "http://user:secret@{host}/fhir/Condition?page=1",
    "a file": "file:///etc/passwd",
    "no address": "http://[",
    "white space": "/fhir/Condition?page=1 HTTP/1.1",
    "nothing": "",
}


@pytest.mark.parametrize("url", AWAY.values(), ids=AWAY)
@pytest.mark.parametrize("key", ["conditions", "allergies"])
def test_a_link_that_leads_away_is_not_followed(
    serve: Serve, service: Service, whole: Json, key: str, url: str
) -> None:
    def first(body: Json) -> Reply:
        host = server.base.split("/")[2]
        link = {"relation": "next", "url": url.replace("{host}", host)}
        return say({**body, "link": [link]})

    server = serve(serving(whole["prefetch"], **{key: first}))
    card = http.cards(service(server.base), PATIENT_VIEW, call_at(server.base, whole))[0]
    assert len(server.asked) == len(PREFETCH_KEYS)
    assert "holds only a part of the data, and the FHIR server" in why_unknown(card, key)
    assert recommended(card) == []


def test_there_is_an_end_to_pages(serve: Serve, service: Service, whole: Json) -> None:
    def endless(body: Json) -> Reply:
        url = f"Condition?page={len(server.asked)}"
        return say({**body, "link": [{"relation": "next", "url": url}]})

    server = serve(serving(whole["prefetch"], conditions=endless))
    client = service(server.base, fhir_max_pages=3)
    card = http.cards(client, PATIENT_VIEW, call_at(server.base, whole))[0]
    assert "more pages than this service reads" in why_unknown(card, "conditions")
    assert len(server.of("Condition")) == 3


def test_trouble_on_a_later_page_keeps_the_earlier_ones(
    serve: Serve, service: Service, today: date
) -> None:
    body = chart_of_many(today)
    body["prefetch"]["allergies"] = fhir.bundle(
        [fhir.allergy("6574", text="magnesium", id="a1"), fhir.allergy("7980", id="a2")]
    )
    pages = paged(body["prefetch"], LINKS["absolute"])

    def answer(asked: Asked) -> Reply:
        late = asked.what == "AllergyIntolerance" and "page" in asked.query
        return say(b"", 500) if late else pages(asked)

    server = serve(answer)
    client = service(server.base)
    whole_answer = http.post(client, PATIENT_VIEW, body)
    fetched = http.post(client, PATIENT_VIEW, call_at(server.base, body))
    assert [card_id(c) for c in fetched["cards"]] == [card_id(c) for c in whole_answer["cards"]]


def test_a_sent_page_is_completed(serve: Serve, service: Service, today: date) -> None:
    body = chart_of_many(today)
    server = serve(serving(body["prefetch"]))
    client = service(server.base)
    sent = call_at(server.base, body, "none")
    conditions = body["prefetch"]["conditions"]
    first = {**conditions, "entry": conditions["entry"][:1]}
    sent["prefetch"] = {**body["prefetch"], "conditions": first}
    fetched = http.post(client, PATIENT_VIEW, sent)
    assert without_uuids(fetched) == without_uuids(http.post(client, PATIENT_VIEW, body))
    assert [asked.what for asked in server.asked] == ["Condition"]


def test_a_sent_page_that_cannot_be_completed_is_a_part(
    serve: Serve, service: Service, whole: Json
) -> None:
    server = serve(serving(whole["prefetch"], conditions=lambda _: say(b"", 403)))
    sent = call_at(server.base, whole, "none")
    conditions = {**whole["prefetch"]["conditions"], "total": 9}
    sent["prefetch"] = {**whole["prefetch"], "conditions": conditions}
    card = http.cards(service(server.base), PATIENT_VIEW, sent)[0]
    why = why_unknown(card, "conditions")
    assert why == "holds only a part of the data, and the FHIR server answered with status 403"
    assert recommended(card) == []


def test_a_template_that_sorts_and_counts_gets_no_more_than_it_counts(
    serve: Serve, service: Service, today: date
) -> None:
    """Five pregnancy statuses are asked for, newest first: there is no need of the sixth."""
    not_pregnant = {"valueCodeableConcept": fhir.concept("60001007")}
    statuses = [
        fhir.observation(fhir.PREGNANCY_STATUS, None, None, n, id=f"s{n}", today=today)
        | not_pregnant
        for n in range(1, 12)
    ]
    body = charts.patient_view(today, pregnancyStatus=statuses)

    def answer(asked: Asked) -> Reply:
        key = key_of(asked)
        if key != "pregnancyStatus" and "page" not in asked.query:
            return say(body["prefetch"][key])
        page = int(asked.query.get("page", "0"))
        entries = body["prefetch"]["pregnancyStatus"]["entry"][page * 2 : page * 2 + 2]
        link = [{"relation": "next", "url": f"Observation?page={page + 1}"}]
        return say({"resourceType": "Bundle", "total": 11, "entry": entries, "link": link})

    server = serve(answer)
    card = http.cards(service(server.base), PATIENT_VIEW, call_at(server.base, body))[0]
    assert unknown_keys(card) == []
    assert len([asked for asked in server.asked if "page" in asked.query]) == 2


# ---------------------------------------------------------------- whether there is more

UNCLEAR: dict[str, Json] = {
    "a link that is no list": {"link": {"relation": "next", "url": "?page=2"}},
    "a link that is a text": {"link": ["next"]},
    "a link without a relation": {"link": [{"url": "?page=2"}]},
    "a relation that is no text": {"link": [{"relation": 5}]},
    "a total that is a text": {"total": "many"},
    "a total that is a fraction": {"total": 2.5},
}


@pytest.mark.parametrize("spoilt", UNCLEAR.values(), ids=UNCLEAR)
def test_where_it_is_unclear_whether_there_is_more_it_is_a_part(
    serve: Serve, whole: Json, spoilt: Json
) -> None:
    server = serve(serving(whole["prefetch"], conditions=lambda body: say({**body, **spoilt})))
    found = fetched(server)["conditions"]
    assert len(found.entries) == 2
    assert found.partial
    assert in_words(found.beside) == "the FHIR server's answer leaves open whether there is more"


def test_a_full_page_without_a_total_and_without_a_link_may_be_cut(
    serve: Serve, today: date
) -> None:
    """Five results where five were asked for, in no order: a sixth may be the newest."""
    statuses = [
        fhir.observation(fhir.PREGNANCY_STATUS, None, None, n, id=f"s{n}", today=today)
        for n in (5, 1, 4, 2, 3)
    ]

    def answer(order: list[int], **members: Any) -> Answering:
        entries = [{"resource": statuses[n]} for n in order]
        body = {"resourceType": "Bundle", "type": "searchset", "entry": entries, **members}
        rest = serving(charts.patient_view(today)["prefetch"])
        return lambda asked: say(body) if key_of(asked) == "pregnancyStatus" else rest(asked)

    mixed, sorted_ones = [0, 1, 2, 3, 4], [1, 3, 4, 2, 0]
    assert fetched(serve(answer(mixed)))["pregnancyStatus"].partial
    assert not fetched(serve(answer(mixed, total=5)))["pregnancyStatus"].partial
    assert not fetched(serve(answer(mixed[:4])))["pregnancyStatus"].partial
    assert not fetched(serve(answer(sorted_ones)))["pregnancyStatus"].partial


def test_a_page_that_comes_again_does_not_count_twice(serve: Serve, whole: Json) -> None:
    """Two conditions, sent twice, are not the four that the server has."""

    def repeated(body: Json) -> Reply:
        first = len(server.of("Condition")) == 1
        more = {"link": [{"relation": "next", "url": "?page=2"}]} if first else {"link": []}
        return say({**body, "total": 4, **more})

    server = serve(serving(whole["prefetch"], conditions=repeated))
    found = fetched(server)["conditions"]
    assert len(server.of("Condition")) == 2
    assert len(found.entries) == 2
    assert found.partial


def test_what_is_included_is_not_counted_even_if_it_is_of_the_same_type(
    serve: Serve, whole: Json
) -> None:
    entries = [dict(entry) for entry in whole["prefetch"]["conditions"]["entry"]]
    entries[1]["search"] = {"mode": "include"}
    body = {"resourceType": "Bundle", "total": 2, "entry": entries}
    server = serve(serving(whole["prefetch"], conditions=lambda _: say(body)))
    found = fetched(server)["conditions"]
    assert len(found.entries) == 2
    assert found.partial


def test_two_resources_of_one_id_are_both_kept_where_they_differ(serve: Serve, today: date) -> None:
    """Which of them is right cannot be told: each may hold a fact."""
    one, other = (fhir.condition(code, id="c", today=today) for code in ("I10", "N18.6"))
    chart = charts.patient_view(today)["prefetch"]

    def answer(_: Json) -> Reply:
        is_first = len(server.of("Condition")) == 1
        link = [{"relation": "next", "url": "?page=2"}] if is_first else []
        return say(only(one if is_first else other, link=link))

    server = serve(serving(chart, conditions=answer))
    found = fetched(server)["conditions"].entries
    codes = [e.resource.code.coding[0].code for e in found if e.resource is not None]
    assert codes == ["I10", "N18.6"]


def test_the_highest_total_counts(serve: Serve, whole: Json) -> None:
    """A later page that counts fewer does not take back what the first one said."""

    def shrinking(body: Json) -> Reply:
        if len(server.of("Condition")) == 1:
            return say({**body, "total": 9, "link": [{"relation": "next", "url": "?page=2"}]})
        return say({"resourceType": "Bundle", "type": "searchset", "total": 2})

    server = serve(serving(whole["prefetch"], conditions=shrinking))
    found = fetched(server)["conditions"]
    assert in_words(found.beside) == "the FHIR server sent less than there is"


def test_what_is_included_is_none_of_those_that_are_counted(serve: Serve, today: date) -> None:
    """One order and its Medication are not the two orders that the server has."""
    body = referring(today, "Medication/med-1")["prefetch"]
    body["medicationRequests"] |= {"total": 2}
    body["medicationRequests"]["entry"].append({"resource": medication("med-1")})
    assert fetched(serve(serving(body)))["medicationRequests"].partial


def outcome_entry(code: str) -> Json:
    issue = [{"severity": "warning", "code": code}]
    return {"resource": {"resourceType": "OperationOutcome", "issue": issue}}


@pytest.mark.parametrize("page", [1, 2])
def test_what_one_of_the_pages_says_is_missing_is_not_lost(
    serve: Serve, whole: Json, page: int
) -> None:
    good, bad = whole["prefetch"]["conditions"]["entry"]

    def answer(_: Json) -> Reply:
        here = len(server.of("Condition"))
        entries = [good if here == 1 else bad]
        entries += [outcome_entry("suppressed"), {"resource": 5}] if here == page else []
        link = [{"relation": "next", "url": "?page=2"}] if here == 1 else []
        return say({"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": link})

    server = serve(serving(whole["prefetch"], conditions=answer))
    found = fetched(server)["conditions"]
    assert len(found.entries) == 2
    assert found.withheld == ("suppressed",)
    assert len(found.unreadable) == 1


def test_every_member_of_a_content_is_kept_when_pages_are_joined() -> None:
    """A member that is added to Content has to be joined too."""
    lost = LostPart("entry 0", "", "is odd")
    other = MisplacedResource("Condition", "Condition/1", None, Raw(b"{}"))
    full: Content[Any] = Content(
        State.DATA,
        entries=[],
        partial=True,
        withheld=("suppressed",),
        unreadable=(lost,),
        unread=(lost,),
        others=(other,),
        why=None,
        beside=reasons.SERVER_TIMEOUT,
    )
    empty: Content[Any] = Content(State.EMPTY)
    assert joined([empty, full], partial=True) == full
    assert joined([full, empty], partial=True) == full
    assert joined([full, full], partial=True) == full
    assert joined([empty, empty], partial=False) == empty
    names = {field.name for field in msgspec.structs.fields(Content)}
    assert names == {name for name in names if getattr(full, name) or name in ("why", "entries")}


DATED: dict[str, tuple[Json, bool]] = {
    "a day": ({"effectiveDateTime": "2020-03-01"}, True),
    "an instant": ({"effectiveInstant": "2020-03-01T10:00:00Z"}, True),
    "a period": ({"effectivePeriod": {"start": "2019-03", "end": "2020-03-01"}}, True),
    "a year": ({"effectiveDateTime": "2020"}, True),
    "the first year of all": ({"effectiveDateTime": "0001"}, True),
    "the next day": ({"effectiveDateTime": "2021-06-16"}, True),
    "the day after that": ({"effectiveDateTime": "2021-06-17"}, False),
    "a later year": ({"effectiveDateTime": "2024"}, False),
    "no date": ({}, False),
    "no text": ({"effectiveDateTime": 5}, False),
    "no day": ({"effectiveDateTime": "2020-13-45"}, False),
    "a damaged period": ({"effectivePeriod": {"start": 5}}, False),
    "an empty period": ({"effectivePeriod": {}}, False),
}


@pytest.mark.parametrize(("dated", "in_order"), DATED.values(), ids=DATED)
def test_a_search_ends_early_only_where_the_order_is_sure(
    serve: Serve, today: date, dated: Json, in_order: bool
) -> None:
    """Four statuses of 2021, and then one of another time, with more pages to come."""
    statuses = [
        fhir.observation(fhir.PREGNANCY_STATUS, None, None, 0, id=f"s{n}", today=today)
        | {"effectiveDateTime": "2021-06-15T12:00:00Z"}
        for n in range(5)
    ]
    del statuses[4]["effectiveDateTime"]
    statuses[4] |= dated
    body = only(*statuses, link=[{"relation": "next", "url": "?page=2"}])
    rest = serving(charts.patient_view(today)["prefetch"])
    server = serve(lambda asked: say(body) if key_of(asked) == "pregnancyStatus" else rest(asked))
    fetched(server)
    assert any("page" in asked.query for asked in server.asked) != in_order


# ---------------------------------------------------------------- what was sent, and what was fetched


def only(*conditions: Json, **members: Any) -> Json:
    return {"resourceType": "Bundle", "entry": [{"resource": c} for c in conditions], **members}


def test_what_was_sent_counts_beside_what_was_fetched(serve: Serve, today: date) -> None:
    sent = [fhir.condition(code, id=code.lower(), today=today) for code in ("I10", "N18.6")]
    chart = charts.patient_view(today, conditions=sent[:1])["prefetch"]
    prefetch = chart | {"conditions": only(*sent, total=9)}
    found = fetched(serve(serving(chart)), prefetch)
    assert ids_of(found, "conditions") == ["i10", "n18.6"]
    assert not found["conditions"].partial


@pytest.mark.parametrize(
    ("code", "asked", "left"),
    [("timeout", 1, ()), ("suppressed", 0, ("suppressed",)), ("login", 0, ("login",))],
)
def test_what_was_withheld_for_good_is_not_there_because_a_server_says_nothing_of_it(
    serve: Serve, today: date, code: str, asked: int, left: tuple[str, ...]
) -> None:
    chart = charts.patient_view(today)["prefetch"]
    sent = {**chart["conditions"], "entry": [*chart["conditions"]["entry"], outcome_entry(code)]}
    server = serve(serving(chart))
    found = fetched(server, chart | {"conditions": sent})
    assert len(server.asked) == asked
    assert found["conditions"].withheld == left


def test_what_cannot_be_read_of_what_was_sent_is_not_lost(serve: Serve, today: date) -> None:
    """The order of the server's answer does not hold it, so the damage is still there."""
    chart = charts.patient_view(today)["prefetch"]
    odd = fhir.condition("N18.6", id="odd", today=today)
    odd["code"]["coding"].append({"system": 5})
    found = fetched(serve(serving(chart)), chart | {"conditions": only(odd, total=9)})
    assert "odd" in ids_of(found, "conditions")
    assert [lost.resource for lost in found["conditions"].unread] == ["Condition/odd"]


def test_what_was_sent_with_a_malformed_entry_is_fetched(serve: Serve, today: date) -> None:
    chart = charts.patient_view(today)["prefetch"]
    sent = {**chart["conditions"], "entry": [*chart["conditions"]["entry"], {"resource": 5}]}
    server = serve(serving(chart))
    found = fetched(server, chart | {"conditions": sent})
    assert [asked.what for asked in server.asked] == ["Condition"]
    assert found["conditions"].unreadable == ()


# ---------------------------------------------------------------- medications


def referring(today: date, reference: str, **more: Any) -> Json:
    """A call whose patient takes something that is only referred to."""
    order = fhir.medication_request(None, id="m1", today=today)
    order.pop("medicationCodeableConcept", None)
    order["medicationReference"] = {"reference": reference, **more}
    body: Json = charts.patient_view(today, medicationRequests=[order])
    return body


def medications(server_chart: Json, *known: str, search: bool = True) -> Answering:
    """A server that has these Medications: magnesium, all of them."""
    rest = serving(server_chart)

    def answer(asked: Asked) -> Reply:
        if asked.what == "Medication" and search:
            wanted = [id for id in asked.query["_id"].split(",") if id in known]
            return say(fhir.bundle([medication(id) for id in wanted]))
        id = asked.what.removeprefix("Medication/")
        return say(medication(id)) if id in known else rest(asked)

    return answer


def medication(id: str) -> Json:
    coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "476818"}
    return {"resourceType": "Medication", "id": id, "code": {"coding": [coding]}}


@pytest.mark.parametrize("search", [True, False], ids=["searched", "read one by one"])
@pytest.mark.parametrize(
    "reference",
    ["Medication/med-1", "Medication/med-1/_history/2", "{base}/Medication/med-1"],
)
@pytest.mark.parametrize("sent", [True, False], ids=["order sent", "order fetched"])
def test_a_medication_that_is_referred_to_is_fetched(
    serve: Serve, service: Service, today: date, reference: str, search: bool, sent: bool
) -> None:
    server = serve(lambda asked: answering(asked))  # noqa: PLW0108 - it needs the address
    body = referring(today, reference.replace("{base}", server.base))
    answering = medications(body["prefetch"], "med-1", search=search)
    call = call_at(server.base, body, "none") if sent else call_at(server.base, body)
    if sent:
        call["prefetch"] = body["prefetch"]
    found = http.post(service(server.base), PATIENT_VIEW, call)
    cards = found["cards"]
    assert "mg-suggest" not in [card_id(card) for card in cards], "magnesium is taken already"
    assert all(unknown_keys(card) == [] for card in cards)


ELSEWHERE = ["https://other.invalid/fhir/Medication/med-1", "urn:uuid:med-1", "Medication/..", "#x"]


@pytest.mark.parametrize("reference", ELSEWHERE)
def test_a_medication_elsewhere_is_not_fetched(
    serve: Serve, service: Service, today: date, reference: str
) -> None:
    body = referring(today, reference)
    server = serve(medications(body["prefetch"], "med-1"))
    card = http.cards(service(server.base), PATIENT_VIEW, call_at(server.base, body))[0]
    assert "medicationRequests" in unknown_keys(card)
    assert len(server.asked) == len(PREFETCH_KEYS)


def test_a_medication_that_cannot_be_had_is_told(
    serve: Serve, service: Service, today: date
) -> None:
    body = referring(today, "Medication/med-1")
    server = serve(medications(body["prefetch"], search=False))
    card = http.cards(service(server.base), PATIENT_VIEW, call_at(server.base, body))[0]
    why = why_unknown(card, "medicationRequests")
    assert why.endswith("and the FHIR server answered with status 404")


@pytest.mark.parametrize("status", [None, "unknown", "stopped", "completed", "active", "x"])
def test_the_medication_of_an_order_of_any_status_that_may_matter_is_fetched(
    serve: Serve, today: date, status: str | None
) -> None:
    body = referring(today, "Medication/med-1")
    order = body["prefetch"]["medicationRequests"]["entry"][0]["resource"]
    order.pop("status")
    order |= {} if status is None else {"status": status}
    server = serve(medications(body["prefetch"], "med-1"))
    assert "med-1" in ids_of(fetched(server), "medicationRequests")


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_the_medication_of_an_order_that_was_never_taken_is_not_fetched(
    serve: Serve, today: date, status: str
) -> None:
    body = referring(today, "Medication/med-1")
    body["prefetch"]["medicationRequests"]["entry"][0]["resource"]["status"] = status
    server = serve(medications(body["prefetch"], "med-1"))
    fetched(server)
    assert server.of("Medication") == []


def test_a_medication_that_a_search_leaves_out_is_read(serve: Serve, today: date) -> None:
    body = referring(today, "Medication/med-1")
    rest = medications(body["prefetch"], "med-1")
    empty = say({"resourceType": "Bundle", "type": "searchset", "total": 0})
    server = serve(lambda asked: empty if asked.what == "Medication" else rest(asked))
    found = fetched(server)
    assert "med-1" in ids_of(found, "medicationRequests")
    assert in_words(found["medicationRequests"].beside) == ""


def test_what_cannot_be_read_of_a_fetched_medication_is_not_lost(serve: Serve, today: date) -> None:
    body = referring(today, "Medication/med-1")
    odd = medication("med-1")
    odd["code"]["coding"].append({"system": 5})
    rest = serving(body["prefetch"])
    server = serve(lambda asked: say(only(odd)) if asked.what == "Medication" else rest(asked))
    found = fetched(server)["medicationRequests"]
    assert [lost.resource for lost in found.unread] == ["Medication/med-1"]


@pytest.mark.parametrize(
    "reply",
    [
        say({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}),
        say({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}),
        *(say(b"", status) for status in (400, 403, 404, 405, 422, 501)),
    ],
)
def test_where_a_search_for_medications_fails_they_are_read(
    serve: Serve, today: date, reply: Reply
) -> None:
    body = referring(today, "Medication/med-1")
    rest = medications(body["prefetch"], "med-1", search=False)
    server = serve(lambda asked: reply if asked.what == "Medication" else rest(asked))
    found = fetched(server)
    assert "med-1" in ids_of(found, "medicationRequests")
    assert in_words(found["medicationRequests"].beside) == ""


def test_a_medication_that_was_sent_with_the_drafts_is_not_fetched(
    serve: Serve, today: date
) -> None:
    body = charts.order_sign(today)
    drafts = body["context"]["draftOrders"]
    draft = fhir.draft_order(medication_reference="Medication/med-1", id="draft")
    drafts["entry"] = [{"resource": draft}]
    drafts["entry"].append({"resource": medication("med-1")})
    server = serve(medications(body["prefetch"]))
    fetched(server, body["prefetch"], draftOrders=drafts)
    assert server.asked == []


def test_a_medication_that_was_sent_under_another_key_is_not_fetched(
    serve: Serve, today: date
) -> None:
    body = referring(today, "Medication/med-1")["prefetch"]
    body["conditions"]["entry"].append({"resource": medication("med-1")})
    server = serve(medications(body))
    fetched(server, body)
    assert server.asked == []


def test_the_ingredients_that_a_medication_refers_to_are_fetched(serve: Serve, today: date) -> None:
    body = referring(today, "Medication/kit")
    kit = {
        "resourceType": "Medication",
        "id": "kit",
        "ingredient": [
            {"itemReference": {"reference": f"Medication/{id}"}} for id in ("a", "gone")
        ],
    }
    rest = medications(body["prefetch"], "a")

    def answer(asked: Asked) -> Reply:
        is_kit = asked.what == "Medication" and asked.query["_id"] == "kit"
        return say(only(kit)) if is_kit else rest(asked)

    found = fetched(serve(answer))
    assert {"kit", "a"} <= set(ids_of(found, "medicationRequests"))
    assert (
        in_words(found["medicationRequests"].beside) == "the FHIR server answered with status 404"
    )


def test_of_too_many_medications_those_of_drafts_and_of_what_is_taken_come_first(
    serve: Serve, today: date
) -> None:
    orders = []
    for number in range(130):
        reference = f"Medication/x{number}"
        order = fhir.medication_request(
            id=f"m{number}", medication_reference=reference, today=today
        )
        orders.append(order | {"status": "stopped" if number < 60 else "active"})
    body = charts.patient_view(today, medicationRequests=orders)
    draft = fhir.draft_order(medication_reference="Medication/d1", id="draft")
    server = serve(medications(body["prefetch"], "d1", *(f"x{n}" for n in range(130))))
    found = fetched(server, draftOrders=only(draft))
    have = set(ids_of(found, "medicationRequests"))
    assert {"d1", *(f"x{n}" for n in range(60, 130))} <= have
    assert len({id for id in have if id.startswith("x")}) == 99
    why = "more Medications are referred to than this service fetches"
    assert in_words(found["medicationRequests"].beside) == why


def test_many_medications_are_fetched_in_batches(
    serve: Serve, service: Service, today: date
) -> None:
    orders = []
    for number in range(130):
        order = fhir.medication_request(None, id=f"m{number}", today=today)
        order.pop("medicationCodeableConcept", None)
        orders.append(order | {"medicationReference": {"reference": f"Medication/x{number}"}})
    body = charts.patient_view(today, medicationRequests=orders)
    server = serve(medications(body["prefetch"], *(f"x{n}" for n in range(130))))
    http.post(service(server.base), PATIENT_VIEW, call_at(server.base, body))
    batches = [asked.query["_id"].split(",") for asked in server.of("Medication")]
    assert sorted(map(len, batches)) == [20] * 5


def test_the_medication_of_a_draft_is_fetched(serve: Serve, service: Service, today: date) -> None:
    body = charts.order_sign(today)
    usual = http.post(service("http://127.0.0.1:1/fhir"), ORDER_SIGN, body)
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    del draft["medicationCodeableConcept"]
    draft["medicationReference"] = {"reference": "Medication/med-1"}
    server = serve(medications(body["prefetch"], "med-1"))
    call = call_at(server.base, body, "none") | {"prefetch": body["prefetch"]}
    cards = http.cards(service(server.base), ORDER_SIGN, call)
    assert [card_id(card) for card in cards] == [card_id(card) for card in usual["cards"]]


def test_ehr_is_asked_once_for_each_key(serve: Serve, service: Service, whole: Json) -> None:
    server: Ehr = serve(serving(whole["prefetch"]))
    http.cards(service(server.base), PATIENT_VIEW, call_at(server.base, whole))
    assert len(server.asked) == len(PREFETCH_KEYS)
    assert {asked.method for asked in server.asked} == {"GET"}
    assert {asked.headers["Accept"] for asked in server.asked} == {"application/fhir+json"}
