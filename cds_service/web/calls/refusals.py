"""Calls that the front turns away before the application sees their body.

They pass through the application all the same, for one form of error, one log and one count.
"""

from __future__ import annotations

from enum import Enum

from flask import Flask, Response, request

from cds_service.hooks.errors import Issue
from cds_service.web.calls.outcomes import json_answer, outcome
from cds_service.web.operate.logs import note

REFUSAL = "cds.refusal"
"""Where the front says in the WSGI environment why a call is turned away."""
_RETRY_SECONDS = "2"


class Turned(Enum):
    """Why a call is turned away: status, text, whether later may be better, whether bytes are left."""

    LARGE = (413, Issue("too-long", "The body is too large."), False, True)
    SLOW_BODY = (408, Issue("timeout", "The body took too long to arrive."), False, True)
    SHORT_BODY = (
        400,
        Issue("incomplete", "The body ended before all of it had arrived."),
        False,
        True,
    )
    NOT_ADMITTED = (401, Issue("login", "The call is not let in."), False, True)
    SLOW_ANSWER = (
        503,
        Issue("timeout", "The answer took too long, and was given up; no card is implied."),
        True,
        False,
    )
    BUSY = (
        503,
        Issue("throttled", "Too many calls at the moment; no card is implied."),
        True,
        True,
    )

    @property
    def closes(self) -> bool:
        """Whether the connection is no use any more: part of the body is still to come."""
        return self.value[3]


def register(app: Flask) -> None:
    """Answer them, before anything else is looked at."""

    @app.before_request
    def turn_away() -> Response | None:
        why: Turned | None = request.environ.get(REFUSAL)
        if why is None:
            return None
        status, issue, later, _ = why.value
        note(refused=why.name.lower())
        return json_answer(
            outcome([issue]), status, {"Retry-After": _RETRY_SECONDS} if later else {}
        )
