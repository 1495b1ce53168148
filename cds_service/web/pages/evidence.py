"""The pages that cards link to: the knowledge, limits and sources behind the advice."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Response, render_template, request

from cards.registered import load_knowledge
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.knowledge.wording import KIDNEY_CLASSES
from cds_service.web.answers import json_answer
from cds_service.web.pages.evidence_document import Codes, codes_of, document
from cds_service.web.pages.statics import PAGE_HEADERS
from cds_service.web.parts import Parts, current_parts

blueprint = Blueprint("evidence", __name__)

_LONGEST_QUESTION: Final = 100


@blueprint.get("/evidence")
def evidence() -> Response:
    """The page with the knowledge and the decision tables."""
    return _page(current_parts().once(_evidence_page))


@blueprint.get("/evidence.json")
def evidence_document() -> Response:
    """The same content as JSON."""
    return json_answer(current_parts().once(_document))


@blueprint.get("/evidence/codes")
def found_codes() -> Response:
    """The page with the codes and names that contain the searched words."""
    asked = _question()
    found = current_parts().once(_codes).search(asked)
    return _page(render_template("codes.html", found=found, asked=asked, value_set=None))


@blueprint.get("/evidence/codes.json")
def found_codes_as_json() -> Response:
    """The same content as JSON."""
    return json_answer(current_parts().once(_codes).search(_question()))


@blueprint.get("/evidence/valuesets/<set_id>")
def value_set(set_id: str) -> Response:
    """The page with all codes of a value set."""
    knowledge = current_parts().knowledge
    chosen = knowledge.sets.get(set_id)
    if chosen is None:
        raise BadCallError(404, Issue("not-found", "This value set does not exist."))
    rows = codes_of(chosen, knowledge)
    found = {"total": len(rows), "codes": rows}
    return _page(render_template("codes.html", found=found, asked="", value_set=chosen))


def _document(parts: Parts) -> dict[str, Any]:
    force = parts.answering.force
    defaults = force.knowledge if force.site is None else load_knowledge()
    return document(force, parts.services, defaults)


def _codes(parts: Parts) -> Codes:
    return Codes(parts.knowledge)


def _evidence_page(parts: Parts) -> str:
    return render_template(
        "evidence.html",
        told=parts.once(_document),
        classes=KIDNEY_CLASSES,
        sandbox=parts.settings.shows_sandbox,
    )


def _page(text: str) -> Response:
    return Response(text, headers=dict(PAGE_HEADERS), mimetype="text/html")


def _question() -> str:
    return request.args.get("q", "")[:_LONGEST_QUESTION].strip()
