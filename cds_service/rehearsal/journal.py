"""What of a run is done, so that an interrupted run continues where it stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Raw

from cds_service.rehearsal.errors import UsageError

WORK: Final = "work"
_FILE: Final = "journal.ndjson"


class _Entry(msgspec.Struct):
    phase: str
    task: str
    result: Raw


class _Start(msgspec.Struct):
    run: str


class Journal:
    """The results of tasks by phase and task, on disk as soon as they are known."""

    def __init__(self, out: Path, run: str, *, resume: bool) -> None:
        """Start or continue a run. `run` stands for its input and options.

        Raises `UsageError` where the folder holds something else.
        """
        self.work = out / WORK
        self._file = self.work / _FILE
        self._done: dict[tuple[str, str], Raw] = {}
        out.mkdir(parents=True, exist_ok=True)
        there = sorted(path.name for path in out.iterdir())
        if not there:
            self.work.mkdir()
            self._append(_Start(run))
        elif not resume:
            raise UsageError(f"{out} is not empty. --resume continues an interrupted run.")
        else:
            self._continue(out, run)

    def _continue(self, out: Path, run: str) -> None:
        try:
            first, *lines = self._file.read_bytes().splitlines(keepends=True)
            started = msgspec.json.decode(first, type=_Start)
        except (OSError, ValueError, msgspec.DecodeError):
            raise UsageError(f"{out} holds no interrupted run") from None
        if started.run != run:
            raise UsageError(f"{out} holds a run of another input, other options or other rules")
        whole = [line for line in lines if line.endswith(b"\n")]
        for line in whole:
            entry = msgspec.json.decode(line, type=_Entry)
            self._done[entry.phase, entry.task] = entry.result
        if len(whole) < len(lines):  # a line that was cut off when the run stopped
            self._file.write_bytes(b"".join((first, *whole)))

    def result(self, phase: str, task: str, shape: Any) -> Any:
        """What a task resulted in; `None` where it is not done."""
        raw = self._done.get((phase, task))
        return None if raw is None else msgspec.json.decode(raw, type=shape)

    def done(self, phase: str, task: str, result: Any) -> None:
        """Record the result of a task."""
        raw = Raw(msgspec.json.encode(result))
        self._append(_Entry(phase, task, raw))
        self._done[phase, task] = raw

    def _append(self, entry: Any) -> None:
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        """The run is over: nothing of its work is kept."""
        shutil.rmtree(self.work)
