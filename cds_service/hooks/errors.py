"""Why a call is refused, in words that help an integrator and name no value of the request."""

from __future__ import annotations

import msgspec


class Issue(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    `code` is of the FHIR value set issue-type; `where` the JSON path of the element, "" for none.
    """

    code: str
    text: str
    where: str = ""


class BadCallError(Exception):
    """The call cannot be answered, and the client can do something about it: an HTTP 4xx."""

    def __init__(self, status: int, *issues: Issue) -> None:
        super().__init__(status, *issues)
        self.status = status
        self.issues = issues
