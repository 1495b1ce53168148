"""Reads YAML into plain JSON values and remembers the line of each one.

Only what JSON can express is read: no anchors, tags, merge keys or dates, and no key twice. Dates
stay texts, numbers are exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import yaml

MAX_BYTES = 1_000_000
_MAX_DEPTH = 20
_PLAIN_KEY = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}

Path = tuple[str | int, ...]
"""The keys and positions that lead to a value."""


class Fault(msgspec.Struct, frozen=True, order=True):
    """One fault in a file: the line (0: the whole file), the place, and what to correct."""

    line: int
    place: str
    what: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "the file"
        return f"{where}: {self.place}: {self.what}" if self.place else f"{where}: {self.what}"


class Document(msgspec.Struct, frozen=True):
    """The content of a file, with the line on which each value begins."""

    content: Any
    lines: Mapping[Path, int]

    def fault(self, path: Path, what: str) -> Fault:
        """A fault at a place; a place that is not in the file has the line of its parent."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Fault(self.lines.get(known, 0), dotted(path), what)


def dotted(path: Path) -> str:
    """A path as it is shown: `clients["https://ehr.example/"].mode`, `formulary[0].salt`."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            shown += f".{part}" if shown else part
        else:
            shown += f'["{printable(part)}"]'
    return shown


def printable(text: str, longest: int = 60) -> str:
    """A text of the file that can be shown on one line of a terminal."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= longest else f"{clean[:longest]}..."


def read_document(text: bytes) -> tuple[Document, list[Fault]]:
    """The values of a YAML text, and what is wrong with its form. Never raises."""
    try:
        reading = _Reading()
        return Document(reading.value(_node(text), ()), reading.lines), reading.faults
    except _NotReadError as error:
        return Document(None, {}), [error.fault]


class _NotReadError(Exception):
    """The text is not the YAML that is read here."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.fault = Fault(line, "", what)


def _node(text: bytes) -> yaml.Node:
    if len(text) > MAX_BYTES:
        raise _NotReadError(0, f"is larger than {MAX_BYTES} bytes")
    try:
        decoded = text.decode("utf-8")
        _refuse_what_json_lacks(decoded)
        node = yaml.compose(decoded, Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise _NotReadError(0, "is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise _of_yaml(error) from None
    if node is None:
        raise _NotReadError(0, "is empty")
    return node


def _refuse_what_json_lacks(text: str) -> None:
    """Anchors, tags and depth, found before anything is built: an alias can multiply its anchor."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if getattr(event, "anchor", None):
            raise _NotReadError(line, "anchors and aliases (& and *) are not read here")
        if getattr(event, "tag", None):
            raise _NotReadError(line, "tags (!) are not read here")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _NotReadError(line, f"is nested more than {_MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _of_yaml(error: yaml.YAMLError) -> _NotReadError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it contains a character that YAML does not allow"
    what = f"is not YAML: {printable(str(problem), 120)}"
    return _NotReadError(mark.line + 1 if mark else 0, what)


class _Reading:
    """Turns the nodes of one file into values, with their lines and faults."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.faults: list[Fault] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key, str) or key == "<<":
                self.faults.append(Fault(line, dotted(path), "a key must be a text"))
            elif key in found:
                what = f"the key {printable(key)} is there twice"
                self.faults.append(Fault(line, dotted(path), what))
            else:
                found[key] = self.value(value_node, (*path, key))
        return found


def _scalar(node: yaml.Node) -> Any:
    text: str = node.value
    if getattr(node, "style", None):  # quoted, or a block
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return Decimal(text) if _NUMBER.fullmatch(text) else text
