"""Read the body of a feedback call. The result is its items, or its faults by index and field.

Free text of a client is not stored as it came. A card or suggestion id is stored if it is a UUID, a
reason if one of our cards offers it, and a comment only if that is configured. This prevents
patient identity from entering the store by mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Never
from uuid import UUID

from cds_service.feedback.timestamps import read_timestamp
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import OverrideReason
from cds_service.store.records import OTHER_REASON, Feedback, Outcome, digest

MOST_ITEMS = 1_000
_LONGEST_COMMENT = 4_000
_TOO_LARGE = 413

Json = dict[str, Any]


class KnownReasons:
    """The override reasons that cards of this service offer."""

    def __init__(self, reasons: Iterable[OverrideReason]) -> None:
        self._named = {(r.system, r.code): f"{r.system}|{r.code}" for r in reasons}
        # Some clients omit the system. The code is enough if it is unique.
        self._by_code: dict[str, str] = {}
        for (_, code), name in self._named.items():
            self._by_code[code] = OTHER_REASON if code in self._by_code else name

    def name(self, system: str, code: str) -> str:
        """The stored form of a reason."""
        if not system:
            return self._by_code.get(code, OTHER_REASON)
        return self._named.get((system, code), OTHER_REASON)


def every_reason(knowledge: Knowledge) -> tuple[OverrideReason, ...]:
    """All reasons on cards. Some are offered by several kinds of cards."""
    reasons = knowledge.override_reasons
    return (*reasons.suggestion_cards, *reasons.safety_cards, *reasons.local_extra)


class Reader:
    """Reads the bodies of feedback calls."""

    def __init__(self, reasons: KnownReasons, *, keep_comments: bool) -> None:
        self._reasons = reasons
        self._keep_comments = keep_comments

    def read(self, body: bytes, service: str, client: str) -> list[Feedback]:
        """All items of a body. Raises `BadCallError` if any item has a fault."""
        items, where = _items(body)
        if len(items) > MOST_ITEMS:
            text = f"must not have more than {MOST_ITEMS} items; send several bodies"
            raise BadCallError(_TOO_LARGE, Issue("too-long", text, "$.feedback"))
        issues: list[Issue] = []
        found = [
            self._read_item(_Element(item, place, issues), service, client)
            for item, place in zip(items, where, strict=True)
        ]
        if issues:
            raise BadCallError(400, *issues)
        return [item for item in found if item is not None]

    def _read_item(self, item: _Element, service: str, client: str) -> Feedback | None:
        """The item, or `None` if it has faults. Its faults are recorded."""
        if not item.is_object():
            return None
        card = item.text("card")
        outcome = _outcome(item)
        at = _timestamp(item)
        suggestions = _suggestions(item, required=outcome is Outcome.ACCEPTED)
        # Epic sends `overrideReasons`, with its own reasons in an extension of it.
        given = item.member("overrideReason") or item.member("overrideReasons")
        reason, comment = self._override(given)
        if item.failed or outcome is None or at is None:
            return None
        if outcome is not Outcome.ACCEPTED:
            suggestions = []
        else:
            reason = comment = ""
        taken = sorted(set(suggestions))
        # The comment is left out, because it could be guessed from a digest.
        name = digest(client, service, card, outcome, at.isoformat(), *taken, reason)
        return Feedback(
            digest=name,
            service=service,
            client=client,
            card=_uuid(card),
            outcome=outcome,
            at=at,
            suggestions=tuple(filter(None, dict.fromkeys(map(_uuid, taken)))),
            reason=reason,
            comment=_plain(comment) if self._keep_comments else "",
        )

    def _override(self, given: _Element | None) -> tuple[str, str]:
        """Reason and comment, each "" if missing."""
        if given is None or not given.is_object():
            return "", ""
        coding = given.member("reason")
        comment = given.optional_text("userComment")
        if coding is None:
            if given.value.get("userComment") is None and given.value.get("extension") is None:
                given.add("must have a reason, a userComment, or both", "required")
            return "", comment
        if not coding.is_object():
            return "", comment
        coding.optional_text("display")
        system, code = coding.optional_text("system"), coding.text("code")
        return self._reasons.name(system.strip(), code.strip()), comment


class _Element:
    """An element of the body and its path. Its faults are added to the issues."""

    def __init__(self, value: Any, where: str, issues: list[Issue]) -> None:
        self.value = value
        self._where = where
        self._issues = issues
        self._before = len(issues)

    @property
    def failed(self) -> bool:
        """Whether the element or its content has a fault."""
        return len(self._issues) > self._before

    def add(self, text: str, code: str, below: str = "") -> None:
        self._issues.append(Issue(code, text, self._where + below))

    def is_object(self) -> bool:
        if isinstance(self.value, dict):
            return True
        self.add("must be an object", "structure")
        return False

    def member(self, name: str) -> _Element | None:
        """A member, or `None` if it is absent or null."""
        value = self.value.get(name)
        if value is None:
            return None
        return _Element(value, f"{self._where}.{name}", self._issues)

    def text(self, name: str) -> str:
        """A required text. It is "" if missing or empty, and the fault is recorded."""
        value = self.value.get(name)
        if value is None:
            self.add("is missing", "required", f".{name}")
        elif not isinstance(value, str):
            self.add("must be a string", "structure", f".{name}")
        elif not value.strip():
            self.add("must not be empty", "value", f".{name}")
        else:
            return value
        return ""

    def optional_text(self, name: str) -> str:
        value = self.value.get(name)
        if value is None or isinstance(value, str):
            return value or ""
        self.add("must be a string", "structure", f".{name}")
        return ""


def _outcome(item: _Element) -> Outcome | None:
    text = item.text("outcome")
    if text in set(Outcome):
        return Outcome(text)
    if text:
        item.add('must be "accepted" or "overridden"', "value", ".outcome")
    return None


def _timestamp(item: _Element) -> datetime | None:
    text = item.text("outcomeTimestamp")
    if not text:
        return None
    try:
        return read_timestamp(text).astimezone(UTC)
    except ValueError:
        wanted = "must be an RFC 3339 date-time in UTC, like 2026-11-22T09:30:00Z"
        item.add(wanted, "value", ".outcomeTimestamp")
        return None


def _suggestions(item: _Element, *, required: bool) -> list[str]:
    """The ids of the accepted suggestions. They must be ids, even with another outcome, where they
    have no meaning.
    """
    given = item.member("acceptedSuggestions")
    if given is None:
        if required:
            text = "is missing: it is required with the outcome accepted"
            item.add(text, "required", ".acceptedSuggestions")
        return []
    if not isinstance(given.value, list):
        given.add("must be an array", "structure")
        return []
    if required and not given.value:
        given.add("must not be empty", "value")
    elements = (
        _Element(value, f"{given._where}[{number}]", given._issues)  # noqa: SLF001
        for number, value in enumerate(given.value)
    )
    return [element.text("id") for element in elements if element.is_object()]


def _items(body: bytes) -> tuple[list[Any], list[str]]:
    """The items and their paths. Drafts of 1.1 send a single item without an array."""
    document = _document(body)
    if "feedback" not in document and "card" in document and "outcome" in document:
        return [document], ["$"]
    items = document.get("feedback")
    if items is None:
        raise _bad("is missing", "$.feedback", "required")
    if not isinstance(items, list):
        raise _bad("must be an array", "$.feedback", "structure")
    return items, [f"$.feedback[{number}]" for number in range(len(items))]


def _document(body: bytes) -> Json:
    if not body.strip():
        raise _bad("The body is empty. Send the feedback as a JSON object.")
    try:
        document = json.loads(
            body.decode(), object_pairs_hook=_single_names, parse_constant=_no_constant
        )
    except _RepeatedNameError:
        raise _bad("contains an object in which a name occurs twice", "$") from None
    except UnicodeDecodeError as error:
        raise _bad(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise _bad(f"is not valid JSON (character {error.pos})", "$") from None
    except ValueError:
        raise _bad("contains a number out of range", "$", "value") from None
    except RecursionError:
        raise _bad("is nested too deeply", "$") from None
    if not isinstance(document, dict):
        raise _bad("must be a JSON object", "$", "structure")
    return document


class _RepeatedNameError(Exception):
    """A JSON object has two members with one name, so its meaning is unclear."""


def _single_names(pairs: list[tuple[str, Any]]) -> Json:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RepeatedNameError
    return members


def _no_constant(_: str) -> Never:
    """Reject NaN and infinities, which are not JSON."""
    raise ValueError


def _bad(text: str, where: str = "", code: str = "invalid") -> BadCallError:
    return BadCallError(400, Issue(code, text, where))


def _uuid(text: str) -> str:
    """A UUID in its usual form, or "" for any other text, which cannot be one of our ids."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        return ""


def _plain(comment: str) -> str:
    """A comment in a form that every database accepts."""
    cut = comment[:_LONGEST_COMMENT].replace("\x00", "")
    return cut.encode("utf-8", "replace").decode()
