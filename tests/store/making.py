"""Records for tests, each with an identity of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from cds_service.store.records import (
    Feedback,
    IssuedCard,
    IssuedSuggestion,
    Outcome,
    WithheldCard,
    digest,
)

from .conftest import NOW

SERVICE = "magnesium-migraine-patient-view"


def card(issued: datetime = NOW, **changes: Any) -> IssuedCard:
    usual: dict[str, Any] = {
        "uuid": str(uuid4()),
        "service": SERVICE,
        "hook": "patient-view",
        "client": "",
        "card": "mg-suggest",
        "indicator": "info",
        "knowledge": "1.0.0+abc",
        "issued": issued,
        "rules": ("kidney:normal", "risk_diabetes"),
        "suggestions": (
            IssuedSuggestion(str(uuid4()), "plan", recommended=True),
            IssuedSuggestion(str(uuid4()), "labs"),
        ),
    }
    return IssuedCard(**{**usual, **changes})


def withheld(decided: datetime = NOW, **changes: Any) -> WithheldCard:
    usual: dict[str, Any] = {
        "uuid": str(uuid4()),
        "service": SERVICE,
        "hook": "patient-view",
        "client": "",
        "card": "mg-suggest",
        "indicator": "info",
        "why": "silentHere",
        "knowledge": "1.0.0+abc",
        "site": "st-mary+def",
        "decided": decided,
    }
    return WithheldCard(**{**usual, **changes})


def feedback(
    about: IssuedCard, outcome: Outcome, after: timedelta = timedelta(seconds=30), **changes: Any
) -> Feedback:
    taken = outcome is Outcome.ACCEPTED
    usual: dict[str, Any] = {
        "service": about.service,
        "client": about.client,
        "card": about.uuid,
        "outcome": outcome,
        "at": about.issued + after,
        "suggestions": (about.suggestions[0].uuid,) if taken else (),
        "reason": "",
        "comment": "",
    }
    usual |= changes
    name = digest(*(str(value) for value in usual.values()))
    return Feedback(**{"digest": name, **usual})


def accepted(about: IssuedCard, **changes: Any) -> Feedback:
    return feedback(about, Outcome.ACCEPTED, **changes)


def overridden(about: IssuedCard, **changes: Any) -> Feedback:
    return feedback(about, Outcome.OVERRIDDEN, **changes)
