"""The pages that cards link to: on which knowledge, limits and sources the advice rests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import Flask, Response, render_template, request

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import Service
from cds_service.knowledge.loader import Knowledge
from cds_service.web.calls.outcomes import json_answer
from cds_service.web.pages.evidence_document import KIDNEY_CLASSES, Codes, codes_of, document
from cds_service.web.pages.statics import PAGE_HEADERS

_LONGEST_QUESTION = 100


def register(app: Flask, knowledge: Knowledge, services: Mapping[str, Service]) -> None:
    """Add the routes."""

    @cache
    def told() -> dict[str, Any]:
        return document(knowledge, services)

    @cache
    def page() -> str:
        return render_template(
            "evidence.html",
            told=told(),
            classes=KIDNEY_CLASSES,
            sandbox="home" in app.view_functions,
        )

    @cache
    def codes() -> Codes:
        return Codes(knowledge)

    @app.get("/evidence")
    def evidence() -> Response:
        return _page(page())

    @app.get("/evidence.json")
    def evidence_document() -> Response:
        return json_answer(told())

    @app.get("/evidence/codes")
    def found_codes() -> Response:
        asked = _question()
        found = codes().search(asked)
        return _page(render_template("codes.html", found=found, asked=asked, value_set=None))

    @app.get("/evidence/codes.json")
    def found_codes_as_json() -> Response:
        return json_answer(codes().search(_question()))

    @app.get("/evidence/valuesets/<set_id>")
    def value_set(set_id: str) -> Response:
        chosen = knowledge.sets.get(set_id)
        if chosen is None:
            raise BadCallError(404, Issue("not-found", "There is no such value set."))
        rows = codes_of(chosen, knowledge)
        found = {"total": len(rows), "codes": rows}
        return _page(render_template("codes.html", found=found, asked="", value_set=chosen))


def _page(text: str) -> Response:
    return Response(text, headers=dict(PAGE_HEADERS), mimetype="text/html")


def _question() -> str:
    return request.args.get("q", "")[:_LONGEST_QUESTION].strip()
