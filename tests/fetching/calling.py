"""A chart that a server holds, and hook calls that leave it to be fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cds_service.fhir.servers import Server

from .ehr import Asked, Json, Reply, say

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


def listed(base: str, **marks: Any) -> tuple[Server, ...]:
    """The list of a site that knows one server."""
    return (Server(url=base, **marks),)
