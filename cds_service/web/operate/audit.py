"""One record for each call that was let in: who called what and when, and what was answered.

Also where there was no card, or an error: "was the service asked?" has an answer. What was refused
at the door leaves no record, or anybody could fill the store; the log and the figures have it.
"""

from __future__ import annotations

from flask import Flask, Response, g, request

from cds_service.hooks.answering import Clock
from cds_service.hooks.uuids import new_uuid
from cds_service.store.records import AnsweredCall, IssuedCard
from cds_service.store.store import Store
from cds_service.web.calls.clients import client

_KINDS = {"/cds-services/<service_id>": "call", "/explain/<service_id>": "explain"}


def rules_noted(cards: list[IssuedCard]) -> None:
    """Keep the rules that led to the cards of this call for its record."""
    g.rules = tuple(dict.fromkeys(rule for card in cards for rule in card.rules))


def register(app: Flask, store: Store, now: Clock, knowledge_version: str) -> None:
    """Remember each call once it is answered."""

    @app.after_request
    def remember(response: Response) -> Response:
        noted = g.get("record", {})
        kind = _KINDS.get(request.url_rule.rule) if request.url_rule else None
        if kind is not None and "service" in noted:
            store.remember(
                AnsweredCall(
                    id=new_uuid(),
                    at=now(),
                    client=client(),
                    service=noted["service"],
                    kind=kind,
                    status=response.status_code,
                    knowledge=knowledge_version,
                    cards=tuple(noted.get("cards", ())),
                    rules=g.get("rules", ()),
                    unknown=tuple(noted.get("unknown", ())),
                )
            )
        return response
