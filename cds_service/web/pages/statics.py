"""The files that our pages load, and what a browser may do with a page: nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from flask import Blueprint

# Scripts and styles come as files from here, never out of a page, and no script can make markup
# out of text: `require-trusted-types-for` without a policy refuses innerHTML and its relatives.
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
"""The files of `static/` under /static; a browser asks whether its copy is current."""
