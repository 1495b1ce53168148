"""Read a hook call from bytes, or find the reason why it is invalid.

Only the small members become Python objects. Prefetch values stay bytes until their key is used, so
that a call that is settled early decodes nothing more.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.fetching.servers import Token
from cds_service.fhir.prefetch import KINDS
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.hook import Hook
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.schema import envelope_members, issues_of
from cds_service.site.options import NO_OPTIONS, Options, read_options

NOTHING = Raw()
_EXTENSION = "extension"
_UNKNOWN = object()
# The largest power of ten of a number. Beyond it, sums on a draft order would overflow.
_MAX_EXPONENT = 300
MOST_NAMES = 200
"""Members of a call, and prefetch keys: those that are not known are skipped, up to this number."""
MOST_CONTEXT_BYTES = 1_000_000
"""Of `context` and each other small member. Draft orders have a few kilobytes each."""
_LONGEST_NAME = 500
# Possessive, so that nothing is stored for backtracking: a name needs only its own length in
# memory.
_NAME = re.compile(rb'[\s,]*+"([^"\\]*+(?:\\.[^"\\]*+){0,100}+)"\s*+:\s*+')
_END = re.compile(rb"\s*+}\s*+")
_BYTE = re.compile(r"\(byte (\d+)\)")


class HookCall(msgspec.Struct, frozen=True):
    """A valid call. `patient_id` is the bare id, also in the context.

    `token` is for `fhir_server`. `client` is the calling client and `tenant` its tenant, if known.
    """

    hook: Hook
    hook_instance: str
    patient_id: str
    user_id: str
    encounter_id: str | None
    context: Mapping[str, Any]
    prefetch: Mapping[str, Raw]
    fhir_server: str | None = None
    token: Token | None = None
    client: str = ""
    tenant: str = ""
    options: Options = NO_OPTIONS


def read_call(body: bytes, hook: str, client: str = "", tenant: str = "") -> HookCall:
    """Read the call in a request body. Raises `BadCallError` (400) if it is not valid for this
    hook.

    `hook` is the name of a hook of the registry.
    """
    envelope, prefetch, extension = _decode(body.removeprefix(BOM_UTF8))
    issues = issues_of(hook, envelope)
    if issues:
        raise BadCallError(400, *issues)
    context = envelope["context"]
    patient_id = _bare(context["patientId"])
    return HookCall(
        hook=HOOKS[hook],
        hook_instance=envelope["hookInstance"],
        patient_id=patient_id,
        user_id=context.get("userId") or "",
        encounter_id=context.get("encounterId") or None,
        context=context | {"patientId": patient_id},
        prefetch=prefetch,
        fhir_server=envelope.get("fhirServer"),
        token=_token(envelope.get("fhirAuthorization")),
        client=client,
        tenant=tenant,
        options=read_options(extension) if memoryview(extension) else NO_OPTIONS,
    )


def _decode(body: bytes) -> tuple[dict[str, Any], Mapping[str, Raw], Raw]:
    """The members that the rules use, and the prefetch values and the extension, not decoded."""
    if not body.strip():
        raise _bad("The body is empty. Send the hook call as a JSON object.")
    _require_utf8(body)
    members, prefetch = _in_one_pass(body) or _in_two_passes(body)
    envelope = _envelope(members, prefetch is not None)
    return envelope, prefetch or {}, members.get(_EXTENSION, NOTHING)


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
"""The members of a call as bytes, without prefetch; and the prefetch values."""


def _in_one_pass(body: bytes) -> _Parts | None:
    """The usual call. Skipping a large chart is most of the work, so it is done only once.

    `None` if the call has unknown members, or a prefetch that is not an object.
    """
    try:
        call: Any = _CALL.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    members = {name: raw for name in _SMALL if memoryview(raw := getattr(call, name))}
    prefetch = call.prefetch and {
        key: raw for key in KINDS if memoryview(raw := getattr(call.prefetch, key))
    }
    if _names_once(body, members, prefetch):
        return members, prefetch
    return None


def _in_two_passes(body: bytes) -> _Parts:
    """Any other call, and the place where errors are found.

    Members that no rule uses are skipped and never stored. Prefetch keys that were not requested
    are kept, because a referenced Medication may be there, and other resources there are listed
    (SPEC 12.1 U-3).
    """
    members = _members(body, "$", (*envelope_members(), _EXTENSION))
    raw = members.get("prefetch", NOTHING)
    if not memoryview(raw).tobytes().startswith(b"{"):
        return members, None
    del members["prefetch"]
    return members, _members(memoryview(raw).tobytes(), "$.prefetch")


def _number(text: str) -> Decimal:
    """A JSON number with a fraction, as written, so that an order is returned with its original doses."""
    number = Decimal(text)
    if abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError
    return number


_SKIPPED = msgspec.json.Decoder(Raw)
_SMALL = tuple(sorted({*envelope_members(), _EXTENSION} - {"prefetch"}))
# Only the used keys are stored. Others are skipped, however many there are.
_PREFETCH: Any = msgspec.defstruct("_Prefetch", [(key, Raw, NOTHING) for key in KINDS])
_CALL = msgspec.json.Decoder(
    msgspec.defstruct(
        "_Call",
        [
            *((name, Raw, NOTHING) for name in _SMALL),
            ("prefetch", _PREFETCH | None, None),
        ],
    )
)
_ANY = msgspec.json.Decoder(float_hook=_number)


def _members(text: bytes, where: str, wanted: Collection[str] | None = None) -> dict[str, Raw]:
    """The wanted members of a JSON object, or all. Raises `BadCallError` if it is malformed.

    It reads names and values in turn. Each value is decoded to find its end and then discarded. So
    a repeated name is detected, and many members need no memory.
    """
    found: dict[str, Raw] = {}
    names: set[str] = set()
    at = _start_of_object(text, where)
    while (match := _END.match(text, at)) is None:
        name, at = _name_at(text, at, where, first=not names)
        if name in names:
            raise _bad("has a name that occurs twice", where)
        names.add(name)
        if len(names) > MOST_NAMES:
            text_ = f"has more than {MOST_NAMES} members"
            raise BadCallError(413, Issue("too-long", text_, where))
        end = _end_of_value(text, at, where)
        if wanted is None or name in wanted:
            found[name] = Raw(text[at:end])
        at = end
    if match.end() != len(text):
        raise _bad(f"is not valid JSON (byte {match.end()})", where)
    return found


def _start_of_object(text: bytes, where: str) -> int:
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] != b"{":
        _require_json(text, start, where)
        raise _bad("must be a JSON object", where, "structure")
    return start + 1


def _name_at(text: bytes, at: int, where: str, first: bool) -> tuple[str, int]:
    """A name, and the offset at which its value begins."""
    match = _NAME.match(text, at)
    before = text[at : match.start(1)].split(b'"')[0].strip() if match else b""
    if match is None or before != (b"" if first else b","):
        raise _bad(f"is not valid JSON (byte {at})", where)
    if len(match[1]) > _LONGEST_NAME:
        text_ = f"has a name of more than {_LONGEST_NAME} bytes"
        raise BadCallError(413, Issue("too-long", text_, where))
    try:
        return msgspec.json.decode(b'"%s"' % match[1], type=str), match.end()
    except msgspec.DecodeError:
        raise _bad(f"is not valid JSON (byte {at})", where) from None


def _require_json(text: bytes, start: int, where: str) -> None:
    """Raise `BadCallError` if a text that is not an object is not JSON at all."""
    try:
        _SKIPPED.decode(text[start:])
    except msgspec.DecodeError as error:
        position = _BYTE.search(str(error))
        place = f" (byte {start + int(position[1])})" if position else ""
        raise _bad(f"is not valid JSON{place}", where) from None
    except RecursionError:
        return


def _end_of_value(text: bytes, at: int, where: str) -> int:
    """The end of the value that begins here. The decoder reports the position of the next content."""
    try:
        _SKIPPED.decode(memoryview(text)[at:])
    except msgspec.DecodeError as error:
        position = _BYTE.search(str(error))
        if position and "trailing characters" in str(error):
            return at + int(position[1]) - 1  # the decoder counts from one
        place = f" (byte {at + int(position[1])})" if position else ""
        raise _bad(f"is not valid JSON{place}", where) from None
    except RecursionError:
        raise _bad("is nested too deeply", where) from None
    return len(text)


def _value(raw: Raw, where: str) -> Any:
    if len(memoryview(raw)) > MOST_CONTEXT_BYTES:
        text = f"is larger than {MOST_CONTEXT_BYTES} bytes"
        raise BadCallError(413, Issue("too-long", text, where))
    try:
        value = _ANY.decode(raw)
        if isinstance(value, dict):
            json.loads(memoryview(raw).tobytes(), object_pairs_hook=_with_single_names)
    except _RepeatedNameError:
        raise _bad("contains an object in which a name occurs twice", where) from None
    except (msgspec.DecodeError, ValueError):  # it is JSON: that was seen when it was skipped over
        raise _bad("contains a number out of range", where, "value") from None
    except RecursionError:
        raise _bad("is nested too deeply", where) from None
    return value


class _RepeatedNameError(Exception):
    """A JSON object has two members with one name, so its meaning is unclear."""


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
    """The end of the value that begins here, or `None` if it is an object with a repeated name."""
    if value is None:
        return at + len(b"null")
    if isinstance(value, Raw):
        return at + len(memoryview(value))
    return _end_of_object(text, at, value)


def _end_of_object(text: bytes, start: int, values: Mapping[str, Raw]) -> int | None:
    """The end of the object that begins here, or `None` if a name is repeated.

    Decoding keeps only the last of several values with one name. So the function adds the lengths
    of names and values. With a repeated name it does not arrive at the closing brace.
    """
    at = start + 1
    for raw in values.values():
        name = _NAME.match(text, at)
        if name is None:
            return None
        at = name.end() + len(memoryview(raw))
    end = _END.match(text, at)
    return end.end() if end else None


def _require_utf8(body: bytes) -> None:
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise _bad(f"The body is not UTF-8 (byte {error.start}).") from None


def _bad(text: str, where: str = "", code: str = "invalid") -> BadCallError:
    return BadCallError(400, Issue(code, text, where))


def _token(authorization: Mapping[str, Any] | None) -> Token | None:
    return Token(authorization["access_token"]) if authorization else None


def _bare(patient_id: str) -> str:
    """The id in a reference to a Patient, relative or absolute; otherwise the text itself."""
    plain = patient_id.strip()
    before, _, last = plain.partition("/_history/")[0].rpartition("/")
    return last if before == "Patient" or before.endswith("/Patient") else plain
