"""The synthetic patients and the page to try the service on them, without an EHR."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from flask import Blueprint, Response, render_template, request

from cds_service.hooks.answering import NotKnownError
from cds_service.hooks.envelope import read_call
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import LOINC, Service, discovery
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.terminology import codes_in
from cds_service.sandbox import egfr_range, finding, outcomes, patients
from cds_service.sandbox.egfr_range import HIGHEST, LOWEST
from cds_service.sandbox.from_bundle import BundleError, Orders, request_from_bundle
from cds_service.sandbox.outcomes import Outcome
from cds_service.web.answers import JSON, json_answer, outcome
from cds_service.web.calls.hook_calls import found
from cds_service.web.calls.incoming import own_address, read_json
from cds_service.web.pages.statics import PAGE_HEADERS
from cds_service.web.parts import Parts, current_parts

blueprint = Blueprint("sandbox", __name__)

_LONGEST_QUESTION = 100
_LABS = {"egfr": "lab_egfr", "creatinine": "lab_creatinine", "magnesium": "lab_magnesium"}
_NOT_FOUND = Issue(
    "not-found",
    "There is no such patient, service or draft. /sandbox/patients lists what there is.",
)
_NO_CHART = Issue("invalid", "The body must have a Bundle `chart`, and may have a Bundle `orders`.")


class _Asked(msgspec.Struct):
    """A chart as a Bundle; orders as a Bundle, and the references of those that are selected."""

    chart: msgspec.Raw
    orders: dict[str, Any] = {}
    selections: list[str] = []


_ASKED = msgspec.json.Decoder(_Asked, float_hook=Decimal)


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
    """All that the page needs before a patient is chosen."""
    parts = current_parts()
    knowledge = parts.knowledge
    return json_answer(
        {
            "today": _today(parts),
            "knowledge": knowledge.version,
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


@blueprint.get("/sandbox/requests/<patient_id>/<service_id>")
def hook_request(patient_id: str, service_id: str) -> Response:
    """The hook call for a patient and a service, with the draft orders that were chosen."""
    parts = current_parts()
    templates = parts.services[service_id].prefetch if service_id in parts.services else {}
    draft = request.args.get("draft")
    body = patients.hook_request(patient_id, service_id, _today(parts), draft, templates)
    return json_answer(body)


@blueprint.post("/sandbox/requests/<service_id>")
def request_for_a_chart(service_id: str) -> Response:
    """The hook call for a chart and orders that were edited or uploaded on the page."""
    parts = current_parts()
    service = found(parts.services, service_id)
    body = read_json(request, parts.settings.max_body_bytes)
    try:
        asked = _ASKED.decode(body)
        call = request_from_bundle(
            bytes(asked.chart),
            service,
            parts.knowledge.terminology,
            patients.USER,
            Orders(asked.orders, asked.selections),
        )
    except msgspec.MsgspecError:
        raise BadCallError(400, _NO_CHART) from None
    except BundleError as error:
        raise BadCallError(400, Issue("invalid", f"The chart {error}.")) from None
    return Response(call, content_type=JSON, headers={"Cache-Control": "no-store"})


@blueprint.post("/sandbox/egfr/<service_id>")
def cards_for_each_egfr(service_id: str) -> Response:
    """The cards for every eGFR of the slider. The body is a hook call; no card is stored."""
    parts = current_parts()
    service = found(parts.services, service_id)
    body = read_json(request, parts.settings.max_body_bytes)
    base_url = own_address(parts.settings, request)
    outcome = partial(_outcome, service, parts, base_url)
    codes = codes_in(parts.knowledge.sets, _LABS["egfr"], LOINC)
    limits = [
        int(row.value)
        for row in parts.knowledge.parameter_rows
        if row.id.startswith("egfr.") and LOWEST < row.value < HIGHEST
    ]
    return json_answer(egfr_range.ranges(body, codes[0], _today(parts), limits, outcome))


@blueprint.get("/sandbox/outcomes")
def every_outcome() -> Response:
    """The cards of every synthetic patient at every hook, with each of the patient's drafts."""
    parts = current_parts()
    return json_answer(parts.once(_outcomes).of_day(_today(parts)))


@blueprint.get("/sandbox/drugs")
def some_drugs() -> Response:
    """Drugs to add to a chart, found by name."""
    return json_answer(current_parts().once(_drugs).search(_question()))


@blueprint.get("/sandbox/diagnoses")
def some_diagnoses() -> Response:
    """Diagnoses to add to a chart, found by name."""
    return json_answer(current_parts().once(_diagnoses).search(_question()))


@blueprint.errorhandler(patients.UnknownPatientError)
@blueprint.errorhandler(patients.UnknownServiceError)
@blueprint.errorhandler(patients.UnknownDraftError)
def unknown(_: LookupError) -> Response:
    """The patient, service or draft does not exist."""
    return json_answer(outcome([_NOT_FOUND]), 404)


def _drugs(parts: Parts) -> finding.Names:
    return finding.drugs_of(parts.knowledge)


def _diagnoses(parts: Parts) -> finding.Names:
    return finding.diagnoses_of(parts.knowledge)


def _outcomes(parts: Parts) -> outcomes.Outcomes:
    # The links on the cards are not shown, so the address does not matter.
    def outcome(service_id: str, body: bytes) -> Outcome:
        return _outcome(parts.services[service_id], parts, "https://ehr.example", body)

    return outcomes.Outcomes(parts.services, outcome)


def _outcome(service: Service, parts: Parts, base_url: str, body: bytes) -> Outcome:
    """The cards of a call, or None if required data are missing."""
    try:
        answer = parts.answering.answer(read_call(body, service.hook), base_url)
    except NotKnownError:
        return None
    return outcomes.in_short(answer.cards)


def _today(parts: Parts) -> date:
    return parts.answering.now().date()


def _hook(service: Service) -> dict[str, str]:
    """The data of a hook for the page: its moment, and where its context has orders."""
    hook = HOOKS[service.hook]
    orders = hook.orders
    return {
        "name": hook.name,
        "service": service.id,
        "moment": hook.moment,
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
