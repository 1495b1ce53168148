"""What is measured besides the requests: processes, fetching, key sets, the queue of the store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cds_service.settings import Settings
from cds_service.store.background import Background
from cds_service.store.counting import Counters
from cds_service.store.errors import StoreUnavailableError
from cds_service.trust.key_sets import KeySets
from cds_service.trust.ledger import FileLedger
from cds_service.web.calls import auth
from cds_service.web.operate import metrics
from cds_service.web.operate.processes import ServiceProcesses

from ...support.waiting import wait_for

BUSY_SECONDS = 0.3
BUSY = f"""
import sys, time
while time.process_time() < {BUSY_SECONDS}:
    pass
print(flush=True)
sys.stdin.readline()
"""
PROCESS = {
    *("process_cpu_seconds_total", "process_open_fds", "process_max_fds"),
    *("process_resident_memory_bytes", "process_virtual_memory_bytes"),
    "process_start_time_seconds",
}


def figures() -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(s.name, tuple(s.labels.values())): s.value for f in families for s in f.samples}


def of_service() -> dict[str, float]:
    samples = (s for f in ServiceProcesses(os.getpid()).collect() for s in f.samples)
    return {sample.name: sample.value for sample in samples}


def test_this_process_is_measured() -> None:
    found = figures()
    assert {name for name, _ in found if name.startswith("process_")} == PROCESS
    assert found["process_resident_memory_bytes", ()] > 10_000_000


def test_all_processes_of_the_service_are_measured_and_time_is_never_lost() -> None:
    alone = of_service()
    assert set(alone) == PROCESS
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        both = of_service()
        child.communicate()
    after = of_service()
    assert both["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"]
    # The child has a limit of its own: a server that ran in this process may have raised ours.
    assert both["process_max_fds"] > alone["process_max_fds"]
    assert both["process_start_time_seconds"] == alone["process_start_time_seconds"]
    for measured in (both, after):
        grown = measured["process_cpu_seconds_total"] - alone["process_cpu_seconds_total"]
        assert grown >= BUSY_SECONDS - 0.05


def test_a_process_that_has_ended_has_no_values() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert list(ServiceProcesses(child.pid).collect()) == []


def test_only_the_gauges_of_ended_workers_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the system has no `/proc`."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    for pid in (os.getpid(), ended.pid):
        (tmp_path / f"gauge_livemax_{pid}.db").touch()
        (tmp_path / f"counter_{pid}.db").touch()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", lambda _: False)
        metrics._forget_dead_workers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"gauge_livemax_{os.getpid()}.db",
        f"counter_{os.getpid()}.db",
        f"counter_{ended.pid}.db",
    }


def test_fetching_is_measured_with_few_labels() -> None:
    before = figures()
    metrics.observe_fetch(0.2, {"timeout": 2})
    for status in (500, 503, 599):
        metrics.observe_fetch(0.2, {f"status_{status}": 1})
    after = figures()

    def grown(name: str, *labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0.0)

    assert grown("cds_fetch_seconds_count") == 4
    assert grown("cds_fetch_seconds_sum") == pytest.approx(0.8)
    assert grown("cds_fetch_failures_total", "timeout") == 2
    assert grown("cds_fetch_failures_total", "status_5xx") == 3
    assert not any("status_503" in labels for _, labels in after)


class Clients(msgspec.Struct):
    name: str
    jku: tuple[str, ...]


def test_the_time_of_a_key_set_is_that_of_the_ledger(tmp_path: Path) -> None:
    first, second = "https://a.example/jwks", "https://b.example/jwks"
    watch = auth._key_set_metrics({"iss": Clients("A hospital", (first, second))})  # type: ignore[dict-item]
    ledger = FileLedger(tmp_path / "trust.sqlite3")
    sets = KeySets(ledger, fetch=lambda _: b'{"keys": []}', now=lambda: 1_000.0, watch=watch)
    assert sets.key(second, "kid", "ES384") is None
    found = figures()
    ledger.close()
    assert found["cds_key_set_timestamp_seconds", ("A hospital", "2")] == 1_000.0
    assert ("cds_key_set_timestamp_seconds", ("A hospital", "1")) not in found


def test_the_queue_of_the_store_is_counted_while_the_store_is_away() -> None:
    is_away = True

    def write(_: object) -> None:
        if is_away:
            raise StoreUnavailableError("away")

    counters = Counters()
    background: Background[str] = Background(write, counters)
    for record in "abc":
        background.put(record)
    wait_for(lambda: counters.queue == 3)
    is_away = False
    background.stop()
    assert counters.queue == 0


def test_the_service_sets_the_queue_and_counts_fetches(tmp_path: Path) -> None:
    from cds_service import create_app
    from cds_service.web.parts import parts_of

    parts = parts_of(create_app(Settings(data_dir=str(tmp_path))))
    # The stores of other tests set the same gauge, from threads of their own.
    for _ in range(20):
        parts.store.counting.waiting(7)
        if figures()["cds_store_queue", ()] == 7:
            break
    else:
        raise AssertionError("the queue is not measured")
    assert parts.answering.fetching is not None
    assert parts.answering.fetching()._observe is metrics.observe_fetch
