"""The service under its real servers: it answers, says where it is once, and stops with success."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from tools import serve

from ..support.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 30.0

SERVERS = {
    "make run": ("tools.serve", "--terminal", "--port", "{port}"),
    "make serve": ("tools.serve", "--port", "{port}", "--workers", "2"),
    "granian": (
        *("granian", "--interface", "wsgi", "--no-ws", "--blocking-threads", "2"),
        # Under load a worker of this kind may miss the word to stop.
        *("--workers-kill-timeout", "5", "--respawn-failed-workers", "--port", "{port}", "app:app"),
    ),
    "gunicorn": ("gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}", "app:app"),
}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((serve.HOST, 0))
        return int(probe.getsockname()[1])


def answer(port: int, path: str) -> int:
    with urlopen(f"http://{serve.HOST}:{port}{path}", timeout=PATIENCE_SECONDS) as response:
        response.read()
        return int(response.status)


@contextmanager
def running(command: tuple[str, ...], port: int, **environ: str) -> Iterator[subprocess.Popen[str]]:
    arguments = [part.format(port=port) for part in command]
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as server:
        try:
            yield server
        finally:
            # Workers outlive a server that is killed.
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def wait_until_it_answers(server: subprocess.Popen[str], port: int) -> None:
    try:
        wait_for(
            lambda: answer(port, serve.DISCOVERY),
            PATIENCE_SECONDS,
            given_up=lambda: server.poll() is not None,
        )
    except AssertionError:
        os.killpg(server.pid, signal.SIGKILL)
        pytest.fail(f"no answer on port {port}: {server.communicate()[0]}")


@pytest.mark.server
@pytest.mark.parametrize(
    ("name", "stop"),
    [
        ("make run", signal.SIGINT),
        ("make run", signal.SIGTERM),
        ("make serve", signal.SIGTERM),
        ("granian", signal.SIGTERM),
        ("gunicorn", signal.SIGTERM),
    ],
)
def test_it_answers_and_stops_with_success(name: str, stop: signal.Signals, port: int) -> None:
    with running(SERVERS[name], port) as server:
        wait_until_it_answers(server, port)
        assert answer(port, serve.SANDBOX) == 200
        server.send_signal(stop)
        output, _ = server.communicate(timeout=PATIENCE_SECONDS)
    assert server.returncode == 0, output
    assert "Traceback" not in output


@pytest.mark.server
def test_a_start_for_people_ends_with_the_addresses_and_then_is_quiet(port: int) -> None:
    with running(SERVERS["make run"], port) as server:
        wait_until_it_answers(server, port)
        server.send_signal(signal.SIGINT)
        output, _ = server.communicate(timeout=PATIENCE_SECONDS)
    *_, ready, approval, _, discovery, sandbox = output.rstrip().splitlines()
    assert re.fullmatch(r"  Ready in \d+\.\d s\. Ctrl-C stops it\.", ready)
    assert "NOT APPROVED" in approval
    assert discovery == f"  Discovery  http://127.0.0.1:{port}/cds-services"
    assert sandbox == f"  Sandbox    http://127.0.0.1:{port}/"
    assert len(output.splitlines()) == 6, "calls and the server write nothing here"


@pytest.mark.server
def test_a_taken_port_is_said_in_one_line(port: int) -> None:
    with socket.socket() as taken:
        taken.bind((serve.HOST, port))
        taken.listen()
        with running(SERVERS["make run"], port) as server:
            output, _ = server.communicate(timeout=PATIENCE_SECONDS)
    assert server.returncode == 1
    assert output == f"Port {port} is taken. Choose another one: make run PORT={port + 1}\n"


@pytest.mark.server
@pytest.mark.parametrize("command", [("app",), ("tools.serve", "--terminal", "--port", "abc")])
def test_a_port_that_is_no_number_is_said_in_one_line(command: tuple[str, ...], port: int) -> None:
    with running(command, port, PORT="abc") as server:
        output, _ = server.communicate(timeout=PATIENCE_SECONDS)
    assert server.returncode == serve.UNUSABLE_SETTING
    assert output == (
        "PORT must be a whole number from 1 to 65535, for example: make run PORT=8001\n"
    )


@pytest.mark.server
def test_a_bad_setting_stops_the_start_with_one_line(port: int) -> None:
    with running(SERVERS["make run"], port, CDS_MAX_BODY_BYTES="plenty") as server:
        output, _ = server.communicate(timeout=PATIENCE_SECONDS)
    assert server.returncode == serve.UNUSABLE_SETTING
    assert output.count("\n") == 1
    assert "CDS_MAX_BODY_BYTES" in output
    assert "plenty" not in output


@pytest.mark.parametrize("text", ["0", "65536", "-1", "abc", "", "8000.0", "\u0668"])
def test_a_port_lies_in_the_range_of_ports(text: str) -> None:
    with pytest.raises(Exception, match="must be a whole number from 1 to 65535"):
        serve.a_port(text)


def test_a_port_is_a_number() -> None:
    assert serve.a_port("8000") == 8000
