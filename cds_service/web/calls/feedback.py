"""Feedback on cards."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, request

from cds_service.feedback.reading import KnownReasons, Reader, every_reason
from cds_service.hooks.errors import Issue
from cds_service.store.errors import StoreUnavailableError
from cds_service.web.answers import json_answer, outcome
from cds_service.web.calls.hook_calls import found
from cds_service.web.calls.incoming import is_sandbox_call, read_json
from cds_service.web.operate.record import current_record
from cds_service.web.parts import Parts, current_parts

blueprint = Blueprint("feedback", __name__)

_UNAVAILABLE: Final = Issue(
    "transient",
    "The store cannot be reached, so nothing was stored. Send the feedback again later.",
)


@blueprint.post("/cds-services/<service_id>/feedback")
def take_feedback(service_id: str) -> Response:
    """Store feedback, all items or none. Feedback of the sandbox page is checked, not stored."""
    parts, record = current_parts(), current_record()
    service = found(parts.services, service_id)
    record.service = service.id
    body = read_json(request, parts.settings.max_body_bytes)
    items = parts.once(_reader).read(body, service.id, record.issuer)
    record.items = len(items)
    if not is_sandbox_call(parts.settings, request):
        record.new = parts.store.add_feedback(items)
    return json_answer({"received": len(items)})


def _reader(parts: Parts) -> Reader:
    reasons = KnownReasons(every_reason(parts.knowledge))
    return Reader(reasons, keep_comments=parts.settings.feedback_comments)


@blueprint.app_errorhandler(StoreUnavailableError)
def unavailable(_: StoreUnavailableError) -> Response:
    """The store cannot be reached."""
    return json_answer(outcome([_UNAVAILABLE]), 503, {"Retry-After": "5"})
