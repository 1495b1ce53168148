"""What those who run the service ask of it."""

from __future__ import annotations

from flask import Flask, Response

from cds_service.knowledge.loader import Knowledge
from cds_service.web.outcomes import json_answer


def register(app: Flask, knowledge: Knowledge) -> None:
    """Add the routes."""

    @app.get("/health")
    def health() -> Response:
        return json_answer({"status": "ok"})

    @app.get("/ready")
    def ready() -> Response:
        # The knowledge is loaded before the first request can come in, or the start has failed.
        return json_answer({"status": "ready", "knowledge": knowledge.version})
