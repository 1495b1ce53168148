"""The queries about a patient, as they are sent, for the evidence page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from cds_service.fetching.forms import USUAL, forms_of, queries
from cds_service.fhir.prefetch import REQUIRED
from cds_service.hooks.services import Service
from cds_service.knowledge.loader import Knowledge

FORMS: Final[Mapping[str, str]] = {
    "category": "by category",
    "unsorted": "without sorting",
    "category-unsorted": "by category, without sorting",
    "intent": "by intent",
    "no-include": "without the medications",
    "intent-no-include": "by intent, without the medications",
    "any-code": "with any code",
}
"""The forms of searches in words."""


class Search(NamedTuple):
    """Another form of a query, which is sent if a server refuses the one before it."""

    words: str
    queries: tuple[str, ...]


class Query(NamedTuple):
    """The query of a prefetch key, and its other forms."""

    key: str
    title: str
    is_required: bool
    query: str
    codes: int
    others: tuple[Search, ...]


def patient_queries(services: Mapping[str, Service], knowledge: Knowledge) -> tuple[Query, ...]:
    """The query of each prefetch key. All services have the same."""
    service = next(iter(services.values()))
    texts = knowledge.wording.texts
    return tuple(
        Query(
            key=key,
            title=texts.get(f"gap.{key}", key),
            is_required=key in REQUIRED,
            query=template,
            codes=len(service.codes.get(key, ())),
            others=tuple(
                Search(FORMS[form.name], tuple(q.template for q in queries(template, form)))
                for form in forms_of(key)
                if form.name != USUAL
            ),
        )
        for key, template in service.prefetch.items()
    )
