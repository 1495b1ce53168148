"""Decode JSON into the structs of `wire`: strictly, otherwise element by element.

The strict decoder is fast and handles valid data. If it rejects a value, the same type is read
again with tolerance: each element that has its type is kept, and each other one is returned with
its path and the reason. There is no other way to decode FHIR, so that unreadable data are never
treated as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, inspect

from cds_service import reasons
from cds_service.reasons import Reason

T_co = TypeVar("T_co", covariant=True)

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
FAILURES: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What msgspec raises for bytes that are not the JSON of a type."""


class Unread(NamedTuple):
    """An element that could not be read: its path ("code.coding[1].system", "" for the value itself)."""

    element: str
    why: Reason


class Shape(Generic[T_co]):
    """How one element or resource is decoded.

    `read` never raises. It returns the readable part (`None` if there is none) and the unreadable
    parts.
    """

    def __init__(self, expected: Any) -> None:
        self._decode: Callable[[Raw | bytes], T_co] = msgspec.json.Decoder(expected).decode
        self._expected = expected
        self._type: inspect.Type | None = None

    def exact(self, raw: Raw | bytes) -> T_co | None:
        """The value if all of it can be read, otherwise `None`: for reading parts again."""
        try:
            return self._decode(raw)
        except FAILURES:
            return None

    def read(self, raw: Raw | bytes) -> tuple[T_co | None, tuple[Unread, ...]]:
        """The value, and the elements of it that could not be read."""
        try:
            value = self._decode(raw)
        except FAILURES:
            return self._tolerantly(raw)
        return self._tolerantly(raw) if says_nothing(value) else (value, ())

    def _tolerantly(self, raw: Raw | bytes) -> tuple[T_co | None, tuple[Unread, ...]]:
        if self._type is None:
            self._type = inspect.type_info(self._expected)
        unread: list[Unread] = []
        value = _read(self._type, raw, "", unread)
        return (None if value is _NOTHING else value), tuple(unread)


def says_nothing(value: Any) -> bool:
    """Whether a value is, or contains, an object without any member that was read."""
    if isinstance(value, list):
        return any(map(says_nothing, value))
    if not isinstance(value, msgspec.Struct):
        return False
    nothing, holding = _nothing_of(type(value))
    return value == nothing or any(says_nothing(getattr(value, name)) for name in holding)


@cache
def _nothing_of(struct: type[msgspec.Struct]) -> tuple[msgspec.Struct, tuple[str, ...]]:
    """A struct without any member, and the names of the members that may hold other structs.

    Every member of the structs of `wire` is optional. Comparing with an empty struct is done in C.
    """
    fields = inspect.type_info(struct).fields  # type: ignore[attr-defined]
    return struct(), tuple(field.name for field in fields if not _is_plain(field.type))


def _is_plain(kind: inspect.Type) -> bool:
    """Whether it is no object and no list of objects, or stays bytes."""
    if isinstance(kind, inspect.UnionType):
        return all(map(_is_plain, kind.types))
    return isinstance(kind, _PLAIN)


_PLAIN = (
    inspect.NoneType,
    inspect.StrType,
    inspect.BoolType,
    inspect.IntType,
    inspect.DecimalType,
    inspect.RawType,
)


_BESIDE = frozenset({"id", "extension", "modifierExtension"})
"""Members that every element may have in addition to its content (SPEC 12.1 U-4)."""

_WRAPPING = frozenset({"value"})


def _is_strange(expected: inspect.StructType, members: Iterable[str]) -> bool:
    """Whether an object has members, but none that FHIR defines there.

    A struct that omits members of its element may list them as `NOT_READ`.
    """
    found = set(members)
    if found & {field.encode_name for field in expected.fields}:
        return False
    odd = {name for name in found - _BESIDE if not name.startswith("_")}
    not_read: frozenset[str] | None = getattr(expected.cls, "NOT_READ", None)
    return bool(odd & _WRAPPING if not_read is None else odd - not_read)


_NOTHING: Any = object()
"""The result of `_read` if nothing of a value could be read. (`None` is a value, JSON null.)"""


def _read(expected: inspect.Type, raw: Raw | bytes, path: str, unread: list[Unread]) -> Any:
    if isinstance(expected, inspect.UnionType):
        return _read_union(expected, raw, path, unread)
    if isinstance(expected, inspect.StructType):
        return _read_struct(expected, raw, path, unread)
    if isinstance(expected, inspect.ListType):
        return _read_list(expected, raw, path, unread)
    if isinstance(expected, inspect.RawType):
        return raw
    return _read_scalar(expected, raw, path, unread)


def _read_scalar(expected: inspect.Type, raw: Raw | bytes, path: str, unread: list[Unread]) -> Any:
    scalar, otherwise = _SCALARS[type(expected)]
    try:
        value = msgspec.json.decode(raw, type=scalar)
    except FAILURES:
        unread.append(Unread(path, otherwise))
        return _NOTHING
    longest = expected.max_length if isinstance(expected, inspect.StrType) else None
    if longest is not None and len(value) > longest:
        unread.append(Unread(path, reasons.too_long(longest)))
        return _NOTHING
    return value


@cache
def _decoder(struct: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(struct)


def _strictly(struct: type, raw: Raw | bytes) -> Any:
    """The struct, or `None` if one element does not have its type."""
    try:
        return _decoder(struct).decode(raw)
    except FAILURES:
        return None


def _read_struct(
    expected: inspect.StructType, raw: Raw | bytes, path: str, unread: list[Unread]
) -> Any:
    value = _strictly(expected.cls, raw)
    if value is not None and not says_nothing(value):
        return value
    try:
        members = _OBJECT.decode(raw)
    except FAILURES:
        unread.append(Unread(path, reasons.NOT_AN_OBJECT))
        return _NOTHING
    if _is_strange(expected, members):
        unread.append(Unread(path, reasons.HOLDS_NOTHING_DEFINED))
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
    except FAILURES:
        unread.append(Unread(path, reasons.NOT_A_LIST))
        return _NOTHING
    read = (
        _read(expected.item_type, item, f"{path}[{position}]", unread)
        for position, item in enumerate(items)
    )
    return [value for value in read if value is not _NOTHING]


def _read_union(
    expected: inspect.UnionType, raw: Raw | bytes, path: str, unread: list[Unread]
) -> Any:
    """The first matching alternative. If there is none, the one with the largest readable part."""
    if bytes(memoryview(raw)[:4]) == b"null":
        if any(isinstance(t, inspect.NoneType) for t in expected.types):
            return None
        unread.append(Unread(path, reasons.IS_NULL))
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


_SCALARS: dict[type[inspect.Type], tuple[Any, Reason]] = {
    inspect.StrType: (str, reasons.NOT_A_STRING),
    inspect.BoolType: (bool, reasons.NOT_A_BOOLEAN),
    inspect.IntType: (int, reasons.NOT_AN_INTEGER),
    inspect.DecimalType: (Decimal, reasons.NOT_A_NUMBER),
    inspect.DictType: (dict[str, Any], reasons.NOT_AN_OBJECT),
    inspect.AnyType: (Any, reasons.NOT_JSON),
}
"""The other types in the structs of `wire`, and the reason if a value has another type."""


def may_hold(raw: Raw, text: bytes) -> bool:
    """Whether JSON that is not read yet may contain a text. Characters may be written as `\\u0041`."""
    data = memoryview(raw).tobytes()
    return text in data or b"\\u" in data
