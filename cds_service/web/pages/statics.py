"""The static files of our pages, and the content security policy, which allows only these files."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from flask import Blueprint

# Scripts and styles are files from this server, never inline, and no script can create markup from
# text: `require-trusted-types-for` without a policy blocks innerHTML and similar functions.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
PAGE_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
)


blueprint = Blueprint("statics", __name__, static_folder="static", static_url_path="/static")
"""The files of `static/` under /static. Browsers must check whether their copy is current."""
