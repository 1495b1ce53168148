"""Discovery, hook calls, and the explanation of a hook call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from flask import Blueprint, Response

from cds_service.feedback.issuing import issued, shown, withheld
from cds_service.hooks.answering import Answer, NotKnownError
from cds_service.hooks.envelope import read_call
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import Service, discovery
from cds_service.store.records import IssuedCard, WithheldCard
from cds_service.web.answers import JSON, json_answer
from cds_service.web.calls.incoming import is_sandbox_call, own_address, read_json
from cds_service.web.operate.record import CallRecord, current_record
from cds_service.web.parts import Parts, current_parts, current_request

blueprint = Blueprint("hook_calls", __name__)

# A response is about one patient and must not be cached.
_PRIVATE: Final = {"Cache-Control": "no-store"}


@blueprint.get("/cds-services")
def discover() -> Response:
    """The discovery document: the services and their prefetch templates."""
    return Response(current_parts().once(_discovery), content_type=JSON)


def _discovery(parts: Parts) -> bytes:
    return msgspec.json.encode(discovery(parts.services, parts.answering.force))


@blueprint.post("/cds-services/<service_id>")
def call_service(service_id: str) -> Response:
    """Handle a hook call: read it, decide, record the decision, remember the cards."""
    parts, record = current_parts(), current_record()
    service = found(parts.services, service_id)
    record.kind, record.service = "call", service.id
    answer = _answer(service, parts, record)
    record.decided(answer.decision)
    if not is_sandbox_call(parts.settings, current_request()):
        _remember(answer, service, parts, record)
    return json_answer({"cards": answer.cards}, headers=_PRIVATE)


@blueprint.post("/explain/<service_id>")
def explain(service_id: str) -> Response:
    """Return every fact, rule and card of the decision on a hook call. No card is stored."""
    parts, record = current_parts(), current_record()
    service = found(parts.services, service_id)
    record.kind, record.service = "explain", service.id
    answer = _answer(service, parts, record, complete=True)
    return json_answer(parts.answering.explain(answer), headers=_PRIVATE)


def found(services: Mapping[str, Service], service_id: str) -> Service:
    """The service of an address. Raises `BadCallError` (404)."""
    if service_id in services:
        return services[service_id]
    text = f"This service does not exist. The services are: {', '.join(services)}."
    raise BadCallError(404, Issue("not-found", text))


def _answer(
    service: Service, parts: Parts, record: CallRecord, *, complete: bool = False
) -> Answer:
    request = current_request()
    body = read_json(request, parts.settings.max_body_bytes)
    call = read_call(body, service.hook, record.issuer, record.tenant)
    record.read(call, parts.log_key)
    base_url = own_address(parts.settings, request)
    try:
        answer = parts.answering.answer(call, base_url, complete=complete, ids=record.ids)
    except NotKnownError as error:
        record.fetched_these(error.fetched)
        raise
    record.fetched_these(answer.fetched)
    return answer


def _remember(answer: Answer, service: Service, parts: Parts, record: CallRecord) -> None:
    """Store the cards for feedback, and their rules for the audit."""
    now, force = parts.answering.now(), parts.answering.force
    version, client, decision = force.knowledge.version, record.issuer, answer.decision
    cards: list[IssuedCard | WithheldCard] = [
        *issued(decision, answer.cards, service, client, version, now, force.label),
        *withheld(decision, service, client, version, now, force.label),
    ]
    record.issued(cards)
    for kept in (*cards, *shown(answer, now)):
        parts.store.remember(kept)
