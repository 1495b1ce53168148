"""JSON answers, and every error as an OperationOutcome that helps an integrator.

Nothing a client sent is repeated in an error, and no exception text is passed on.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.web.operate.logs import note

JSON = "application/json"
# Draft orders come back with their numbers as they were written, hence as decimals.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_log = logging.getLogger(__name__)


def json_answer(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response. An error is about one call, so nobody may keep it."""
    response = Response(_ENCODER.encode(value), status, headers, content_type=JSON)
    if status >= HTTPStatus.BAD_REQUEST:
        response.headers["Cache-Control"] = "no-store"
    return response


def outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """The FHIR resource for errors."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue(issue) for issue in issues],
    }


def _issue(issue: Issue) -> dict[str, Any]:
    found: dict[str, Any] = {
        "severity": "error",
        "code": issue.code,
        "details": {"text": f"{issue.where} {issue.text}" if _is_phrase(issue) else issue.text},
    }
    return found | {"diagnostics": issue.where} if issue.where else found


def _is_phrase(issue: Issue) -> bool:
    """Whether the text lacks its subject, which is then the place: "is missing"."""
    return bool(issue.where) and issue.text[:1].islower()


_GENERIC = {
    HTTPStatus.NOT_FOUND: Issue("not-found", "There is nothing at this address."),
    HTTPStatus.METHOD_NOT_ALLOWED: Issue(
        "not-supported", "This address does not answer that method; Allow names those it does."
    ),
}
_BAD_REQUEST = Issue("invalid", "The request could not be read.")
_FAILED = Issue(
    "exception", "The service failed. The request was not answered; no card is implied."
)


def register(app: Flask) -> None:
    """Make every error of the app an OperationOutcome."""

    @app.errorhandler(BadCallError)
    def bad_call(error: BadCallError) -> Response:
        return json_answer(outcome(error.issues), error.status)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = HTTPStatus(error.code or 500)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return json_answer(outcome([_FAILED]), status)
        headers = {}
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return json_answer(outcome([_GENERIC.get(status, _BAD_REQUEST)]), status, headers)

    @app.errorhandler(Exception)
    def failure(error: Exception) -> Response:
        # The text of an exception may hold a patient's values, and so may its traceback.
        note(error=type(error).__name__, at=_place(error))
        return json_answer(outcome([_FAILED]), HTTPStatus.INTERNAL_SERVER_ERROR)


_OURS = ("/cds_service/", "/cards/")


def _place(error: Exception) -> str:
    """Where in our code an exception came from: file and line, nothing of the data."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if any(part in f.filename for part in _OURS)] or frames
    last = ours[-1]
    return f"{'/'.join(last.filename.split('/')[-2:])}:{last.lineno} {last.name}"
