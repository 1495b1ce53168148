"""Read the body of a request within limits, and the address that the client used."""

from __future__ import annotations

import re

from flask import Request

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.settings import Settings

_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})
_PLAIN = frozenset({"", "identity"})
_PIECE = 2**16
_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", re.ASCII)
SANDBOX_HEADER = "CDS-Sandbox"
"""The sandbox page sends this header with the value `page`."""

ALWAYS_ALLOWED = 20_000
"""The number of objects that any body may contain."""
BYTES_PER_OBJECT = 40
"""Above that number, a body needs this many bytes for each object.

Real charts have at least 53 without any spaces, and large ones 66 (of 598 charts). A body of many
tiny objects needs more memory and time than its size suggests.
"""


def read_json(request: Request, limit: int) -> bytes:
    """The bytes of a JSON body. Raises `BadCallError` if it is too large (413) or not JSON (415)."""
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
    """Read the announced number of bytes, in one piece if the server has them, to avoid a copy."""
    stream = request.environ["wsgi.input"]
    body: bytes = stream.read(size)
    while len(body) < size and (piece := stream.read(size - len(body))):
        body += piece
    return body


def _read_to_the_end(request: Request, limit: int) -> bytes:
    """Read a chunked body. It has no length, and a server with a limit may cut it silently, so
    count here.
    """
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
        raise _unsupported("Send the body as application/json, with this Content-Type.")
    if request.headers.get("Content-Encoding", "").strip().lower() not in _PLAIN:
        raise _unsupported("Send the body without Content-Encoding.")


def _unsupported(text: str) -> BadCallError:
    return BadCallError(415, Issue("not-supported", text))


def _too_large(limit: int) -> BadCallError:
    return BadCallError(413, Issue("too-long", f"The body is larger than {limit} bytes."))


def require_few_values(body: bytes) -> None:
    """Refuse a body of many tiny objects before it is decoded. Raises `BadCallError` (413).

    Braces within texts are counted too, which does not affect real charts. Lists and numbers need
    no limit because they are skipped quickly. The number of members is limited where they are read.
    The depth needs no limit because the decoder stops at the interpreter's limit of about a
    thousand levels.
    """
    most = ALWAYS_ALLOWED + len(body) // BYTES_PER_OBJECT
    if len(body) > 2 * ALWAYS_ALLOWED and body.count(b"{") > most:
        text = f"The body contains more than {most} objects, too many for a chart of its size."
        raise BadCallError(413, Issue("too-long", text))


def own_address(settings: Settings, request: Request) -> str:
    """The base address without a final slash. Raises `BadCallError` (400) if the Host header is invalid."""
    if settings.public_url:
        return settings.public_url
    host = request.host
    if _HOST.fullmatch(host) is None:
        text = "The Host header is missing or malformed, and the links on cards need it."
        raise BadCallError(400, Issue("invalid", text))
    # `url_root` has the same value, but splits the address and joins it again.
    return f"{request.scheme}://{host}{request.root_path.rstrip('/')}"


def is_sandbox_call(settings: Settings, request: Request) -> bool:
    """Whether the sandbox page makes this call. Such calls are not part of the feedback report.

    The header has no effect if clients are configured: no client may hide its calls.
    """
    allowed = settings.shows_sandbox and not settings.clients_file
    return allowed and request.headers.get(SANDBOX_HEADER) == "page"
