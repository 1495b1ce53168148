"""A CDS Hooks service for magnesium in migraine prevention that checks kidney function first.

Imports are made on demand, because the command line needs no web framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flask import Flask

    from cds_service.fetching.fetching import Fetching
    from cds_service.settings import Settings
    from cds_service.web.serving.front import Front

__all__ = ["create_app", "create_front"]


def create_app(
    settings: Settings | None = None, now: Callable[[], datetime] | None = None
) -> Flask:
    """The WSGI application. This is the only function that connects all parts.

    Without `settings` they are read from the environment. `now` is the clock, for tests: it returns
    an aware datetime. Raises `SettingsError` or `KnowledgeError`, each with one line that says what
    to fix.
    """
    import os
    from datetime import UTC
    from functools import cache

    from cds_service.hooks.answering import Answering, utc_now
    from cds_service.hooks.configured import configured
    from cds_service.hooks.services import services_in_force, templates_by_hook
    from cds_service.reasoning.decide import decide
    from cds_service.settings import read_settings
    from cds_service.store.location import database_url
    from cds_service.store.store import Store
    from cds_service.web.application import build
    from cds_service.web.calls.auth import servers_of, verifier_of
    from cds_service.web.operate.metrics import StoreCounting, observe_fetch
    from cds_service.web.operate.tracing import tracing_of

    chosen = settings if settings is not None else read_settings()
    clock = now or utc_now
    verifier = verifier_of(chosen)
    tracing = tracing_of(os.environ)
    url = database_url(chosen.database_url, chosen.data_dir)
    store = Store(url, chosen.retention_days, clock, StoreCounting())
    servers = (*chosen.fhir_servers, *servers_of(verifier))

    @cache
    def fetching() -> Fetching:
        """What fetches missing data. Its import takes a tenth of the start."""
        from cds_service.fetching.fetching import Bounds, Fetching

        bounds = Bounds(
            seconds=chosen.fhir_total_ms / 1000,
            request_seconds=chosen.fhir_request_ms / 1000,
            max_pages=chosen.fhir_max_pages,
            max_bytes=chosen.fhir_max_bytes,
        )
        return Fetching(servers, bounds, observe=observe_fetch, send=tracing.send)

    if servers:
        fetching()
    look_up = tracing.wrap("look up earlier suggestions", store.shown_before)
    decide_traced = tracing.wrap("decide", decide)

    def answering_now() -> Answering:
        """What answers calls by the site file as it is now. Asked again when that file changes."""
        force = configured(chosen, clock().astimezone(UTC).date())
        templates = templates_by_hook(services_in_force(force))
        return Answering(
            force,
            clock,
            fetching=fetching,
            templates=templates,
            look_up=look_up,
            decide=decide_traced,
        )

    return build(chosen, answering_now(), store, verifier, answering_now, tracing)


def create_front(app: Flask) -> Front:
    """The application behind a reader of bodies, for granian's interface RSGI."""
    from cds_service.web.operate import reloading
    from cds_service.web.parts import parts_of
    from cds_service.web.serving.front import Front

    parts = parts_of(app)
    # This runs in the worker: a thread that is started earlier does not survive the fork.
    reloading.start(app, parts.remake)
    return Front(app, parts.settings, parts.guard)
