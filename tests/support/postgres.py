"""A PostgreSQL server of the tests' own: from the distribution's programs, in a directory that goes."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .waiting import PATIENCE_SECONDS, wait_for

# Debian keeps the server's programs out of the path.
_DEBIAN = Path("/usr/lib/postgresql")


class MissingError(Exception):
    """There is no PostgreSQL here; the text says what is missing."""


class Server:
    """A running server, which a test can freeze, stop and start again. Its data stay."""

    def __init__(self, url: str, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.url = url
        self._start = start
        self._process = start()

    def freeze(self) -> None:
        """Stop all of its processes where they are: it accepts bytes and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """To the server and to each process that serves a connection: these are no process group."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in (pid, *map(int, children)):
            os.kill(process, number)

    def stop(self) -> None:
        """Shut down, ending the connections."""
        self.thaw()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE_SECONDS)

    def start(self) -> None:
        """Start again."""
        self._process = self._start()

    @property
    def runs(self) -> bool:
        """Whether it was not stopped."""
        return self._process.poll() is None


@contextmanager
def server() -> Iterator[str]:
    """The URL of a fresh server that listens on a local socket only."""
    with controlled("fsync=off") as running:
        yield running.url


@contextmanager
def controlled(*options: str) -> Iterator[Server]:
    """A fresh server that listens on a local socket only. `options` are further settings of it."""
    programs = _programs()
    account = _account()
    home = Path(tempfile.mkdtemp(prefix="cds-pg-"))
    try:
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
        user = account.pw_uid if account is not None else None
        _run([programs / "initdb", "-D", home / "data", "-U", "cds", "-A", "trust", "-N"], user)
        settings = [f"-c{o}" for o in ("listen_addresses=", "max_connections=50", *options)]

        def start() -> subprocess.Popen[bytes]:
            process = subprocess.Popen(  # noqa: S603
                [programs / "postgres", "-D", home / "data", "-k", home, *settings],
                user=user,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            _wait(programs, home, process, user)
            return process

        running = Server(f"postgresql://cds@/postgres?host={home}", start)
        try:
            yield running
        finally:
            if running.runs:
                running.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs() -> Path:
    places = sorted(_DEBIAN.glob("*/bin"), key=lambda p: p.parent.name.zfill(4), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        places.append(Path(on_path).resolve().parent)
    for place in places:
        if all((place / name).exists() for name in ("initdb", "postgres", "pg_isready")):
            return place
    raise MissingError("PostgreSQL is not installed (on Debian: apt-get install postgresql)")


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise MissingError("PostgreSQL refuses to run as root, and there is no other account")


def _run(command: list[str | Path], user: int | None) -> None:
    done = subprocess.run(  # noqa: S603
        command, user=user, cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise MissingError(f"initdb failed: {done.stderr.strip()[:300]}")


def _wait(programs: Path, home: Path, process: subprocess.Popen[bytes], user: int | None) -> None:
    def is_ready() -> bool:
        command: list[str | Path] = [programs / "pg_isready", "-q", "-h", home]
        return subprocess.run(command, user=user, cwd="/", check=False).returncode == 0  # noqa: S603

    try:
        wait_for(is_ready, PATIENCE_SECONDS, given_up=lambda: process.poll() is not None)
    except AssertionError:
        raise MissingError("PostgreSQL did not come up") from None
