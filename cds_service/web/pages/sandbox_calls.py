"""What the sandbox page asks about calls: their requests, their outcomes in short, and trials.

A trial answers a call with the built-in defaults in place of the site file, or with data that come
too late. Nothing of these calls is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec
from flask import Blueprint, Response, request

from cds_service.fhir.reading import FAILURES
from cds_service.hooks.answering import Answer, Answering, NotKnownError
from cds_service.hooks.envelope import HookCall, read_call
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import LOINC, Service
from cds_service.knowledge.terminology import codes_in
from cds_service.sandbox import egfr_range, outcomes, patients
from cds_service.sandbox.egfr_range import HIGHEST, LOWEST
from cds_service.sandbox.from_bundle import BundleError, Orders, request_from_bundle
from cds_service.sandbox.outcomes import Outcome
from cds_service.web.answers import JSON, json_answer
from cds_service.web.calls.hook_calls import found
from cds_service.web.calls.incoming import own_address, read_json
from cds_service.web.pages.configurations import chosen_parts
from cds_service.web.pages.sandbox import EGFR, not_there
from cds_service.web.parts import Parts

blueprint = Blueprint("sandbox_calls", __name__, url_prefix="/sandbox")

_NO_CHART: Final = Issue(
    "invalid", "The body must have a Bundle `chart`, and may have a Bundle `orders`."
)
_NO_LATE_DATA: Final = Issue(
    "not-supported", "Late data can be tried only where no clients are configured."
)
_PRIVATE: Final = {"Cache-Control": "no-store"}

for _error in (
    patients.UnknownPatientError,
    patients.UnknownServiceError,
    patients.UnknownDraftError,
):
    blueprint.register_error_handler(_error, not_there)


class _Asked(msgspec.Struct):
    """A chart as a Bundle; orders as a Bundle, and the references of those that are selected."""

    chart: msgspec.Raw
    orders: dict[str, Any] = {}
    selections: list[str] = []


_ASKED = msgspec.json.Decoder(_Asked, float_hook=Decimal)


# ------------------------------------------------------------------- requests


@blueprint.get("/requests/<patient_id>/<service_id>")
def hook_request(patient_id: str, service_id: str) -> Response:
    """The hook call for a patient and a service, with the draft orders that were chosen."""
    parts = chosen_parts()
    templates = parts.services[service_id].prefetch if service_id in parts.services else {}
    draft = request.args.get("draft")
    body = patients.hook_request(patient_id, service_id, _today(parts), draft, templates)
    return json_answer(body)


@blueprint.post("/requests/<service_id>")
def request_for_a_chart(service_id: str) -> Response:
    """The hook call for a chart and orders that were edited or uploaded on the page."""
    parts = chosen_parts()
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
    except FAILURES:
        raise BadCallError(400, _NO_CHART) from None
    except BundleError as error:
        raise BadCallError(400, Issue("invalid", f"The chart {error}.")) from None
    return Response(call, content_type=JSON, headers=_PRIVATE)


# ------------------------------------------------------------------- outcomes


@blueprint.get("/outcomes")
def every_outcome() -> Response:
    """The cards of every synthetic patient at every hook, with each of the patient's drafts."""
    parts = chosen_parts()
    return json_answer(parts.once(_outcomes).of_day(_today(parts)))


@blueprint.post("/outcomes/<service_id>")
def outcome_of_a_call(service_id: str) -> Response:
    """The cards of one call in short, for a patient of the user's own. `null`: no answer."""
    parts = chosen_parts()
    service = found(parts.services, service_id)
    body = read_json(request, parts.settings.max_body_bytes)
    cards = _outcome(service, parts, own_address(parts.settings, request), body)
    return json_answer({"cards": cards}, headers=_PRIVATE)


@blueprint.post("/egfr/<service_id>")
def cards_for_each_egfr(service_id: str) -> Response:
    """The cards for every eGFR of the slider. The body is a hook call; no card is stored."""
    parts = chosen_parts()
    service = found(parts.services, service_id)
    body = read_json(request, parts.settings.max_body_bytes)
    base_url = own_address(parts.settings, request)
    outcome = partial(_outcome, service, parts, base_url)
    codes = codes_in(parts.knowledge.sets, EGFR, LOINC)
    limits = [
        int(row.value)
        for row in parts.knowledge.parameter_rows
        if row.id.startswith("egfr.") and LOWEST < row.value < HIGHEST
    ]
    return json_answer(egfr_range.ranges(body, codes[0], _today(parts), limits, outcome))


# --------------------------------------------------------------------- trials


@blueprint.post("/calls/<service_id>")
def trial(service_id: str) -> Response:
    """The cards of a call and their explanation, with the values and the faults of the query.

    `values=defaults` takes the built-in defaults. Each `late` is a prefetch key that is not sent
    and that the FHIR server of the call does not deliver in time.
    """
    parts = chosen_parts()
    service = found(parts.services, service_id)
    late = _late_keys(service, parts)
    call = read_call(read_json(request, parts.settings.max_body_bytes), service.hook)
    answer = _answer(parts.answering, call, own_address(parts.settings, request), late)
    explanation = parts.answering.explain(answer)
    return json_answer({"cards": answer.cards, "explanation": explanation}, headers=_PRIVATE)


def _late_keys(service: Service, parts: Parts) -> list[str]:
    """The keys that are late. Raises `BadCallError` (400) for one that the service does not have."""
    late = request.args.getlist("late")
    if late and parts.settings.clients_file:
        # A late call occupies a thread for as long as the service waits.
        raise BadCallError(400, _NO_LATE_DATA)
    if set(late) - set(service.prefetch):
        text = f"`late` must be one of the prefetch keys {', '.join(service.prefetch)}."
        raise BadCallError(400, Issue("invalid", text))
    return late


def _answer(answering: Answering, call: HookCall, base_url: str, late: Iterable[str]) -> Answer:
    """The answer to a call. Raises `NotKnownError` (412) if required data are missing."""
    keys = list(late)
    if not keys or answering.fetching is None:
        return answering.answer(call, base_url, complete=True)
    from cds_service.sandbox.late_server import without_data_in_time  # as rarely as fetching itself

    with without_data_in_time(answering, call, keys, answering.fetching().bounds) as (slow, asked):
        return slow.answer(asked, base_url, complete=True)


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
