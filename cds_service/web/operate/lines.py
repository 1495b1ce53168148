"""The form of every line that the service writes: JSON in production, plain text at a terminal.

`tools.serve` chooses the form before it starts the workers, with an environment variable that they
inherit. Under another server only our own log lines have this form.

No text of an exception or of a library is written while calls are handled, because it may contain
patient data. The line then has the type and the place.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

import msgspec

FORM: Final = "WORKERS_LOG"
"""The environment variable for the form: "json" or "terminal"."""
JSON: Final = "json"
TERMINAL: Final = "terminal"
OURS: Final = "cds_service"
GRANIAN: Final = "_granian"

_log = logging.getLogger(__name__)


def json_line(level: str, event: str, fields: dict[str, Any], at: datetime | None = None) -> str:
    """One line of JSON, without the end of the line."""
    moment = (at or datetime.now(UTC)).isoformat(timespec="milliseconds")
    line: dict[str, Any] = {"time": moment, "level": level, "event": event}
    return msgspec.json.encode(line | fields).decode()


class JsonLines(logging.Formatter):
    """Formats a log record as one line of JSON. Its `fields` are members of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        event, fields = _parts(record)
        at = datetime.fromtimestamp(record.created, UTC)
        return json_line(record.levelname.lower(), event, fields, at)


class PlainLines(logging.Formatter):
    """Formats a log record for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return plain_line(record.levelname.lower(), *_parts(record))


def plain_line(level: str, event: str, fields: dict[str, Any]) -> str:
    """A line for a person, without the end of the line."""
    more = ", ".join(f"{name}: {value}" for name, value in fields.items())
    return f"{level}: {event}" + (f" ({more})" if more else "")


def _parts(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """The event and the other members of a record."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    if record.exc_info and record.exc_info[0] is not None:
        fields = fields | _failure(record.exc_info[0], record.exc_info[2])
    if record.name.partition(".")[0] in (OURS, GRANIAN):
        return record.getMessage(), fields
    place = {"logger": record.name, "at": f"{record.module}:{record.lineno}"}
    return "a message of a library", place | fields


def _failure(kind: type[BaseException], where: TracebackType | None) -> dict[str, str]:
    """The type and the place of an exception."""
    frames = traceback.extract_tb(where)
    place = f"{'/'.join(frames[-1].filename.split('/')[-2:])}:{frames[-1].lineno}" if frames else ""
    return {"error": kind.__name__, "at": place}


def is_for_terminal() -> bool:
    """Whether a person reads the lines."""
    return os.environ.get(FORM) == TERMINAL


def say(event: str, level: str = "info", **fields: Any) -> None:
    """Write one line about the service itself to standard error, in the chosen form."""
    write = json_line if os.environ.get(FORM) == JSON else plain_line
    print(write(level, event, fields), file=sys.__stderr__, flush=True)


def say_fault(error: object) -> None:
    """Write the one line with which a start stops, in the chosen form."""
    if os.environ.get(FORM) == JSON:
        say(str(error), "error")
    else:
        print(error, file=sys.__stderr__, flush=True)


def say_traceback(error: BaseException) -> None:
    """Write an exception of a start with its traceback. No call has been handled until then."""
    say(
        "the service could not start",
        "error",
        **_failure(type(error), error.__traceback__),
        traceback="".join(traceback.format_exception(error)),
    )


def handler() -> logging.Handler:
    """Writes records to standard error in the chosen form."""
    made = logging.StreamHandler(sys.__stderr__ if FORM in os.environ else sys.stderr)
    made.setFormatter(PlainLines() if is_for_terminal() else JsonLines())
    return made


def of_granian() -> dict[str, Any]:
    """The log configuration of granian, in the chosen form. Its access log is not used."""
    return {
        "formatters": {"generic": {"()": PlainLines if is_for_terminal() else JsonLines}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "generic",
                "stream": "ext://sys.__stderr__",
            }
        },
        "loggers": {GRANIAN: {"handlers": ["console"], "propagate": False}},
    }


def take_all(form: str) -> None:
    """Write every line of this process and its children in this form: log, warnings, exceptions.

    Text that something else writes to standard error becomes one line of JSON for each line.
    """
    os.environ[FORM] = form
    writing = handler()
    for logger in (logging.getLogger(), logging.getLogger(OURS)):
        logger.addHandler(writing)
    logging.getLogger(OURS).propagate = False
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_failed
    if form == JSON:
        sys.excepthook = _start_failed
        sys.stderr = _JsonStream(sys.__stderr__)


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    _log.error("a thread failed", extra={"fields": _failure(failed.exc_type, failed.exc_traceback)})


def _start_failed(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    say_traceback(error)


class _JsonStream(io.TextIOBase):
    """Standard error for everything else, for example a traceback of the standard library."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._rest = ""

    def write(self, text: str) -> int:
        """Write the complete lines, each as JSON, and keep the rest."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in filter(str.strip, lines):
            print(json_line("error", line.rstrip(), {}), file=self._stream, flush=True)
        return len(text)

    def fileno(self) -> int:
        """The file behind it, for libraries that write to it directly."""
        return self._stream.fileno() if self._stream is not None else super().fileno()

    def writable(self) -> bool:
        """It can be written."""
        return True
