"""Reading the body of a request, up to a limit."""

from __future__ import annotations

from flask import Request

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.web.calls.limits import require_few_values

_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})
_PLAIN = frozenset({"", "identity"})
_PIECE = 2**16


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
