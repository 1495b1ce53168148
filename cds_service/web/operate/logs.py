"""The log: one JSON line for each request, and what of a request may stand in it.

Only names that we chose ourselves: the route, the service, the client as configured, card ids, the
kidney class, prefetch keys. No path, no body, no header and no context: they may identify a patient.
Of hookInstance a salted hash, by which an integrator finds the line of a call that he knows.
"""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Flask, Response, g, request

from cds_service.web.operate import metrics

_log = logging.getLogger(__name__)
_ROOT = "cds_service"


class JsonLines(logging.Formatter):
    """A log record as one line of JSON; its `fields` are members of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        return msgspec.json.encode(line | getattr(record, "fields", {})).decode()


def configure(level: str) -> None:
    """Write our log lines, and nobody else's, to standard error."""
    logger = logging.getLogger(_ROOT)
    logger.setLevel(level)
    if not any(isinstance(h.formatter, JsonLines) for h in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)


def note(**fields: Any) -> None:
    """Add to the line of this request. Never a value that came with the request."""
    g.setdefault("record", {}).update(fields)


def register(app: Flask, knowledge_version: str) -> None:
    """Write one line after each request, and count it."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        failed = response.status_code >= 500
        level = logging.ERROR if failed else logging.INFO
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        fields = {
            "route": request.url_rule.rule if request.url_rule else "none",
            "method": request.method if request.url_rule else "none",
            "status": response.status_code,
            "ms": round(seconds * 1000, 2),
            "knowledge": knowledge_version,
            **g.get("record", {}),
        }
        metrics.observe(fields, seconds)
        if _log.isEnabledFor(level):
            _log.log(level, "failed" if failed else "request", extra={"fields": fields})
        return response
