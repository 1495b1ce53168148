"""The lines of a piece of an export, in blocks that fit in memory.

A Bundle is read as if its entries were lines: one resource each, on one line, with the references
inside the Bundle (`urn:uuid:`, absolute) replaced by `Type/id`.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
from msgspec import Raw

from cds_service.chart.subject import bare_id
from cds_service.rehearsal.errors import RehearsalError
from cds_service.rehearsal.source import ANY, BUNDLE, KINDS, Piece, read_whole

BLOCK_BYTES: Final = 1024 * 1024
LONGEST_LINE: Final = 64 * 1024 * 1024
"""A longer line is not a resource: it is skipped and named."""
_BOM = b"\xef\xbb\xbf"
_LINKED_PLACE = re.compile(rb'("reference"\s*:\s*")([^"\\]+)(?=")')
_GZIP_WINDOW = 31


class Block(NamedTuple):
    """Lines of a piece, and the number of the first one within the piece (from 1).

    `faults` are of lines that could not be cut out at all.
    """

    kind: str
    first: int
    lines: list[bytes]
    faults: tuple[tuple[int, str], ...] = ()


def blocks(folder: Path, piece: Piece) -> Iterator[Block]:
    """The lines of a piece."""
    file = folder / piece.file
    if piece.kind == BUNDLE:
        try:
            content = read_whole(file)
        except RehearsalError:
            yield Block(ANY, 1, [], ((1, "the file is damaged"),))
        else:
            yield bundle_block(content, piece.file)
    elif file.suffix == ".gz":
        yield from _cut(piece.kind, _unpacked(file))
    else:
        yield from _cut(piece.kind, _range(file, piece.start, piece.end))


def line_number(folder: Path, piece: Piece, line: int) -> int:
    """The number in the whole file of a line of a piece."""
    if piece.start == 0:
        return line
    left, before = piece.start, 0
    with (folder / piece.file).open("rb") as file:
        while left > 0 and (data := file.read(min(left, BLOCK_BYTES))):
            before += data.count(b"\n")
            left -= len(data)
            last = data
    # A line that began before the piece belongs to the piece before.
    return before + line + (0 if last.endswith(b"\n") else 1)


def _range(file: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes of the lines that begin in [start, end)."""
    with file.open("rb", buffering=0) as opened:
        if start:
            opened.seek(start - 1)
            _skip_line(opened)
        at = opened.tell()
        if at >= end:
            return  # one long line, which belongs to the piece before
        while at < end and (data := opened.read(min(BLOCK_BYTES, end - at))):
            at += len(data)
            yield data
        while data_left := _rest_of_line(opened, at):
            yield data_left
            at += len(data_left)
            if data_left.endswith(b"\n"):
                return


def _skip_line(opened: BinaryIO) -> None:
    while data := opened.read(4096):
        end = data.find(b"\n")
        if end >= 0:
            opened.seek(end + 1 - len(data), 1)
            return


def _rest_of_line(opened: BinaryIO, at: int) -> bytes:
    """What follows a position up to the end of the line, or a part of it; nothing at a line's start."""
    if at == 0:
        return b""
    opened.seek(at - 1)
    data = opened.read(BLOCK_BYTES)
    if data.startswith(b"\n"):
        return b""
    end = data.find(b"\n")
    return data[1 : end + 1] if end >= 0 else data[1:]


class _CutOffError(Exception):
    """A compressed file ends early or is damaged."""


def _unpacked(file: Path) -> Iterator[bytes]:
    """The bytes of a gzip file of one or more members; raises `_CutOffError`, also for an empty one."""
    unpack = zlib.decompressobj(_GZIP_WINDOW)
    ended = False
    with file.open("rb") as packed:
        while data := packed.read(BLOCK_BYTES):
            while data:
                try:
                    yield unpack.decompress(data)
                except zlib.error:
                    raise _CutOffError from None
                ended, data = unpack.eof, unpack.unused_data
                if ended:
                    unpack = zlib.decompressobj(_GZIP_WINDOW)
                    data = data.lstrip(b"\0")
    if not ended:
        raise _CutOffError


def is_damaged(packed: Path) -> bool:
    """Whether a gzip file cannot be unpacked whole."""
    try:
        for _ in _unpacked(packed):
            pass
    except (_CutOffError, OSError):
        return True
    return False


def _cut(kind: str, parts: Iterator[bytes]) -> Iterator[Block]:
    """Whole lines out of parts of a file."""
    first, rest = 1, b""
    try:
        for part in parts:
            data = rest + part if rest else part
            end = data.rfind(b"\n") + 1
            if not end and len(data) > LONGEST_LINE:
                yield Block(kind, first, [], ((first, "is too long"),))
                rest = b""
                continue
            rest = data[end:]
            if end:
                lines = data[: end - 1].split(b"\n")
                yield _block(kind, first, lines)
                first += len(lines)
    except (_CutOffError, OSError):
        yield Block(kind, first, [], ((first, "the file is damaged from here on"),))
        return
    if rest:
        yield _block(kind, first, [rest])


def _block(kind: str, first: int, lines: list[bytes]) -> Block:
    if first == 1 and lines[0].startswith(_BOM):
        lines[0] = lines[0].removeprefix(_BOM)
    return Block(kind, first, lines)


# ---------------------------------------------------------------------------------- Bundles


class _Entry(msgspec.Struct):
    fullUrl: Any = None
    resource: Raw = Raw()


class _Bundle(msgspec.Struct):
    resourceType: Any = None
    entry: list[Raw] | None = None


class _Head(msgspec.Struct):
    resourceType: Any = None
    id: Any = None


class _Found(NamedTuple):
    kind: str
    id: str
    full_url: str
    resource: bytes


def bundle_block(content: bytes, name: str) -> Block:
    """The resources of a Bundle, one on each line; `name` is that of its file."""
    try:
        bundle = msgspec.json.decode(content.removeprefix(_BOM), type=_Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Block(ANY, 1, [], ((1, "is not JSON, or not a Bundle"),))
    if bundle.resourceType != "Bundle":
        return Block(ANY, 1, [], ((1, "is not a Bundle"),))
    found: list[_Found] = []
    faults: list[tuple[int, str]] = []
    for number, raw in enumerate(bundle.entry or (), 1):
        try:
            entry = msgspec.json.decode(raw, type=_Entry)
            if memoryview(entry.resource):
                found.append(_resource(entry, name))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            faults.append((number, "is not a readable entry"))
    names = {
        known: f"{f.kind}/{f.id}".encode()
        for f in found
        for known in (f.full_url.encode(), f"{f.kind}/{bare_id(f.full_url)}".encode())
        if f.full_url
    }
    names |= {
        f"{f.kind}/{_own_id(f.resource)}".encode(): f"{f.kind}/{f.id}".encode() for f in found
    }
    return Block(ANY, 1, [_line(f, names) for f in found if f.kind in KINDS], tuple(faults))


def _resource(entry: _Entry, name: str) -> _Found:
    head = msgspec.json.decode(entry.resource, type=_Head)
    kind = head.resourceType if isinstance(head.resourceType, str) else ""
    full_url = entry.fullUrl if isinstance(entry.fullUrl, str) else ""
    own = head.id if isinstance(head.id, str) and head.id else bare_id(full_url)
    if kind == "Medication":  # the same id is another medication in another Bundle
        own = hashlib.blake2b(f"{name}\0{own}".encode(), digest_size=16).hexdigest()
    return _Found(kind, own, full_url, bytes(memoryview(entry.resource)))


def _own_id(resource: bytes) -> str:
    head = msgspec.json.decode(resource, type=_Head)
    return head.id if isinstance(head.id, str) else ""


def _line(found: _Found, names: dict[bytes, bytes]) -> bytes:
    """A resource on one line, with its id, and with references that lead out of the Bundle too."""
    line = msgspec.json.format(found.resource, indent=-1)
    if _own_id(line) != found.id:
        members = msgspec.json.decode(line, type=dict[str, Raw])
        line = msgspec.json.encode({**members, "id": found.id})
    return _LINKED_PLACE.sub(lambda m: m[1] + names.get(m[2], m[2]), line)


__all__ = ["BUNDLE", "Block", "blocks", "line_number"]
