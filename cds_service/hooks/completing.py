"""What a call leaves out is fetched with the templates of its own hook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.fetching.fetching import Bounds, Fetching, Question
from cds_service.fhir.prefetch import Content
from cds_service.hooks.answering import Completing
from cds_service.hooks.envelope import HookCall
from cds_service.hooks.services import Service
from cds_service.settings import Settings


def completing(fetching: Fetching, services: Mapping[str, Service]) -> Completing:
    """Completes calls of these services."""
    templates = {service.hook: service.prefetch for service in services.values()}

    def complete(call: HookCall) -> Mapping[str, Content[Any]]:
        question = Question(
            prefetch=call.prefetch,
            context=call.context,
            templates=templates[call.hook],
            fhir_server=call.fhir_server,
            token=call.token,
            client=call.client,
            read=call.contents,
        )
        return fetching.complete(question)

    return complete


def bounds_of(settings: Settings) -> Bounds:
    """How much one call may ask for."""
    return Bounds(
        seconds=settings.fhir_total_ms / 1000,
        request_seconds=settings.fhir_request_ms / 1000,
        max_pages=settings.fhir_max_pages,
        max_bytes=settings.fhir_max_bytes,
    )
