"""The page that cards link to: on which knowledge, limits and sources the advice rests."""

from __future__ import annotations

from functools import cache

from flask import Flask, Response, render_template

from cds_service.knowledge.loader import Knowledge
from cds_service.web import pages

_STYLE = pages.style("evidence.css")


def register(app: Flask, knowledge: Knowledge) -> None:
    """Add the route."""
    headers = pages.headers(_STYLE)

    @cache
    def page() -> str:
        return render_template("evidence.html", knowledge=knowledge, style=_STYLE)

    @app.get("/evidence")
    def evidence() -> Response:
        return Response(page(), headers=headers, mimetype="text/html")
