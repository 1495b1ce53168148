"""The log: one JSON line for each request, made from its record."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec

from cds_service.web.operate.record import CallRecord, log_fields

_log = logging.getLogger(__name__)
_ROOT = "cds_service"


class JsonLines(logging.Formatter):
    """Formats a log record as one line of JSON. Its `fields` are members of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        return msgspec.json.encode(line | getattr(record, "fields", {})).decode()


def configure(level: str) -> None:
    """Write our log lines, and no others, to standard error."""
    logger = logging.getLogger(_ROOT)
    logger.setLevel(level)
    if not any(isinstance(h.formatter, JsonLines) for h in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)


def write_line(record: CallRecord, knowledge: str, site: str) -> None:
    """Write the line of one request."""
    failed = record.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    level = logging.ERROR if failed else logging.INFO
    if _log.isEnabledFor(level):
        # Made here: the logger would look for its caller, which no line tells, on every call.
        event = "failed" if failed else "request"
        line = logging.LogRecord(_log.name, level, __file__, 0, event, (), None)
        vars(line)["fields"] = log_fields(record, knowledge, site)
        _log.handle(line)
