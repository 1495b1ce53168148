"""The rules that lead to a card and their sources, from the knowledge of the running service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cds_service.knowledge.citations import SPECIFICATION, cited

Json = dict[str, Any]

_CARDS: Final = "cards"
_CARD_MEMBERS: Final = ("id", "kind", "subject", "indicator", "status", "source")
_NOT_RULES: Final = frozenset({_CARDS, "specification", "references", "valueSets", "site"})


def version_of(document: Json) -> Json:
    """The version in force, and whether it is approved for patient care."""
    site = document.get("site", {})
    named = {name: site[name] for name in ("id", "hash", "review") if name in site}
    return {
        "knowledge": document["version"],
        "approved": document["approved"],
        "rowsByReviewState": document["reviewState"]["states"],
        "site": named,
    }


def cards_of(document: Json) -> Json:
    """Each card in one line, with the version."""
    rows = [{n: card[n] for n in _CARD_MEMBERS if n in card} for card in document[_CARDS]]
    return {"knowledge": document["version"], "approved": document["approved"], "cards": rows}


def evidence_of(document: Json, card_id: str) -> Json | None:
    """A card, the rules that can lead to it, and the sources of both. `None` if there is no such card."""
    card = next((row for row in document[_CARDS] if row["id"] == card_id), None)
    if card is None:
        return None
    rules = {
        table: found
        for table, rows in document.items()
        if table not in _NOT_RULES and isinstance(rows, list)
        and (found := [row for row in rows if _names(row, card_id)])
    }  # fmt: skip
    places = dict.fromkeys(_cited_in([card, rules]))
    return {
        "knowledge": document["version"],
        "approved": document["approved"],
        "card": card,
        "rules": rules,
        "sources": _sources(document, places),
    }


def _names(row: Any, card_id: str) -> bool:
    """Whether a row has this card as a value, at any depth."""
    if isinstance(row, dict):
        return any(_names(value, card_id) for value in row.values())
    if isinstance(row, list):
        return any(_names(value, card_id) for value in row)
    return bool(row == card_id)


def _cited_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _cited_in(one)
    elif isinstance(value, dict):
        yield from cited(str(value.get("source", "")))
        yield from value.get("references", ())
        for one in value.values():
            yield from _cited_in(one)


def _sources(document: Json, ids: dict[str, None]) -> list[Json]:
    """The cited paragraphs and references. One that the document does not have is only named."""
    is_specification = any(place[0].isdigit() for place in ids)
    wanted = ids | ({SPECIFICATION: None} if is_specification else {})
    rows = {
        row["id"]: row
        for table in ("references", "specification")
        for row in document.get(table, ())
        if row["id"] in wanted
    }
    return [rows.get(place, {"id": place}) for place in wanted]
