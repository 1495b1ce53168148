"""The pages that cards link to: the knowledge, limits and sources behind the advice."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from threading import Lock
from typing import Any, Final

from flask import Blueprint, Response, render_template, request
from markupsafe import Markup

from cards.registered import load_knowledge
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.terminology import ValueSet
from cds_service.knowledge.wording import KIDNEY_CLASSES
from cds_service.site.force import InForce
from cds_service.site.model import Mode
from cds_service.web.answers import json_answer
from cds_service.web.pages import evidence_sources, evidence_words
from cds_service.web.pages.evidence_document import Codes, codes_of, document
from cds_service.web.pages.evidence_examples import examples
from cds_service.web.pages.evidence_flow import charts
from cds_service.web.pages.statics import PAGE_HEADERS
from cds_service.web.pages.styles import print_styles
from cds_service.web.pages.typesetting import (
    NotInstalledError,
    TypesettingError,
    require_library,
    typeset,
)
from cds_service.web.parts import Parts, current_parts

blueprint = Blueprint("evidence", __name__)

CONTENTS: Final = (
    ("flow", "Who gets which card"),
    ("cards", "The cards"),
    ("not", "What it does not do"),
    ("evidence", "How sure this is"),
    ("site", "This site's settings"),
    ("decides", "How the service decides"),
    ("kidney", "Kidney function"),
    ("risk", "Risk factors"),
    ("dose", "Dose plans"),
    ("cautions", "Cautions"),
    ("spacing", "Spacing from other drugs"),
    ("coindications", "Preventives with another use"),
    ("limits", "Thresholds and windows"),
    ("codes", "Codes"),
    ("specification", "What the rules rest on"),
    ("sources", "References"),
    ("queries", "The queries, as they are sent"),
    ("attributes", "Source attributes"),
    ("version", "Version, review and signatures"),
)
"""The sections of the page."""
_MODES: Final = {Mode.SILENT: "decided and recorded, but not shown", Mode.NEVER: "never shown"}
_LONGEST_QUESTION: Final = 100


@blueprint.get("/evidence")
def evidence() -> Response:
    """The page with the knowledge and the decision tables."""
    return _page(current_parts().once(_evidence_page))


@blueprint.get("/evidence.json")
def evidence_document() -> Response:
    """The same content as JSON."""
    return json_answer(current_parts().once(_document))


@blueprint.get("/evidence.pdf")
def evidence_pdf() -> Response:
    """The page as PDF. The first request of a version makes it, the others get the same file."""
    parts = current_parts()
    content = parts.once(_pdf).content(parts)
    name = f"evidence-{parts.knowledge.version.replace('+', '-')}.pdf"
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "no-cache"}
    return Response(content, headers=headers, mimetype="application/pdf")


@blueprint.get("/evidence/codes")
def found_codes() -> Response:
    """The page with the codes and names that contain the searched words."""
    asked = _question()
    found = current_parts().once(_codes).search(asked)
    return _codes_page(found, asked)


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
    return _codes_page(found, "", chosen)


def _codes_page(
    found: Mapping[str, Any], asked: str, value_set: ValueSet | None = None
) -> Response:
    parts = current_parts()
    text = render_template(
        "codes.html",
        found=found,
        asked=asked,
        value_set=value_set,
        words=evidence_words,
        knowledge=parts.knowledge,
        sandbox=parts.settings.shows_sandbox,
    )
    return _page(text)


@blueprint.get("/evidence/print.css")
def print_style() -> Response:
    """The page numbers of the printed page, and the version and the site on each page."""
    text = current_parts().once(_print_style)
    return Response(text, headers=dict(PAGE_HEADERS), mimetype="text/css")


@blueprint.app_template_filter("readable_table")
def readable_table(table: str) -> Markup:
    """A table that a narrow screen can show."""
    return evidence_sources.readable_table(table)


@blueprint.app_template_filter("in_words")
def in_words(name: str, words: Mapping[str, str]) -> str:
    """An id in words."""
    return words[name]


@blueprint.app_template_filter("capitalize_first")
def capitalize_first(text: str) -> str:
    """A text that begins with a capital letter. "PPI" in it stays as it is."""
    return text[:1].upper() + text[1:]


class _Pdf:
    """The PDF of the page in force. It is made once, by the first request."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._content: bytes | None = None

    def content(self, parts: Parts) -> bytes:
        """The file. Raises `BadCallError`: it cannot be made here, or is being made (503)."""
        if self._content is None:
            if not self._lock.acquire(blocking=False):
                text = "The PDF is being made. Load it again in a minute."
                raise BadCallError(HTTPStatus.SERVICE_UNAVAILABLE, Issue("transient", text))
            try:
                self._content = _typeset(parts)
            finally:
                self._lock.release()
        return self._content


def _typeset(parts: Parts) -> bytes:
    try:
        require_library()
        return typeset(parts.once(_evidence_page), parts.once(_print_style))
    except NotInstalledError as error:
        issue = Issue("not-supported", str(error))
        raise BadCallError(HTTPStatus.NOT_IMPLEMENTED, issue) from None
    except TypesettingError as error:
        issue = Issue("exception", str(error))
        raise BadCallError(HTTPStatus.INTERNAL_SERVER_ERROR, issue) from None


def _pdf(_: Parts) -> _Pdf:
    return _Pdf()


def _document(parts: Parts) -> dict[str, Any]:
    return document(parts.answering.force, parts.services, parts.once(_defaults))


def _defaults(parts: Parts) -> Knowledge:
    """The knowledge without the site's values."""
    force = parts.answering.force
    return force.knowledge if force.site is None else load_knowledge()


def _print_style(parts: Parts) -> str:
    version = f"Knowledge {parts.knowledge.version}"
    site = f"Site {label}" if (label := parts.answering.force.label) else "No site file"
    state = "" if parts.knowledge.approved else "Not yet approved for patient care"
    return print_styles(f"{version} · {site}", state)


def _codes(parts: Parts) -> Codes:
    return Codes(parts.knowledge)


def _evidence_page(parts: Parts) -> str:
    knowledge = parts.knowledge
    return render_template(
        "evidence.html",
        told=parts.once(_document),
        contents=CONTENTS,
        charts=charts(knowledge),
        examples=examples(parts.answering.force, parts.services),
        sections=evidence_sources.sections(parts.once(_defaults)),
        links=evidence_sources.links,
        anchor=evidence_sources.anchor,
        named=evidence_sources.named,
        words=evidence_words,
        moments=evidence_words.moments(),
        windows=evidence_words.windows(knowledge),
        class_words=evidence_words.kidney_classes(knowledge),
        names={card.id: card.title for card in knowledge.cards.values()},
        levels={card.id: card.indicator for card in knowledge.cards.values()},
        titles={value_set.id: value_set.title for value_set in knowledge.sets.values()},
        graded=_graded(knowledge),
        modes=_modes(parts.answering.force),
        classes=KIDNEY_CLASSES,
        sandbox=parts.settings.shows_sandbox,
    )


def _graded(knowledge: Knowledge) -> frozenset[str]:
    """The cards with a row for a special case: their other row is for all other cases."""
    policy = knowledge.policy
    orders = {row.card for row in policy.order_safety if row.grade}
    return frozenset(orders | {row.card for row in policy.hazards if row.grade})


def _modes(force: InForce) -> dict[str, str]:
    """The cards that the site does not show as they are, in words."""
    cards = force.site.file.cards if force.site is not None else {}
    return {
        card: _MODES[settings.mode] for card, settings in cards.items() if settings.mode in _MODES
    }


def _page(text: str) -> Response:
    return Response(text, headers=dict(PAGE_HEADERS), mimetype="text/html")


def _question() -> str:
    return request.args.get("q", "")[:_LONGEST_QUESTION].strip()
