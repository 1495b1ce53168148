"""Discovery, hook calls, and the explanation of a hook call."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from flask import Flask, Response, request

from cds_service.feedback.issuing import issued
from cds_service.hooks.answering import Answer, Answering, NotKnownError
from cds_service.hooks.envelope import HookCall, read_call
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import Service, discovery
from cds_service.settings import Settings
from cds_service.store.store import Store
from cds_service.web.calls.addresses import own_address
from cds_service.web.calls.bodies import read_json
from cds_service.web.calls.clients import client
from cds_service.web.calls.outcomes import JSON, json_answer
from cds_service.web.operate.audit import rules_noted
from cds_service.web.operate.logs import note
from cds_service.web.operate.noting import call_noting, decision_noted, fetched_noted

# An answer is about one patient, so nobody may keep it.
_PRIVATE = {"Cache-Control": "no-store"}


def register(
    app: Flask,
    settings: Settings,
    services: Mapping[str, Service],
    answering: Answering,
    store: Store,
) -> None:
    """Add the routes."""
    document = msgspec.json.encode(discovery(services))
    noted = call_noting(settings.log_salt)

    @app.get("/cds-services")
    def discover() -> Response:
        return Response(document, content_type=JSON)

    @app.post("/cds-services/<service_id>")
    def call_service(service_id: str) -> Response:
        answer = answered(accepted(service_id))
        decision_noted(answer.decision)
        remember(service_id, answer)
        return json_answer({"cards": answer.cards}, headers=_PRIVATE)

    @app.post("/explain/<service_id>")
    def explain(service_id: str) -> Response:
        answer = answered(accepted(service_id), complete=True)
        return json_answer(answering.explain(answer), headers=_PRIVATE)

    def accepted(service_id: str) -> HookCall:
        service = found(services, service_id)
        note(service=service.id)
        call = read_call(read_json(request, settings.max_body_bytes), service.hook, client())
        noted(call)
        return call

    def answered(call: HookCall, *, complete: bool = False) -> Answer:
        try:
            answer = answering.answer(call, base_url(), complete=complete)
        except NotKnownError as error:
            fetched_noted(error.fetched)
            raise
        fetched_noted(answer.fetched)
        return answer

    def remember(service_id: str, answer: Answer) -> None:
        service, version = services[service_id], answering.knowledge.version
        cards = list(
            issued(answer.decision, answer.cards, service, client(), version, answering.now())
        )
        rules_noted(cards)
        for card in cards:
            store.remember(card)

    def base_url() -> str:
        return own_address(settings, request)


def found(services: Mapping[str, Service], service_id: str) -> Service:
    """The service of an address; raises `BadCallError` (404)."""
    if service_id in services:
        return services[service_id]
    text = f"There is no such service. There are: {', '.join(services)}."
    raise BadCallError(404, Issue("not-found", text))
