"""Checking error answers: an OperationOutcome, valid, with words, without patient data."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from .cards import assert_no_empty, assert_r4

_SEVERITIES = {"fatal", "error", "warning", "information"}


def assert_outcome(response: Response, status: int) -> str:
    """The answer is this error, as an OperationOutcome. Returns all of its words."""
    body = response.get_data(as_text=True)
    assert response.status_code == status, f"{response.status_code}: {body[:300]}"
    assert response.mimetype in {"application/json", "application/fhir+json"}, response.mimetype
    assert response.headers["Cache-Control"] == "no-store", "an error is about one call"
    outcome = response.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert_no_empty(outcome, "OperationOutcome")
    assert_r4(outcome)
    assert outcome["issue"]
    for issue in outcome["issue"]:
        assert issue["severity"] in _SEVERITIES
        assert issue["code"]
        assert _words(issue), f"an issue without words: {issue}"
    assert "Traceback" not in body
    return " ".join(_words(issue) for issue in outcome["issue"])


def _words(issue: dict[str, Any]) -> str:
    return f"{issue.get('diagnostics', '')} {issue.get('details', {}).get('text', '')}".strip()
