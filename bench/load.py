"""Load over HTTP from one thread, with several connections and one request in progress on each."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

HOST = "127.0.0.1"
_PIECE = 2**18


class Load(msgspec.Struct, frozen=True):
    """The results: seconds of each response, and processor seconds of the server in total."""

    seconds: list[float]
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.seconds) / self.wall

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time of the server for each response."""
        return self.cpu * 1000 / len(self.seconds)

    def ms(self, share: float) -> float:
        """The milliseconds within which this share of the responses arrived."""
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000


class Connection:
    """A kept-alive connection with one request in progress."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._received = bytearray()
        self._wanted = 0
        self.began = 0.0

    def send(self) -> None:
        """Send a request."""
        self._received.clear()
        self._wanted = 0
        self.began = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> bool:
        """Read available data. Returns whether the response is complete."""
        piece = self.socket.recv(_PIECE)
        if not piece:
            raise SystemExit("bench: the server closed a connection")
        self._received += piece
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self._received[:end]).lower()
            if not head.startswith(b"http/1.1 200"):
                raise SystemExit(f"bench: answered with {head[:12].decode()}")
            length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
            self._wanted = end + 4 + int(length)
        return len(self._received) >= self._wanted

    @property
    def answer(self) -> bytes:
        """The body of the last response."""
        return bytes(self._received).partition(b"\r\n\r\n")[2]


def post(path: str, body: bytes) -> bytes:
    """A request in HTTP/1.1 form."""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def put_under_load(
    server: subprocess.Popen[bytes], port: int, request: bytes, connections: int, seconds: float
) -> Load:
    """Keep this number of requests in progress for this time."""
    times: list[float] = []
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = Connection(port, request)
            stack.callback(connection.socket.close)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send()
        before, began = cpu_seconds(server.pid), time.perf_counter()
        until = began + seconds
        while (now := time.perf_counter()) < until:
            for key, _ in selector.select(timeout=until - now):
                connection = key.data
                if connection.receive():
                    times.append(time.perf_counter() - connection.began)
                    connection.send()
        wall, cpu = time.perf_counter() - began, cpu_seconds(server.pid) - before
    return Load(times, wall, cpu)


def once(port: int, request: bytes) -> bytes:
    """One request on a new connection."""
    connection = Connection(port, request)
    with contextlib.closing(connection.socket):
        connection.send()
        while not connection.receive():
            pass
        return connection.answer


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    pids = [pid]
    for parent in pids:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                pids += [int(child) for child in children.read_text().split()]
    return pids


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its children so far."""
    ticks = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Resident megabytes of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    """An unused port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(*command: str, port: int, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server on a port and stop it at the end. `settings` are environment variables."""
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            **os.environ,
            "CDS_DATA_DIR": directory,
            "CDS_LOG_LEVEL": "ERROR",
            **settings,
        }
        with subprocess.Popen(  # noqa: S603 - this project's own servers
            [sys.executable, "-m", *command],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                _wait_for(port, process)
                yield process
            finally:
                process.terminate()
                process.wait(60)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.01)
    raise SystemExit("bench: the server did not start")
