"""Why a call is refused, in words that help an integrator and name no value of the request."""

from __future__ import annotations

import msgspec


class Issue(msgspec.Struct, frozen=True):
    """One fault.

    `code` is from the FHIR value set issue-type. `where` is the JSON path of the element, or "".
    """

    code: str
    text: str
    where: str = ""


class BadCallError(Exception):
    """The call is refused with an HTTP 4xx, and the client can correct it."""

    def __init__(self, status: int, *issues: Issue) -> None:
        super().__init__(status, *issues)
        self.status = status
        self.issues = issues
