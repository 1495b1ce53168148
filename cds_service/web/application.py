"""The Flask application, put together from its parts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, Response

from cds_service.hooks.answering import Answering
from cds_service.hooks.services import Service
from cds_service.settings import Settings, unknown_variables
from cds_service.store.store import Store
from cds_service.web.calls import auth, cors, feedback, hook_calls, outcomes, refusals
from cds_service.web.operate import audit, health, logs
from cds_service.web.pages import evidence, sandbox, sandbox_fhir, statics
from cds_service.web.serving import warming

if TYPE_CHECKING:
    from cds_service.trust.tokens import Verifier

_log = logging.getLogger(__name__)


class _App(Flask):
    """Flask, told that no view or handler here is a coroutine: it asks each of them at each call."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself."""
        return func


def build(
    settings: Settings,
    services: Mapping[str, Service],
    answering: Answering,
    store: Store,
    verifier: Verifier | None = None,
) -> Flask:
    """The application with all its routes. Without a `verifier` there are no trusted clients."""
    logs.configure(settings.log_level)
    for name in unknown_variables():
        _log.warning("%s is not a setting and is ignored", name)
    app = _App(__name__, static_folder=None, template_folder="pages/templates")
    # A redirect would be an HTML page, and few clients repeat a POST after one.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.redirect_defaults = False
    knowledge = answering.knowledge
    logs.register(app, knowledge.version)
    outcomes.register(app)
    refusals.register(app)
    guard = auth.Guard(settings, verifier)
    auth.register(app, guard)
    cors.register(app, cors.allowed_by(settings, verifier))
    audit.register(app, store, answering.now, knowledge.version)
    warming.register(app, store)
    hook_calls.register(app, settings, services, answering, store)
    feedback.register(app, settings, services, answering, store)
    health.register(app, knowledge, store)
    statics.register(app)
    evidence.register(app, knowledge, services)
    if settings.shows_sandbox:
        sandbox.register(app, services, knowledge, answering.now)
        sandbox_fhir.register(app, settings, answering.now)

    @app.after_request
    def no_guessing(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    app.extensions |= {"store": store, "settings": settings, "guard": guard}
    return app
