"""Pages with one inline style sheet. Nothing else may be loaded or run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final


def style(name: str) -> str:
    """A style sheet of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def headers(style_sheet: str) -> Mapping[str, str]:
    """The content security policy of a page: only this style sheet, identified by its hash.

    Pictures can only be in the page itself: its empty icon, so that none is asked for.
    """
    digest = base64.b64encode(hashlib.sha256(style_sheet.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none';"
            " form-action 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
    }


def print_styles(version: str, state: str) -> str:
    """The margins of printed pages: version and state at the left, page numbers at the right."""
    return (
        "@page{size:A4;margin:16mm 14mm 18mm;"
        f"@bottom-left{{content:{_quoted(version)};{_SMALL}}}"
        f"@top-right{{content:{_quoted(state)};{_SMALL}}}"
        f'@bottom-right{{content:"Page " counter(page) " of " counter(pages);{_SMALL}}}}}\n'
    )


_SMALL: Final = "font:8pt 'Liberation Sans',Arial,sans-serif;color:#333"


def _quoted(text: str) -> str:
    """A CSS string. Characters that could end it are written by their number."""
    return (
        '"'
        + "".join(c if c.isalnum() or c in " .,+-·:()" else f"\\{ord(c):x} " for c in text)
        + '"'
    )
