"""What differs between two versions of the knowledge, in words for a reviewer.

The files are compared as they are, so versions of any release can be compared.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import msgspec

from cds_service.knowledge.entries import installed, read_files
from cds_service.knowledge.loader import KnowledgeError

INSTALLED: Final = "installed"
NONE: Final = ""
_IN_PACKAGE: Final = "cds_service/knowledge/data"
_MARK: Final = "parameters.json"
"""A file of every version, by which the folder is recognised."""

_KINDS: Final[Mapping[str, str]] = {
    "parameters.json": "threshold",
    "wording.json": "sentence",
    "valuesets": "codes",
    "plans.json": "dose plan",
    "policy.json": "row",
    "cards.json": "card",
    "interactions.json": "spacing",
    "references.json": "reference",
    "evidence.json": "evidence",
    "rxnorm": "drug product",
    "override_reasons.json": "override reason",
    "coindications.json": "other use of a drug",
}
_NAMED_BY: Final = ("id", "sequence", "system", "code", "prefix", "rxcui", "ingredient", "lang")
"""The members that name a row of a list, as far as it has them."""
_NAMED_BY_TOO: Final = ("card", "grade", "hook", "trigger", "class", "age", "kind", "flag", "text")
"""The members that name a row that has none of the others."""
_PLACE: Final = re.compile(r"\{(?P<id>[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)(?P<below>-1)?\}")
_OWN_NAME: Final = frozenset({"id", "at_most"})


class Change(msgspec.Struct, frozen=True):
    """One difference: the kind of entry, its file, the place in it, and both values ("" for none)."""

    kind: str
    file: str
    place: str
    old: str
    new: str

    def __str__(self) -> str:
        if not self.old:
            what = f"added: {self.new}"
        elif not self.new:
            what = f"removed: {self.old}"
        else:
            what = f"{self.old} -> {self.new}"
        return f"{self.kind} {self.place}: {what}"


def folder_of(name: str) -> Traversable:
    """The knowledge in a folder, a wheel, or `installed`; raises `KnowledgeError` if there is none."""
    if name == INSTALLED:
        return installed()
    path = Path(name)
    try:
        roots: list[Any] = [path, path / _IN_PACKAGE]
        if path.is_file():
            roots = [zipfile.Path(path, f"{_IN_PACKAGE}/")]
        found: Traversable | None = next((r for r in roots if (r / _MARK).is_file()), None)
    except (OSError, zipfile.BadZipFile):
        found = None
    if found is None:
        raise KnowledgeError(f"{name} is neither a folder nor a wheel with the knowledge.")
    return found


def differences(old: Traversable, new: Traversable) -> Iterator[Change]:
    """The differences, file by file."""
    before, after = _read(old), _read(new)
    for file in sorted({*before, *after}):
        kind = _KINDS.get(file.split("/", maxsplit=1)[0], "entry")
        place = file.removesuffix(".json").rpartition("/")[2] if "/" in file else ""
        yield from _Comparing(kind, file).values(before.get(file), after.get(file), place)


def _read(folder: Traversable) -> dict[str, Any]:
    """The files. Texts and plans have the values of their parameters, as cards show them."""
    contents = dict(read_files(folder))
    values = {row["id"]: shown(row["value"]) for row in contents[_MARK]}
    return {file: _filled(content, values) for file, content in contents.items()}


def _filled(content: Any, values: Mapping[str, str]) -> Any:
    if isinstance(content, Mapping):
        return {
            key: item if key in _OWN_NAME else _filled(item, values)
            for key, item in content.items()
        }
    if isinstance(content, list):
        return [_filled(item, values) for item in content]
    if isinstance(content, str) and "." in content:
        if content in values:
            return f"{values[content]} ({content})"
        return _PLACE.sub(lambda place: _value(place, values), content)
    return content


def _value(place: re.Match[str], values: Mapping[str, str]) -> str:
    value = values.get(place["id"], "")
    if place["below"] and value.isdigit():
        return str(int(value) - 1)
    return value or place[0]


class _Comparing(msgspec.Struct, frozen=True):
    """The comparison of one file."""

    kind: str
    file: str

    def values(self, old: Any, new: Any, place: str) -> Iterator[Change]:
        if repr(old) == repr(new):  # not ==, for which True is 1 inside of a row too
            return
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from self._members(old, new, place)
        elif isinstance(old, list) and isinstance(new, list):
            yield from self._lists(old, new, place)
        elif not _same(old, new):
            yield Change(self.kind, self.file, place, shown(old), shown(new))

    def _members(
        self, old: Mapping[str, Any], new: Mapping[str, Any], place: str
    ) -> Iterator[Change]:
        for name in dict.fromkeys([*old, *new]):
            yield from self.values(old.get(name), new.get(name), _joined(place, name))

    def _lists(self, old: list[Any], new: list[Any], place: str) -> Iterator[Change]:
        before, after = _named(old), _named(new)
        if before is None or after is None:  # no names, or names that are not unique
            yield from self._unnamed(old, new, place)
            return
        for name in dict.fromkeys([*before, *after]):
            of_row = after.get(name, before.get(name))
            titled = of_row.get("title") if isinstance(of_row, Mapping) else ""
            called = f"{name} ({titled})" if titled else name
            inner = place if not isinstance(of_row, Mapping) else _joined(place, called)
            yield from self.values(before.get(name), after.get(name), inner)
        yield from self._order(list(before), list(after), place)

    def _unnamed(self, old: list[Any], new: list[Any], place: str) -> Iterator[Change]:
        """Rows that differ as a whole."""
        before, after = Counter(map(shown, old)), Counter(map(shown, new))
        for row in (before - after).elements():
            yield Change(self.kind, self.file, place, row, NONE)
        for row in (after - before).elements():
            yield Change(self.kind, self.file, place, NONE, row)
        yield from self._order(list(before), list(after), place)

    def _order(self, old: list[str], new: list[str], place: str) -> Iterator[Change]:
        kept = [name for name in old if name in new]
        if kept != [name for name in new if name in old]:
            what = _joined(place, "order of the rows")
            yield Change(self.kind, self.file, what, shown(old), shown(new))


def _joined(place: str, name: str) -> str:
    return f"{place}, {name}" if place else name


def _same(old: Any, new: Any) -> bool:
    # True == 1, but a flag is not a number.
    return type(old) is type(new) and bool(old == new)


def _named(rows: Sequence[Any]) -> dict[str, Any] | None:
    """The rows by name; `None` if they are not all named, each once."""
    named = {_name(row): row for row in rows}
    return named if len(named) == len(rows) else None


def _name(row: Any) -> str:
    if not isinstance(row, Mapping):
        return shown(row)
    parts = [str(row[key]) for key in _NAMED_BY if row.get(key) not in (None, "")]
    parts = parts or [str(row[key]) for key in _NAMED_BY_TOO if row.get(key) not in (None, "")]
    return " ".join(parts) or shown(row)


def shown(value: Any) -> str:
    """A value for a reader: text as it is, a row as its members."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        text = "; ".join(f"{key} {shown(item)}" for key, item in value.items())
    elif isinstance(value, list):
        text = ", ".join(map(shown, value)) or "none"
    else:
        text = str(value) or '""'
    return text
