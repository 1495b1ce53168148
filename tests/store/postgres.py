"""A PostgreSQL server of the tests' own: from the distribution's programs, in a directory that goes."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_SECONDS = 30.0
# Debian keeps the server's programs out of the path.
_DEBIAN = Path("/usr/lib/postgresql")


class MissingError(Exception):
    """There is no PostgreSQL here; the text says what is missing."""


@contextmanager
def server() -> Iterator[str]:
    """The URL of a fresh server that listens on a local socket only."""
    programs = _programs()
    account = _account()
    home = Path(tempfile.mkdtemp(prefix="cds-pg-"))
    try:
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
        user = account.pw_uid if account is not None else None
        _run([programs / "initdb", "-D", home / "data", "-U", "cds", "-A", "trust", "-N"], user)
        with subprocess.Popen(  # noqa: S603
            [
                *(programs / "postgres", "-D", home / "data", "-k", home),
                *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"),
            ],
            user=user,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                _wait(programs, home, process, user)
                yield f"postgresql://cds@/postgres?host={home}"
            finally:
                process.terminate()
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
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        ready = subprocess.run(  # noqa: S603
            [programs / "pg_isready", "-q", "-h", home], user=user, cwd="/", check=False
        )
        if ready.returncode == 0:
            return
        time.sleep(0.1)
    raise MissingError("PostgreSQL did not come up")
