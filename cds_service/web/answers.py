"""JSON responses, and errors as an OperationOutcome that helps an integrator.

An error never repeats request content, and never contains exception text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Response

from cds_service.hooks.errors import Issue

JSON = "application/json"
# Draft orders are returned with their numbers as written, so they are decimals.
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def json_answer(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response. An error is about one call, so it must not be cached."""
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
