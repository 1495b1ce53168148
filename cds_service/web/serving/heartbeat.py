"""The heartbeat of a worker's event loop, for the process that supervises the workers.

A file for each worker contains the monotonic time of its last turn of the event loop. It is
memory-mapped, so that a full or slow disk does not make a healthy worker look dead. On Linux all
processes have the same monotonic clock.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time
from pathlib import Path

HEARTBEATS = "WORKER_HEARTBEATS"
"""The environment variable for the directory of the files. Without it none are written."""
BEAT_SECONDS = 0.25
_BEAT = struct.Struct("<d")


def start(loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
    """Start the heartbeat of this event loop, if a supervisor wants it."""
    directory = os.environ.get(HEARTBEATS)
    return loop.create_task(_write_heartbeats(Path(directory))) if directory else None


async def _write_heartbeats(directory: Path) -> None:
    path = directory / str(os.getpid())
    path.write_bytes(bytes(_BEAT.size))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), _BEAT.size) as memory:
        while True:
            beat(memory)
            await asyncio.sleep(BEAT_SECONDS)


def beat(memory: mmap.mmap) -> None:
    """Write the time in one step. `pack_into` would first write zeros, and a supervisor that reads
    them would take a healthy worker for one that never started.
    """
    memory[:] = _BEAT.pack(time.monotonic())


def last_beat(directory: Path, pid: int | None) -> float | None:
    """The monotonic time of a worker's last heartbeat, or `None` before the first."""
    try:
        written = (directory / str(pid)).read_bytes()
    except OSError:
        return None
    beat = float(_BEAT.unpack(written)[0]) if len(written) == _BEAT.size else 0.0
    return beat or None
