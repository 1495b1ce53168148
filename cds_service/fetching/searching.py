"""One search of a FHIR server: its pages, when it has enough results, and what is missing.

Servers differ: some ignore `_sort` and `_count`, some give no total, some repeat a page. If it is
unclear whether there is more, the result is partial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from msgspec import Raw

from cds_service import reasons
from cds_service.fetching.failures import UnavailableError, Why
from cds_service.fetching.forms import Query, is_another
from cds_service.fhir import wire
from cds_service.fhir.prefetch import Content, Kind, MisplacedResource, State
from cds_service.fhir.reading import Shape

# With these a server says that it does not support this form of the search.
_REFUSED_FORM = frozenset({400, 414, 422})
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TEXT: Shape[str] = Shape(wire.Text)
_PERIOD: Shape[wire.Period] = Shape(wire.Period)


class _Page(msgspec.Struct):
    """The information of a page about other pages."""

    total: int | None = None
    link: list[wire.Link] | None = None


_PAGE: Shape[_Page] = Shape(_Page)


class Search:
    """One search: the pages so far, and the reason for its end."""

    def __init__(self, kind: Kind[Any], query: Query, target: str | None) -> None:
        self.query = query
        self.target = target
        self.failure = None if target else UnavailableError(Why.NOT_ASKABLE)
        self._kind = kind
        self._pages: list[Content[Any]] = []
        self._matches = _Distinct()
        self._total = 0
        self._unclear = False
        self._ended_early = False

    @property
    def refused(self) -> bool:
        """Whether the server does not take the search in this form."""
        return self.failure is not None and self.failure.status in _REFUSED_FORM

    def add(self, raw: bytes) -> str | None:
        """Read one page; the link to the next one, if there is one that can still matter."""
        raw = raw.removeprefix(_BYTE_ORDER_MARK)
        page = _read(self._kind, raw)
        if not page.known:
            self._pages.append(page)
            self.failure = UnavailableError(*_UNUSABLE[page.state])
            return None
        malformed = sum(map(len, (p.unreadable for p in [*self._pages, page])))
        for entry in page.entries:
            if _is_match(entry, self.query.resource_type):
                self._matches.add(entry.resource)
        self._pages.append(_filtered(page, self.query))
        return self._next(raw, len(self._matches) + malformed)

    def _next(self, raw: bytes, found: int) -> str | None:
        """The link to the next page. If there is none, all results must have arrived."""
        around, unread = _PAGE.read(raw)
        page = around or _Page()
        self._total = max(self._total, page.total or 0)
        nameless = any(link.relation is None for link in page.link or ())
        self._unclear = self._unclear or bool(unread) or nameless
        if self._has_enough():
            self._ended_early = True
            return None
        link = _next_link(page)
        if link is None:
            self.failure = self._shortfall(found)
        return link

    def _shortfall(self, found: int) -> UnavailableError | None:
        """The reason why results may be missing."""
        # A full page without a link and without a total: there may be more.
        is_cut = found == self.query.count and not self._total
        if self._total > found or is_cut:
            return UnavailableError(Why.FEWER)
        return UnavailableError(Why.UNCLEAR) if self._unclear else None

    def _has_enough(self) -> bool:
        """Whether the newest ones have arrived. If the server has not sorted, all are needed."""
        if self.query.wanted is None:
            return False
        resources = [
            entry.resource
            for page in self._pages
            for entry in page.entries
            if _is_match(entry, self.query.resource_type)
        ]
        return len(resources) >= self.query.wanted and _are_newest_first(resources)

    def content(self) -> Content[Any] | None:
        """All results combined, or `None` if there are no usable results."""
        pages = [page for page in tuple(self._pages) if page.known]
        if not pages:
            return None
        is_partial = self.failure is not None or (self._ended_early and pages[-1].partial)
        return joined(pages, is_partial)


class _Distinct:
    """Resources, each counted once. Two of one id are the same if they are equal."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], list[Any]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, resource: Any) -> bool:
        """Whether it is a new one."""
        if resource is not None and resource.id:
            known = self._seen.setdefault((resource.resourceType, resource.id), [])
            if resource in known:
                return False
            known.append(resource)
        self._count += 1
        return True


def _read(kind: Kind[Any], raw: bytes) -> Content[Any]:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return _GARBLED
    # In a prefetch, null means "no data". From a server, it has no meaning.
    return _GARBLED if raw.strip() in (b"", b"null") else kind.read(Raw(raw))


_UNUSABLE: Mapping[State, tuple[Why]] = {
    State.REFUSED: (Why.OUTCOME,),
    State.UNREADABLE: (Why.UNREADABLE,),
}
_GARBLED: Content[Any] = Content(State.UNREADABLE, why=reasons.NOT_READABLE_JSON)


def _next_link(page: _Page) -> str | None:
    """The address of the next page. It is empty if the link has no address."""
    found = (link for link in page.link or () if link.relation == "next")
    return next((link.url or "" for link in found), None)


def _is_match(entry: wire.Entry[Any], resource_type: str) -> bool:
    """Whether an entry is a match of the search, and not only included."""
    resource = entry.resource
    return (
        resource is not None
        and resource.resourceType == resource_type
        and entry.mode in (None, "match")
    )


def _filtered(page: Content[Any], query: Query) -> Content[Any]:
    """The page without results that the template does not request, if the search was wider."""
    if not query.codes:
        return page
    kept: list[wire.Entry[Any]] = []
    dropped = set()
    for position, entry in enumerate(page.entries):
        if entry.resource is None or _may_answer(entry.resource, query):
            kept.append(entry)
        else:
            dropped.add(wire.name_of(entry, position))
    unread = tuple(lost for lost in page.unread if lost.resource not in dropped)
    return msgspec.structs.replace(page, entries=kept, unread=unread)


def _may_answer(resource: Any, query: Query) -> bool:
    concept = resource.code
    codings = [(c.system or "", c.code or "") for c in (concept.coding or ())] if concept else []
    has_parts = getattr(resource, "component", wire.NOTHING) is not wire.NOTHING
    return has_parts or not is_another(codings, query.codes)


def _are_newest_first(observations: Iterable[Any]) -> bool:
    """Whether they are certainly in this order. Results of one day, or of two, may be mixed."""
    oldest = date.max.toordinal()
    for observation in observations:
        span = _span(observation)
        if span is None or span[0] > oldest + 1:
            return False
        oldest = min(oldest, span[1])
    return True


def _span(observation: wire.Observation) -> tuple[int, int] | None:
    """The first and last possible day (as ordinals), if known."""
    try:
        days = [(_day(text, "-01-01"), _day(text, "-12-28")) for text in _effective(observation)]
    except ValueError:
        return None
    return (min(first for first, _ in days), max(last for _, last in days)) if days else None


def _effective(observation: wire.Observation) -> Iterator[str]:
    """The texts of its dates; one that cannot be read is an empty text."""
    for raw in (observation.effectiveDateTime, observation.effectiveInstant):
        if raw is not wire.NOTHING:
            yield _TEXT.read(raw)[0] or ""
    if observation.effectivePeriod is not wire.NOTHING:
        period, unread = _PERIOD.read(observation.effectivePeriod)
        edges = (period.start, period.end) if period is not None and not unread else ("",)
        yield from (edge for edge in edges if edge is not None)


def _day(text: str, rest: str) -> int:
    """The day of a date. Of a year or a month: the first day, or one near its end."""
    day = text.partition("T")[0]
    return date.fromisoformat(day + rest[len(day) - len("2026") :]).toordinal()


def joined(pages: Sequence[Content[Any]], partial: bool) -> Content[Any]:
    """Several contents combined, with all their gaps and without duplicates."""
    distinct = _Distinct()
    entries = [e for page in pages for e in page.entries if distinct.add(e.resource)]
    others: list[MisplacedResource] = []
    for other in (other for page in pages for other in page.others):
        if other not in others:
            others.append(other)
    unreadable = tuple(dict.fromkeys(lost for page in pages for lost in page.unreadable))
    withheld = tuple(dict.fromkeys(code for page in pages for code in page.withheld))
    is_data = bool(entries or unreadable or withheld or partial)
    return Content(
        State.DATA if is_data else State.EMPTY,
        entries=entries,
        partial=partial,
        withheld=withheld,
        unreadable=unreadable,
        unread=tuple(dict.fromkeys(lost for page in pages for lost in page.unread)),
        others=tuple(others),
        beside=next((page.beside for page in pages if page.beside), None),
    )
