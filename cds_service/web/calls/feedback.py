"""Feedback in, and the report on it out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock

from flask import Flask, Response, render_template, request
from markupsafe import Markup

from cds_service.feedback.plots import stacked_bars
from cds_service.feedback.reading import KnownReasons, Reader, every_reason
from cds_service.feedback.report import duration, make_report, percent
from cds_service.hooks.answering import Answering
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import Service
from cds_service.settings import Settings
from cds_service.store.errors import StoreUnavailableError
from cds_service.store.store import Store
from cds_service.web.calls.bodies import read_json
from cds_service.web.calls.clients import client
from cds_service.web.calls.hook_calls import found
from cds_service.web.calls.outcomes import json_answer, outcome
from cds_service.web.operate.logs import note
from cds_service.web.pages import styles

SPANS = (30, 90, 365)
_DEFAULT_SPAN = 90
# Making a report reads the whole span, so a page that is asked for often is made once in this time.
_FRESH_SECONDS = 60.0
_UNAVAILABLE = Issue(
    "transient", "The store cannot be reached, so nothing was kept. Send the feedback again later."
)


def register(
    app: Flask,
    settings: Settings,
    services: Mapping[str, Service],
    answering: Answering,
    store: Store,
) -> None:
    """Add the routes."""
    reasons = every_reason(answering.knowledge)
    reader = Reader(KnownReasons(reasons), keep_comments=settings.feedback_comments)
    style = styles.style("report.css")
    page_headers = {**styles.headers(style), "Cache-Control": "no-store"}

    @app.post("/cds-services/<service_id>/feedback")
    def take_feedback(service_id: str) -> Response:
        service = found(services, service_id)
        note(service=service.id)
        body = read_json(request, settings.max_body_bytes)
        items = reader.read(body, service.id, client())
        note(items=len(items))
        note(new=store.keep(items))
        return json_answer({"received": len(items)})

    @app.get("/feedback/report")
    def show_report() -> Response:
        return Response(cache.get(_span()), headers=page_headers, mimetype="text/html")

    def report_page(days: int) -> str:
        until: datetime = answering.now()
        report = make_report(store.history(until - timedelta(days=days), until), reasons)
        plots = {
            by: Markup(stacked_bars(f"by-{by}", f"Cards issued, by {by}", report.groups[by]))  # noqa: S704
            for by in ("card", "week", "knowledge")
        }
        return render_template(
            "report.html",
            report=report,
            days=days,
            spans=SPANS,
            plots=plots,
            style=style,
            percent=percent,
            duration=duration,
            comments_kept=settings.feedback_comments,
        )

    cache = _Cache(report_page)

    @app.errorhandler(StoreUnavailableError)
    def unavailable(_: StoreUnavailableError) -> Response:
        return json_answer(outcome([_UNAVAILABLE]), 503, {"Retry-After": "5"})


def _span() -> int:
    text = request.args.get("days", str(_DEFAULT_SPAN))
    if text not in map(str, SPANS):
        allowed = ", ".join(map(str, SPANS))
        raise BadCallError(400, Issue("value", f"The parameter days must be one of {allowed}."))
    return int(text)


class _Cache:
    """The last page for each span. Whoever comes while one is made waits for that one."""

    def __init__(self, make: Callable[[int], str]) -> None:
        self._make = make
        self._pages: dict[int, tuple[float, str]] = {}
        self._lock = Lock()

    def get(self, days: int) -> str:
        with self._lock:
            made, page = self._pages.get(days, (float("-inf"), ""))
            if time.monotonic() - made > _FRESH_SECONDS:
                page = self._make(days)
                self._pages[days] = time.monotonic(), page
            return page
