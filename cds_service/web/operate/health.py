"""What those who run the service ask of it."""

from __future__ import annotations

from flask import Flask, Response

from cds_service.hooks.errors import Issue
from cds_service.knowledge.loader import Knowledge
from cds_service.store.errors import StoreError
from cds_service.store.store import Store
from cds_service.web.calls.outcomes import json_answer, outcome
from cds_service.web.operate import metrics

_NO_STORE = Issue(
    "transient",
    "The store cannot be reached. Calls are answered all the same, but cards are not remembered"
    " and feedback is not taken.",
)


def register(app: Flask, knowledge: Knowledge, store: Store) -> None:
    """Add the routes."""

    @app.get("/health")
    def health() -> Response:
        return json_answer({"status": "ok"})

    @app.get("/ready")
    def ready() -> Response:
        # The knowledge is loaded before the first request can come in, or the start has failed.
        try:
            store.check()
        except StoreError:
            return json_answer(outcome([_NO_STORE]), 503)
        return json_answer({"status": "ready", "knowledge": knowledge.version})

    @app.get("/metrics")
    def figures() -> Response:
        return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
