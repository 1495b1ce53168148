"""`python -m bench.soak`: a minute at full load, with slow clients, aborted bodies and killed
workers.

Every client repeats a call until it gets a response. Exits with 1 if a response was wrong or too
late, or if the memory of a worker grew. Then it runs `bench.disturbed` (the databases of feedback
and tokens are frozen, locked or unreachable) and `bench.hostile` (expensive bodies).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from bench import disturbed, hostile
from bench.bodies import cases
from bench.load import HOST, family, free_port, resident_mb, running

PATIENCE_SECONDS = 15.0
CALLERS = 4
SLOW = 20
KILL_EVERY_SECONDS = 10.0
GROWTH = 1.25
"""The allowed growth of a worker's memory, from the first third of its life to the last."""


class Soak:
    """The load and its results."""

    def __init__(self, port: int, body: bytes, path: str) -> None:
        self.port = port
        self.body = body
        self.path = path
        self.seen: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.stop = threading.Event()
        self.expected = b""

    def answered(self) -> tuple[int, bytes]:
        """Make one call, once."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", self.path, self.body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, reply.read()

    def call(self) -> None:
        """Make calls one after the other, each until it gets a response."""
        while not self.stop.is_set():
            started = time.monotonic()
            while True:
                try:
                    status, answer = self.answered()
                except (OSError, http.client.HTTPException):
                    self.seen["connection lost, repeated"] += 1
                else:
                    if status == 200:
                        break
                    self.seen[f"{status}, repeated"] += 1
                if time.monotonic() - started > PATIENCE_SECONDS:
                    self.seen["LOST"] += 1
                    return
                time.sleep(0.05)
            self.seconds.append(time.monotonic() - started)
            self.seen["answered" if b'"cards":[{' in answer else "WRONG"] += 1

    def dawdle(self) -> None:
        """Send a part of a body, wait, and sometimes disconnect."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        ).encode()
        chance = random.Random(threading.get_ident())  # noqa: S311 - not a secret
        while not self.stop.is_set():
            with (
                contextlib.suppress(OSError),
                socket.create_connection((HOST, self.port), timeout=5) as connection,
            ):
                connection.sendall(head + self.body[: chance.randrange(len(self.body))])
                self.stop.wait(chance.choice((0.0, 0.2, 3.0)))
                self.seen["bodies aborted"] += 1


def watch(process: subprocess.Popen[bytes], seconds: float, kill: bool) -> dict[int, list[float]]:
    """Sample the memory of the workers. Sometimes kill one of them, but never the first."""
    samples: dict[int, list[float]] = {}
    started = last_kill = time.monotonic()
    _, spared, *_ = family(process.pid)
    while time.monotonic() - started < seconds:
        time.sleep(0.5)
        for worker in family(process.pid)[1:]:
            with contextlib.suppress(OSError):
                samples.setdefault(worker, []).append(resident_mb(worker))
        if kill and time.monotonic() - last_kill > KILL_EVERY_SECONDS:
            last_kill = time.monotonic()
            for worker in family(process.pid)[1:]:
                if worker != spared:
                    os.kill(worker, signal.SIGKILL)
                    break
    return {spared: samples[spared]}


def started(work: Callable[[], None], number: int) -> list[threading.Thread]:
    """Start this many threads that run a function."""
    threads = [threading.Thread(target=work, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads


def main() -> int:
    """Run the soak test, print, and return whether all limits are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--phase", type=float, default=8.0, help="seconds of each disturbance")
    options = parser.parse_args()
    port = free_port()
    hook, body = cases(100, datetime.now(UTC).date())["patient-view, card"]
    soak = Soak(port, body, f"/cds-services/magnesium-migraine-{hook}")
    with running("tools.serve", "--port", str(port), "--workers", "2", port=port) as process:
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                if soak.answered()[0] == 200:
                    break
            time.sleep(0.1)
        callers = started(soak.call, CALLERS)
        slow = started(soak.dawdle, SLOW)
        samples = watch(process, options.seconds, kill=True)
        soak.stop.set()
        for thread in [*callers, *slow]:
            thread.join(PATIENCE_SECONDS)
    (worker,) = samples.values()
    third = len(worker) // 3
    before, after = statistics.median(worker[:third]), statistics.median(worker[-third:])
    for name, count in sorted(soak.seen.items()):
        print(f"{count:>8} {name}")
    ordered = sorted(soak.seconds)
    print(f"{len(ordered) / options.seconds:>8.0f} calls a second")
    for share in (0.5, 0.95, 0.99, 1.0):
        at = min(int(share * len(ordered)), len(ordered) - 1)
        print(f"{ordered[at] * 1000:>8.1f} ms at {share:.0%}")
    print(f"{before:>8.1f} MB in the first third, {after:.1f} MB in the last")
    broken = [f"{name}: {soak.seen[name]} calls" for name in ("LOST", "WRONG") if soak.seen[name]]
    if after > before * GROWTH:
        broken.append(f"a worker grew from {before:.1f} to {after:.1f} MB")
    print()
    broken += disturbed.main(options.phase)
    print()
    broken += hostile.main()
    for bound in broken:
        print(f"BROKEN  {bound}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
