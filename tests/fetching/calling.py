"""A chart that a server holds, and hook calls that leave it to be fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cds_service.fetching.fetching import Bounds, Contents, Fetching, Question
from cds_service.fetching.servers import Server
from cds_service.hooks.services import services_of

from ..support import fhir
from ..support.cards import Card, decision
from ..support.decisions import knowledge
from .ehr import Asked, Ehr, Json, Reply, say

TOKEN = "Zq7CANARYtokenx9"  # noqa: S105

_TYPES = {
    "Condition": "conditions",
    "MedicationRequest": "medicationRequests",
    "MedicationStatement": "medicationStatements",
    "AllergyIntolerance": "allergies",
    "Procedure": "kidneyProcedures",
}
_LABS = {"82810-3": "pregnancyStatus", "19123-9": "magnesiumLabs"}


def key_of(asked: Asked) -> str:
    """The prefetch key that a request is for; "" for another request."""
    if asked.what.startswith("Patient/"):
        return "patient"
    if asked.what == "Observation":
        codes = asked.query.get("code", "")
        return next((key for code, key in _LABS.items() if f"|{code}" in codes), "kidneyLabs")
    return _TYPES.get(asked.what, "")


def serving(
    chart: Mapping[str, Any], **replies: Callable[[Json], Reply]
) -> Callable[[Asked], Reply]:
    """A server that holds this chart, and answers some keys in a way of its own."""

    def answer(asked: Asked) -> Reply:
        key = key_of(asked)
        if key not in chart:
            return say({"resourceType": "OperationOutcome", "issue": []}, 404)
        return replies[key](chart[key]) if key in replies else say(chart[key])

    return answer


def call_at(base: str, body: Json, *keys: str, token: str | None = TOKEN) -> Json:
    """The call without these keys of its prefetch (all, if none are named), with a server to ask."""
    kept = {k: v for k, v in body["prefetch"].items() if keys and k not in keys}
    called = {**body, "prefetch": kept, "fhirServer": base}
    if token is not None:
        called["fhirAuthorization"] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.rs",
            "subject": "cds-service",
        }
    return called


def listed(*bases: str, **marks: Any) -> tuple[Server, ...]:
    """The list of a site that knows these servers."""
    return tuple(Server(url=base, **marks) for base in bases)


TEMPLATES = services_of(knowledge())[fhir.PATIENT_VIEW].prefetch


def question(server: Ehr, prefetch: Json | None = None, **context: Any) -> Question:
    """A hook call as fetching sees it."""
    return Question(
        prefetch={k: msgspec.Raw(msgspec.json.encode(v)) for k, v in (prefetch or {}).items()},
        context={"patientId": fhir.PATIENT_ID, **context},
        templates=TEMPLATES,
        fhir_server=server.base,
    )


def fetched(
    server: Ehr,
    prefetch: Json | None = None,
    bounds: Bounds | None = None,
    forms: tuple[str, ...] = (),
    **context: Any,
) -> Contents:
    """What fetching finds at a server that asks for no token, and takes these search forms."""
    listed = Server(url=server.base, open=True, forms=forms)
    fetching = Fetching([listed], bounds or Bounds())
    try:
        return fetching.complete(question(server, prefetch, **context))
    finally:
        fetching.close()


def ids_of(contents: Contents, key: str) -> list[str]:
    """The ids of the resources of a key."""
    return [e.resource.id for e in contents[key].entries if e.resource is not None]


def why_unknown(card: Card, key: str) -> str:
    """What a card says of a key that is not known."""
    return str(next(gap["why"] for gap in decision(card)["unknown"] if gap["key"] == key))
