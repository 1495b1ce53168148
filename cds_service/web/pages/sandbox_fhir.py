"""The FHIR endpoint of the synthetic patients: read-only, open, and callable from any browser page."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from flask import Blueprint, Response, request

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.sandbox import fhir_server, patients
from cds_service.web.answers import json_answer, outcome
from cds_service.web.calls.incoming import own_address
from cds_service.web.parts import current_parts

PATH: Final = "/sandbox/fhir"
blueprint = Blueprint("sandbox_fhir", __name__, url_prefix=PATH)

_FHIR_JSON: Final = "application/fhir+json"
# In the order of preference; the second is the name from before R4, which clients still send.
_TYPES: Final = (_FHIR_JSON, "application/json+fhir", "application/json")
# The patients are invented, so any page may read them. Credentials are neither used nor allowed.
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS, POST",
    "Access-Control-Allow-Headers": (
        "Accept, Authorization, Cache-Control, Content-Type, If-None-Match, Prefer, X-Requested-With"
    ),
    "Access-Control-Expose-Headers": "Content-Type",
    "Access-Control-Max-Age": "600",
}
_NOT_FOUND: Final = Issue("not-found", "This resource or type does not exist in the sandbox.")


@blueprint.get("/metadata")
def metadata() -> Response:
    """The capability statement."""
    return answer(fhir_server.capabilities(_today(), _base_url()))


@blueprint.get("/<resource_type>/<resource_id>")
def read(resource_type: str, resource_id: str) -> Response:
    """One resource."""
    return answer(_server().read(resource_type, resource_id))


@blueprint.get("/<resource_type>")
def search(resource_type: str) -> Response:
    """The resources that match."""
    return answer(_searched(resource_type, list(request.args.items(multi=True))))


@blueprint.post("/<resource_type>/_search")
def search_by_post(resource_type: str) -> Response:
    """The same, with parameters in the body too."""
    both = [*request.args.items(multi=True), *request.form.items(multi=True)]
    return answer(_searched(resource_type, both))


@blueprint.errorhandler(fhir_server.NotFoundError)
def not_found(_: LookupError) -> Response:
    """The resource or type does not exist."""
    return json_answer(outcome([_NOT_FOUND]), 404)


@blueprint.errorhandler(fhir_server.BadQueryError)
def bad_query(error: fhir_server.BadQueryError) -> Response:
    """The search cannot be understood."""
    return json_answer(outcome([Issue("invalid", str(error))]), 400)


def complete(response: Response) -> None:
    """The headers of every response below the path, including errors."""
    if request.path == PATH or request.path.startswith(PATH + "/"):
        response.headers.update(_CORS)
        if response.mimetype == "application/json":
            response.content_type = f"{_accepted() or _FHIR_JSON}; charset=utf-8"


def _today() -> date:
    return current_parts().answering.now().date()


def _server() -> fhir_server.ChartServer:
    return patients.server_of(_today())


def _searched(resource_type: str, query: list[tuple[str, str]]) -> fhir_server.Resource:
    strict = "handling=strict" in request.headers.get("Prefer", "")
    return _server().search(resource_type, query, _base_url(), strict=strict)


def _base_url() -> str:
    return own_address(current_parts().settings, request) + PATH


def answer(value: Any) -> Response:
    """A resource, unless the client wants it in a form that is not spoken here."""
    if _accepted() is None:
        raise BadCallError(406, Issue("not-supported", "Only JSON is supported."))
    return json_answer(value)


def _accepted() -> str | None:
    """The content type of the response. `_format` takes precedence over Accept, as in FHIR."""
    wanted = request.args.get("_format", "")
    if wanted:
        return _FHIR_JSON if "json" in wanted else None
    if not request.accept_mimetypes:
        return _FHIR_JSON
    return request.accept_mimetypes.best_match(_TYPES)
