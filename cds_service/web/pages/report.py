"""The page with the report on feedback."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import Final

from flask import Blueprint, Response, render_template, request
from markupsafe import Markup

from cds_service.feedback.plots import stacked_bars
from cds_service.feedback.reading import every_reason
from cds_service.feedback.report import WITHHELD, duration, make_report, percent
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.site.showing import Why
from cds_service.web.pages import styles
from cds_service.web.parts import Parts, current_parts

blueprint = Blueprint("report", __name__)

SPANS: Final = (30, 90, 365)
_DEFAULT_SPAN: Final = 90
# A report reads the whole time span, so it is cached for this time.
_FRESH_SECONDS: Final = 60.0
_FILES: Final = ("static/css/base.css", "static/css/evidence.css", "report.css")
_STYLE: Final = "".join(map(styles.style, _FILES))
_WORDS: Final = {
    Why.SILENT.value: "silent here",
    Why.NEVER.value: "never shown here",
    Why.LOCKED.value: "shown before (lock-out)",
    Why.OPTION.value: "not asked for",
}
_HEADERS: Final = {**styles.headers(_STYLE), "Cache-Control": "no-store"}


@blueprint.get("/feedback/report")
def show_report() -> Response:
    """The report for one of the time spans."""
    page = current_parts().once(_cache).get(_span())
    return Response(page, headers=_HEADERS, mimetype="text/html")


def _cache(parts: Parts) -> _Cache:
    return _Cache(lambda days: _page(parts, days))


def _page(parts: Parts, days: int) -> str:
    until = parts.answering.now()
    history = parts.store.history(until - timedelta(days=days), until)
    report = make_report(history, every_reason(parts.knowledge))
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
        style=_STYLE,
        percent=percent,
        duration=duration,
        reasons=WITHHELD,
        words=_WORDS,
        names={card.id: card.title for card in parts.knowledge.cards.values()},
        home=parts.settings.public_url.rstrip("/"),
        sandbox=parts.settings.shows_sandbox,
        knowledge=parts.knowledge,
        site=parts.answering.force.label,
        silent_until=parts.answering.force.silent_until(until.date()),
        comments_kept=parts.settings.feedback_comments,
    )


def _span() -> int:
    text = request.args.get("days", str(_DEFAULT_SPAN))
    if text not in map(str, SPANS):
        allowed = ", ".join(map(str, SPANS))
        raise BadCallError(400, Issue("value", f"The parameter days must be one of {allowed}."))
    return int(text)


class _Cache:
    """The last page for each span. Further callers wait for a page that is being made."""

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
