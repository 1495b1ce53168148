"""Reading the body of a request, up to a limit."""

from __future__ import annotations

from flask import Request

from cds_service.hooks.errors import BadCallError, Issue

_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})
_PLAIN = frozenset({"", "identity"})


def read_json(request: Request, limit: int) -> bytes:
    """The bytes of a JSON body; raises `BadCallError` where they are too many (413) or no JSON (415)."""
    _require_json(request)
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    return _read(request, limit)


def _read(request: Request, limit: int) -> bytes:
    """All that comes, counted here: a chunked body has no length, and a server may cut it silently."""
    pieces: list[bytes] = []
    size = 0
    while piece := request.stream.read(limit + 1 - size):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _require_json(request: Request) -> None:
    if request.mimetype not in _JSON_TYPES:
        raise _unsupported("Send the body as application/json, and say so in Content-Type.")
    if request.headers.get("Content-Encoding", "").strip().lower() not in _PLAIN:
        raise _unsupported("Send the body without Content-Encoding.")


def _unsupported(text: str) -> BadCallError:
    return BadCallError(415, Issue("not-supported", text))


def _too_large(limit: int) -> BadCallError:
    return BadCallError(413, Issue("too-long", f"The body is larger than {limit} bytes."))
