"""The FHIR endpoint of the synthetic patients: read-only, open, and callable from any browser page."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, request

from cds_service.hooks.answering import Clock
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.sandbox import fhir_server
from cds_service.settings import Settings
from cds_service.web.calls.addresses import own_address
from cds_service.web.calls.outcomes import json_answer, outcome

PATH: Final = "/sandbox/fhir"
_FHIR_JSON: Final = "application/fhir+json"
# In the order of preference; the second is the name from before R4, which clients still send.
_TYPES: Final = (_FHIR_JSON, "application/json+fhir", "application/json")
# Invented people only, so any page may read them. No credentials are looked at or allowed.
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS, POST",
    "Access-Control-Allow-Headers": (
        "Accept, Authorization, Cache-Control, Content-Type, If-None-Match, Prefer, X-Requested-With"
    ),
    "Access-Control-Expose-Headers": "Content-Type",
    "Access-Control-Max-Age": "600",
}
_NOT_FOUND: Final = Issue("not-found", "The sandbox has no such resource or type.")


def register(app: Flask, settings: Settings, now: Clock) -> None:
    """Add the routes."""
    _register_answers_to_all(app)

    @app.get(f"{PATH}/metadata")
    def metadata() -> Response:
        return answer(fhir_server.capabilities(now().date(), base_url()))

    @app.get(f"{PATH}/<resource_type>/<resource_id>")
    def read(resource_type: str, resource_id: str) -> Response:
        return answer(server().read(resource_type, resource_id))

    @app.get(f"{PATH}/<resource_type>")
    def search(resource_type: str) -> Response:
        return answer(searched(resource_type, list(request.args.items(multi=True))))

    @app.post(f"{PATH}/<resource_type>/_search")
    def search_by_post(resource_type: str) -> Response:
        both = [*request.args.items(multi=True), *request.form.items(multi=True)]
        return answer(searched(resource_type, both))

    def server() -> fhir_server.Server:
        return fhir_server.server_of(now().date())

    def searched(resource_type: str, query: list[tuple[str, str]]) -> fhir_server.Resource:
        strict = "handling=strict" in request.headers.get("Prefer", "")
        return server().search(resource_type, query, base_url(), strict=strict)

    def base_url() -> str:
        return own_address(settings, request) + PATH


def _register_answers_to_all(app: Flask) -> None:
    """Errors as FHIR has them, and the headers of every answer below the path."""

    @app.errorhandler(fhir_server.NotFoundError)
    def not_found(_: LookupError) -> Response:
        return json_answer(outcome([_NOT_FOUND]), 404)

    @app.errorhandler(fhir_server.BadQueryError)
    def bad_query(error: fhir_server.BadQueryError) -> Response:
        return json_answer(outcome([Issue("invalid", str(error))]), 400)

    @app.after_request
    def as_fhir(response: Response) -> Response:
        if request.path == PATH or request.path.startswith(PATH + "/"):
            response.headers.update(_CORS)
            if response.mimetype == "application/json":
                response.content_type = f"{_accepted() or _FHIR_JSON}; charset=utf-8"
        return response


def answer(value: Any) -> Response:
    """A resource, unless the client wants it in a form that is not spoken here."""
    if _accepted() is None:
        raise BadCallError(406, Issue("not-supported", "Only JSON is spoken here."))
    return json_answer(value)


def _accepted() -> str | None:
    """The content type to answer with. `_format` outranks Accept, as FHIR has it."""
    wanted = request.args.get("_format", "")
    if wanted:
        return _FHIR_JSON if "json" in wanted else None
    if not request.accept_mimetypes:
        return _FHIR_JSON
    return request.accept_mimetypes.best_match(_TYPES)
