"""The synthetic patients and the page to try the service on them, without an EHR."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import Flask, Response, render_template, request

from cds_service.hooks.answering import Clock
from cds_service.hooks.errors import Issue
from cds_service.hooks.services import LOINC, Service, discovery
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.terminology import codes_in
from cds_service.sandbox import finding, patients
from cds_service.web.calls.outcomes import json_answer, outcome
from cds_service.web.pages.statics import PAGE_HEADERS

_LONGEST_QUESTION = 100
_LABS = {"egfr": "lab_egfr", "creatinine": "lab_creatinine", "magnesium": "lab_magnesium"}
_NOT_FOUND = Issue(
    "not-found",
    "There is no such patient, service or draft. /sandbox/patients lists what there is.",
)


def register(app: Flask, services: Mapping[str, Service], knowledge: Knowledge, now: Clock) -> None:
    """Add the routes."""
    drugs = cache(lambda: finding.drugs_of(knowledge))
    diagnoses = cache(lambda: finding.diagnoses_of(knowledge))

    @app.get("/")
    def home() -> Response:
        text = render_template("sandbox.html", knowledge=knowledge, services=services.values())
        return Response(text, headers=dict(PAGE_HEADERS), mimetype="text/html")

    @app.get("/sandbox/setup")
    def setup() -> Response:
        """All that the page needs before a patient is chosen."""
        return json_answer(
            {
                "today": now().date(),
                "knowledge": knowledge.version,
                "patients": [_summary(p) for p in patients.load_all().values()],
                "discovery": discovery(services),
                "parameters": {row.id: row.value for row in knowledge.parameter_rows},
                "labs": {
                    name: codes_in(knowledge.sets, set_id, LOINC) for name, set_id in _LABS.items()
                },
                "words": _words(knowledge),
            }
        )

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

    @app.get("/sandbox/drugs")
    def some_drugs() -> Response:
        return json_answer(drugs().search(_question()))

    @app.get("/sandbox/diagnoses")
    def some_diagnoses() -> Response:
        return json_answer(diagnoses().search(_question()))

    @app.errorhandler(patients.UnknownPatientError)
    @app.errorhandler(patients.UnknownServiceError)
    @app.errorhandler(patients.UnknownDraftError)
    def unknown(_: LookupError) -> Response:
        return json_answer(outcome([_NOT_FOUND]), 404)


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


def _words(knowledge: Knowledge) -> dict[str, str]:
    """What facts, gaps and cards are called."""
    texts = knowledge.wording.texts
    named = {i: text for i, text in texts.items() if i.startswith(("fact.", "gap."))}
    cards = {f"card.{card.id}": card.summary for card in knowledge.cards.values()}
    return named | cards
