"""The systemd unit: accepted by systemd, closed, and its filter allows what the service calls.

systemd itself does not run here. The command of the unit runs in `test_install.py`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service.settings import Settings, read_settings, unknown_variables
from cds_service.trust.clients import read_clients

from ..support.serving import HOST, ROOT, Running, environment, free_port, serving_as
from ..support.waiting import wait_for
from .conftest import HOOK, hook_request

UNIT = ROOT / "deploy" / "magnesium-cds.service"
MOST_EXPOSED = 15
"""Of 100, as `systemd-analyze security` counts."""


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (on Debian: apt-get install {package})")
    return found


def values(name: str) -> list[str]:
    """The values of a directive, in their order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_systemd_accepts_the_unit() -> None:
    command = [program("systemd-analyze", "systemd"), "verify", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    said = [line for line in done.stderr.splitlines() if "magnesium-cds" in line]
    # The paths of an installation are not there on a machine that tests.
    assert [line for line in said if "is not executable" not in line] == []


def test_the_unit_is_closed() -> None:
    tool = program("systemd-analyze", "systemd")
    options = ["--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager"]
    done = subprocess.run(  # noqa: S603
        [tool, "security", *options, str(UNIT)], capture_output=True, text=True, check=False
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot check a unit that is not installed")
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


def test_the_example_of_the_environment_can_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = ROOT / "deploy" / "environment.example"
    settings = read_settings({}, file)
    assert settings.public_url == "https://cds.example.org"
    assert settings.operator_address != Settings().operator_address
    names = re.findall(r"^([A-Z_]+)=", file.read_text(), re.MULTILINE)
    assert unknown_variables(dict.fromkeys(names, "")) == []
    assert read_clients(ROOT / "deploy" / "clients.example.json")
    # What the unit passes on to the command, beside the settings.
    monkeypatch.chdir(tmp_path)
    assert set(names) - {n for n in names if n.startswith("CDS_")} == {"WORKERS"}
    assert "${WORKERS}" in values("ExecStart")[0]


# ------------------------------------------------------------- the filter of system calls


def members(name: str) -> set[str]:
    """The system calls of a group, as this systemd has it."""
    tool = program("systemd-analyze", "systemd")
    done = subprocess.run(  # noqa: S603
        [tool, "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True
    )
    found: set[str] = set()
    for line in map(str.strip, done.stdout.splitlines()[1:]):
        if line.startswith("@"):
            found |= members(line)
        elif line and not line.startswith("#"):
            found.add(line)
    return found


def allowed() -> set[str]:
    """By the lines of the unit, which add and remove groups."""
    found: set[str] = set()
    for line in values("SystemCallFilter"):
        groups = line.removeprefix("~").split()
        listed = set[str]().union(*map(members, groups))
        found = found - listed if line.startswith("~") else found | listed
    return found


@pytest.mark.server
@pytest.mark.slow
def test_the_filter_allows_what_the_service_calls(tmp_path: Path) -> None:
    """Start, calls, reports, reload, a worker that is replaced, and the stop."""
    tracer = program("strace", "strace")
    if subprocess.run([tracer, "-qq", "true"], capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("this machine does not allow strace")
    port, operators = free_port(), free_port()
    command = [sys.executable, "-m", "tools.serve", "--port", str(port), "--workers", "2"]
    trace, output = tmp_path / "trace", tmp_path / "output"
    with (
        output.open("wb") as written,
        subprocess.Popen(  # noqa: S603
            [tracer, "-f", "-qq", "-e", "signal=none", "-o", str(trace), *command],
            cwd=ROOT,
            env=environment(tmp_path, CDS_OPERATOR_ADDRESS=f"{HOST}:{operators}"),
            stdout=written,
            stderr=written,
        ) as process,
    ):
        server = Running(process, port, output)
        try:
            wait_for(lambda: server.ask("GET", "/ready").status == 200, 120, server.has_ended)
            (parent,) = server.workers()
            assert server.ask("POST", HOOK, hook_request()).json["cards"]
            assert server.ask("GET", "/metrics", port=operators).status == 200
            assert server.ask("GET", "/feedback/report", port=operators).status == 200
            _signal(parent, signal.SIGHUP)
            wait_for(lambda: "Stopped old worker-2" in server.output, 120)
            assert server.ask("POST", HOOK, hook_request()).json["cards"]
        finally:
            if not server.has_ended():
                _signal(server.workers()[0], signal.SIGTERM)
                process.wait(120)
    called = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", trace.read_text(), re.MULTILINE))
    assert {"execve", "accept4"} <= called
    # Only root changes the owner of a file; SQLite tries it as root, as this test may run.
    assert called - allowed() - {"fchown"} == set()


def _signal(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)


_WRITABLE = 3
_CLOSED = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount -o remount,ro,bind /
if touch "{root}/written" 2>/dev/null; then exit {writable}; fi
exec setpriv --bounding-set=-all --no-new-privs "$@"
"""


@pytest.mark.server
@pytest.mark.slow
def test_the_service_needs_no_capability_and_writes_only_to_its_data(tmp_path: Path) -> None:
    """As the unit, the compose file and the chart start it: only one folder can be written."""
    for name, package in (("unshare", "util-linux"), ("setpriv", "util-linux")):
        program(name, package)
    script = _CLOSED.format(root=ROOT, writable=_WRITABLE)
    closed = ["unshare", "--mount", "bash", "-c", script, str(tmp_path)]
    code = subprocess.run([*closed, "true"], capture_output=True, check=False).returncode  # noqa: S603
    assert code != _WRITABLE
    if code:
        pytest.skip("this account may not mount a file system that cannot be written")
    port, operators = free_port(), free_port()
    command = [sys.executable, "-m", "tools.serve", "--port", str(port), "--workers", "2"]
    settings = environment(tmp_path, CDS_OPERATOR_ADDRESS=f"{HOST}:{operators}")
    settings |= {"TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    with serving_as([*closed, *command], port, tmp_path, ROOT, settings) as server:
        capabilities = Path(f"/proc/{server.workers()[0]}/status").read_text()
        assert re.search(r"^CapEff:\s+0+$", capabilities, re.MULTILINE)
        assert server.ask("POST", HOOK, hook_request()).json["cards"]
        for path in ("/ready", "/metrics", "/feedback/report"):
            assert server.ask("GET", path, port=operators).status == 200


def test_the_command_is_the_one_that_is_installed() -> None:
    (command,) = values("ExecStart")
    python, *arguments = shlex.split(command)
    (folder,) = values("WorkingDirectory")
    assert python == f"{folder}/.venv/bin/python"
    assert arguments[:2] == ["-m", "tools.serve"]
