"""The synthetic patients and the page to try the service on them, without an EHR."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from flask import Blueprint, Response, render_template, request

from cds_service.hooks.errors import Issue
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import LOINC, Service, discovery
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.terminology import codes_in
from cds_service.sandbox import finding, patients
from cds_service.web.answers import json_answer, outcome
from cds_service.web.pages.configurations import chosen_parts, site_in_short
from cds_service.web.pages.statics import PAGE_HEADERS
from cds_service.web.parts import Parts, current_parts

blueprint = Blueprint("sandbox", __name__)

EGFR: Final = "lab_egfr"
_LABS: Final = {"egfr": EGFR, "creatinine": "lab_creatinine", "magnesium": "lab_magnesium"}
_LONGEST_QUESTION: Final = 100
_NOT_THERE: Final = Issue(
    "not-found",
    "There is no such patient, service or draft. /sandbox/patients lists what there is.",
)


@blueprint.get("/")
def home() -> Response:
    """The page."""
    parts = current_parts()
    text = render_template(
        "sandbox.html", knowledge=parts.knowledge, services=parts.services.values()
    )
    return Response(text, headers=dict(PAGE_HEADERS), mimetype="text/html")


@blueprint.get("/sandbox/setup")
def setup() -> Response:
    """All that the page needs before a patient is chosen, with the values of the query."""
    parts = chosen_parts()
    knowledge = parts.knowledge
    return json_answer(
        {
            "today": _today(parts),
            "knowledge": knowledge.version,
            "site": site_in_short(current_parts()),
            "fetchSeconds": parts.settings.fhir_total_ms / 1000,
            "patients": [_summary(p) for p in patients.load_all().values()],
            "discovery": discovery(parts.services),
            "hooks": [_hook(service) for service in parts.services.values()],
            "parameters": {row.id: row.value for row in knowledge.parameter_rows},
            "labs": {
                name: codes_in(knowledge.sets, set_id, LOINC) for name, set_id in _LABS.items()
            },
            "words": _words(knowledge),
            "orderChecks": _order_checks(knowledge),
            "indicators": {card.id: card.indicator for card in knowledge.cards.values()},
        }
    )


@blueprint.get("/sandbox/patients")
def every_patient() -> Response:
    """The synthetic patients, in short."""
    return json_answer([_summary(p) for p in patients.load_all().values()])


@blueprint.get("/sandbox/patients/<patient_id>")
def one_patient(patient_id: str) -> Response:
    """The chart of one of them, as a Bundle."""
    return json_answer(patients.bundle_of(patient_id, _today(current_parts())))


@blueprint.get("/sandbox/drugs")
def some_drugs() -> Response:
    """Drugs to add to a chart, found by name."""
    return json_answer(current_parts().once(_drugs).search(_question()))


@blueprint.get("/sandbox/diagnoses")
def some_diagnoses() -> Response:
    """Diagnoses to add to a chart, found by name."""
    return json_answer(current_parts().once(_diagnoses).search(_question()))


@blueprint.errorhandler(patients.UnknownPatientError)
def not_there(_: LookupError) -> Response:
    """The patient, service or draft does not exist."""
    return json_answer(outcome([_NOT_THERE]), 404)


def _drugs(parts: Parts) -> finding.Names:
    return finding.drugs_of(parts.knowledge)


def _diagnoses(parts: Parts) -> finding.Names:
    return finding.diagnoses_of(parts.knowledge)


def _today(parts: Parts) -> date:
    return parts.answering.now().date()


def _hook(service: Service) -> dict[str, str | bool]:
    """The data of a hook for the page: its moment, and what its context has."""
    hook = HOOKS[service.hook]
    orders = hook.orders
    return {
        "name": hook.name,
        "service": service.id,
        "moment": hook.moment,
        "encounter": hook.at_encounter,
        "orders": orders.member if orders is not None else "",
        "selections": orders.selections if orders is not None else "",
    }


def _question() -> str:
    return request.args.get("q", "")[:_LONGEST_QUESTION]


def _summary(person: patients.SyntheticPatient) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "story": person.story,
        "shows": person.shows,
        "drafts": {draft_id: draft.title for draft_id, draft in person.drafts.items()},
    }


def _order_checks(knowledge: Knowledge) -> dict[str, list[str]]:
    """The ids of the cards that check an order, by their subject."""
    found: dict[str, list[str]] = {}
    for card in knowledge.cards.values():
        if card.kind == "order-check":
            found.setdefault(card.subject, []).append(card.id)
    return found


def _words(knowledge: Knowledge) -> dict[str, str]:
    """The names of facts, gaps and cards."""
    texts = knowledge.wording.texts
    named = {i: text for i, text in texts.items() if i.startswith(("fact.", "gap."))}
    cards = {f"card.{card.id}": card.summary for card in knowledge.cards.values()}
    return named | cards
