"""The file of trusted clients. It is read and checked once, at start. A fault is reported in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

RECOMMENDED_ALGORITHMS = ("ES384", "RS384")


class ClientsError(Exception):
    """The file of trusted clients is invalid. The message is one line without content of the file."""


class Client(msgspec.Struct, frozen=True, rename="camel"):
    """One trusted client: one issuer of tokens."""

    name: str
    iss: str
    jwks: Mapping[str, Any] = msgspec.field(default_factory=dict)
    jku: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = RECOMMENDED_ALGORITHMS
    tenants: tuple[str, ...] = ()
    fhir_servers: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    max_lifetime_seconds: int = 300
    clock_skew_seconds: int = 30


Clients = Mapping[str, Client]
"""The trusted clients, by the issuer that their tokens name."""


def read_clients(path: Path) -> Clients:
    """Read the clients from a file. Raises `ClientsError`."""
    from cds_service.trust.keys import (
        unusable_key,
    )  # cryptography is imported only if there are clients

    document = _document(path)
    _require_form(document, path)
    clients = msgspec.convert(document["clients"], list[Client])
    for field in ("iss", "name"):
        counts = Counter(getattr(client, field) for client in clients)
        if max(counts.values()) > 1:
            raise ClientsError(f"{path.name}: two clients have the same {field}.")
    for number, client in enumerate(clients):
        for index, key in enumerate(client.jwks.get("keys", ())):
            fault = unusable_key(key)
            if fault:
                raise ClientsError(f"{path.name}: clients[{number}].jwks.keys[{index}] {fault}.")
    return MappingProxyType({client.iss: client for client in clients})


def _document(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError:
        raise ClientsError(f"{path.name}, the file of trusted clients, cannot be read.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ClientsError(f"{path.name}, the file of trusted clients, is not JSON.") from None


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    text = files(__package__).joinpath("schemas", "clients.schema.json").read_bytes()
    found: dict[str, Any] = msgspec.json.decode(text)
    return found


def _require_form(document: Any, path: Path) -> None:
    error = best_match(Draft202012Validator(schema()).iter_errors(document))
    if error is not None:
        raise ClientsError(f"{path.name}: {_place(error)} {_fault(error)}.")


def _place(error: ValidationError) -> str:
    return error.json_path.removeprefix("$").removeprefix(".") or "the document"


def _fault(error: ValidationError) -> str:
    """The fault in our own words. Messages of jsonschema quote the value, which may be a secret key."""
    rule = str(error.validator)
    phrase = _PHRASES.get(rule)
    return phrase(error) if phrase else f"breaks the rule {rule} of the schema"


def _missing(error: ValidationError) -> str:
    names: Any = error.validator_value
    given: Any = error.instance
    return f"needs {' and '.join(name for name in names if name not in given)}"


def _unknown(error: ValidationError) -> str:
    rules: Any = error.schema
    known = ", ".join(name for name in rules["properties"] if not name.startswith("$"))
    return f"has a member other than {known}"


def _not_listed(error: ValidationError) -> str:
    values: Any = error.validator_value
    return f"must be one of {', '.join(values)}"


_PHRASES: Mapping[str, Callable[[ValidationError], str]] = {
    "required": _missing,
    "additionalProperties": _unknown,
    "enum": _not_listed,
    "type": lambda error: f"must be of type {error.validator_value}",
    "anyOf": lambda _: "needs jwks or jku",
    "not": lambda _: "contains a private or symmetric key; only public keys are allowed",
}
