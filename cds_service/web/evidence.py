"""The page that cards link to: on which knowledge, limits and sources the advice rests."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from flask import Flask, Response, render_template

from cds_service.knowledge.loader import Knowledge

_STYLE = files(__package__).joinpath("evidence.css").read_text(encoding="utf-8")


def register(app: Flask, knowledge: Knowledge) -> None:
    """Add the route."""
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src '{_hash(_STYLE)}'; base-uri 'none';"
            " form-action 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
    }

    @cache
    def page() -> str:
        return render_template("evidence.html", knowledge=knowledge, style=_STYLE)

    @app.get("/evidence")
    def evidence() -> Response:
        return Response(page(), headers=headers, mimetype="text/html")


def _hash(style: str) -> str:
    """The one style sheet that a browser may apply, by its hash."""
    digest = hashlib.sha256(style.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
