"""Pages with one inline style sheet. Nothing else may be loaded or run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files


def style(name: str) -> str:
    """A style sheet of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def headers(style_sheet: str) -> Mapping[str, str]:
    """The content security policy of a page: only this style sheet, identified by its hash."""
    digest = base64.b64encode(hashlib.sha256(style_sheet.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none';"
            " form-action 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
    }
