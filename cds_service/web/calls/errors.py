"""Convert every error of a view to an OperationOutcome."""

from __future__ import annotations

import traceback
from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from cds_service.hooks.errors import BadCallError, Issue
from cds_service.web.answers import json_answer, outcome
from cds_service.web.operate.record import current_record

_GENERIC = {
    HTTPStatus.NOT_FOUND: Issue("not-found", "This address does not exist."),
    HTTPStatus.METHOD_NOT_ALLOWED: Issue(
        "not-supported", "This address does not support the method. Allow lists the supported ones."
    ),
}
_BAD_REQUEST = Issue("invalid", "The request could not be read.")
_FAILED = Issue("exception", "The service failed. This does not mean that there is no card.")


def register(app: Flask) -> None:
    """Register the error handlers of an application."""
    app.register_error_handler(BadCallError, bad_call)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, failure)


def bad_call(error: BadCallError) -> Response:
    """A call that is refused, with the reasons."""
    return json_answer(outcome(error.issues), error.status)


def http_error(error: HTTPException) -> Response:
    """An error of the framework, for example a wrong address or method."""
    status = HTTPStatus(error.code or 500)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return json_answer(outcome([_FAILED]), status)
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return json_answer(outcome([_GENERIC.get(status, _BAD_REQUEST)]), status, headers)


def failure(error: Exception) -> Response:
    """An internal error. The exception text and traceback are neither sent nor logged."""
    current_record().failed(error, _place(error))
    return json_answer(outcome([_FAILED]), HTTPStatus.INTERNAL_SERVER_ERROR)


_OURS = ("/cds_service/", "/cards/")


def _place(error: Exception) -> str:
    """The place in our code where an exception was raised: file and line, without data."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if any(part in f.filename for part in _OURS)] or frames
    last = ours[-1]
    return f"{'/'.join(last.filename.split('/')[-2:])}:{last.lineno} {last.name}"
