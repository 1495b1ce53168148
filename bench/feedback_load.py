"""`python -m bench.feedback_load`: feedback during full hook load, on the default store.

A real server with two workers gets hook calls at full speed. In every other time slice it also gets
feedback, with every fifth post a repetition. At the end the store must contain every item and every
returned card once. Hook calls must not be slower in the slices with feedback. Slices alternate
because the speed of a machine varies.

It also measures how much processor time of a call is used for recording its cards.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from queue import Full, SimpleQueue
from typing import Any
from urllib.request import urlopen

from bench.load import HOST, free_port

SERVICE = "magnesium-migraine-patient-view"
PATIENT = "marigold-fenwick"
HOOK_CONNECTIONS = 6
FEEDBACK_CONNECTIONS = 8
SLICE_SECONDS = 5.0
WARM_UP_SECONDS = 3.0
REPEATED = 5
HAND_ON_SECONDS = 0.04
MOST_HANDED_ON = 500
ALLOWED = 1.20
"""The maximum ratio between the 99th percentiles with and without feedback."""
ALLOWED_COST = 0.05
"""The maximum share of a hook call's processor time for recording its cards."""
JSON = {"Content-Type": "application/json"}


@dataclass
class Callers:
    """The results of the hook callers: the time and duration of each response, and the cards."""

    answers: list[tuple[float, float]] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    failures: int = 0


def main() -> int:
    """Run, print, and return whether all limits are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long feedback comes")
    parser.add_argument("--rate", type=float, default=50.0, help="feedback posts a second")
    options = parser.parse_args()
    kept = [run_load(options.seconds, options.rate), run_cost()]
    return 0 if all(kept) else 1


@contextmanager
def serving(directory: str) -> Iterator[tuple[int, Callable[[], None]]]:
    """Start the production server. Returns its port and a function that stops it gracefully."""
    port = free_port()
    command = (sys.executable, "-m", "tools.serve", "--port", str(port), "--workers", "2")
    environ = {**os.environ, "CDS_DATA_DIR": directory, "CDS_LOG_LEVEL": "ERROR"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:  # noqa: S603

        def stop() -> None:
            process.terminate()
            process.wait(30)

        try:
            wait_until_ready(port)
            yield port, stop
        finally:
            process.kill()


def wait_until_ready(port: int) -> None:
    """Wait until both workers can serve."""
    for _ in range(300):
        try:
            with urlopen(f"http://{HOST}:{port}/ready", timeout=30):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not come up")


def sandbox_request(port: int) -> bytes:
    """A hook call that returns a card."""
    address = f"http://{HOST}:{port}/sandbox/requests/{PATIENT}/{SERVICE}"
    with urlopen(address, timeout=30) as response:
        body: bytes = response.read()
    return body


# ------------------------------------------------------------------ the load


def run_load(seconds: float, rate: float) -> bool:
    """Whether no item was lost or stored twice, and hook calls stayed fast."""
    with (
        tempfile.TemporaryDirectory(prefix="cds-bench-") as directory,
        serving(directory) as (port, stop_server),
    ):
        body = sandbox_request(port)
        here, there = multiprocessing.Pipe()
        stop = multiprocessing.Event()
        uuids: Queue[str] = multiprocessing.Queue(MOST_HANDED_ON)
        callers = multiprocessing.Process(
            target=call_hooks, args=(port, body, stop, there, uuids), daemon=True
        )
        callers.start()
        time.sleep(WARM_UP_SECONDS)
        slices, sent, taken = send_feedback(port, seconds, rate, uuids)
        stop.set()
        seen: Callers = here.recv()
        callers.join()
        stop_server()
        return judge(directory, slices, sent, taken, seen)


def judge(
    directory: str,
    slices: list[tuple[float, float, bool]],
    sent: int,
    taken: list[tuple[int, float]],
    seen: Callers,
) -> bool:
    """Compare the sent items with the stored ones, and the slices with and without feedback."""
    from cds_service.store.location import database_url
    from cds_service.store.store import Store

    store = Store(database_url("", directory), 365)
    now = datetime.now(UTC)
    history = store.history(now - timedelta(days=1), now + timedelta(days=1))
    store.close()
    issued = sum(issues.count for issues in history.issues)
    times: dict[bool, list[float]] = {True: [], False: []}
    for start, end, with_feedback in slices:
        times[with_feedback] += [t for at, t in seen.answers if start <= at < end]
    refused = [status for status, _ in taken if status != http.HTTPStatus.OK]
    waited = [seconds for _, seconds in taken]
    quiet, busy = (percentile(times[kind], 0.99) for kind in (False, True))
    print(
        f"hook calls: {len(seen.answers)}, {seen.failures} failed; "
        f"{len(times[False])} without feedback beside them, {len(times[True])} with"
    )
    print(
        f"feedback: {len(taken)} posts of {sent} items, {len(refused)} refused {sorted(set(refused)) or ''}; "
        f"{history.feedback} kept, {history.unmatched} of them on a card that is not known"
    )
    print(
        f"feedback latency: median {1000 * percentile(waited, 0.5):.1f} ms, "
        f"99th percentile {1000 * percentile(waited, 0.99):.1f} ms"
    )
    print(f"cards: {len(seen.cards)} answered, {issued} remembered")
    print(
        f"hook latency, median: {1000 * percentile(times[False], 0.5):.1f} ms without feedback, "
        f"{1000 * percentile(times[True], 0.5):.1f} ms with"
    )
    print(
        f"hook latency, 99th percentile: {1000 * quiet:.1f} ms without feedback, "
        f"{1000 * busy:.1f} ms with: {busy / quiet:.2f} times (allowed {ALLOWED})"
    )
    return (
        not refused
        and seen.failures == history.unmatched == 0
        and history.feedback == sent
        and issued == len(seen.cards)
        and busy <= ALLOWED * quiet
    )


def send_feedback(
    port: int, seconds: float, rate: float, uuids: Queue[str]
) -> tuple[list[tuple[float, float, bool]], int, list[tuple[int, float]]]:
    """Send at a steady rate in every other slice. Returns the slices, the sent items and the responses."""
    waiting: SimpleQueue[bytes | None] = SimpleQueue()
    taken: list[tuple[int, float]] = []
    senders = [
        threading.Thread(target=send_waiting, args=(port, waiting, taken), daemon=True)
        for _ in range(FEEDBACK_CONNECTIONS)
    ]
    for sender in senders:
        sender.start()
    slices: list[tuple[float, float, bool]] = []
    sent = 0
    item = b""
    for number in range(2 * round(seconds / SLICE_SECONDS)):
        start, with_feedback = time.monotonic(), number % 2 == 1
        for post_number in range(round(rate * SLICE_SECONDS) if with_feedback else 0):
            if post_number % REPEATED != REPEATED - 1:
                item = feedback_item(uuids.get(timeout=30))
                sent += 1
            waiting.put(item)
            time.sleep(max(0.0, start + (post_number + 1) / rate - time.monotonic()))
        time.sleep(max(0.0, start + SLICE_SECONDS - time.monotonic()))
        slices.append((start, time.monotonic(), with_feedback))
    for _ in senders:
        waiting.put(None)
    for sender in senders:
        sender.join()
    return slices, sent, taken


def feedback_item(card: str) -> bytes:
    """An override of a card."""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    item = {"card": card, "outcome": "overridden", "outcomeTimestamp": stamp}
    return json.dumps({"feedback": [item]}).encode()


def send_waiting(
    port: int, waiting: SimpleQueue[bytes | None], taken: list[tuple[int, float]]
) -> None:
    """One connection for feedback."""
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    while (body := waiting.get()) is not None:
        start = time.monotonic()
        status, _ = post(connection, f"/cds-services/{SERVICE}/feedback", body)
        taken.append((status, time.monotonic() - start))


def call_hooks(
    port: int,
    body: bytes,
    stop: Event,
    report: Connection,
    uuids: Queue[str],
) -> None:
    """Call at full speed over several connections, in a separate process."""
    uuids.cancel_join_thread()  # at the end the rest is not needed
    seen = Callers()
    threads = [
        threading.Thread(target=call_until, args=(port, body, stop, seen, uuids), daemon=True)
        for _ in range(HOOK_CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report.send(seen)


def call_until(
    port: int,
    body: bytes,
    stop: Event,
    seen: Callers,
    uuids: Queue[str],
) -> None:
    """One connection for hook calls. It sometimes passes a card on, for feedback."""
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    handed_on = 0.0
    while not stop.is_set():
        start = time.monotonic()
        status, answer = post(connection, f"/cds-services/{SERVICE}", body)
        end = time.monotonic()
        if status != http.HTTPStatus.OK:
            seen.failures += 1
            continue
        seen.answers.append((end, end - start))
        cards = [card["uuid"] for card in json.loads(answer)["cards"]]
        seen.cards.extend(cards)
        if end - handed_on > HAND_ON_SECONDS and cards:
            handed_on = end
            with suppress(Full):
                uuids.put_nowait(cards[0])


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    """Make one call. The status is 0 if a second try fails too.

    A server may close an idle connection, so every client tries twice.
    """
    for _ in range(2):
        try:
            connection.request("POST", path, body, JSON)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
    return 0, b""


def percentile(values: list[float], share: float) -> float:
    """The value at this quantile."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


# ------------------------------------------------- what remembering costs


def run_cost(calls: int = 100, rounds: int = 25) -> bool:
    """Whether recording takes a small share of the processor time of a call with a card."""
    from cds_service import create_app
    from cds_service.settings import Settings
    from cds_service.web.parts import parts_of

    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="cds-bench-") as directory:
        app = create_app(Settings(data_dir=directory))
        store: Any = parts_of(app).store
        client = app.test_client()
        body = client.get(f"/sandbox/requests/{PATIENT}/{SERVICE}").get_data()
        remember = store.remember

        def spent(keep: bool) -> float:
            store.remember = remember if keep else nothing
            start = time.process_time()
            for _ in range(calls):
                client.post(f"/cds-services/{SERVICE}", data=body, headers=JSON)
            store.flush()
            return (time.process_time() - start) / calls

        spent(keep=True)
        pairs = [(spent(keep=False), spent(keep=True)) for _ in range(rounds)]
        store.close()
    logging.disable(logging.NOTSET)
    # The minimum of many rounds, because disturbances only make a round slower.
    plain = min(without for without, _ in pairs)
    extra = min(kept for _, kept in pairs) - plain
    print(
        f"processor time of a call: {1000 * plain:.2f} ms; remembering its card takes "
        f"{1000 * extra:.3f} ms more, {extra / plain:.1%} (allowed {ALLOWED_COST:.0%})"
    )
    return extra <= ALLOWED_COST * plain


def nothing(_: object) -> None:
    """Replaces the recording."""


if __name__ == "__main__":
    sys.exit(main())
