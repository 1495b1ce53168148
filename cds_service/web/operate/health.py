"""Views for operators."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from flask import Blueprint, Response

from cds_service.hooks.errors import Issue
from cds_service.store.errors import StoreError, StoreOpeningError
from cds_service.web.answers import json_answer, outcome
from cds_service.web.operate import metrics
from cds_service.web.parts import current_parts

blueprint = Blueprint("operate", __name__)

_OPENING = Issue("transient", "The service is starting: the store is being opened.")

_NO_STORE = Issue(
    "transient",
    "The store cannot be reached. Calls are answered all the same, but cards are not remembered"
    " and feedback is not taken.",
)


@blueprint.get("/health")
def health() -> Response:
    """Liveness of this process."""
    return json_answer({"status": "ok"})


@blueprint.get("/ready")
def ready() -> Response:
    """Readiness of the whole service."""
    # The knowledge is loaded before the first request can arrive, or the start has failed.
    parts = current_parts()
    try:
        parts.store.check()
    except StoreOpeningError:
        return json_answer(outcome([_OPENING]), 503, {"Retry-After": "1"})
    except StoreError:
        return json_answer(outcome([_NO_STORE]), 503)
    force = parts.answering.force
    ready: dict[str, Any] = {
        "status": "ready",
        "knowledge": parts.knowledge.version,
        "approved": force.review.is_approved,
        "review": force.review.words,
    }
    if force.label:
        ready["site"] = force.label
    until = force.silent_until(parts.answering.now().astimezone(UTC).date())
    if until is not None:
        ready["silentUntil"] = until.isoformat()
    return json_answer(ready)


@blueprint.get("/metrics")
def figures() -> Response:
    """The metrics in the format of Prometheus."""
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
