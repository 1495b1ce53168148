"""The log: one line for each request, made from its record."""

from __future__ import annotations

import logging
from http import HTTPStatus

from cds_service.web.operate import lines
from cds_service.web.operate.record import CallRecord, log_fields

_log = logging.getLogger(__name__)
PROBES = frozenset({"/health", "/ready", "/metrics"})
"""Asked all the time, so a response without an error has no line."""


def configure(level: str) -> None:
    """Write our log lines, and no others, to standard error. At a terminal only warnings."""
    logger = logging.getLogger(lines.OURS)
    logger.setLevel("WARNING" if lines.is_for_terminal() and level == "INFO" else level)
    if not logger.handlers:
        logger.addHandler(lines.handler())


def write_line(record: CallRecord, knowledge: str, site: str) -> None:
    """Write the line of one request, unless it is a successful health check."""
    if record.route in PROBES and record.status < HTTPStatus.BAD_REQUEST:
        return
    failed = record.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    level = logging.ERROR if failed else logging.INFO
    if _log.isEnabledFor(level):
        # Made here: the logger would look for its caller, which no line tells, on every call.
        event = "failed" if failed else "request"
        line = logging.LogRecord(_log.name, level, __file__, 0, event, (), None)
        vars(line)["fields"] = log_fields(record, knowledge, site)
        _log.handle(line)
