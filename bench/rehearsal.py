"""A rehearsal of a large export, compared with `wc -l` of the same files in the same run.

    make rehearsal-bench                       # makes 1.3 GB in a temporary folder, two workers
    make rehearsal-bench ARGS="--gigabytes 5"
    make rehearsal-bench ARGS="--source FOLDER --history"

The files are read once before, so that both find them in memory. The memory is that of all processes
together, shared pages counted once. On a busy machine the wall times mean little. The processor time
for each worker shows what they would be on an idle one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

FIRST_PASS = ("Looking for magnesium", "Looking for the patients")
DECIDING = "Deciding"
TARGETS = {"first pass": 4.0, "all but deciding": 8.0}
MOMENT_MS = 2.0
MEMORY_MB = 600.0
_SAMPLE_SECONDS = 0.1


def main() -> int:
    """Measure, print, and end with 0; this checks nothing, because a busy machine is no fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.3, help="how much to make")
    parser.add_argument("--source", type=Path, help="an export that is there, in place of that")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--history", action="store_true", help="all moments, not one a patient")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rehearsal-bench-") as made:
        source = chosen.source or Path(made, "export")
        if chosen.source is None:
            write_population(source, int(chosen.gigabytes * 1e9))
        measure(source, Path(made, "out"), chosen.workers, history=chosen.history)
    return 0


def measure(source: Path, out: Path, workers: int, *, history: bool) -> None:
    """Print the measurements of one run."""
    files = sorted(source.glob("*.ndjson"))
    size = sum(file.stat().st_size for file in files)
    floor = min((_counted(files) for _ in range(4)), key=lambda spent: spent.cpu)
    mode = "history" if history else "as-of"
    command = [sys.executable, "-m", "cds_service", "rehearse", str(source), "--out", str(out)]
    run = _observed([*command, "--moments", mode, "--workers", str(workers)])
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    moments = sum(row[-1] for row in summary["by_month"])
    deciding = run.phases[DECIDING]
    first = _total(spent for title, spent in run.phases.items() if title.startswith(FIRST_PASS))
    rest = Spent(run.whole.seconds - deciding.seconds, run.whole.cpu - deciding.cpu)
    print(f"input: {size / 1e9:.2f} GB, {summary['patients']} patients, {workers} workers, {mode}")
    print(f"wc -l: {floor.seconds:.2f} s, {floor.cpu:.2f} s of processor time")
    for name, spent in (("first pass", first), ("all but deciding", rest)):
        wall, shared = spent.seconds / floor.seconds, spent.cpu / workers / floor.cpu
        times = f"{wall:.1f} times wc -l (target {TARGETS[name]:g})"
        print(f"{name}: {spent.seconds:.2f} s, {times}")
        print(f"  {spent.cpu:.2f} s of processor time, {shared:.1f} times for each worker")
    print(f"deciding: {deciding.seconds:.2f} s for {moments} moments")
    each = 1000 * deciding.cpu / moments if moments else 0.0
    print(f"  {each:.2f} ms of processor time for each moment (target {MOMENT_MS:g})")
    print(f"memory: {run.memory / 1e6:.0f} MB (target {MEMORY_MB:g})")


class Spent(NamedTuple):
    """Wall time and processor time, in seconds."""

    seconds: float
    cpu: float


def _total(parts: Iterable[Spent]) -> Spent:
    found = list(parts)
    return Spent(sum(p.seconds for p in found), sum(p.cpu for p in found))


class _Run(NamedTuple):
    whole: Spent
    phases: dict[str, Spent]
    memory: int


def _counted(files: list[Path]) -> Spent:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(["wc", "-l", *map(str, files)], stdout=subprocess.DEVNULL, check=True)  # noqa: S603, S607
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(time.perf_counter() - started, cpu)


def _observed(command: list[str]) -> _Run:
    """Run the command; each line on standard error begins a phase."""
    started = time.perf_counter()
    begun: list[tuple[str, Spent]] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        watched = _Watched(process.pid)
        if process.stderr is None:
            raise SystemExit("no standard error")
        begun.extend(
            (line.strip(), Spent(time.perf_counter(), watched.cpu())) for line in process.stderr
        )
        process.wait()
        watched.stop()
    ended = Spent(time.perf_counter(), watched.cpu())
    if process.returncode:
        raise SystemExit(begun[-1][0] if begun else "the rehearsal failed")
    ends = [*(at for _, at in begun[1:]), ended]
    phases = {
        title: Spent(end.seconds - at.seconds, end.cpu - at.cpu)
        for (title, at), end in zip(begun, ends, strict=True)
    }
    return _Run(Spent(ended.seconds - started, ended.cpu), phases, watched.peak)


class _Watched:
    """Samples what a process and its children need, in a thread: memory (PSS) and processor time."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._ticks: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        family = list(_family(self._pid))
        self.peak = max(self.peak, sum(map(_pss, family)))
        self._ticks |= {pid: ticks for pid in family if (ticks := _ticks(pid))}

    def cpu(self) -> float:
        """The processor time so far of all processes that were seen, in seconds."""
        self._sample()
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Stop looking."""
        self._over.set()
        self._thread.join()


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith("Pss:")), 0)


# -------------------------------------------------------------------------------- the input


def write_population(folder: Path, size: int) -> None:
    """An export of at least so many bytes: few patients with migraine, many results of other kinds."""
    from tests.rehearsal.stories import STORIES, Story

    folder.mkdir(parents=True)
    print(f"writing {size / 1e9:.1f} GB", file=sys.stderr)
    dice = random.Random(1)  # noqa: S311
    files: dict[str, Any] = {}
    first = date(2021, 1, 5)
    written = 0
    try:
        for number in count():
            if written >= size:
                break
            story = STORIES[number % len(STORIES)] if number % 25 == 0 else STORIES[-1]
            own = f"p{number}"
            for found in (*story(Story(own, first)).resources, *_noise(own, dice)):
                kind = found["resourceType"]
                if kind not in files:
                    files[kind] = (folder / f"{kind}.000.ndjson").open("w")
                written += files[kind].write(json.dumps(found, separators=(",", ":")) + "\n")
    finally:
        for file in files.values():
            file.close()
    manifest = {"transactionTime": "2026-11-22T00:00:00Z", "output": []}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _noise(own: str, dice: random.Random) -> Iterator[dict[str, Any]]:
    """What most of an export is: vital signs, visits, procedures and orders of no interest."""
    meta = {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-vital-signs"]}
    subject = {"reference": f"Patient/{own}"}
    filler = {"text": {"status": "generated", "div": "<div>" + "x" * 500 + "</div>"}}
    for number in range(95):
        day = f"20{dice.randint(15, 26)}-0{dice.randint(1, 9)}-1{dice.randint(0, 9)}"
        code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"}
        yield {
            "resourceType": "Observation",
            "id": f"{own}-n{number}",
            "meta": meta,
            **filler,
            "status": "final",
            "code": code,
            "subject": subject,
            "effectiveDateTime": day,
            "valueQuantity": {"value": dice.randint(50, 110), "unit": "/min"},
        }
    for number in range(20):
        start = f"20{dice.randint(15, 26)}-0{dice.randint(1, 9)}-1{dice.randint(0, 9)}T09:00:00Z"
        yield {
            "resourceType": "Encounter",
            "id": f"{own}-w{number}",
            "meta": meta,
            **filler,
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": subject,
            "period": {"start": start},
            "participant": [{"individual": {"reference": f"Practitioner/{number}"}}],
            "serviceProvider": {"reference": f"Organization/{number % 7}"},
        }
    for number in range(16):
        yield {
            "resourceType": "Procedure",
            "id": f"{own}-q{number}",
            "meta": meta,
            **filler,
            "status": "completed",
            "subject": subject,
            "code": {"text": "Dressing of wound"},
        }


if __name__ == "__main__":
    sys.exit(main())
