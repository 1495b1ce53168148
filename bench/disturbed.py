"""Hook calls while the databases of feedback and tokens are frozen, locked or unreachable.

Each run starts the production server with hook callers and feedback senders, and goes through three
phases: undisturbed, disturbed, afterwards. The limits are those of `make soak`.
"""

from __future__ import annotations

import http.client
import json
import random
import sqlite3
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import create_engine, text

from bench.bodies import cases
from bench.load import HOST, free_port, running
from tests.support import issuing, postgres

CALLERS = 4
SENDERS = 32
PAUSE_SECONDS = 0.2
"""The pause between two posts of a sender. EHRs send feedback when clinicians decide, not in a loop."""
P99_RATIO = 1.5
P99_FLOOR_SECONDS = 0.05
"""Smaller differences are noise of the machine."""
FEEDBACK_SECONDS = 3.0
SIGNED_SECONDS = 1.0
JSON = {"Content-Type": "application/json"}


class Seen(NamedTuple):
    """The responses that callers received in one phase."""

    hooks: list[float]
    hook_statuses: Counter[int]
    feedback: list[float]
    feedback_statuses: Counter[int]


class Phase(NamedTuple):
    """A phase: the action at its beginning, and whether the database then works."""

    name: str
    begin: Callable[[], object]
    disturbed: bool


class Traffic:
    """Hook callers and feedback senders, and their results in the current phase."""

    def __init__(self, port: int, headers: Callable[[str], dict[str, str]] | None = None) -> None:
        hook, self._body = cases(100, datetime.now(UTC).date())["patient-view, card"]
        self._path = f"/cds-services/magnesium-migraine-{hook}"
        self._port = port
        self._headers = headers or (lambda _: JSON)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.seen = Seen([], Counter(), [], Counter())

    @contextmanager
    def flowing(self, senders: int) -> Iterator[None]:
        """Run until the block ends."""
        work = [self._call] * CALLERS + [self._send] * senders
        threads = [threading.Thread(target=one, daemon=True) for one in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(40)

    def new_phase(self) -> Seen:
        """The results since the last call of this method."""
        with self._lock:
            seen, self.seen = self.seen, Seen([], Counter(), [], Counter())
        return seen

    def _post(self, path: str, body: bytes) -> tuple[int, float, str | None]:
        started = time.monotonic()
        connection = http.client.HTTPConnection(HOST, self._port, timeout=40)
        with closing(connection):
            connection.request("POST", path, body, self._headers(path))
            reply = connection.getresponse()
            reply.read()
        return reply.status, time.monotonic() - started, reply.headers["Retry-After"]

    def _call(self) -> None:
        while not self._stop.is_set():
            try:
                status, seconds, _ = self._post(self._path, self._body)
            except (OSError, http.client.HTTPException):
                status, seconds = 0, 0.0
            with self._lock:
                self.seen.hooks.append(seconds)
                self.seen.hook_statuses[status] += 1
            time.sleep(0.01)

    def _send(self) -> None:
        chance = random.Random(threading.get_ident())  # noqa: S311 - not a secret
        while not self._stop.is_set():
            card = str(uuid.uuid4())
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            item = {"card": card, "outcome": "overridden", "outcomeTimestamp": stamp}
            status, seconds, later = 0, 0.0, None
            with suppress(OSError, http.client.HTTPException):
                status, seconds, later = self._post(
                    f"{self._path}/feedback", json.dumps({"feedback": [item]}).encode()
                )
            if status == http.HTTPStatus.SERVICE_UNAVAILABLE and later is None:
                status = -1  # the response had no Retry-After
            with self._lock:
                self.seen.feedback.append(seconds)
                self.seen.feedback_statuses[status] += 1
                if status == http.HTTPStatus.OK:
                    self.acknowledged.add(card)
            time.sleep(PAUSE_SECONDS * chance.uniform(0.5, 1.5))


def p99(seconds: list[float]) -> float:
    """The 99th percentile."""
    ordered = sorted(seconds)
    return ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def through(phases: list[Phase], traffic: Traffic, seconds: float, what: str) -> list[str]:
    """Run the phases and print a line for each. Returns the limits that were exceeded."""
    broken: list[str] = []
    quiet = 0.0
    for phase in phases:
        phase.begin()
        traffic.new_phase()
        time.sleep(seconds)
        seen = traffic.new_phase()
        hook = p99(seen.hooks)
        quiet = quiet or hook
        slowest = max(seen.feedback, default=0.0)
        print(
            f"{what:<12} {phase.name:<13} {len(seen.hooks):>6} {hook * 1000:>8.1f} "
            f"{hook / quiet:>6.2f} {_in_words(seen.hook_statuses):<16} "
            f"{len(seen.feedback):>6} {slowest:>7.2f} {_in_words(seen.feedback_statuses)}"
        )
        where = f"{what}, {phase.name}"
        if set(seen.hook_statuses) != {200}:
            broken.append(f"{where}: a hook call was not answered with 200")
        measured = phase.disturbed and phase.name != "afterwards"
        if measured and hook > max(P99_RATIO * quiet, P99_FLOOR_SECONDS):
            broken.append(f"{where}: hook p99 is {hook / quiet:.2f} times the undisturbed one")
        if slowest > FEEDBACK_SECONDS:
            broken.append(f"{where}: feedback took {slowest:.1f} s")
        allowed = {200, 503} if phase.disturbed else {200}
        if not set(seen.feedback_statuses) <= allowed and phase.name != "afterwards":
            broken.append(
                f"{where}: feedback was answered with {_in_words(seen.feedback_statuses)}"
            )
    return broken


def _in_words(statuses: Counter[int]) -> str:
    return " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))


HEAD = (
    f"{'store':<12} {'phase':<13} {'hooks':>6} {'p99 ms':>8} {'ratio':>6} {'answers':<16} "
    f"{'fb':>6} {'max s':>7} answers"
)


def with_postgresql(seconds: float) -> list[str]:
    """Freeze PostgreSQL, then stop it."""
    try:
        with postgres.controlled() as server:
            return _with(server, seconds)
    except postgres.MissingError as missing:
        print(f"postgresql: left out, {missing}")
        return []


def _with(server: postgres.Server, seconds: float) -> list[str]:
    port = free_port()
    arguments = ("--port", str(port), "--workers", "2")
    with running("tools.serve", *arguments, port=port, CDS_DATABASE_URL=server.url):
        traffic = Traffic(port)
        with traffic.flowing(SENDERS):
            time.sleep(2)
            broken = through(
                [
                    Phase("undisturbed", lambda: None, disturbed=False),
                    Phase("frozen", server.freeze, disturbed=True),
                    Phase("thawed", server.thaw, disturbed=True),
                    Phase("stopped", server.stop, disturbed=True),
                    Phase("afterwards", server.start, disturbed=True),
                ],
                traffic,
                seconds,
                "postgresql",
            )
    engine = create_engine(server.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        kept = {str(row[0]) for row in connection.execute(text("SELECT card_uuid FROM feedback"))}
    engine.dispose()
    return broken + _lost(traffic, kept, "postgresql")


def with_sqlite(seconds: float) -> list[str]:
    """Lock the file of the store in another process."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="cds-soak-") as directory:
        file = Path(directory, "cds.sqlite3")
        arguments = ("--port", str(port), "--workers", "2")
        with running("tools.serve", *arguments, port=port, CDS_DATA_DIR=directory):
            traffic = Traffic(port)
            with traffic.flowing(SENDERS), closing(_Locker(file)) as locker:
                time.sleep(2)
                broken = through(
                    [
                        Phase("undisturbed", lambda: None, disturbed=False),
                        Phase("locked", locker.lock, disturbed=True),
                        Phase("afterwards", locker.unlock, disturbed=True),
                    ],
                    traffic,
                    seconds,
                    "sqlite",
                )
        with closing(sqlite3.connect(file)) as connection:
            kept = {str(row[0]) for row in connection.execute("SELECT card_uuid FROM feedback")}
    return broken + _lost(traffic, kept, "sqlite")


def with_tokens(seconds: float) -> list[str]:
    """Send signed calls while the ledger of used tokens is locked. They must be refused quickly,
    and no token may be accepted twice.
    """
    port, public, issuer = free_port(), "https://cds.example.org", "https://ehr.example.org"
    key = issuing.new_key("ES384")

    def signed(path: str) -> dict[str, str]:
        token = issuing.signed(issuing.claims(issuer, public + path), key, "key-1", "ES384")
        return JSON | {"Authorization": f"Bearer {token}"}

    with tempfile.TemporaryDirectory(prefix="cds-soak-") as directory:
        jwks = {"keys": [issuing.public_jwk(key, "key-1")]}
        clients = Path(directory, "clients.json")
        clients.write_text(json.dumps({"clients": [{"name": "ehr", "iss": issuer, "jwks": jwks}]}))
        environ = {
            "CDS_DATA_DIR": directory,
            "CDS_CLIENTS_FILE": str(clients),
            "CDS_PUBLIC_URL": public,
        }
        with running("tools.serve", "--port", str(port), "--workers", "2", port=port, **environ):
            traffic = Traffic(port, signed)
            locker = _Locker(Path(directory, "trust.sqlite3"))
            with traffic.flowing(0), closing(locker):
                time.sleep(2)
                broken = []
                wanted: set[int]
                for phase, wanted in (
                    (Phase("undisturbed", lambda: None, disturbed=False), {200}),
                    (Phase("locked", locker.lock, disturbed=True), {503}),
                    (Phase("afterwards", locker.unlock, disturbed=False), {200, 503}),
                ):
                    phase.begin()
                    time.sleep(0.5)
                    traffic.new_phase()
                    time.sleep(seconds)
                    seen = traffic.new_phase()
                    slowest = max(seen.hooks, default=0.0)
                    print(
                        f"{'ledger':<12} {phase.name:<13} {len(seen.hooks):>6} "
                        f"{p99(seen.hooks) * 1000:>8.1f} {'':>6} {_in_words(seen.hook_statuses)}"
                    )
                    if not set(seen.hook_statuses) <= wanted:
                        broken.append(f"ledger, {phase.name}: {_in_words(seen.hook_statuses)}")
                    if slowest > SIGNED_SECONDS:
                        broken.append(f"ledger, {phase.name}: a call took {slowest:.1f} s")
    return broken


class _Locker:
    """Act like the transaction of another process."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)

    def lock(self) -> None:
        self._connection.execute("BEGIN EXCLUSIVE")

    def unlock(self) -> None:
        self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


def _lost(traffic: Traffic, kept: set[str], what: str) -> list[str]:
    lost = len(traffic.acknowledged - kept)
    print(f"{what:<12} {len(traffic.acknowledged)} items acknowledged, {lost} of them lost")
    return [f"{what}: {lost} acknowledged items are lost"] if lost else []


def main(seconds: float = 8.0) -> list[str]:
    """Run everything and print the table. Returns the limits that were exceeded."""
    print(HEAD)
    return [*with_postgresql(seconds), *with_sqlite(seconds), *with_tokens(seconds)]


if __name__ == "__main__":
    raise SystemExit("\n".join(main()) or None)
