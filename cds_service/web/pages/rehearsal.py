"""The page that shows a rehearsal of the synthetic patients, as a committee would read their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from threading import Lock
from typing import Any, Final

import msgspec
from flask import Blueprint, Response, render_template
from markupsafe import Markup

from cds_service.sandbox import patients
from cds_service.sandbox.relative_dates import resolve_all
from cds_service.web.pages.statics import PAGE_HEADERS
from cds_service.web.parts import Parts, current_parts

blueprint = Blueprint("rehearsal", __name__)

_EVIDENCE: Final = "/evidence"
_SPAN: Final = timedelta(days=365)
_WRITTEN_AT: Final = "T23:00:00Z"
"""When the orders were written that the sandbox offers as drafts: after every visit of the day."""


@blueprint.get("/rehearsal")
def rehearsal() -> Response:
    """The report over the synthetic patients."""
    parts = current_parts()
    page = parts.once(_pages).of_day(parts.answering.now().date())
    return Response(page, headers=dict(PAGE_HEADERS), mimetype="text/html")


def _pages(parts: Parts) -> _Pages:
    return _Pages(parts)


class _Pages:
    """The page of one day. The parts change with the rules, so it is of the rules in force."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._day: date | None = None
        self._page = ""
        self._lock = Lock()

    def of_day(self, today: date) -> str:
        """The page. It is made on first use, and again when the day changes."""
        with self._lock:
            if self._day != today:
                self._page = _page(self._parts, today)
                self._day = today
            return self._page


def _page(parts: Parts, today: date) -> str:
    # Imported when the page is asked for: no call needs the rehearsal.
    from cds_service.rehearsal.in_memory import rehearse_in_memory
    from cds_service.rehearsal.report import sections

    force = parts.answering.force
    lines: dict[str, list[bytes]] = defaultdict(list)
    for resource in _resources(today):
        lines[resource["resourceType"]].append(msgspec.json.encode(resource))
    inputs = rehearse_in_memory(lines, force, today - _SPAN, today)
    return render_template(
        "rehearsal.html",
        summary=inputs.summary,
        figures=inputs.figures,
        approved=parts.knowledge.approved,
        sections=Markup(sections(inputs._replace(evidence=_EVIDENCE))),  # noqa: S704 - the template of the report escapes
    )


def _resources(today: date) -> Iterator[dict[str, Any]]:
    """Every chart, and every draft order as if it was written at the end of the day."""
    for person in patients.load_all().values():
        entries = patients.bundle_of(person.id, today)["entry"]
        yield from (entry["resource"] for entry in entries)
        for name, draft in person.drafts.items():
            for order in resolve_all(msgspec.json.decode(draft.orders), today):
                written = {"status": "active", "authoredOn": f"{today}{_WRITTEN_AT}"}
                yield order | written | {"id": f"{name}-{order['id']}"}
