"""From bytes to a hook call, or to the reason why it is none.

Only the small members become Python objects. Prefetch values stay the bytes they came as: whoever
asks for a key decodes it, and a call that is settled early decodes nothing more.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.fhir.prefetch import Content
from cds_service.fhir.servers import Token
from cds_service.hooks.cutting import cut
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.schema import envelope_members, issues_of

NOTHING = Raw()
_UNKNOWN = object()
# The largest power of ten of a number. Beyond it, sums on a draft order would overflow.
_MAX_EXPONENT = 300
_REFERENCE = re.compile(r"(?:.*/)?Patient/([^/]+)(?:/_history/.*)?")
_NAME = re.compile(rb'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*')
_END = re.compile(rb"\s*}\s*")
_BYTE = re.compile(r"\(byte (\d+)\)")


class HookCall(msgspec.Struct, frozen=True):
    """A well-formed call. `patient_id` is the bare id, also in the context.

    `token` opens `fhir_server`; `client` is who calls, where that is known. `contents` is what the
    prefetch values hold, where they were read already.
    """

    hook: str
    hook_instance: str
    patient_id: str
    user_id: str
    encounter_id: str | None
    context: Mapping[str, Any]
    prefetch: Mapping[str, Raw]
    fhir_server: str | None = None
    token: Token | None = None
    client: str = ""
    contents: Mapping[str, Content[Any]] = MappingProxyType({})


def read_call(body: bytes, hook: str, client: str = "") -> HookCall:
    """The call in a request body; raises `BadCallError` (400) where it is not one for this hook."""
    envelope, prefetch, contents = _decode(body.removeprefix(BOM_UTF8), hook)
    issues = issues_of(hook, envelope)
    if issues:
        raise BadCallError(400, *issues)
    context = envelope["context"]
    patient_id = _bare(context["patientId"])
    return HookCall(
        hook=hook,
        hook_instance=envelope["hookInstance"],
        patient_id=patient_id,
        user_id=context["userId"],
        encounter_id=context.get("encounterId") or None,
        context=context | {"patientId": patient_id},
        prefetch=prefetch,
        fhir_server=envelope.get("fhirServer"),
        token=_token(envelope.get("fhirAuthorization")),
        client=client,
        contents=contents,
    )


_Contents = Mapping[str, Content[Any]]


def _decode(body: bytes, hook: str) -> tuple[dict[str, Any], Mapping[str, Raw], _Contents]:
    """The members that the rules look at; the prefetch values, undecoded; and those that were read."""
    if not body.strip():
        raise _bad("The body is empty. Send the hook call as a JSON object.")
    _require_utf8(body)
    pieces = cut(body, hook)
    parts = _in_one_pass(pieces.head) if pieces is not None else None
    if pieces is not None and parts is not None:
        return _envelope(parts[0], True), pieces.prefetch, pieces.contents
    members, prefetch = _in_one_pass(body) or _in_two_passes(body)
    return _envelope(members, prefetch is not None), prefetch or {}, {}


def _envelope(members: Mapping[str, Raw], has_prefetch: bool) -> dict[str, Any]:
    """The members as objects. Of the prefetch only that there is one: its values stay as they are."""
    envelope = {
        name: value
        for name in envelope_members()
        if name in members and (value := _value(members[name], f"$.{name}")) is not None
    }
    if has_prefetch:
        envelope["prefetch"] = {}
    return envelope


_Parts = tuple[dict[str, Raw], dict[str, Raw] | None]
"""The members of a call as they came, without prefetch; and the prefetch values."""


def _in_one_pass(body: bytes) -> _Parts | None:
    """The usual call: skipping over a large chart is most of the work here, so it is done once.

    `None` where the call has members that are not known, or a prefetch that is no object.
    """
    try:
        call: Any = _CALL.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    prefetch: dict[str, Raw] | None = call.prefetch
    members = {name: raw for name in _SMALL if memoryview(raw := getattr(call, name))}
    if _names_once(body, members, prefetch):
        return members, prefetch
    return None


def _in_two_passes(body: bytes) -> _Parts:
    """Any other call, and the place to find out what is wrong with it."""
    found = _members(body, "$")
    _require_single_names(body, found, "$")
    members = {name: found[name] for name in envelope_members() if name in found}
    prefetch = None
    raw = members.get("prefetch", NOTHING)
    if memoryview(raw).tobytes().startswith(b"{"):
        del members["prefetch"]
        prefetch = _members(raw, "$.prefetch")
        _require_single_names(memoryview(raw).tobytes(), prefetch, "$.prefetch")
    return members, prefetch


def _number(text: str) -> Decimal:
    """A JSON number with a fraction, as written: an order goes back with the doses it came with."""
    number = Decimal(text)
    if abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError
    return number


_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_SMALL = tuple(sorted({*envelope_members(), "extension"} - {"prefetch"}))
_CALL = msgspec.json.Decoder(
    msgspec.defstruct(
        "_Call",
        [
            *((name, Raw, NOTHING) for name in _SMALL),
            ("prefetch", dict[str, Raw] | None, None),
        ],
    )
)
_ANY = msgspec.json.Decoder(float_hook=_number)


def _members(json_object: bytes | Raw, where: str) -> dict[str, Raw]:
    try:
        return _OBJECT.decode(json_object)
    except msgspec.ValidationError:
        raise _bad("must be a JSON object", where, "structure") from None
    except msgspec.DecodeError as error:
        raise _bad(f"is not valid JSON{_at(error)}", where) from None
    except RecursionError:
        raise _bad("is nested too deeply", where) from None


def _value(raw: Raw, where: str) -> Any:
    try:
        value = _ANY.decode(raw)
        if isinstance(value, dict):
            json.loads(memoryview(raw).tobytes(), object_pairs_hook=_with_single_names)
    except _RepeatedNameError:
        raise _bad("holds an object in which a name occurs twice", where) from None
    except (msgspec.DecodeError, ValueError):  # it is JSON: that was seen when it was skipped over
        raise _bad("holds a number out of range", where, "value") from None
    except RecursionError:
        raise _bad("is nested too deeply", where) from None
    return value


class _RepeatedNameError(Exception):
    """A JSON object has two members of one name, so what it says is open."""


def _with_single_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RepeatedNameError
    return members


def _names_once(body: bytes, members: dict[str, Raw], prefetch: dict[str, Raw] | None) -> bool:
    """Whether each name of a call, and of its prefetch, is known and occurs once."""
    left: dict[str, Any] = {**members, "prefetch": prefetch}
    at: int | None = body.index(b"{") + 1
    while at is not None and (name := _NAME.match(body, at)):
        value = left.pop(name[1].decode(), _UNKNOWN)
        if value is _UNKNOWN:
            return False
        at = _past(body, name.end(), value)
    return at is not None and _END.fullmatch(body, at) is not None


def _past(text: bytes, at: int, value: Raw | Mapping[str, Raw] | None) -> int | None:
    """Where a value that starts here ends; `None` if it is an object with a repeated name."""
    if value is None:
        return at + len(b"null")
    if isinstance(value, Raw):
        return at + len(memoryview(value))
    return _end_of_object(text, at, value)


def _end_of_object(text: bytes, start: int, values: Mapping[str, Raw]) -> int | None:
    """Where an object that starts here ends; `None` if a name is repeated.

    Decoding keeps the last of several values of one name. So walk over name after value by the
    lengths of the values: with a repeated name the walk does not arrive at the closing brace.
    """
    at = start + 1
    for raw in values.values():
        name = _NAME.match(text, at)
        if name is None:
            return None
        at = name.end() + len(memoryview(raw))
    end = _END.match(text, at)
    return end.end() if end else None


def _require_single_names(text: bytes, members: Mapping[str, Raw], where: str) -> None:
    if _end_of_object(text, text.index(b"{"), members) is None:
        raise _bad("has a name that occurs twice", where)


def _require_utf8(body: bytes) -> None:
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise _bad(f"The body is not UTF-8 (byte {error.start}).") from None


def _at(error: msgspec.DecodeError) -> str:
    """The position of a JSON error. The message as a whole is the decoder's, so it is not passed on."""
    position = _BYTE.search(str(error))
    return f" (byte {position[1]})" if position else ""


def _bad(text: str, where: str = "", code: str = "invalid") -> BadCallError:
    return BadCallError(400, Issue(code, text, where))


def _token(authorization: Mapping[str, Any] | None) -> Token | None:
    return Token(authorization["access_token"]) if authorization else None


def _bare(patient_id: str) -> str:
    """The id in a reference to a Patient, relative or absolute; otherwise the text itself."""
    plain = patient_id.strip()
    reference = _REFERENCE.fullmatch(plain)
    return reference[1] if reference else plain
