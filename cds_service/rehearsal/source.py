"""The files of an export: which there are, what they hold, and in which pieces they are read.

Two layouts are read: Bulk Data (`Type*.ndjson`, `.gz` too, with or without `manifest.json`), and a
folder of Bundles (`*.json`) where there is no NDJSON.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from cds_service.fhir.reading import Shape
from cds_service.fhir.types import R4
from cds_service.rehearsal.errors import RehearsalError

KINDS: Final = (
    *("Patient", "Encounter", "Condition", "MedicationRequest", "MedicationStatement"),
    *("Medication", "AllergyIntolerance", "Observation", "Procedure"),
)
"""The resource types that a rehearsal reads. Files of other types are not opened."""
NEEDED: Final = ("Patient", "Condition", "MedicationRequest", "Observation")
"""Types without which most of the rules cannot be rehearsed. A missing one is named in the report."""
ANY: Final = ""
"""The kind of a file whose name says no resource type: each line says it."""
BUNDLE: Final = "Bundle"
MANIFEST: Final = "manifest.json"
PIECE_BYTES: Final = 32 * 1024 * 1024
_TYPE = re.compile(r"([A-Z][A-Za-z]+)(?![A-Za-z])")
_GZIP = b"\x1f\x8b"


class Fault(NamedTuple):
    """A line that could not be read: its file, its number (from 1), and why."""

    file: str
    line: int
    why: str


class Piece(msgspec.Struct, frozen=True, order=True):
    """A part of a file that one worker reads: the lines that begin in [start, end), or all (-1)."""

    file: str
    kind: str
    start: int = 0
    end: int = -1
    size: int = 0

    @property
    def name(self) -> str:
        """The piece in the journal."""
        return f"{self.file}:{self.start}"


class Source(msgspec.Struct, frozen=True):
    """An export. `deleted` are references (`Type/id`) that its deleted-files lists name.

    `missing` are files that the manifest names and the folder does not hold. `faults` are the lines
    of deleted-files lists that cannot be read. `notes` are sentences for the report.
    """

    folder: Path
    pieces: tuple[Piece, ...]
    kinds: frozenset[str]
    transaction_time: str = ""
    deleted: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    def pieces_of(self, kinds: Iterable[str]) -> list[Piece]:
        """The pieces that may hold resources of these types, the largest first."""
        wanted = {*kinds, ANY, BUNDLE}
        return sorted((p for p in self.pieces if p.kind in wanted), key=lambda p: (-p.size, p))


class _Output(msgspec.Struct):
    type: Any = None
    url: Any = None


class _Manifest(msgspec.Struct):
    transactionTime: Any = None
    output: list[_Output] = []
    deleted: list[_Output] = []


def open_source(folder: Path) -> Source:
    """The export in a folder; raises `RehearsalError` where there is none."""
    if not folder.is_dir():
        raise RehearsalError(f"{folder} is not a folder")
    lines = sorted(p for p in folder.rglob("*") if _is(p, ".ndjson") and p.is_file())
    if lines:
        return _bulk(folder, lines)
    bundles = sorted(p for p in folder.rglob("*") if _is(p, ".json") and p.is_file())
    pieces = [Piece(_in(folder, p), BUNDLE, size=p.stat().st_size) for p in bundles]
    if not pieces:
        raise RehearsalError(f"{folder} holds no *.ndjson files and no Bundles (*.json)")
    return Source(folder, tuple(pieces), frozenset(KINDS))


def _is(path: Path, ending: str) -> bool:
    return path.name.removesuffix(".gz").endswith(ending)


def _in(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _bulk(folder: Path, files: list[Path]) -> Source:
    manifest, notes = _manifest(folder)
    listed = {_base(o.url): o.type for o in manifest.output if isinstance(o.type, str)}
    deletions = {_base(o.url) for o in manifest.deleted}
    holding = [f for f in files if not _is_deletion(folder, f, deletions)]
    kinds = {f: _kind(f, listed) for f in holding}
    pieces = [p for f in holding if kinds[f] in {*KINDS, ANY} for p in _pieces(folder, f, kinds[f])]
    if not pieces:
        raise RehearsalError(f"{folder} holds no file of a type that is read: {', '.join(KINDS)}")
    there = {f.name.removesuffix(".gz") for f in files}
    deleted, faults = _deleted(folder, (f for f in files if _is_deletion(folder, f, deletions)))
    time = manifest.transactionTime
    return Source(
        folder,
        tuple(pieces),
        frozenset(KINDS if ANY in kinds.values() else kinds.values()),
        time if isinstance(time, str) else "",
        deleted,
        tuple(sorted(name for name in {*listed, *deletions} if name not in there)),
        faults,
        notes,
    )


def _manifest(folder: Path) -> tuple[_Manifest, tuple[str, ...]]:
    file = folder / MANIFEST
    if not file.exists():
        return _Manifest(), ()
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Manifest), ()
    except (msgspec.DecodeError, OSError, UnicodeDecodeError):
        return _Manifest(), (f"{MANIFEST} could not be read and was left aside.",)


def _base(url: Any) -> str:
    """The name of a file that a manifest names by its URL."""
    text = url if isinstance(url, str) else ""
    return text.partition("?")[0].rstrip("/").rpartition("/")[2].removesuffix(".gz")


def _is_deletion(folder: Path, file: Path, named: set[str]) -> bool:
    inside = file.relative_to(folder).parts[:-1]
    return file.name.removesuffix(".gz") in named or "deleted" in inside


def _kind(file: Path, listed: dict[str, str]) -> str:
    """What the manifest says, else what the name begins with, else any."""
    kind = listed.get(file.name.removesuffix(".gz"))
    if kind is None:
        found = _TYPE.match(file.name)
        kind = found[1] if found is not None else ANY
    return kind if kind in R4 else ANY


def _pieces(folder: Path, file: Path, kind: str) -> Iterator[Piece]:
    size = file.stat().st_size
    name = _in(folder, file)
    if file.suffix == ".gz":  # can only be read from its beginning
        yield Piece(name, kind, size=size)
        return
    for start in range(0, max(size, 1), PIECE_BYTES):
        end = min(start + PIECE_BYTES, size)
        yield Piece(name, kind, start, end, end - start)


class _Request(msgspec.Struct):
    method: Any = None
    url: Any = None


class _Entry(msgspec.Struct):
    request: _Request | None = None


class _Deletions(msgspec.Struct):
    entry: list[_Entry]


_DELETIONS: Shape[_Deletions] = Shape(_Deletions)


def _deleted(folder: Path, files: Iterable[Path]) -> tuple[frozenset[str], tuple[Fault, ...]]:
    """The references in deleted-files lists, and the lines with anything but DELETE requests."""
    found: set[str] = set()
    faults: list[Fault] = []
    for file in files:
        name = _in(folder, file)
        try:
            lines = read_whole(file).splitlines()
        except RehearsalError:
            faults.append(Fault(name, 1, "the file is damaged"))
            continue
        for number, line in enumerate(lines, 1):
            if line.strip():
                deletions = _DELETIONS.exact(line)
                references = list(_references(deletions)) if deletions is not None else []
                found.update(references)
                if deletions is None or len(references) < len(deletions.entry):
                    faults.append(Fault(name, number, "is not a list of deletions"))
    return frozenset(found), tuple(faults)


def _references(bundle: _Deletions) -> Iterator[str]:
    for entry in bundle.entry:
        asked = entry.request
        if asked is not None and isinstance(asked.url, str) and asked.method == "DELETE":
            yield "/".join(asked.url.rstrip("/").rsplit("/", 2)[-2:])


def _unpacked(content: bytes) -> bytes:
    if not content:
        raise EOFError
    return gzip.decompress(content)


def read_whole(file: Path) -> bytes:
    """The bytes of a file, unpacked where it is gzipped; raises `RehearsalError`."""
    try:
        content = file.read_bytes()
        # What was packed is never empty, so an empty file is one that was cut off.
        packed = content.startswith(_GZIP) or (not content and file.suffix == ".gz")
        return _unpacked(content) if packed else content
    except (OSError, EOFError, zlib.error) as error:
        raise RehearsalError(f"{file.name} cannot be read: {type(error).__name__}") from None
