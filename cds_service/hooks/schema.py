"""The rules of a well-formed call: JSON Schema files, compiled once, and their errors in our words.

jsonschema's own messages quote the offending value, which may be a patient's; ours never do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from cds_service.hooks.errors import Issue

_FILE = ".schema.json"


def _schema(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath("schemas", name + _FILE).read_bytes()
    schema: dict[str, Any] = _inlined(msgspec.json.decode(text))
    return schema


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
    """The members of a call that the rules look at; all others are left alone."""
    return tuple(_schema("envelope")["properties"])


@cache
def validator_for(hook: str) -> Draft202012Validator:
    """The compiled rules of one hook: the envelope with this hook's name and context."""
    envelope = _schema("envelope")
    envelope["properties"] |= {"hook": {"const": hook}, "context": _schema(hook)}
    Draft202012Validator.check_schema(envelope)
    return Draft202012Validator(envelope)


def issues_of(hook: str, envelope: Mapping[str, Any]) -> list[Issue]:
    """What is wrong with the envelope of a call, in the order of the elements; mostly nothing."""
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


def _other_constant(where: str, constant: Any, _: Any) -> Iterator[Issue]:
    yield Issue("value", f'must be "{constant}" here', where)


def _not_allowed(where: str, _: Any, __: Any) -> Iterator[Issue]:
    yield Issue("invalid", "is not allowed here", where)


# By keyword of the schema: what to say of a place, the keyword's value and the instance.
_PHRASES: Mapping[str, Callable[[str, Any, Any], Iterator[Issue]]] = {
    "required": _missing,
    "dependentRequired": _missing_beside,
    "type": _wrong_type,
    "pattern": _empty,
    "const": _other_constant,
}
