"""With a catalogue in another language nothing on cards and in `/explain` is left in English.

Each sentence of the knowledge is spelt with other letters, placeholders kept. What is then still in
plain letters comes from the code, or from the request: names and displays of the chart, and codes.
"""

from __future__ import annotations

import copy
import html
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from functools import cache
from random import Random
from typing import Any

import msgspec

from cards.explanation import explanation
from cds_service.hooks.answering import Answering
from cds_service.hooks.envelope import read_call
from cds_service.hooks.errors import BadCallError
from cds_service.knowledge.loader import Knowledge
from cds_service.site.force import InForce

from ..property import calls
from ..support.decisions import knowledge

Json = dict[str, Any]

_PLAIN = "abcdefghijklmnopqrstuvwxyz"
_ODD = "áƀçðéƒğħíĵķłɱñóþɋřšţúṽŵẋýž"
_LETTERS = str.maketrans(_PLAIN + _PLAIN.upper(), _ODD + _ODD.upper())
_PLACE = re.compile(r"(\{[^{}]*\})")
_WORD = re.compile(r"[A-Za-z]{2,}")

SENTENCES: Mapping[str, frozenset[str]] = {
    "wording": frozenset({"texts", "reasons"}),
    "cards": frozenset({"summary", "variants"}),
    "policy": frozenset({"label", "labels", "title", "text"}),
    "plans": frozenset({"in_words", "note", "note_specific", "text", "timing"}),
    "interactions": frozenset({"advice"}),
    "evidence": frozenset({"card"}),
    "override_reasons": frozenset({"display"}),
}
"""The fields of the knowledge that hold sentences, by its part."""

NOT_WORDS = frozenset(
    """
    mg ml min dl mmol meq umol
    egfr creatinine diagnosis procedure
    patient conditions medicationrequests medicationstatements allergies kidneylabs magnesiumlabs
    pregnancystatus kidneyprocedures draftorders
    condition medicationrequest medicationstatement medication observation allergyintolerance
    normal moderate severe unknown rf migraine
    magnesium preventive acute diuretic
    suppressed throttled error refuted unconfirmed
    injectable inhaled local
    entry without id draft
    """.split()  # noqa: SIM905
)
"""Units, prefetch keys, resource types, kidney classes, ids of facts, codes of issues and statuses, what
an order is to the rules (which programs compare), routes, and the names of places without an id."""

FORMS: tuple[Any, ...] = (
    None,
    5,
    {"resourceType": "Basic", "id": "x"},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "throttled"}]},
    {"resourceType": "Bundle", "type": "searchset", "entry": 5},
    {"resourceType": "Bundle", "type": "searchset", "entry": [1, {}]},
    {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": "x"}]},
)
"""What may stand under a key that is damaged; `None` stands for nothing at all."""


def pseudo(text: str) -> str:
    """The text in other letters, its placeholders kept."""
    parts = _PLACE.split(text)
    return "".join(p if _PLACE.fullmatch(p) else p.translate(_LETTERS) for p in parts)


def respelt(part: Any, fields: frozenset[str], *, inside: bool = False) -> Any:
    """A part of the knowledge with its sentences in other letters."""
    if isinstance(part, str):
        return pseudo(part) if inside else part
    if isinstance(part, tuple):
        return tuple(respelt(item, fields, inside=inside) for item in part)
    if isinstance(part, dict):
        return {name: respelt(value, fields, inside=inside) for name, value in part.items()}
    if isinstance(part, msgspec.Struct):
        values = {
            name: respelt(getattr(part, name), fields, inside=name in fields)
            for name in part.__struct_fields__
        }
        return msgspec.structs.replace(part, **values)
    return part


@cache
def pseudo_knowledge() -> Knowledge:
    known = knowledge()
    parts = {name: respelt(getattr(known, name), fields) for name, fields in SENTENCES.items()}
    return msgspec.structs.replace(known, **parts)


# ------------------------------------------------------------------------------- the calls


def bodies() -> Iterator[tuple[str, Json, datetime]]:
    """Each scenario and bundled patient as it is, and with one key damaged."""
    random = Random(15)  # noqa: S311
    for call in (*calls.scenarios(), *calls.sandbox()):
        body = call.load()
        if body is None:
            continue
        now = datetime.combine(call.day, time(12), UTC)
        yield call.name, body, now
        damaged = copy.deepcopy(body)
        key, form = random.choice(sorted(damaged["prefetch"])), random.choice(FORMS)
        if form is None:
            del damaged["prefetch"][key]
        else:
            damaged["prefetch"][key] = form
        yield f"{call.name}, {key} damaged", damaged, now


def accounts() -> Iterator[tuple[str, Json, Json | None, list[str]]]:
    """What the service says in the other language: the account, or the texts of a refusal."""
    for name, body, now in bodies():
        answering = Answering(InForce(pseudo_knowledge()), lambda now=now: now)  # type: ignore[misc]
        call = read_call(msgspec.json.encode(body), body["hook"])
        try:
            answer = answering.answer(call, "https://cds.example.org", complete=True)
        except BadCallError as refused:
            yield name, body, None, [issue.text for issue in refused.issues]
        else:
            yield name, body, explanation(answer.decision, answer.cards, pseudo_knowledge()), []


# --------------------------------------------------------------------- what a clinician reads


def shown(account: Json) -> Iterator[str]:
    """The texts of an account: not ids, codes, references, and what comes from the chart alone."""
    for fact in account["facts"]:
        yield from (fact.get("why", ""), fact.get("label", ""))
        yield from (e.get("note", "") for e in fact.get("evidence", ()))
    kidney = account["kidney"]
    yield from (
        kidney.get("reason", ""),
        kidney.get("why", ""),
        account["magnesium"].get("why", ""),
    )
    for rows in ("rules", "unknown", "notReadable"):
        yield from (row.get("why", "") for row in account[rows])
    for row in account["setAside"]:
        yield from (row.get("what", ""), row["why"])
    for card in account["cards"]:
        yield from _of_card(card)


def _of_card(card: Json) -> Iterator[str]:
    yield from (card["summary"], card["detail"], card["source"]["label"])
    yield card["source"]["topic"]["display"]
    yield from (link["label"] for link in card["links"])
    yield from (reason["display"] for reason in card["overrideReasons"])
    reason = card["extension"]["org.magnesium-migraine.decision"]
    yield from (gap["why"] for gap in reason.get("unknown", ()))
    for suggestion in card.get("suggestions", ()):
        yield suggestion["label"]
        for action in suggestion["actions"]:
            yield action["description"]
            if action["type"] == "create":
                yield from _of_draft(action["resource"])


def _of_draft(draft: Json) -> Iterator[str]:
    """The texts of a draft order, without codes, their displays, and units."""
    for name in ("medicationCodeableConcept", "code"):
        yield draft.get(name, {}).get("text", "")
    yield from (note["text"] for note in draft.get("note", ()))
    yield from (reason.get("text", "") for reason in draft.get("reasonCode", ()))
    yield draft.get("dispenseRequest", {}).get("quantity", {}).get("unit", "")
    for instruction in draft.get("dosageInstruction", ()):
        yield from (instruction["text"], instruction.get("patientInstruction", ""))
        yield instruction["timing"].get("code", {}).get("text", "")


def _words(text: str) -> list[str]:
    """The words in plain letters, in lower case: a line begins with a capital."""
    return _WORD.findall(text.lower())


def words_sent(body: Any) -> Iterator[str]:
    """The words of the values of a request, not those of its names."""
    if isinstance(body, dict):
        for value in body.values():
            yield from words_sent(value)
    elif isinstance(body, list):
        for item in body:
            yield from words_sent(item)
    elif isinstance(body, str):
        yield from _words(body)


@cache
def named_by_code() -> Mapping[str, frozenset[str]]:
    """By code, the words of its display in the knowledge, which stands where the chart has none."""
    found: dict[str, frozenset[str]] = {}
    for value_set in knowledge().sets.values():
        for code in value_set.codes:
            words = frozenset(_words(code.display))
            found[code.code] = found.get(code.code, frozenset()) | words
    return found


@cache
def names_of_drugs() -> frozenset[str]:
    ingredients = json.loads(_data("rxnorm/ingredients.json"))
    said = [row[0] for row in ingredients.values()]
    return frozenset(word for name in said for word in _words(name))


def _data(name: str) -> bytes:
    from importlib.resources import files

    return files("cds_service.knowledge").joinpath("data", name).read_bytes()


def left_over(text: str, body: Json) -> list[str]:
    """The words of a text in plain letters that are neither of the request nor names and codes."""
    words = set(_words(html.unescape(text).replace("\\", "")))
    words -= NOT_WORDS
    if words:
        words -= set(words_sent(body)) | names_of_drugs()
    if words:
        codes = re.findall(r"[\w.-]+", json.dumps(body))
        words -= {word for code in codes for word in named_by_code().get(code, ())}
    return sorted(words)


def test_nothing_is_left_in_english() -> None:
    left: dict[str, str] = {}
    answered = refused = 0
    for name, body, account, texts in accounts():
        answered, refused = answered + (account is not None), refused + (account is None)
        for text in shown(account) if account is not None else texts:
            for word in left_over(text, body):
                left.setdefault(word, f"{name}: {text[:200]}")
    assert left == {}
    assert answered > 1000
    assert refused > 50


def test_the_sentences_are_respelt() -> None:
    assert pseudo("was {days} days ago") == "ŵáš {days} ðáýš áğó"
    assert pseudo_knowledge().wording.reasons["not-sent"] == "ŵáš ñóţ šéñţ"
    assert pseudo_knowledge().policy.cautions[0].id == knowledge().policy.cautions[0].id


def test_an_english_word_is_seen() -> None:
    assert left_over("ŵáš not šéñţ by Ann", {"name": "Ann"}) == ["by", "not"]
