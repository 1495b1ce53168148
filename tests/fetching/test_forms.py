"""A server that refuses a search is asked in the next form; what it takes is configured or remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds_service.fetching import fetching as module
from cds_service.fetching.failures import Why
from cds_service.fetching.fetching import Bounds, Fetching
from cds_service.fetching.forms import (
    FORMS,
    Form,
    forms_of,
    is_another,
    is_form,
    plain_tokens,
    queries,
)
from cds_service.fetching.servers import Server
from cds_service.fhir.prefetch import KINDS
from cds_service.settings import SettingsError, read_settings

from ..support import fhir
from ..support.wording import in_words
from .calling import TEMPLATES, fetched, ids_of, question
from .conftest import Serve
from .ehr import Asked, Ehr, Reply, say
from .habits import REFUSED, Store, bundle, having, resources, usually

ROOT = Path(__file__).resolve().parent.parent.parent
Refuses = Callable[[Asked], bool]


def refusing(today: date, refuses: Refuses, status: int = 400) -> Callable[[Asked], Reply]:
    """A server that has the usual chart and refuses some searches."""
    store = Store(resources(today, "usual"))
    return lambda asked: say(REFUSED, status) if refuses(asked) else usually(store, asked)


def of_type(server: Ehr, kind: str) -> list[dict[str, str]]:
    return [asked.query for asked in server.of(kind)]


# ---------------------------------------------------------------- the table


def test_every_key_with_forms_is_a_prefetch_key_and_begins_with_its_template() -> None:
    assert set(FORMS) <= set(KINDS)
    for key, forms in FORMS.items():
        assert forms[0].changes == ({},)
        assert len({form.name for form in forms}) == len(forms)
        assert queries(TEMPLATES[key], forms[0])[0].template == TEMPLATES[key]


def test_a_key_without_forms_of_its_own_is_asked_as_its_template_says() -> None:
    (form,) = forms_of("allergies")
    (query,) = queries(TEMPLATES["allergies"], form)
    assert query.template == TEMPLATES["allergies"]
    assert query.resource_type == "AllergyIntolerance"
    assert query.count is query.wanted is None


def test_the_form_that_is_named_comes_first_and_the_others_in_their_order() -> None:
    names = [form.name for form in forms_of("kidneyLabs", "unsorted")]
    assert names == ["unsorted", "template", "category", "category-unsorted"]


@pytest.mark.parametrize(
    ("changes", "template"),
    [
        ({}, "Observation?patient=1&code=a|b&_sort=-date&_count=5"),
        ({"_sort": None}, "Observation?patient=1&code=a|b&_count=5"),
        (
            {"code": None, "category": "laboratory"},
            "Observation?patient=1&_sort=-date&_count=5&category=laboratory",
        ),
        ({"_count": "9"}, "Observation?patient=1&code=a|b&_sort=-date&_count=9"),
    ],
)
def test_a_form_changes_parameters_and_leaves_the_others(
    changes: dict[str, str | None], template: str
) -> None:
    start = "Observation?patient=1&code=a|b&_sort=-date&_count=5"
    (query,) = queries(start, Form("x", (changes,)))
    assert query.template == template


def test_a_parameter_that_comes_twice_is_kept_twice() -> None:
    (query,) = queries("X?_include=a&_include=b&c=d", Form("x", ({"c": None},)))
    assert query.template == "X?_include=a&_include=b"


def test_how_many_are_enough_is_what_the_template_counts_and_only_where_it_sorts() -> None:
    found = {f.name: queries(TEMPLATES["magnesiumLabs"], f)[0] for f in FORMS["magnesiumLabs"]}
    assert {name: query.wanted for name, query in found.items()} == {
        "template": 20,
        "category": 20,
        "unsorted": None,
        "category-unsorted": None,
    }
    assert found["category"].count == 100
    assert not found["template"].codes
    assert found["category"].codes == plain_tokens(
        ("http://loinc.org", code) for code in ("19123-9", "21377-7", "2601-3")
    )


@pytest.mark.parametrize(
    ("codings", "another"),
    [
        ([("http://loinc.org", "2823-3")], True),
        ([("http://loinc.org", "98979-8")], False),
        ([("https://www.LOINC.org/", "98979-8")], False),
        ([("http://loinc.org|2.77", "2823-3")], True),
        ([("http://loinc.org", "2823-3"), ("http://loinc.org", "98979-8")], False),
        ([("http://loinc.org", "2823-3"), ("urn:local", "98979-8")], True),
        ([("urn:local", "K")], False),
        ([("http://loinc.org", "")], False),
        ([("", "2823-3")], False),
        ([], False),
    ],
)
def test_only_what_is_surely_another_result_is_left_out(
    codings: list[tuple[str, str]], another: bool
) -> None:
    assert is_another(codings, plain_tokens([("http://loinc.org", "98979-8")])) is another


def test_the_table_of_the_document_is_the_one_that_is_used() -> None:
    text = (ROOT / "docs/integrating-fetching.md").read_text(encoding="utf-8")
    rows = text.partition("<!-- forms -->")[2].partition("<!-- /forms -->")[0].splitlines()[3:]
    cells = [[cell.strip() for cell in row.strip("| ").split("|")] for row in rows]
    told = {
        (key.strip("` "), name.strip("`")): changes
        for keys, name, changes in cells
        for key in keys.split(",")
    }
    used = {
        (key, form.name): "; and ".join(map(words, form.changes))
        for key, forms in FORMS.items()
        for form in forms[1:]
    }
    assert told == used


def words(changes: Mapping[str, str | None]) -> str:
    return ", ".join(
        f"no `{name}`" if value is None else f"`{name}={value}`" for name, value in changes.items()
    )


def test_the_document_names_every_reason_why_there_is_no_more() -> None:
    text = (ROOT / "docs/integrating-fetching.md").read_text(encoding="utf-8")
    table = text.partition("## What the reasons mean")[2].partition("\n## ")[0]
    rare = {Why.BAD_TOKEN, Why.NOT_ASKABLE, Why.NAME, Why.BROKEN, Why.REDIRECT}
    rare |= {Why.NOT_JSON, Why.UNREADABLE, Why.OUTCOME, Why.STATUS}
    assert [why for why in Why if why not in rare and f"| {in_words(why.value)}" not in table] == []


# ---------------------------------------------------------------- asking again


def test_medication_orders_are_asked_for_with_their_intent(serve: Serve, today: date) -> None:
    server = serve(having("intent", today))
    assert fetched(server)["medicationRequests"].known
    first, second = of_type(server, "MedicationRequest")
    assert "intent" not in first
    assert second == first | {"intent": "order,plan"}


def test_conditions_are_asked_for_in_both_categories_and_joined(serve: Serve, today: date) -> None:
    server = serve(having("category", today))
    contents = fetched(server)
    assert sorted(ids_of(contents, "conditions")) == ["c1", "c2", "c3", "c4", "c5"]
    assert not contents["conditions"].partial
    categories = [query.get("category") for query in of_type(server, "Condition")]
    assert categories == [None, "problem-list-item", "encounter-diagnosis"]


@pytest.mark.parametrize("status", [400, 500])
def test_where_one_of_two_categories_fails_the_conditions_are_a_part(
    serve: Serve, today: date, status: int
) -> None:
    store = Store(resources(today, "usual"))

    def answer(asked: Asked) -> Reply:
        if asked.what == "Condition" and "category" not in asked.query:
            return say(REFUSED, 400)
        if asked.query.get("category") == "encounter-diagnosis":
            return say(REFUSED, status)
        return usually(store, asked)

    contents = fetched(serve(answer))
    assert ids_of(contents, "conditions") == ["c1", "c2", "c3", "c5"]
    assert contents["conditions"].partial
    assert in_words(contents["conditions"].beside).endswith(f"status {status}")


def test_laboratory_results_are_asked_for_by_category_and_filtered(
    serve: Serve, today: date
) -> None:
    server = serve(having("codelist", today))
    contents = fetched(server)
    assert ids_of(contents, "kidneyLabs") == ["egfr-0", "egfr-1", "egfr-2", "egfr-3"]
    assert ids_of(contents, "magnesiumLabs") == []
    assert not contents["kidneyLabs"].partial
    assert not contents["magnesiumLabs"].partial


def test_a_result_that_is_coded_elsewhere_alone_is_not_filtered_away(
    serve: Serve, today: date
) -> None:
    """Its words may name kidney function: whoever reads the key has to know of it."""
    local = laboratory("local", fhir.concept("GFR", "urn:local", text="eGFR"), today)
    contents = fetched(serve(only_by_category(today, local)))
    assert "local" in ids_of(contents, "kidneyLabs")
    assert "potassium" not in ids_of(contents, "kidneyLabs")


def test_a_panel_is_not_filtered_away(serve: Serve, today: date) -> None:
    panel = laboratory("panel", fhir.concept("24323-8", "loinc"), today)
    panel["component"] = [{"code": fhir.concept("2160-0", "loinc")}]
    contents = fetched(serve(only_by_category(today, panel)))
    assert "panel" in ids_of(contents, "kidneyLabs")


def test_what_cannot_be_read_of_another_result_is_of_no_interest(serve: Serve, today: date) -> None:
    other = laboratory("sodium", fhir.concept("2951-2", "loinc"), today) | {"status": 5}
    contents = fetched(serve(only_by_category(today, other)))
    assert contents["kidneyLabs"].unread == ()
    mine = laboratory("mine", fhir.concept(fhir.EGFR, "loinc"), today) | {"status": 5}
    contents = fetched(serve(only_by_category(today, mine)))
    assert [lost.resource for lost in contents["kidneyLabs"].unread] == ["Observation/mine"]


def laboratory(id: str, code: dict[str, Any], today: date) -> dict[str, Any]:
    result = fhir.observation(fhir.EGFR, 20, None, 1, id=id, today=today)
    return result | {"code": code, "category": [fhir.concept("laboratory", "urn:category")]}


def only_by_category(today: date, more: dict[str, Any]) -> Callable[[Asked], Reply]:
    """A server that refuses lists of codes, and has one more resource."""
    store = Store([*resources(today, "codelist"), more])

    def answer(asked: Asked) -> Reply:
        return say(REFUSED, 400) if "," in asked.query.get("code", "") else usually(store, asked)

    return answer


def test_results_are_asked_for_unsorted_where_sorting_is_refused(serve: Serve, today: date) -> None:
    server = serve(having("nosort", today))
    contents = fetched(server)
    assert ids_of(contents, "kidneyLabs")[0] == "egfr-0"
    assert not contents["kidneyLabs"].partial
    assert not contents["pregnancyStatus"].partial


def test_where_lists_and_sorting_are_both_refused_the_last_form_remains(
    serve: Serve, today: date
) -> None:
    def refuses(asked: Asked) -> bool:
        return "," in asked.query.get("code", "") or "_sort" in asked.query

    contents = fetched(serve(refusing(today, refuses)))
    assert ids_of(contents, "kidneyLabs") == ["egfr-0", "egfr-1", "egfr-2", "egfr-3"]


def test_procedures_are_asked_for_without_codes_where_a_list_is_refused(
    serve: Serve, today: date
) -> None:
    done = [
        fhir.procedure("70536003", 3000, id="transplant", today=today),
        fhir.procedure("80146002", 30, id="appendix", today=today),
    ]
    store = Store([*resources(today, "usual"), *done])

    def answer(asked: Asked) -> Reply:
        return say(REFUSED, 400) if "," in asked.query.get("code", "") else usually(store, asked)

    contents = fetched(serve(answer))
    assert ids_of(contents, "kidneyProcedures") == ["transplant"]


def test_orders_are_asked_for_without_an_include_where_that_is_refused(
    serve: Serve, today: date
) -> None:
    contents = fetched(serve(refusing(today, lambda asked: "_include" in asked.query)))
    assert contents["medicationRequests"].known


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_only_a_refused_search_is_asked_in_another_form(
    serve: Serve, today: date, status: int
) -> None:
    server = serve(refusing(today, lambda asked: asked.what == "Condition", status))
    assert not fetched(server)["conditions"].known
    assert len(server.of("Condition")) == 1


def test_where_every_form_is_refused_the_key_is_not_known(serve: Serve, today: date) -> None:
    server = serve(refusing(today, lambda asked: asked.what == "Observation"))
    contents = fetched(server)
    for key in ("kidneyLabs", "magnesiumLabs", "pregnancyStatus"):
        assert not contents[key].known
        assert (
            in_words(contents[key].why)
            == "was not sent, and the FHIR server answered with status 400"
        )
    assert len(server.of("Observation")) == sum(
        len(FORMS[key]) for key in ("kidneyLabs", "magnesiumLabs", "pregnancyStatus")
    )


def test_a_refusal_of_a_later_page_is_no_reason_for_another_form(serve: Serve, today: date) -> None:
    def answer(asked: Asked) -> Reply:
        if "page" in asked.query:
            return say(REFUSED, 400)
        found = store.search("Condition", asked.query)
        link = [{"relation": "next", "url": "?page=2"}]
        is_it = asked.what == "Condition"
        return say(bundle(found, total=99, link=link)) if is_it else usually(store, asked)

    store = Store(resources(today, "usual"))
    server = serve(answer)
    contents = fetched(server)
    assert len(server.of("Condition")) == 2
    assert contents["conditions"].partial


def test_other_forms_are_tried_within_the_time_of_the_call(serve: Serve, today: date) -> None:
    def refuses(asked: Asked) -> bool:
        if asked.what != "Observation":
            return False
        time.sleep(0.3)
        return True

    started = time.monotonic()
    contents = fetched(
        serve(refusing(today, refuses)), bounds=Bounds(seconds=0.5, request_seconds=0.5)
    )
    assert time.monotonic() - started < 1.5
    assert "in time" in in_words(contents["kidneyLabs"].why)


# ---------------------------------------------------------------- what a server takes


def twice(server: Ehr, **marks: Any) -> list[int]:
    """How many requests two calls make, one after the other."""
    fetching = Fetching([Server(url=server.base, open=True, **marks)], Bounds())
    counts = []
    try:
        for _ in range(2):
            before = len(server.asked)
            assert fetching.complete(question(server))["conditions"].known
            counts.append(len(server.asked) - before)
    finally:
        fetching.close()
    return counts


def test_the_form_that_worked_is_remembered(serve: Serve, today: date) -> None:
    server = serve(having("category", today))
    assert twice(server) == [len(TEMPLATES) + 2, len(TEMPLATES) + 1]


def test_what_was_remembered_is_forgotten_after_a_while(
    serve: Serve, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED_SECONDS", 0.0)
    server = serve(having("category", today))
    assert twice(server) == [len(TEMPLATES) + 2, len(TEMPLATES) + 2]


def test_a_configured_form_is_asked_first(serve: Serve, today: date) -> None:
    server = serve(having("category", today))
    assert twice(server, forms=("conditions:category",)) == [len(TEMPLATES) + 1] * 2


def test_a_configured_form_that_is_refused_is_given_up(serve: Serve, today: date) -> None:
    server = serve(refusing(today, lambda asked: "intent" in asked.query))
    asked = twice(server, forms=("medicationRequests:intent",))
    assert asked == [len(TEMPLATES) + 1, len(TEMPLATES)]


def test_what_one_of_two_searches_found_is_kept_where_the_other_is_refused(
    serve: Serve, today: date
) -> None:
    """The template is refused too, so there is no better form."""
    server = serve(
        refusing(
            today,
            lambda asked: (
                asked.what == "Condition" and asked.query.get("category") != "problem-list-item"
            ),
        )
    )
    found = fetched(server, forms=("conditions:category",))
    assert ids_of(found, "conditions") == ["c1", "c2", "c3", "c5"]
    assert found["conditions"].partial
    assert len(server.of("Condition")) == 2


def test_nothing_is_learnt_of_a_server_that_refuses_every_form(serve: Serve, today: date) -> None:
    server = serve(refusing(today, lambda asked: asked.what == "Observation"))
    first, second = twice(server)
    assert first == second


def test_forms_stand_in_the_list_of_servers() -> None:
    text = "https://a.example/r4 form=conditions:category form=kidneyLabs:category open"
    (server,) = read_settings({"CDS_FHIR_SERVERS": text}).fhir_servers
    assert server.forms == ("conditions:category", "kidneyLabs:category")
    assert server.open
    assert server.form_of("conditions") == "category"
    assert server.form_of("magnesiumLabs") == "template"


@pytest.mark.parametrize("form", ["conditions:intent", "conditions", "x:category", ""])
def test_a_form_that_does_not_exist_is_refused_at_the_start(form: str) -> None:
    assert not is_form(form)
    with pytest.raises(SettingsError):
        read_settings({"CDS_FHIR_SERVERS": f"https://a.example/r4 form={form}"})
