"""The rules for a valid call: JSON Schema files, compiled once, with our own error messages.

fastjsonschema confirms in a few microseconds that a call is valid. If it does not, jsonschema finds
the errors, if there are any. The messages of both quote values, which may be patient data. Our
messages never do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import fastjsonschema
import msgspec

from cds_service.hooks.errors import Issue

if TYPE_CHECKING:
    from jsonschema import Draft7Validator

_FILE = ".schema.json"


def _schema(name: str) -> dict[str, Any]:
    """A schema without its name, which would name a part of another one."""
    text = files(__package__).joinpath("schemas", name + _FILE).read_bytes()
    schema: dict[str, Any] = _inlined(msgspec.json.decode(text))
    return {keyword: said for keyword, said in schema.items() if keyword != "$id"}


def _inlined(node: Any) -> Any:
    """A schema with the files that it refers to put in place: a reference costs on every call."""
    match node:
        case {"$ref": str(file_name)}:
            return _schema(file_name.removesuffix(_FILE))
        case dict():
            return {name: _inlined(member) for name, member in node.items()}
        case list():
            return [_inlined(item) for item in node]
    return node


@cache
def envelope_members() -> tuple[str, ...]:
    """The members of a call that the rules use. All others are ignored."""
    return tuple(_schema("envelope")["properties"])


@cache
def schema_of(hook: str) -> dict[str, Any]:
    """The rules of one hook: the envelope with this hook's name and context."""
    envelope = _schema("envelope")
    envelope["properties"] |= {"hook": {"const": hook}, "context": _schema(hook)}
    return envelope


@cache
def passing(hook: str) -> Callable[[Any], bool]:
    """Whether a call to this hook is certainly valid."""
    require = fastjsonschema.compile(schema_of(hook), use_default=False)

    def passes(envelope: Any) -> bool:
        try:
            require(envelope)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return passes


@cache
def validator_for(hook: str) -> Draft7Validator:
    """The validator that finds the errors in a call to this hook. It is imported when a call is invalid."""
    from jsonschema import Draft7Validator

    Draft7Validator.check_schema(schema_of(hook))
    return Draft7Validator(schema_of(hook))


def issues_of(hook: str, envelope: Mapping[str, Any]) -> list[Issue]:
    """The errors in the envelope of a call, in the order of the elements. Usually empty."""
    if passing(hook)(envelope):
        return []
    found: dict[Issue, None] = {}
    for error in validator_for(hook).iter_errors(envelope):
        phrase = _PHRASES.get(str(error.validator), _not_allowed)
        found.update(dict.fromkeys(phrase(error.json_path, error.validator_value, error.instance)))
    return sorted(found, key=lambda issue: issue.where)


def _missing(where: str, names: Any, instance: Any) -> Iterator[Issue]:
    for name in names:
        if name not in instance:
            yield Issue("required", "is missing", f"{where}.{name}")


def _missing_beside(where: str, companions: Any, instance: Any) -> Iterator[Issue]:
    for name, required in companions.items():
        if name in instance:
            for issue in _missing(where, required, instance):
                yield msgspec.structs.replace(issue, text=f"is missing: {name} requires it")


_ARTICLES = {"object": "an object", "array": "an array", "string": "a string", "number": "a number"}


def _wrong_type(where: str, allowed: Any, _: Any) -> Iterator[Issue]:
    wanted = allowed if isinstance(allowed, str) else next(t for t in allowed if t != "null")
    yield Issue("structure", f"must be {_ARTICLES[wanted]}", where)


def _empty(where: str, _: Any, __: Any) -> Iterator[Issue]:
    yield Issue("value", "must not be empty", where)


def _too_long(where: str, most: Any, _: Any) -> Iterator[Issue]:
    yield Issue("too-long", f"must have at most {most} characters", where)


def _too_many(where: str, most: Any, _: Any) -> Iterator[Issue]:
    yield Issue("too-long", f"must have at most {most} items", where)


def _other_constant(where: str, constant: Any, _: Any) -> Iterator[Issue]:
    yield Issue("value", f'must be "{constant}" here', where)


def _not_allowed(where: str, _: Any, __: Any) -> Iterator[Issue]:
    yield Issue("invalid", "is not allowed here", where)


def _no_bundle(where: str, _: Any, __: Any) -> Iterator[Issue]:
    yield Issue("structure", "must be a Bundle", where)


# By keyword of the schema: the message for a path, the keyword's value and the instance.
_PHRASES: Mapping[str, Callable[[str, Any, Any], Iterator[Issue]]] = {
    "required": _missing,
    "dependencies": _missing_beside,
    "type": _wrong_type,
    "pattern": _empty,
    "const": _other_constant,
    "anyOf": _no_bundle,
    "maxLength": _too_long,
    "maxItems": _too_many,
}
