"""The running service, called over HTTP: the explanation of a call, and the knowledge.

It follows no redirect and uses no proxy, because a token and a chart go only to the named service.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import urllib3

from cds_service.correlation import REQUEST_ID
from cds_service.loopback import is_loopback

_JSON: Final = "application/json"
_SECONDS: Final = 60.0
_LARGEST: Final = 20_000_000
_READ: Final = 1 << 16


class ServiceError(Exception):
    """The service did not return the data. The message is one line with the reason, for the assistant."""


class Service:
    """The service at an address. Raises `ValueError` for an address that is not safe."""

    def __init__(self, url: str) -> None:
        self.url = _checked(url)
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=4)

    def explain(self, service_id: str, request: Any, token: str | None, ids: str) -> bytes:
        """The explanation of a hook request, as the service sent it. Raises `ServiceError`."""
        body = msgspec.json.encode(request)
        return self._exchange("POST", self.address_of(service_id), body, token, ids)

    def address_of(self, service_id: str) -> str:
        """The URL that explains calls of a service: the audience of its tokens."""
        return f"{self.url}/explain/{service_id}"

    def knowledge(self, ids: str) -> dict[str, Any]:
        """The document of `/evidence.json`, which is public. Raises `ServiceError`."""
        raw = self._exchange("GET", f"{self.url}/evidence.json", None, None, ids)
        try:
            return msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.DecodeError:
            raise ServiceError(f"What responds at {self.url} is not this service.") from None

    def _exchange(
        self, method: str, url: str, body: bytes | None, token: str | None, ids: str
    ) -> bytes:
        headers = {"Accept": _JSON, "User-Agent": "magnesium-migraine-mcp", REQUEST_ID: ids}
        if body is not None:
            headers["Content-Type"] = _JSON
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(_SECONDS),
                preload_content=False,
            )
            text = _read(response)
        except (urllib3.exceptions.HTTPError, OSError):
            # The text of the error has the URL, and may have more.
            raise ServiceError(f"The service at {self.url} does not respond.") from None
        if response.status != HTTPStatus.OK:
            raise ServiceError(self._refusal(response.status, text))
        return text

    def _refusal(self, status: int, text: bytes) -> str:
        said = _issues(text)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            why = said or "It gave no reason."
            return f"The service at {self.url} refuses the caller ({status}): {why}"
        if not said:
            return f"What responds at {self.url} is not this service (status {status})."
        return f"The service cannot explain this call ({status}): {said}"


def new_ids() -> str:
    """A new request id, which is also in the log of the service."""
    return os.urandom(16).hex()


def _checked(url: str) -> str:
    """The address without a final slash: https, or http on this machine."""
    parts = urlsplit(url.rstrip("/"))
    host = parts.hostname or ""
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    has_more = bool(parts.query or parts.fragment or parts.username is not None)
    if not host or not is_safe or has_more or parts.port == 0 or not url.isprintable():
        raise ValueError("not a safe address")
    return parts.geturl()


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    body = bytearray()
    try:
        while piece := response.read(_READ):
            body += piece
            if len(body) > _LARGEST:
                raise ServiceError("The response of the service is too large.")
    finally:
        response.close()
    return bytes(body)


def _issues(text: bytes) -> str:
    """The texts of an OperationOutcome. The service writes no content of a request into them."""
    try:
        outcome = msgspec.json.decode(text, type=_Outcome)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    found = (issue.details.get("text", "") for issue in outcome.issue)
    return "; ".join(str(one) for one in found if one)


class _Issue(msgspec.Struct):
    details: Mapping[str, Any] = {}


class _Outcome(msgspec.Struct, tag="OperationOutcome", tag_field="resourceType"):
    issue: list[_Issue] = []
