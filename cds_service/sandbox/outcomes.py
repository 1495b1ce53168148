"""The cards of every synthetic patient at every hook, for the overview on the sandbox page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from threading import Lock
from typing import Any, Final, TypeAlias

import msgspec

from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import Service
from cds_service.sandbox.patients import SyntheticPatient, hook_request, load_all

Json: TypeAlias = dict[str, Any]
Outcome: TypeAlias = list[Json] | None
"""Cards in short, most severe first. None: the service has no answer, because data are missing."""

_DECISION: Final = "org.magnesium-migraine.decision"


def in_short(cards: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Card id, indicator, summary, and the label of the first suggestion of each card."""
    return [
        {
            "card": card["extension"][_DECISION]["card"],
            "indicator": card["indicator"],
            "summary": card["summary"],
            "suggestion": next((s["label"] for s in card.get("suggestions", ())), None),
        }
        for card in cards
    ]


class Outcomes:
    """The outcomes of one day. They are computed on first use, and again when the day changes."""

    def __init__(
        self, services: Mapping[str, Service], outcome: Callable[[str, bytes], Outcome]
    ) -> None:
        self._services = services
        self._outcome = outcome
        self._day: date | None = None
        self._rows: list[Json] = []
        self._lock = Lock()

    def of_day(self, today: date) -> list[Json]:
        """One row for each patient, hook and draft: `patient`, `hook`, `draft` and `cards`."""
        with self._lock:
            if self._day != today:
                self._rows = list(self._all(today))
                self._day = today
            return self._rows

    def _all(self, today: date) -> Iterator[Json]:
        for person in load_all().values():
            for service in self._services.values():
                for draft in _drafts(person, service):
                    body = hook_request(person.id, service.id, today, draft, service.prefetch)
                    cards = self._outcome(service.id, msgspec.json.encode(body))
                    yield {
                        "patient": person.id,
                        "hook": service.hook,
                        "draft": draft,
                        "cards": cards,
                    }


def _drafts(person: SyntheticPatient, service: Service) -> Iterable[str | None]:
    """The drafts of a call at a hook with orders. A hook without orders has one call."""
    return person.drafts if HOOKS[service.hook].orders is not None else (None,)
