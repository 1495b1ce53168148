"""The service under its real server, for tests of what only a server shows."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .waiting import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Reply:
    """An answer, read whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.json["issue"][0]["details"]["text"]  # type: ignore[no-any-return]


class Running:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, output: Path) -> None:
        self.process = process
        self.port = port
        self._output = output

    @property
    def output(self) -> str:
        """All that it has written so far."""
        return self._output.read_text(encoding="utf-8", errors="backslashreplace")

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        port: int | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> Reply:
        """One request on a connection of its own. A body that is no bytes is sent as JSON."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(HOST, port or self.port, timeout=patience)
        try:
            connection.request(method, path, body, sent)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def connections(self) -> int:
        """How many connections the workers have accepted and not closed."""
        fds = (fd for worker in self.workers() for fd in Path(f"/proc/{worker}/fd").iterdir())
        inodes = {found[1] for fd in fds if (found := _SOCKET.fullmatch(_target(fd)))}
        established = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        local = f":{self.port:04X}"
        return sum(
            1
            for row in established
            if row[1].endswith(local) and row[3] == "01" and row[9] in inodes
        )

    def workers(self) -> list[int]:
        """The processes that answer."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = [child for task in tasks for child in task.read_text().split()]
        return [int(child) for child in children if "multiprocessing" not in _command(child)]

    def stop(self) -> str:
        """Ask it to stop; all that it has written."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_SECONDS * 2)
        return self.output


_SOCKET = re.compile(r"socket:\[(\d+)\]")


def _target(fd: Path) -> str:
    with suppress(OSError):  # closed meanwhile
        return str(fd.readlink())
    return ""


def _command(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def environment(directory: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    return kept | {"CDS_DATA_DIR": str(directory)} | settings


@contextmanager
def serving(
    directory: Path, *arguments: str, port: int | None = None, **settings: str
) -> Iterator[Running]:
    """`make serve`, until the block ends. It writes to a file: a pipe that nobody reads fills up."""
    port = port or free_port()
    command = [sys.executable, "-m", "tools.serve", "--port", str(port), *arguments]
    with serving_as(command, port, directory, ROOT, environment(directory, **settings)) as server:
        yield server


@contextmanager
def serving_as(
    command: list[str], port: int, directory: Path, folder: Path, environ: Mapping[str, str]
) -> Iterator[Running]:
    """A command that serves on a port, started in a folder. Its output is in the directory."""
    output = directory / f"output-{port}"
    with (
        output.open("wb") as written,
        subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = Running(process, port, output)
        try:
            _wait(server)
            yield server
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def _wait(server: Running) -> None:
    try:
        wait_for(lambda: server.ask("GET", "/health"), given_up=server.has_ended)
    except AssertionError:
        server.process.kill()
        raise AssertionError(f"the server does not answer: {server.output}") from None


def started_with(directory: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """The exit code of a start that is expected to fail, and the text of each line of its log."""
    command = [sys.executable, "-m", "tools.serve", "--port", str(free_port()), *arguments]
    done = subprocess.run(  # noqa: S603
        command,
        cwd=ROOT,
        env=environment(directory, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return done.returncode, "".join(json.loads(line)["event"] + "\n" for line in lines)
