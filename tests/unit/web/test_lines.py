"""Each line of the log has one form, and contains no text of an exception or of a library."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from flask import Flask

from cds_service.web.operate import logs
from cds_service.web.operate.lines import JsonLines, PlainLines
from cds_service.web.operate.record import CallRecord

PATIENT = "Jane Smith"
EVERYTHING = f"""
import logging, sys, threading, traceback, warnings
from cds_service.web.operate.lines import take_all, say, say_fault
take_all({{form!r}})
logging.getLogger("cds_service.x").warning("ours", extra={{{{"fields": {{{{"n": 1}}}}}}}})
logging.getLogger("urllib3").warning("about {PATIENT}")
warnings.warn("about {PATIENT}")
thread = threading.Thread(target=lambda: int("{PATIENT}"))
thread.start(); thread.join()
say("said", answer=42)
say_fault("A_SETTING is wrong")
sys.stderr.write("torn "); sys.stderr.write("line\\nsecond\\n")
logging.getLogger("cds_service.x").info("not written")
"""


def written(script: str) -> list[str]:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_everything_is_json() -> None:
    lines = written(EVERYTHING.format(form="json"))
    assert PATIENT not in str(lines)
    found = [json.loads(line) for line in lines]
    assert all({"time", "level", "event"} <= set(line) for line in found)
    assert [(line["level"], line["event"]) for line in found] == [
        ("warning", "ours"),
        ("warning", "a message of a library"),
        ("warning", "a message of a library"),
        ("error", "a thread failed"),
        ("info", "said"),
        ("error", "A_SETTING is wrong"),
        ("error", "torn line"),
        ("error", "second"),
    ]
    assert [line.get("logger") for line in found[1:3]] == ["urllib3", "py.warnings"]
    assert (found[0]["n"], found[4]["answer"]) == (1, 42)
    assert found[3]["error"] == "ValueError"
    assert found[3]["at"].startswith("<string>:")


def test_at_a_terminal_it_is_text() -> None:
    lines = written(EVERYTHING.format(form="terminal"))
    assert PATIENT not in str(lines)
    assert lines[0] == "warning: ours (n: 1)"
    assert lines[3].startswith("error: a thread failed (error: ValueError, at: <string>:")
    assert lines[4:6] == ["info: said (answer: 42)", "A_SETTING is wrong"]


def test_an_exception_of_a_start_is_one_line_with_its_traceback() -> None:
    start = 'from cds_service.web.operate.lines import take_all\ntake_all("json")\n{}["absent"]'
    (line,) = written(start)
    found = json.loads(line)
    assert (found["event"], found["error"]) == ("the service could not start", "KeyError")
    assert found["traceback"].startswith("Traceback (most recent call last)")


@pytest.mark.parametrize("formatter", [JsonLines(), PlainLines()])
def test_a_logged_exception_has_type_and_place_only(formatter: logging.Formatter) -> None:
    try:
        raise LookupError(PATIENT)  # noqa: TRY301
    except LookupError:
        caught: Any = sys.exc_info()
    record = logging.LogRecord("asyncio", logging.ERROR, __file__, 1, PATIENT, (), caught)
    line = formatter.format(record)
    assert "LookupError" in line
    assert "web/test_lines.py:" in line
    assert PATIENT not in line


@pytest.mark.parametrize(
    ("form", "level", "effective"),
    [
        ("terminal", "INFO", logging.WARNING),
        ("terminal", "DEBUG", logging.DEBUG),
        ("terminal", "ERROR", logging.ERROR),
        ("json", "INFO", logging.INFO),
    ],
)
def test_a_terminal_is_quiet(
    monkeypatch: pytest.MonkeyPatch, form: str, level: str, effective: int
) -> None:
    monkeypatch.setenv("WORKERS_LOG", form)
    logger = logging.getLogger("cds_service")
    before = logger.level
    try:
        logs.configure(level)
        assert logger.level == effective
    finally:
        logger.setLevel(before)


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_successful_health_checks_have_no_line(
    app: Flask, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(logging.INFO)
    assert path in {rule.rule for rule in app.url_map.iter_rules()}
    logs.write_line(CallRecord(route=path, method="GET", status=200), "2", "")
    assert caplog.records == []
    logs.write_line(CallRecord(route="/cds-services", method="GET", status=200), "2", "")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("status", [403, 503])
def test_failed_health_checks_have_a_line(caplog: pytest.LogCaptureFixture, status: int) -> None:
    caplog.set_level(logging.INFO)
    logs.write_line(CallRecord(route="/ready", method="GET", status=status), "2", "")
    assert len(caplog.records) == 1
