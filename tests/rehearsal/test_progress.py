"""What a person sees while a rehearsal runs: on a terminal a bar, elsewhere a line for each phase."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .population import eligible, write_export

_PHASES = """
import time
from cds_service.rehearsal.progress import phase

with phase("Gathering their data", 4_000_000) as bar:
    for _ in range(4):
        time.sleep(0.4)
        bar.advance(1_000_000)
with phase("Deciding", 8, unit="parts") as bar:
    for _ in range(8):
        time.sleep(0.1)
        bar.advance(1)
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(command: list[str]) -> str:
    """Standard error of a command whose standard error is a terminal."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stderr=theirs, env=environment) as process:  # noqa: S603
        os.close(theirs)
        found = b""
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # Linux: the other end is closed
                break
            if not data:
                break
            found += data
    os.close(ours)
    assert process.returncode == 0
    return _ESCAPES.sub("", found.decode())


@pytest.mark.slow
def test_a_terminal_shows_how_fast_it_is_and_how_long_it_takes() -> None:
    shown = on_a_terminal([sys.executable, "-c", _PHASES])
    reading = [line for line in shown.splitlines() if "Gathering their data" in line]
    assert any(re.search(r"\d+(\.\d+)? [kM]B/s", line) for line in reading)
    assert any(re.search(r"left 0:00:0[1-4]", line) for line in reading)
    assert "left 0:00:00" in reading[-1]
    deciding = [line for line in shown.splitlines() if "Deciding" in line]
    assert any("4 of 8 parts" in line for line in deciding)
    assert any(re.search(r"left 0:00:0\d", line) for line in deciding)
    assert "8 of 8 parts" in deciding[-1]


@pytest.mark.slow
def test_a_run_on_a_terminal_shows_every_phase_and_no_data(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "in", eligible("secret"))
    command = [sys.executable, "-m", "cds_service", "rehearse", str(folder)]
    shown = on_a_terminal([*command, "--out", str(tmp_path / "out"), "--workers", "1"])
    for title in ("latest date", "Looking for the patients", "Gathering", "Deciding", "report"):
        assert title in shown
    assert "secret" not in shown


def test_elsewhere_each_phase_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from cds_service.rehearsal.progress import phase

    with phase("Deciding", 8, unit="parts") as bar:
        bar.advance(1)
    assert capsys.readouterr().err == "Deciding\n"
