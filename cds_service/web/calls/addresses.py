"""The service's own address, as clients reach it."""

from __future__ import annotations

import re

from flask import Request

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.settings import Settings

_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", re.ASCII)


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
