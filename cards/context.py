"""What a card needs of the call beside the decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CardContext:
    """The call a card answers: for whom, by whom, when, and where the evidence page stands.

    `now` is an aware UTC datetime; `base_url` the service's own address, `site` id and hash of the
    site file.
    """

    patient_id: str
    user_id: str
    now: datetime
    base_url: str
    new_uuid: Callable[[], str]
    encounter_id: str | None = None
    site: str = ""

    @property
    def evidence_url(self) -> str:
        """The page that shows rules, sources and limits."""
        return self.base_url.removesuffix("/") + "/evidence"

    @property
    def authored_on(self) -> str:
        """When drafts are written, as a FHIR dateTime.

        The day without the hour: the same request on the same day gives the same drafts.
        """
        return self.now.date().isoformat()
