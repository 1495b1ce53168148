"""Create the Flask application, and define the steps before and after each view."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response

from cds_service.correlation import REQUEST_ID, TRACEPARENT
from cds_service.hooks.answering import Answering
from cds_service.hooks.services import services_in_force
from cds_service.hooks.uuids import new_uuid
from cds_service.settings import Settings, unknown_variables
from cds_service.store.store import Store
from cds_service.web.calls import auth, cors, errors, feedback, hook_calls, refusals
from cds_service.web.operate import health, logs, metrics, reloading
from cds_service.web.operate.record import KEY_BYTES, answered_call, current_record
from cds_service.web.operate.tracing import Tracing, Untraced
from cds_service.web.pages import (
    evidence,
    openapi,
    rehearsal,
    report,
    sandbox,
    sandbox_calls,
    sandbox_fhir,
    statics,
)
from cds_service.web.parts import Parts, current_parts, current_request
from cds_service.web.serving import warming

if TYPE_CHECKING:
    from cds_service.trust.tokens import Verifier

_log = logging.getLogger(__name__)


class _App(Flask):
    """Flask without support for coroutines, which it would check at every call."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function itself."""
        return func


def build(
    settings: Settings,
    answering: Answering,
    store: Store,
    verifier: Verifier | None = None,
    remake: reloading.Remake | None = None,
    tracing: Tracing | None = None,
) -> Flask:
    """The application with all its routes. Without a `verifier` there are no trusted clients.

    `remake` creates the object that handles calls again when the site file has changed. Without
    `tracing` there are no traces.
    """
    logs.configure(settings.log_level)
    for name in unknown_variables():
        _log.warning("%s is not a setting and is ignored", name)
    app = _App(__name__, static_folder=None, template_folder="pages/templates")
    # A redirect would be an HTML page, and few clients repeat a POST after one.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.redirect_defaults = False
    log_key = (settings.log_salt or secrets.token_hex(16)).encode()[:KEY_BYTES]
    guard = auth.Guard(settings, verifier)
    services = services_in_force(answering.force)
    tracing = tracing or Untraced()
    Parts(
        settings, services, answering, store, guard, log_key, remake, tracing.correlate
    ).belong_to(app)
    metrics.state(answering.force)
    errors.register(app)
    tracing.register(app)
    app.before_request(before_view)
    app.after_request(after_view)
    for module in (hook_calls, feedback, report, health, statics, evidence, openapi):
        app.register_blueprint(module.blueprint)
    if settings.shows_sandbox:
        for module in (sandbox, sandbox_calls, sandbox_fhir, rehearsal):
            app.register_blueprint(module.blueprint)
    return app


def before_view() -> Response | None:
    """The response to a request that was refused by the front or is not allowed."""
    record, parts, request = current_record(), current_parts(), current_request()
    record.ids = parts.correlate(request.environ)
    turned = request.environ.get(refusals.REFUSAL)
    if turned is not None:
        return refusals.refuse(turned, record)
    refusal = auth.admit(request, parts.guard, record)
    if refusal is None and parts.first_request.acquire(blocking=False):
        warming.start()
        parts.store.start()
    return refusal


def after_view(response: Response) -> Response:
    """Complete the headers, then write the audit record, the metrics and the log line."""
    record, parts, request = current_record(), current_parts(), current_request()
    response.headers["X-Content-Type-Options"] = "nosniff"
    if record.ids is not None:
        response.headers[REQUEST_ID] = record.ids.request
        response.headers[TRACEPARENT] = record.ids.traceparent
    if request.path.startswith(sandbox_fhir.PATH) and parts.settings.shows_sandbox:
        sandbox_fhir.complete(response)
    cors.share(request, response, parts.guard.allowed, record.caller)
    rule = request.url_rule
    record.answered(rule.rule if rule is not None else None, request.method, response.status_code)
    knowledge = parts.knowledge.version
    if record.is_kept:
        now = parts.answering.now()
        parts.store.remember(answered_call(record, new_uuid(), now, knowledge))
    metrics.observe(record)
    logs.write_line(record, knowledge, parts.answering.force.label)
    return response
