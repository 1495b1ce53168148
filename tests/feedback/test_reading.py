"""Bodies of feedback calls, and what is kept of them (CHECKLIST B-2 to B-8)."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from cds_service.feedback.reading import MOST_ITEMS, KnownReasons, Reader
from cds_service.hooks.errors import BadCallError
from cds_service.knowledge.model import OverrideReason
from cds_service.store.records import Feedback, Outcome

SYSTEM = "https://example.org/reasons"
REASONS = (
    OverrideReason(SYSTEM, "refuses", "Refuses"),
    OverrideReason(SYSTEM, "twice", "One of two"),
    OverrideReason("https://example.org/other", "twice", "Two of two"),
)
CARD = "4e0a3a1e-3283-4575-ab82-028d55fe2719"
SUGGESTION = "e56e1945-20b3-4393-8503-a1a20fd73152"
TIME = "2026-11-22T09:30:00Z"

Json = dict[str, Any]


def accepted(**changes: Any) -> Json:
    item: Json = {
        "card": CARD,
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": SUGGESTION}],
        "outcomeTimestamp": TIME,
    }
    return {name: value for name, value in {**item, **changes}.items() if value is not ...}


def overridden(**changes: Any) -> Json:
    return accepted(**{"outcome": "overridden", "acceptedSuggestions": ..., **changes})


def read_all(body: Any, *, keep_comments: bool = False) -> list[Feedback]:
    reader = Reader(KnownReasons(REASONS), keep_comments=keep_comments)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reader.read(raw, "a-service", "a-client")


def read(item: Json, **options: bool) -> Feedback:
    [found] = read_all({"feedback": [item]}, **options)
    return found


def refusal(body: Any) -> dict[str, str]:
    with pytest.raises(BadCallError) as refused:
        read_all(body)
    assert refused.value.status == 400
    return {issue.where: issue.text for issue in refused.value.issues}


def test_an_accepted_suggestion() -> None:
    found = read(accepted())
    assert (found.card, found.outcome, found.suggestions) == (
        CARD,
        Outcome.ACCEPTED,
        (SUGGESTION,),
    )
    assert (found.service, found.client) == ("a-service", "a-client")
    assert found.at.isoformat() == "2026-11-22T09:30:00+00:00"


def test_an_override_without_a_reason() -> None:
    found = read(overridden())
    assert (found.outcome, found.reason, found.suggestions) == (Outcome.OVERRIDDEN, "", ())


@pytest.mark.parametrize(
    ("coding", "kept"),
    [
        ({"code": "refuses", "system": SYSTEM, "display": "Refuses"}, f"{SYSTEM}|refuses"),
        ({"code": "refuses", "system": SYSTEM}, f"{SYSTEM}|refuses"),
        ({"code": "refuses"}, f"{SYSTEM}|refuses"),
        ({"code": "refuses", "system": None}, f"{SYSTEM}|refuses"),
        ({"code": "twice"}, "other"),
        ({"code": "Mrs Miller said no", "system": SYSTEM}, "other"),
        ({"code": "refuses", "system": "https://example.org/elsewhere"}, "other"),
    ],
)
def test_only_reasons_that_cards_offer_are_kept(coding: Json, kept: str) -> None:
    assert read(overridden(overrideReason={"reason": coding})).reason == kept


def test_comments_are_kept_only_where_that_is_asked_for() -> None:
    item = overridden(overrideReason={"userComment": "She is \x00pregnant \ud800"})
    assert read(item).comment == ""
    assert read(item, keep_comments=True).comment == "She is pregnant ?"


def test_several_items_in_their_order() -> None:
    other = str(uuid4())
    found = read_all({"feedback": [accepted(), overridden(card=other), overridden()]})
    assert [item.card for item in found] == [CARD, other, CARD]
    assert len({item.digest for item in found}) == 3


def test_no_items_are_no_error() -> None:
    assert read_all({"feedback": []}) == []


def test_one_item_without_the_array_around_it() -> None:
    """As drafts of 1.1 have it."""
    assert read_all(overridden()) == [read(overridden())]


@pytest.mark.parametrize(
    "same",
    [
        accepted(outcomeTimestamp="2026-11-22T09:30:00.000Z"),
        accepted(outcomeTimestamp="2026-11-22T10:30:00+01:00"),
        accepted(card=CARD.upper()) | {"card": CARD},
        accepted(acceptedSuggestions=[{"id": SUGGESTION}, {"id": SUGGESTION}]),
        accepted(extension={"org.example": 1}),
        accepted(overrideReason={"reason": {"code": "refuses"}}),
        accepted(overrideReason=None),
    ],
)
def test_the_same_said_in_another_way_is_the_same_item(same: Json) -> None:
    assert read(same).digest == read(accepted()).digest


@pytest.mark.parametrize(
    "other",
    [
        accepted(outcomeTimestamp="2026-11-22T09:30:00.001Z"),
        accepted(card=str(uuid4())),
        accepted(acceptedSuggestions=[{"id": SUGGESTION}, {"id": str(uuid4())}]),
        overridden(),
        overridden(overrideReason={"reason": {"code": "refuses"}}),
    ],
)
def test_whatever_differs_is_another_item(other: Json) -> None:
    assert read(other).digest != read(accepted()).digest


@pytest.mark.parametrize("card", ["John Miller, born 1970", "123", CARD + "0"])
def test_a_card_that_is_no_uuid_is_none_of_ours_and_not_kept(card: str) -> None:
    found = read(accepted(card=card, acceptedSuggestions=[{"id": card}]))
    assert (found.card, found.suggestions) == ("", ())
    assert card not in str(found)


@pytest.mark.parametrize("form", [CARD.upper(), f"urn:uuid:{CARD}", f" {CARD} "])
def test_a_uuid_is_kept_in_its_usual_form(form: str) -> None:
    assert read(accepted(card=form)).card == CARD


@pytest.mark.parametrize(
    ("item", "field", "text"),
    [
        ("text", "", "must be an object"),
        (None, "", "must be an object"),
        (accepted(card=...), ".card", "is missing"),
        (accepted(card=None), ".card", "is missing"),
        (accepted(card=7), ".card", "must be a string"),
        (accepted(card=" "), ".card", "must not be empty"),
        (accepted(outcome=...), ".outcome", "is missing"),
        (accepted(outcome="ignored"), ".outcome", 'must be "accepted" or "overridden"'),
        (accepted(outcome="Accepted"), ".outcome", 'must be "accepted" or "overridden"'),
        (accepted(outcome=["accepted"]), ".outcome", "must be a string"),
        (accepted(outcomeTimestamp=...), ".outcomeTimestamp", "is missing"),
        (accepted(outcomeTimestamp=1763802000), ".outcomeTimestamp", "must be a string"),
        (
            accepted(outcomeTimestamp="2026-11-22"),
            ".outcomeTimestamp",
            "must be an RFC 3339 date-time in UTC, like 2026-11-22T09:30:00Z",
        ),
        (
            accepted(acceptedSuggestions=...),
            ".acceptedSuggestions",
            "is missing: it is required with the outcome accepted",
        ),
        (accepted(acceptedSuggestions=[]), ".acceptedSuggestions", "must not be empty"),
        (accepted(acceptedSuggestions={}), ".acceptedSuggestions", "must be an array"),
        (accepted(acceptedSuggestions=["x"]), ".acceptedSuggestions[0]", "must be an object"),
        (
            accepted(acceptedSuggestions=[{"id": SUGGESTION}, {}]),
            ".acceptedSuggestions[1].id",
            "is missing",
        ),
        (overridden(acceptedSuggestions="x"), ".acceptedSuggestions", "must be an array"),
        (overridden(overrideReason="no"), ".overrideReason", "must be an object"),
        (
            overridden(overrideReason={}),
            ".overrideReason",
            "must have a reason, a userComment, or both",
        ),
        (
            overridden(overrideReason={"reason": "no"}),
            ".overrideReason.reason",
            "must be an object",
        ),
        (overridden(overrideReason={"reason": {}}), ".overrideReason.reason.code", "is missing"),
        (
            overridden(overrideReason={"reason": {"code": 1}}),
            ".overrideReason.reason.code",
            "must be a string",
        ),
        (
            overridden(overrideReason={"reason": {"code": "a", "system": 1}}),
            ".overrideReason.reason.system",
            "must be a string",
        ),
        (
            overridden(overrideReason={"userComment": 1}),
            ".overrideReason.userComment",
            "must be a string",
        ),
    ],
)
def test_a_bad_item_is_named_by_index_and_field(item: Any, field: str, text: str) -> None:
    assert refusal({"feedback": [accepted(), item]}) == {f"$.feedback[1]{field}": text}


def test_all_that_is_wrong_is_said_at_once() -> None:
    body = {"feedback": [accepted(card=...), accepted(), accepted(outcome=1, card=2)]}
    assert set(refusal(body)) == {
        "$.feedback[0].card",
        "$.feedback[2].card",
        "$.feedback[2].outcome",
    }


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", ""),
        (b"  ", ""),
        (b"{", "$"),
        (b"[]", "$"),
        (b'"text"', "$"),
        (b"null", "$"),
        (b"{}", "$.feedback"),
        (b'{"feedback": null}', "$.feedback"),
        (b'{"feedback": {}}', "$.feedback"),
        (b'{"feedback": [], "feedback": []}', "$"),
        (b'{"feedback": NaN}', "$"),
        (b'{"feedback": ' + b"9" * 5_000 + b"}", "$"),
        (b'{"feedback": ' + b"[" * 200_000, "$"),
        (b'{"feedback": "\xff"}', ""),
        (b'{"feedback": []} x', "$"),
    ],
)
def test_a_body_that_is_no_feedback_is_refused(body: bytes, where: str) -> None:
    assert list(refusal(body)) == [where]


def test_there_are_bounds_to_a_body() -> None:
    with pytest.raises(BadCallError) as refused:
        read_all({"feedback": [overridden()] * (MOST_ITEMS + 1)})
    assert refused.value.status == 413
    assert len(read_all({"feedback": [overridden()] * MOST_ITEMS})) == MOST_ITEMS


@pytest.mark.parametrize(
    ("override", "kept"),
    [
        ({"reason": {"code": "refuses", "system": SYSTEM, "display": "x"}}, f"{SYSTEM}|refuses"),
        ({"extension": {"com.epic.cdshooks.feedback.overrideReason.reasonCategory": "45"}}, ""),
        ({"extension": {}, "userComment": "free text"}, ""),
    ],
)
def test_an_override_in_the_form_that_epic_documents(override: Json, kept: str) -> None:
    """https://fhir.epic.com/Documentation?docId=cds-hooks, section Feedback."""
    assert read(overridden(overrideReasons=override)).reason == kept
