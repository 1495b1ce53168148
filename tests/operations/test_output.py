"""The output of the production form: JSON in every line, from the start to the stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cds_service.version import VERSION

from ..support.serving import serving
from .conftest import HOOK

pytestmark = pytest.mark.server


def test_every_line_is_json_from_start_to_stop(tmp_path: Path, body: Any) -> None:
    with serving(tmp_path, "--workers", "2", CDS_MISSPELT="1") as server:
        reply = server.ask("POST", HOOK, body)
        assert reply.status == 200
        server.ask("GET", "/ready")
        server.ask("GET", "/health")
        output = server.stop()
    lines = [json.loads(line) for line in output.splitlines()]
    assert all({"time", "level", "event"} <= set(line) for line in lines)
    events = [line["event"] for line in lines]
    assert [event for event in events if event.startswith(("Starting granian", "Granian shut"))]
    assert "CDS_MISSPELT is not a setting and is ignored" in events
    (ready,) = [line for line in lines if line["event"] == "the service is ready"]
    assert ready["address"] == f"http://127.0.0.1:{server.port}"
    assert ready["seconds"] > 0
    assert ready["version"] == VERSION
    calls = [line for line in lines if line["event"] == "request"]
    assert [line["route"] for line in calls] == ["/cds-services/<service_id>"]
    assert calls[0]["request"] == reply.headers["X-Request-ID"]


def test_a_traceback_of_a_worker_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    """A library that is there and cannot be imported, as after an update that broke off."""
    from ..support.serving import started_with

    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(
        "import sys\nsys.modules['cds_service.hooks.answering'] = None\n"
    )
    code, events = started_with(tmp_path, PYTHONPATH=str(tmp_path / "broken"))
    assert code == 1
    assert "the service could not start\n" in events
