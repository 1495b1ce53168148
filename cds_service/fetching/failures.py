"""Why something could not be had from a FHIR server, in words that name no patient and no token."""

from __future__ import annotations

from enum import Enum


class Why(Enum):
    """The reasons, as the end of a sentence: "was not sent, and ..."."""

    NO_SERVER = "the call names no FHIR server"
    NOT_LISTED = "the call's FHIR server is not on this service's list"
    NO_TOKEN = "the call brought no access token for its FHIR server"  # noqa: S105
    BAD_TOKEN = "the call's access token cannot be sent in a header"  # noqa: S105
    NOT_ASKABLE = "the call's context does not say what to ask the FHIR server for"
    TIMEOUT = "the FHIR server did not answer in time"
    NAME = "the FHIR server's name leads nowhere"
    ADDRESS = "the FHIR server's address is one that this service may not ask"
    CONNECTION = "the FHIR server could not be reached"
    TLS = "there is no safe connection to the FHIR server"
    BROKEN = "the FHIR server's answer broke off"
    STATUS = "the FHIR server answered with status"
    REDIRECT = "the FHIR server answered with a redirect, which is not followed"
    NOT_JSON = "the FHIR server's answer is not FHIR JSON"
    TOO_LARGE = "the FHIR server's answer is larger than this service reads"
    UNREADABLE = "the FHIR server's answer is not what was asked for"
    OUTCOME = "the FHIR server answered with an OperationOutcome"
    FEWER = "the FHIR server sent less than there is"
    UNCLEAR = "the FHIR server's answer leaves open whether there is more"
    LOOP = "the FHIR server's next page is one that was read already"
    PAGES = "the FHIR server has more pages than this service reads"
    ELSEWHERE = "the FHIR server's next page is at another address, which is not asked"
    MEDICATIONS = "more Medications are referred to than this service fetches"


class UnavailableError(Exception):
    """Something could not be had."""

    def __init__(self, why: Why, status: int | None = None) -> None:
        super().__init__(why, status)
        self.why = why
        self.status = status

    @property
    def text(self) -> str:
        """The end of a sentence."""
        return self.why.value if self.status is None else f"{self.why.value} {self.status}"

    @property
    def code(self) -> str:
        """One word for the log."""
        name = self.why.name.lower()
        return name if self.status is None else f"{name}_{self.status}"
