"""The metrics `process_*` of the whole service: the parent of the workers and all its children.

The collector of the client library reports one process. With several workers, that is the worker
that happens to serve `/metrics`. Here the values are sums over the processes, and the start time is
that of the parent. Memory that processes share is counted in each of them.

The processor time includes workers that have ended, because the system adds their time to their
parent. So it never falls.

Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (cutime and cstime).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_PROC = Path("/proc")
_CPU = "process_cpu_seconds"
_START = "process_start_time_seconds"
_CHILDREN_TIMES = slice(13, 15)
"""cutime and cstime among the fields after the name of the program, in clock ticks."""


class ServiceProcesses(Collector):
    """Collects from the process with the id `parent` and its children. Nothing without `/proc`."""

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def collect(self) -> Iterator[Metric]:
        """One family for each metric."""
        texts: dict[str, str] = {}
        values: dict[str, list[float]] = {}
        for pid in (self._parent, *_children(self._parent)):
            for family in _of_one(pid):
                texts[family.name] = family.documentation
                values.setdefault(family.name, []).append(family.samples[0].value)
        for name, found in values.items():
            if name == _CPU:
                total = sum(found) + _seconds_of_ended(self._parent)
                yield CounterMetricFamily(name, texts[name], value=total)
            else:
                value = min(found) if name == _START else sum(found)
                yield GaugeMetricFamily(name, texts[name], value=value)


def _of_one(pid: int) -> list[Metric]:
    # Outside any registry, so that it is only collected here.
    return list(ProcessCollector(pid=lambda: pid, registry=None).collect())


def _children(parent: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found: list[int] = []
    for tasks in _PROC.glob(f"{parent}/task/*/children"):
        try:
            found += map(int, tasks.read_text().split())
        except OSError:
            continue  # the thread has ended meanwhile
    return found


def _seconds_of_ended(parent: int) -> float:
    """The processor time of children that have ended."""
    try:
        fields = (_PROC / str(parent) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[_CHILDREN_TIMES])) / os.sysconf("SC_CLK_TCK")
