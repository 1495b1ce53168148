"""What every card must look like, and what a card offers in the words of the scenarios."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from xml.etree import ElementTree as ET

from .fhir import SYSTEMS, Resource, orders_in
from .logical_models import broken_rules, violations

Card = dict[str, Any]

DECISION = "org.magnesium-migraine.decision"
SEVERITIES = ("critical", "warning", "info")
MOST_CARDS = 3
SUMMARY_LIMIT = 140
SOURCE_LABEL = "Magnesium and migraine rules v2"
DETAIL_LIMIT = 1300  # of a suggestion card (SPEC 12.5 S-8)
OVERRIDE_SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"

_CARD_NAMES = {
    *("uuid", "summary", "detail", "indicator", "source", "suggestions", "selectionBehavior"),
    *("overrideReasons", "links", "extension"),
}
_SUGGESTION_NAMES = {"label", "uuid", "isRecommended", "actions", "extension"}
_ACTION_NAMES = {"type", "description", "resource", "resourceId", "extension"}
_LINK_NAMES = {"label", "url", "type", "appContext", "autolaunchable", "extension"}
_KIDNEY_CLASSES = {"NORMAL", "MODERATE", "SEVERE", "UNKNOWN"}


# --------------------------------------------------------------------- reading


def decision(card: Card) -> dict[str, Any]:
    """The reason of a card; lists that are left out because they are empty are empty here."""
    lists: dict[str, Any] = {"because": [], "cautions": [], "unknown": []}
    return {**lists, **card["extension"][DECISION]}


def card_id(card: Card) -> str:
    return str(decision(card)["card"])


def unknown_keys(card: Card) -> list[str]:
    """The prefetch keys of which the card says that they were not known."""
    unknown = decision(card).get("unknown", [])
    return [item if isinstance(item, str) else item["key"] for item in unknown]


def suggestions(card: Card) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = card.get("suggestions", [])
    return found


def actions(card: Card) -> list[dict[str, Any]]:
    return [action for each in suggestions(card) for action in each.get("actions", [])]


def offers(card: Card) -> list[str]:
    """The suggestions in order: labs, mg 200->400, mg perimenstrual 360, delete, update 200."""
    named = [offer(suggestion) for suggestion in suggestions(card)]
    return [name for n, name in enumerate(named) if name != "labs" or "labs" not in named[:n]]


def recommended(card: Card) -> list[str]:
    named = [offer(each) for each in suggestions(card) if each.get("isRecommended")]
    return [name for n, name in enumerate(named) if name not in named[:n]]


def offer(suggestion: Mapping[str, Any]) -> str:
    done = suggestion.get("actions", [])
    kinds = {(a["type"], (a.get("resource") or {}).get("resourceType")) for a in done}
    if kinds == {("create", "ServiceRequest")}:
        return "labs"
    if len(done) != 1:
        return f"? {sorted(map(str, kinds))}"
    return _single_offer(done[0])


def _single_offer(action: Mapping[str, Any]) -> str:
    if action["type"] == "delete":
        return "delete"
    steps = daily_doses(action["resource"])
    if action["type"] == "update":
        return f"update {max(steps):g}"
    if is_perimenstrual(action["resource"]):
        return f"mg perimenstrual {steps[0]:g}"
    return "mg " + "->".join(f"{step:g}" for step in steps)


def is_perimenstrual(order: Resource) -> bool:
    return "cycle day" in str(order.get("dosageInstruction")).lower()


def daily_doses(order: Resource) -> list[float]:
    """Milligrams a day of each dosage step. Instructions with one `sequence` are one step."""
    steps: dict[int, float] = {}
    for number, instruction in enumerate(order["dosageInstruction"]):
        step = instruction.get("sequence", -number)
        steps[step] = steps.get(step, 0) + _daily(instruction)
    return list(steps.values())


_TIMES_IN_WORDS = {"once": 1, "twice": 2, "three times": 3}


def _daily(instruction: Mapping[str, Any]) -> float:
    """The dose in a day. The perimenstrual plan says how often in words alone (SPEC 12.5 S-7)."""
    quantity = instruction["doseAndRate"][0]["doseQuantity"]
    assert quantity["code"] == "mg", f"a dose in {quantity}"
    repeat = instruction.get("timing", {}).get("repeat", {})
    if "frequency" not in repeat and "when" in repeat:
        return float(quantity["value"]) * len(repeat["when"])
    if "frequency" not in repeat:
        (times,) = [n for said, n in _TIMES_IN_WORDS.items() if f" {said} " in instruction["text"]]
        return float(quantity["value"]) * times
    assert (repeat["period"], repeat["periodUnit"]) == (1, "d"), f"a timing of {repeat}"
    return float(quantity["value"]) * float(repeat["frequency"])


def lab_codes(card: Card) -> set[str]:
    """The LOINC codes of all laboratory orders that the card offers."""
    return {
        coding["code"]
        for action in actions(card)
        if (resource := action.get("resource") or {}).get("resourceType") == "ServiceRequest"
        for coding in resource["code"]["coding"]
    }


def created_drafts(card: Card) -> list[Resource]:
    """The medication orders that the card offers to write."""
    offered = [action["resource"] for action in actions(card) if action["type"] == "create"]
    return [order for order in offered if order["resourceType"] == "MedicationRequest"]


def text_of(card: Card) -> str:
    return f"{card['summary']}\n{card.get('detail', '')}"


def without_uuids(value: Any) -> Any:
    """A copy without any `uuid`, to compare answers that must otherwise be equal."""
    if isinstance(value, dict):
        return {name: without_uuids(item) for name, item in value.items() if name != "uuid"}
    if isinstance(value, list):
        return [without_uuids(item) for item in value]
    return value


def uuids(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "uuid":
                yield item
            else:
                yield from uuids(item)
    elif isinstance(value, list):
        for item in value:
            yield from uuids(item)


# -------------------------------------------------------------------- checking


def assert_valid_answer(answer: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """The whole answer of a hook call (CHECKLIST R-1..R-3; SPEC 6.5)."""
    assert [*violations("response", answer), *broken_rules(answer)] == []
    cards = answer["cards"]
    assert isinstance(cards, list)
    assert len(cards) <= MOST_CARDS, f"{len(cards)} cards"
    ranks = [SEVERITIES.index(card["indicator"]) for card in cards]
    assert ranks == sorted(ranks), f"not the most serious first: {ranks}"
    for card in cards:
        assert_valid_card(card, body)
    every = list(uuids(cards))
    assert len(every) == len(set(every)), "a uuid is used twice"


def assert_valid_card(card: Card, body: Mapping[str, Any]) -> None:
    """A card by CHECKLIST J, K, S, A, L, the contract and SPEC 6.6."""
    _only(card, _CARD_NAMES, "card")
    assert_no_empty(card, "card")
    assert_uuid(card["uuid"])
    _assert_texts(card)
    _assert_source(card["source"])
    _assert_suggestions(card, body)
    _assert_override_reasons(card)
    for link in card.get("links", []):
        _assert_link(link)
    _assert_decision(card)


def assert_no_empty(value: Any, where: str) -> None:
    """J-5: no null, no empty string, list or object anywhere."""
    assert value is not None, f"null at {where}"
    if isinstance(value, str):
        assert value.strip(), f"empty text at {where}"
    elif isinstance(value, dict):
        assert value, f"empty object at {where}"
        for name, item in value.items():
            assert_no_empty(item, f"{where}.{name}")
    elif isinstance(value, list):
        assert value, f"empty list at {where}"
        for number, item in enumerate(value):
            assert_no_empty(item, f"{where}[{number}]")


def assert_uuid(value: Any) -> None:
    assert isinstance(value, str), f"no UUID: {value!r}"
    assert str(UUID(value)) == value.lower(), f"no UUID: {value!r}"


def assert_absolute(url: Any) -> None:
    parts = urlsplit(url)
    assert parts.scheme in {"http", "https"}, f"no absolute URL: {url!r}"
    assert parts.netloc, f"no absolute URL: {url!r}"


def _only(value: Mapping[str, Any], names: set[str], what: str) -> None:
    unknown = set(value) - names
    assert not unknown, f"{what} has {sorted(unknown)}, not in the specification"


def _assert_texts(card: Card) -> None:
    summary = card["summary"]
    assert isinstance(summary, str)
    assert len(summary) < SUMMARY_LIMIT, f"{len(summary)} characters: {summary!r}"
    assert "\n" not in summary, f"a summary of several lines: {summary!r}"
    assert "{" not in summary, f"an unfilled summary: {summary!r}"
    assert card["indicator"] in SEVERITIES
    detail = card.get("detail", "")
    assert isinstance(detail, str)
    assert not card_id(card).startswith("mg-") or len(detail) <= DETAIL_LIMIT, f"{len(detail)} long"


def _assert_source(source: Any) -> None:
    _only(source, {"label", "url", "icon", "topic"}, "source")
    assert source["label"].startswith(SOURCE_LABEL)
    assert_absolute(source["url"])
    assert {"system", "code"} <= set(source["topic"]), f"half a coding: {source['topic']}"


def _assert_suggestions(card: Card, body: Mapping[str, Any]) -> None:
    offered = suggestions(card)
    behavior = card.get("selectionBehavior")
    assert bool(offered) == (behavior is not None), "selectionBehavior only with suggestions (K-11)"
    if not offered:
        return
    assert behavior == selection_behavior(offers(card)), f"{behavior!r} (SPEC 6.6, 12.5 S-6)"
    for suggestion in offered:
        _only(suggestion, _SUGGESTION_NAMES, "suggestion")
        assert isinstance(suggestion["label"], str)
        assert_uuid(suggestion["uuid"])
        assert isinstance(suggestion.get("isRecommended", False), bool)
        for action in suggestion.get("actions", []):
            _assert_action(action, body)
    best = [each for each in offered if each.get("isRecommended")]
    assert behavior != "at-most-one" or len(best) <= 1, "two recommended, at most one (S-3)"


def selection_behavior(offered: Sequence[str]) -> str:
    """SPEC 6.6: any with labs, at most one with drafts only; S-6: with two plans at most one."""
    plans = [offer for offer in offered if offer.startswith("mg ")]
    return "any" if "labs" in offered and len(plans) < 2 else "at-most-one"


def _assert_action(action: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    _only(action, _ACTION_NAMES, "action")
    assert isinstance(action["description"], str)
    check = {"create": _assert_create, "update": _assert_update, "delete": _assert_delete}
    check[action["type"]](action, body)


def _assert_create(action: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    resource = action["resource"]
    assert "resourceId" not in action
    assert_r4(resource)
    assert_narrative(resource)
    assert resource["subject"]["reference"] == f"Patient/{body['context']['patientId']}"
    assert (resource["status"], resource["intent"]) == ("draft", "proposal")


def _assert_update(action: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    resource = action["resource"]
    assert f"{resource['resourceType']}/{resource['id']}" in draft_references(body)
    assert_r4(resource)
    assert_narrative(resource)


def _assert_delete(action: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    assert "resource" not in action, "a delete carries no resource (A-6)"
    assert action["resourceId"] in draft_references(body), f"no draft {action['resourceId']}"


def draft_references(body: Mapping[str, Any]) -> set[str]:
    bundle = orders_in(dict(body)) or {}
    return {
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle.get("entry", [])
        if "id" in entry.get("resource", {})
    }


def assert_r4(resource: Resource) -> None:
    """The resource is valid FHIR, read by the R4B models."""
    from fhir.resources.R4B import get_fhir_model_class

    model = get_fhir_model_class(resource["resourceType"])
    model.model_validate(resource)


_XHTML = "{http://www.w3.org/1999/xhtml}"
_IN_NARRATIVE = frozenset(f"{_XHTML}{name}" for name in ("div", "p", "ul", "li"))


def assert_narrative(resource: Resource) -> str:
    """The narrative of a resource: generated, well-formed XHTML in a language. Returns its words."""
    text = resource["text"]
    assert text["status"] == "generated"
    div = ET.fromstring(text["div"])  # noqa: S314 - the service's own answer
    assert div.tag == f"{_XHTML}div"
    assert {element.tag for element in div.iter()} <= _IN_NARRATIVE
    language = div.get("lang")
    assert language
    assert div.attrib == {
        "lang": language,
        "{http://www.w3.org/XML/1998/namespace}lang": language,
    }
    assert all(not element.attrib for element in div.iter() if element is not div)
    words = " ".join(" ".join(div.itertext()).split())
    assert words
    return words


def _assert_override_reasons(card: Card) -> None:
    reasons = card.get("overrideReasons", [])
    for reason in reasons:
        assert {"code", "system", "display"} <= set(reason), f"incomplete {reason} (K-13, K-14)"
    if reasons:
        assert OVERRIDE_SYSTEM in {reason["system"] for reason in reasons}


def _assert_link(link: Mapping[str, Any]) -> None:
    _only(link, _LINK_NAMES, "link")
    assert isinstance(link["label"], str)
    assert link["type"] in {"absolute", "smart"}
    assert_absolute(link["url"])
    assert "appContext" not in link or link["type"] == "smart", "appContext only for smart (L-4)"


_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}")


def _assert_decision(card: Card) -> None:
    why = decision(card)
    assert isinstance(why["card"], str)
    assert re.fullmatch(r"[^+\s]+\+[^+\s]+", why["knowledge"]), f"knowledge {why['knowledge']!r}"
    for reason in why.get("because", []):
        _assert_reason(reason)
    assert why["kidney"]["class"] in _KIDNEY_CLASSES
    assert isinstance(why.get("unknown", []), list)
    assert all(isinstance(item, str) for item in why.get("cautions", [])), f"{why['cautions']}"


def _assert_reason(reason: Mapping[str, Any]) -> None:
    assert isinstance(reason["fact"], str)
    if "resource" in reason:
        assert _REFERENCE.fullmatch(reason["resource"]), f"no reference: {reason['resource']!r}"
    if "coding" in reason:
        assert {"system", "code"} <= set(reason["coding"]), f"half a coding: {reason['coding']}"


def loinc(code: str) -> dict[str, str]:
    return {"system": SYSTEMS["loinc"], "code": code}


def most_severe(cards: Sequence[Card]) -> str | None:
    """The highest indicator of an answer."""
    return min((card["indicator"] for card in cards), key=SEVERITIES.index, default=None)
