"""Records that are put aside on disk by patient, so that memory stays small however large the input.

A partition holds all records of its patients. Partitions follow each other in the order of the
patients' keys. Each process writes files of its own; a record that was cut off by a crash is at the
end of its file, and its piece is read again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PARTITION_BYTES: Final = 48 * 1024 * 1024
_BUFFER_BYTES: Final = 8 * 1024 * 1024
_FEWEST, _MOST = 3, 9
"""Powers of two: from 8 to 512 partitions."""


def partition_bits(input_bytes: int) -> int:
    """The number of partitions for an input of this size, as a power of two."""
    wanted = input_bytes // PARTITION_BYTES
    return max(_FEWEST, min(_MOST, wanted.bit_length()))


def partition_of(key: bytes, bits: int) -> int:
    """The partition of a key."""
    return int.from_bytes(key[:2]) >> (16 - bits)


class Spill:
    """Appends records to the files of their partitions."""

    def __init__(self, folder: Path, bits: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._bits = bits
        self._own = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._waiting: dict[int, bytearray] = {}
        self._size = 0

    def add(self, key: bytes, record: bytes) -> None:
        """Put a record aside. It is on disk after `flush`."""
        self._waiting.setdefault(partition_of(key, self._bits), bytearray()).extend(record)
        self._size += len(record)
        if self._size > _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for partition, waiting in self._waiting.items():
            with (self._folder / f"{partition:04d}.{self._own}").open("ab") as file:
                file.write(waiting)
        self._waiting.clear()
        self._size = 0


def lines_in(folder: Path, partition: int) -> Iterator[bytes]:
    """The lines of a partition; one that was cut off is left out."""
    for file in sorted(folder.glob(f"{partition:04d}.*")):
        with file.open("rb") as opened:
            for line in opened:
                if line.endswith(b"\n"):
                    yield line[:-1]


def records_in(folder: Path, partition: int, size: int) -> Iterator[bytes]:
    """The records of one size of a partition."""
    for file in sorted(folder.glob(f"{partition:04d}.*")):
        content = file.read_bytes()
        for at in range(0, len(content) - size + 1, size):
            yield content[at : at + size]
