"""Calls that the front refuses before the application reads their body.

They still pass through the application, so that errors have one format, one log line and one
counter.
"""

from __future__ import annotations

from enum import Enum

from flask import Response

from cds_service.hooks.errors import Issue
from cds_service.web.answers import json_answer, outcome
from cds_service.web.operate.record import CallRecord

REFUSAL = "cds.refusal"
"""Set in the WSGI environment by the front: the reason why a call is refused."""
_RETRY_SECONDS = "2"


class Refusal(Enum):
    """The reasons for refusing a call: status, text, whether to retry, whether unread bytes are left."""

    LARGE = (413, Issue("too-long", "The body is too large."), False, True)
    SLOW_BODY = (408, Issue("timeout", "The body took too long to arrive."), False, True)
    SHORT_BODY = (
        400,
        Issue("incomplete", "The body is incomplete."),
        False,
        True,
    )
    NOT_ADMITTED = (401, Issue("login", "The call is not authorised."), False, True)
    SLOW_ANSWER = (
        503,
        Issue("timeout", "The response took too long. This does not mean that there is no card."),
        True,
        False,
    )
    BUSY = (
        503,
        Issue(
            "throttled", "Too many calls at the moment. This does not mean that there is no card."
        ),
        True,
        True,
    )

    @property
    def closes(self) -> bool:
        """Whether the connection cannot be reused because part of the body is unread."""
        return self.value[3]


def refuse(why: Refusal, record: CallRecord) -> Response:
    """The response to such a call."""
    status, issue, later, _ = why.value
    record.refused = why.name.lower()
    return json_answer(outcome([issue]), status, {"Retry-After": _RETRY_SECONDS} if later else {})
