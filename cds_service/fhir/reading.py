"""One way to decode JSON into the lean structs of `wire`: strictly, else element by element.

The strict decoder is the fast path and handles well-formed data. Where it refuses a value, the same
type is read again with tolerance: each element that fits its type is kept, and each one that does
not is returned by its path and the reason. No caller decodes FHIR in another way, so that nothing
that could not be read is mistaken for "there is none".
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, inspect

T_co = TypeVar("T_co", covariant=True)

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_FAILURES = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Unread(NamedTuple):
    """An element that could not be read: its path ("code.coding[1].system", "" for the value itself)."""

    element: str
    why: str


class Shape(Generic[T_co]):
    """How one element or resource is decoded.

    `read` never raises. It returns what could be read (`None` if nothing could) and what could not.
    """

    def __init__(self, expected: Any) -> None:
        self._decode: Callable[[Raw | bytes], T_co] = msgspec.json.Decoder(expected).decode
        self._expected = expected
        self._type: inspect.Type | None = None

    def exact(self, raw: Raw | bytes) -> T_co | None:
        """The value where all of it can be read, else `None`: for a second look at the pieces."""
        try:
            return self._decode(raw)
        except _FAILURES:
            return None

    def read(self, raw: Raw | bytes) -> tuple[T_co | None, tuple[Unread, ...]]:
        """The value, and the elements of it that could not be read."""
        try:
            return self._decode(raw), ()
        except _FAILURES:
            return self._tolerantly(raw)

    def _tolerantly(self, raw: Raw | bytes) -> tuple[T_co | None, tuple[Unread, ...]]:
        if self._type is None:
            self._type = inspect.type_info(self._expected)
        unread: list[Unread] = []
        value = _read(self._type, raw, "", unread)
        return (None if value is _NOTHING else value), tuple(unread)


_NOTHING: Any = object()
"""What `_read` returns where nothing of a value could be read: `None` is a value (JSON null)."""


def _read(expected: inspect.Type, raw: Raw | bytes, path: str, unread: list[Unread]) -> Any:
    if isinstance(expected, inspect.UnionType):
        return _read_union(expected, raw, path, unread)
    if isinstance(expected, inspect.StructType):
        return _read_struct(expected, raw, path, unread)
    if isinstance(expected, inspect.ListType):
        return _read_list(expected, raw, path, unread)
    if isinstance(expected, inspect.RawType):
        return raw
    scalar, name = _SCALARS[type(expected)]
    try:
        return msgspec.json.decode(raw, type=scalar)
    except _FAILURES:
        unread.append(Unread(path, f"is not {name}"))
        return _NOTHING


@cache
def _decoder(struct: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(struct)


def _read_struct(
    expected: inspect.StructType, raw: Raw | bytes, path: str, unread: list[Unread]
) -> Any:
    try:
        return _decoder(expected.cls).decode(raw)
    except _FAILURES:
        pass  # one element of it does not fit: which one is found below
    try:
        members = _OBJECT.decode(raw)
    except _FAILURES:
        unread.append(Unread(path, "is not an object"))
        return _NOTHING
    values = {}
    for field in expected.fields:
        member = members.get(field.encode_name)
        if member is None:
            continue
        value = _read(field.type, member, f"{path}.{field.encode_name}".lstrip("."), unread)
        if value is not _NOTHING:
            values[field.name] = value
    return expected.cls(**values)


def _read_list(
    expected: inspect.ListType, raw: Raw | bytes, path: str, unread: list[Unread]
) -> Any:
    try:
        items = _LIST.decode(raw)
    except _FAILURES:
        unread.append(Unread(path, "is not a list"))
        return _NOTHING
    read = (
        _read(expected.item_type, item, f"{path}[{position}]", unread)
        for position, item in enumerate(items)
    )
    return [value for value in read if value is not _NOTHING]


def _read_union(
    expected: inspect.UnionType, raw: Raw | bytes, path: str, unread: list[Unread]
) -> Any:
    """The first alternative that fits; where none does, the one of which most can be read."""
    if bytes(memoryview(raw)[:4]) == b"null":
        if any(isinstance(t, inspect.NoneType) for t in expected.types):
            return None
        unread.append(Unread(path, "is null"))
        return _NOTHING
    attempts = []
    for alternative in expected.types:
        if isinstance(alternative, inspect.NoneType):
            continue
        failed: list[Unread] = []
        value = _read(alternative, raw, path, failed)
        if not failed:
            return value
        attempts.append((value, failed))
    value, failed = next((a for a in attempts if a[0] is not _NOTHING), attempts[0])
    unread.extend(failed)
    return value


_SCALARS: dict[type[inspect.Type], tuple[Any, str]] = {
    inspect.StrType: (str, "a string"),
    inspect.BoolType: (bool, "true or false"),
    inspect.IntType: (int, "a whole number"),
    inspect.DecimalType: (Decimal, "a number"),
    inspect.DictType: (dict[str, Any], "an object"),
    inspect.AnyType: (Any, "JSON"),
}
"""The other types that the structs of `wire` use, and what they are called in a reason."""
