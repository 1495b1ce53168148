"""The reasons why data are not available from a FHIR server. They contain no patient and no token."""

from __future__ import annotations

from enum import Enum

from cds_service import reasons
from cds_service.reasons import Reason


class Why(Enum):
    """The reasons, as the end of a sentence: "was not sent, and ..."."""

    NO_SERVER = reasons.SERVER_NOT_NAMED
    NOT_LISTED = reasons.SERVER_NOT_LISTED
    NO_TOKEN = reasons.SERVER_NO_TOKEN
    BAD_TOKEN = reasons.SERVER_BAD_TOKEN
    NOT_ASKABLE = reasons.SERVER_NOT_ASKABLE
    TIMEOUT = reasons.SERVER_TIMEOUT
    NAME = reasons.SERVER_NAME_UNKNOWN
    ADDRESS = reasons.SERVER_ADDRESS_REFUSED
    CONNECTION = reasons.SERVER_NOT_REACHED
    TLS = reasons.SERVER_NOT_SAFE
    BROKEN = reasons.SERVER_BROKE_OFF
    STATUS = reasons.server_status
    REDIRECT = reasons.SERVER_REDIRECT
    NOT_JSON = reasons.SERVER_NOT_JSON
    TOO_LARGE = reasons.SERVER_TOO_LARGE
    UNREADABLE = reasons.SERVER_UNREADABLE
    OUTCOME = reasons.SERVER_OUTCOME
    FEWER = reasons.SERVER_FEWER
    UNCLEAR = reasons.SERVER_UNCLEAR
    LOOP = reasons.SERVER_LOOP
    PAGES = reasons.SERVER_PAGES
    ELSEWHERE = reasons.SERVER_ELSEWHERE
    MEDICATIONS = reasons.SERVER_MEDICATIONS


class UnavailableError(Exception):
    """Data are not available."""

    def __init__(self, why: Why, status: int | None = None) -> None:
        super().__init__(why, status)
        self.why = why
        self.status = status

    @property
    def reason(self) -> Reason:
        """The reason, for display."""
        found: Reason = self.why.value if self.status is None else self.why.value(self.status)
        return found

    @property
    def code(self) -> str:
        """One word for the log."""
        name = self.why.name.lower()
        return name if self.status is None else f"{name}_{self.status}"
