"""The entries of the knowledge files and their review states.

An entry is what is reviewed as one: a parameter, card, dose plan, value set, reference and so on.
The part of a file outside its entries is an entry too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec

from cds_service.knowledge.loader import KnowledgeError

HASH_LENGTH: Final = 12
_STATUS: Final = "status"
_TITLES: Final = ("title", "text", "advice")


class State(StrEnum):
    """How far the review of an entry has come. The values are those of `status` in the files."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "active"
    RETIRED = "retired"

    @property
    def words(self) -> str:
        """The state in words."""
        return "approved" if self is State.APPROVED else self.value.replace("_", " ")


class Entry(msgspec.Struct, frozen=True):
    """One entry: its file, its id in the file ("" for the part outside other entries), its content.

    `status` is the one in the file. An entry without one is a draft.
    """

    file: str
    id: str
    title: str
    status: State
    content: Any

    @property
    def name(self) -> str:
        """The name by which an approval refers to it: `parameters.json#egfr.severe_below`."""
        return f"{self.file}#{self.id}" if self.id else self.file

    @property
    def subject(self) -> str:
        """What an approval of its present content names."""
        return f"entry {self.name} {entry_hash(self.content)}"

    def state(self, approved: Collection[str]) -> State:
        """The state. `approved` are the subjects of approvals; a retired entry stays retired."""
        if self.status is not State.RETIRED and approved and self.subject in approved:
            return State.APPROVED
        return self.status


def entry_hash(content: Any) -> str:
    """The hash of the content of an entry without its status."""
    hashed = content
    if isinstance(content, Mapping):
        hashed = {key: value for key, value in content.items() if key != _STATUS}
    text = json.dumps(hashed, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def installed() -> Traversable:
    """The folder of the installed knowledge."""
    return files(__package__).joinpath("data")


def read_files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each JSON file: its path in the folder, and its content with exact numbers.

    Raises `KnowledgeError` with one line if a file cannot be read.
    """
    try:
        children = sorted(folder.iterdir(), key=lambda child: child.name)
    except OSError:
        raise KnowledgeError("the folder of the knowledge cannot be read") from None
    for child in children:
        name = prefix + child.name
        if child.is_dir():
            yield from read_files(child, f"{name}/")
        elif name.endswith(".json"):
            try:
                yield name, json.loads(child.read_bytes(), parse_float=Decimal)
            except (OSError, ValueError):
                raise KnowledgeError(f"knowledge file {name} cannot be read") from None


def entries_of(files_read: Iterable[tuple[str, Any]]) -> Iterator[Entry]:
    """The entries, file by file. The part of a file outside its entries is its last entry."""
    for file, content in files_read:
        if file.startswith("valuesets/"):
            yield _entry(file, "", content)
            continue
        rest, found = _split(content)
        for item in found:
            yield _entry(file, str(item["id"]), item)
        if _has_content(rest):
            yield _entry(file, "", rest)


def _split(content: Any) -> tuple[Any, list[Mapping[str, Any]]]:
    """A file without its entries, and the entries: rows of a list that have an id and a status."""
    if isinstance(content, list):
        found = [row for row in content if _is_entry(row)]
        return [row for row in content if not _is_entry(row)], found
    rest, entries = {}, []
    for key, value in content.items():
        if isinstance(value, list):
            kept, found = _split(value)
            entries += found
            if kept or not found:
                rest[key] = kept
        else:
            rest[key] = value
    return rest, entries


def _is_entry(row: Any) -> bool:
    return isinstance(row, Mapping) and "id" in row and _STATUS in row


def _has_content(rest: Any) -> bool:
    return bool(set(rest) - {"version", _STATUS}) if isinstance(rest, dict) else bool(rest)


def _entry(file: str, entry_id: str, content: Any) -> Entry:
    described = content if isinstance(content, Mapping) else {}
    status = described.get(_STATUS, State.DRAFT)
    known = State(status) if status in tuple(State) else State.DRAFT
    title = next((described[k] for k in _TITLES if described.get(k)), "")
    return Entry(file, entry_id, str(title), known, content)


def are_approved(folder: Traversable, approved: Collection[str] = ()) -> bool:
    """Whether every entry is approved. Files are read until the first one that is not."""
    return all(e.state(approved) is State.APPROVED for e in entries_of(read_files(folder)))
