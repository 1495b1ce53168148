"""The data of a call that cards need in addition to the decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CardContext:
    """The call of a card: the patient, the user, the time, and the address of the evidence page.

    `now` is an aware UTC datetime. `base_url` is the service's own address, and `site` the id and
    hash of the site file. `units` are those in which results are shown, "" for as reported.
    """

    patient_id: str
    user_id: str
    now: datetime
    base_url: str
    new_uuid: Callable[[], str]
    encounter_id: str | None = None
    site: str = ""
    units: str = ""

    @property
    def evidence_url(self) -> str:
        """The page that shows rules, sources and limits."""
        return self.base_url.removesuffix("/") + "/evidence"

    @property
    def authored_on(self) -> str:
        """The date of draft orders, as a FHIR dateTime.

        It has no time, so that the same request on the same day gives the same draft orders.
        """
        return self.now.date().isoformat()
