"""What is taken of a request: its body, up to limits, and the address that clients reach us by."""

from __future__ import annotations

import re

from flask import Request

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.settings import Settings

_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})
_PLAIN = frozenset({"", "identity"})
_PIECE = 2**16
_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", re.ASCII)


ALWAYS_ALLOWED = 20_000
"""Objects that a body may hold however short it is."""
BYTES_PER_OBJECT = 40
"""Beyond that, a body needs so many bytes for each object.

Real charts have 53 and more without any spaces, large ones 66 (of 598 charts). A body of many tiny
objects costs more memory and time to read than its size tells."""


def read_json(request: Request, limit: int) -> bytes:
    """The bytes of a JSON body; raises `BadCallError` where they are too many (413) or no JSON (415)."""
    _require_json(request)
    declared = request.content_length
    if (declared or 0) > limit:
        raise _too_large(limit)
    body = (
        _read_to_the_end(request, limit) if declared is None else _read_declared(request, declared)
    )
    require_few_values(body)
    return body


def _read_declared(request: Request, size: int) -> bytes:
    """As many bytes as were announced, in one piece where the server has them: no copy is made."""
    stream = request.environ["wsgi.input"]
    body: bytes = stream.read(size)
    while len(body) < size and (piece := stream.read(size - len(body))):
        body += piece
    return body


def _read_to_the_end(request: Request, limit: int) -> bytes:
    """A chunked body has no length, and a server told to limit it may cut it silently: count here."""
    pieces: list[bytes] = []
    size = 0
    while piece := request.stream.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
    return b"".join(pieces)


def _require_json(request: Request) -> None:
    if request.mimetype not in _JSON_TYPES:
        raise _unsupported("Send the body as application/json, and say so in Content-Type.")
    if request.headers.get("Content-Encoding", "").strip().lower() not in _PLAIN:
        raise _unsupported("Send the body without Content-Encoding.")


def _unsupported(text: str) -> BadCallError:
    return BadCallError(415, Issue("not-supported", text))


def _too_large(limit: int) -> BadCallError:
    return BadCallError(413, Issue("too-long", f"The body is larger than {limit} bytes."))


def require_few_values(body: bytes) -> None:
    """Refuse a body made of many tiny objects, before it is decoded; raises `BadCallError` (413).

    Braces within texts count as well, which makes no difference to any chart. Lists and numbers are
    skipped quickly, members are bounded where they are read, and depth needs no count: the decoder
    stops at the interpreter's own bound of about a thousand levels.
    """
    most = ALWAYS_ALLOWED + len(body) // BYTES_PER_OBJECT
    if len(body) > 2 * ALWAYS_ALLOWED and body.count(b"{") > most:
        text = f"The body holds more than {most} objects, which is no chart of its size."
        raise BadCallError(413, Issue("too-long", text))


def own_address(settings: Settings, request: Request) -> str:
    """Without a slash at the end; raises `BadCallError` (400) where the Host header is no host."""
    if settings.public_url:
        return settings.public_url
    host = request.host
    if _HOST.fullmatch(host) is None:
        text = "The Host header is missing or malformed, and the links on cards need it."
        raise BadCallError(400, Issue("invalid", text))
    # `url_root` would say the same, after taking the address apart and together again.
    return f"{request.scheme}://{host}{request.root_path.rstrip('/')}"
