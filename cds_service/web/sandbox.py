"""The synthetic patients: for whoever tries the service without an EHR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request

from cds_service.hooks.answering import Clock
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import Service
from cds_service.sandbox import patients
from cds_service.web.outcomes import json_answer


def register(app: Flask, services: Mapping[str, Service], now: Clock) -> None:
    """Add the routes."""

    @app.get("/sandbox/patients")
    def every_patient() -> Response:
        return json_answer([_summary(p) for p in patients.load_all().values()])

    @app.get("/sandbox/patients/<patient_id>")
    def one_patient(patient_id: str) -> Response:
        return json_answer(patients.bundle_of(patient_id, now().date()))

    @app.get("/sandbox/requests/<patient_id>/<service_id>")
    def hook_request(patient_id: str, service_id: str) -> Response:
        codes = services[service_id].codes if service_id in services else None
        draft = request.args.get("draft")
        body = patients.hook_request(patient_id, service_id, now().date(), draft, codes)
        return json_answer(body)

    @app.errorhandler(patients.UnknownPatientError)
    @app.errorhandler(patients.UnknownServiceError)
    @app.errorhandler(patients.UnknownDraftError)
    def unknown(_: LookupError) -> Response:
        text = "There is no such patient, service or draft. /sandbox/patients lists what there is."
        raise BadCallError(404, Issue("not-found", text))


def _summary(person: patients.SyntheticPatient) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "story": person.story,
        "shows": person.shows,
        "drafts": {draft_id: draft.title for draft_id, draft in person.drafts.items()},
    }
