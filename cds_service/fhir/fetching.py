"""What a hook call did not bring is asked of its FHIR server, all at once and within a time.

The outcome has the form of what was sent: the content of each prefetch key. A key that could not
be had stays not known, and says why.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.fhir import wire
from cds_service.fhir.client import Client, Limits
from cds_service.fhir.drafts import medication_references
from cds_service.fhir.failures import UnavailableError, Why
from cds_service.fhir.prefetch import KINDS, Content, Kind, State
from cds_service.fhir.servers import Server, Servers, Token

BUDGET_MS = 400
"""What fetching may take without being noticed. A slower one is marked in the log."""
_THREADS = 32
_BATCH = 20
_BATCHES = 5
_MEDICATIONS = ("medicationRequests", "medicationStatements")
_NOT_TAKEN = frozenset(
    {"cancelled", "completed", "entered-in-error", "not-taken", "on-hold", "stopped"}
)
# With these a server says that it cannot search for Medications by id, though it may read them.
_NOT_SEARCHABLE = frozenset({400, 403, 404, 405, 501})
_SINGLY = 20
_COUNT = re.compile(r"[?&]_count=(\d+)")

Contents = Mapping[str, Content[Any]]
_log = logging.getLogger(__name__)


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much one hook call may ask for."""

    seconds: float = 2.0
    request_seconds: float = 1.5
    max_pages: int = 20
    max_bytes: int = 10_000_000


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One hook call, as far as fetching goes. `client` is who calls, where that is known.

    `read` is what the prefetch values hold, where they were read already.
    """

    prefetch: Mapping[str, Raw]
    context: Mapping[str, Any]
    templates: Mapping[str, str]
    fhir_server: str | None = None
    token: Token | None = None
    client: str = ""
    read: Mapping[str, Content[Any]] = MappingProxyType({})


class _Page(msgspec.Struct):
    """What a page says of the pages beside it."""

    resourceType: Any = None
    total: Any = None
    link: Any = None


_PAGE = msgspec.json.Decoder(_Page)
_KIND_OF_MEDICATION: Kind[wire.Medication] = Kind(wire.Medication, "Medication")


class _Search:
    """One thing being asked for: the pages that came so far, and what ended it."""

    def __init__(self, kind: Kind[Any], target: str | None, wanted: int | None = None) -> None:
        self.kind = kind
        self.target = target
        self.failure = None if target else UnavailableError(Why.NOT_ASKABLE)
        self._wanted = wanted
        self._pages: list[Content[Any]] = []
        self._total = 0

    def add(self, raw: bytes) -> str | None:
        """Read one page; the link to the next one, if there is one that can still matter."""
        page = _read(self.kind, raw)
        self._pages.append(page)
        if not page.known:
            self.failure = UnavailableError(*_UNUSABLE[page.state])
            return None
        around = _around(raw)
        self._total = max(self._total, around.total if type(around.total) is int else 0)
        found = sum(map(_matches, self._pages))
        if self._wanted is not None and found >= self._wanted:
            return None
        link = _next_link(around.link)
        if link is None and (self._total > found or page.failed):
            self.failure = UnavailableError(Why.OUTCOME if page.failed else Why.FEWER)
        return link

    def content(self) -> Content[Any] | None:
        """All that came, as one; `None` if nothing came that can be used."""
        pages = [page for page in tuple(self._pages) if page.known]
        if not pages:
            return None
        last = pages[-1]
        partial = self.failure is not None or (last.partial and self._cut_short)
        return _joined(pages, partial)

    @property
    def _cut_short(self) -> bool:
        """Whether it was ended because there is enough of it."""
        found = sum(map(_matches, self._pages))
        return self._wanted is not None and found >= self._wanted


class Fetching:
    """Completes hook calls. One for the whole service: it owns the connections and the threads."""

    def __init__(
        self, servers: Iterable[Server], bounds: Bounds, client: Client | None = None
    ) -> None:
        self._servers = Servers(servers)
        self._bounds = bounds
        self._client = client or Client()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="fetching")

    def complete(self, question: Question) -> Contents:
        """The contents of the keys that were looked at; of others, what was sent still holds."""
        server = self._server(question)
        if isinstance(server, Why):
            return _not_asked(question, server)
        bounds = self._bounds
        limits = Limits(bounds.seconds, bounds.request_seconds, bounds.max_bytes)
        started = time.monotonic()
        asking = _Asking(self._client, self._threads, server, question.token, limits)
        try:
            contents = _completed(question, server, asking, bounds.max_pages)
        finally:
            limits.end()
        if asking.requests:
            _report(asking, (time.monotonic() - started) * 1000)
        return contents

    def close(self) -> None:
        """Close connections and end threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _server(self, question: Question) -> Server | Why:
        """The server to ask, or why there is none."""
        if question.fhir_server is None:
            return Why.NO_SERVER
        server = self._servers.find(question.fhir_server, question.client)
        if server is None:
            return Why.NOT_LISTED
        if question.token is None:
            return server if server.open else Why.NO_TOKEN
        return server if question.token.usable else Why.BAD_TOKEN


class _Asking:
    """Runs searches in parallel, within the limits of one hook call."""

    def __init__(
        self,
        client: Client,
        threads: ThreadPoolExecutor,
        server: Server,
        token: Token | None,
        limits: Limits,
    ) -> None:
        self._client = client
        self._threads = threads
        self._server = server
        self._token = token
        self._limits = limits
        self.requests = 0
        self.failures: dict[str, int] = {}

    def ask(self, searches: Iterable[_Search], max_pages: int) -> None:
        """Ask for all at once, and wait until all have ended or time is up."""
        open_ones = [search for search in searches if search.failure is None]
        running = {self._threads.submit(self._pages, s, max_pages): s for s in open_ones}
        done, late = wait(running, timeout=self._limits.remaining())
        for future in late:
            future.cancel()
            running[future].failure = UnavailableError(Why.TIMEOUT)
        for future in done:
            future.result()
        for search in open_ones:
            if search.failure is not None:
                code = search.failure.code
                self.failures[code] = self.failures.get(code, 0) + 1

    def _pages(self, search: _Search, max_pages: int) -> None:
        """Ask for page after page. Runs in a thread of its own."""
        target = search.target
        try:
            for _ in range(max_pages):
                if target is None:
                    search.failure = UnavailableError(Why.ELSEWHERE)
                    return
                self.requests += 1
                raw = self._client.get(self._server, target, self._token, self._limits)
                link = search.add(raw)
                if link is None:
                    return
                target = self._server.next_target(target, link)
        except UnavailableError as failure:
            search.failure = failure
        else:
            search.failure = UnavailableError(Why.PAGES)


def _report(asking: _Asking, milliseconds: float) -> None:
    fields = {
        "ms": round(milliseconds, 2),
        "over_budget": milliseconds > BUDGET_MS,
        "requests": asking.requests,
        "failures": asking.failures,
    }
    _log.info("fetched", extra={"fields": fields})


def _not_asked(question: Question, why: Why) -> Contents:
    """Every key that was not sent, with the reason why nobody was asked for it."""
    if why is Why.NO_SERVER:
        return {}
    return {
        key: _without(kind.read(None), UnavailableError(why))
        for key, kind in KINDS.items()
        if key not in question.prefetch
    }


def _completed(question: Question, server: Server, asking: _Asking, max_pages: int) -> Contents:
    sent = {
        key: question.read[key] if key in question.read else kind.read(question.prefetch.get(key))
        for key, kind in KINDS.items()
    }
    searches = {
        key: _Search(KINDS[key], server.target(template, question.context), _wanted(template))
        for key, template in question.templates.items()
        if key in sent and _is_wanting(sent[key])
    }
    asking.ask(searches.values(), max_pages)
    contents = {
        key: _chosen(content, searches[key]) if key in searches else content
        for key, content in sent.items()
    }
    _add_medications(contents, question.context, server, asking)
    return contents


def _is_wanting(content: Content[Any]) -> bool:
    """Whether it is worth asking. What was refused is not asked again."""
    return content.partial or content.failed or content.state in (State.MISSING, State.UNREADABLE)


def _chosen(sent: Content[Any], search: _Search) -> Content[Any]:
    """The better of what was sent and what was fetched; both together where neither is whole."""
    fetched = search.content()
    if fetched is None:
        return _without(sent, search.failure)
    if not fetched.partial:
        return fetched
    both = _joined([fetched, sent] if sent.known else [fetched], partial=True)
    return _without(both, search.failure)


def _without(content: Content[Any], failure: UnavailableError | None) -> Content[Any]:
    """The content, with the reason why there is no more of it."""
    if failure is None:
        return content
    if content.known:
        return msgspec.structs.replace(content, beside=f", and {failure.text}")
    return msgspec.structs.replace(content, why=f"{content.why}, and {failure.text}")


def _joined(pages: Sequence[Content[Any]], partial: bool) -> Content[Any]:
    """Several contents as one. A resource that comes twice is taken once, as it came first."""
    entries: list[wire.Entry[Any]] = []
    seen: set[tuple[str | None, str]] = set()
    for entry in (entry for page in pages for entry in page.entries):
        id = entry.resource.id if entry.resource is not None else None
        name = (entry.resource.resourceType, id) if entry.resource is not None and id else None
        if name is None or name not in seen:
            entries.append(entry)
        if name is not None:
            seen.add(name)
    unreadable = tuple(place for page in pages for place in page.unreadable)
    state = State.DATA if entries or unreadable or partial else State.EMPTY
    return Content(
        state,
        entries=entries,
        partial=partial,
        failed=any(page.failed for page in pages),
        unreadable=unreadable,
    )


# ------------------------------------------------- reading pages


_UNUSABLE: Mapping[State, tuple[Why]] = {
    State.REFUSED: (Why.OUTCOME,),
    State.UNREADABLE: (Why.UNREADABLE,),
}
_GARBLED: Content[Any] = Content(State.UNREADABLE, why="is not readable JSON")


def _read(kind: Kind[Any], raw: bytes) -> Content[Any]:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return _GARBLED
    # In a prefetch null says "no data"; a server that answers with it says nothing.
    return _GARBLED if raw.strip() in (b"", b"null") else kind.read(Raw(raw))


def _around(raw: bytes) -> _Page:
    try:
        return _PAGE.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return _Page()


def _next_link(links: Any) -> str | None:
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) else ""
    return None


def _matches(page: Content[Any]) -> int:
    found = sum(1 for e in page.entries if e.mode in (None, "match"))
    return found + len(page.unreadable)


def _wanted(template: str) -> int | None:
    """How many resources are enough: a template that sorts and counts asks for no more."""
    count = _COUNT.search(template)
    return int(count[1]) if count and "_sort=" in template else None


# ------------------------------------------------- medications that are only referred to


def _add_medications(
    contents: dict[str, Content[Any]],
    context: Mapping[str, Any],
    server: Server,
    asking: _Asking,
) -> None:
    """Fetch the Medications to which orders and statements merely refer, several at a time."""
    known = [key for key in _MEDICATIONS if contents[key].known]
    ids = sorted(_missing_medications(contents, context, server)) if known else []
    if not ids:
        return
    groups = [ids[at : at + _BATCH] for at in range(0, len(ids), _BATCH)][:_BATCHES]
    searches = [_Search(_MEDICATION, server.medications(group)) for group in groups]
    asking.ask(searches, max_pages=_BATCH)
    unsearched = [
        id
        for group, search in zip(groups, searches, strict=True)
        if search.failure is not None and search.failure.status in _NOT_SEARCHABLE
        for id in group
    ]
    single = [_Search(_MEDICATION, server.medication(id)) for id in unsearched[:_SINGLY]]
    asking.ask(single, max_pages=1)
    found = [c for search in (*searches, *single) if (c := search.content()) is not None]
    entries = [entry for content in found for entry in content.entries]
    failures = [s.failure for s in (single or searches) if s.failure is not None]
    for key in known:
        content = contents[key]
        # A new list: the content of what was sent may be looked at elsewhere.
        more = msgspec.structs.replace(content, entries=[*content.entries, *entries])
        contents[key] = _without(more, failures[0]) if failures and not content.beside else more


_MEDICATION: Kind[wire.Medication] = Kind(wire.Medication, "Medication")


def _missing_medications(
    contents: Mapping[str, Content[Any]], context: Mapping[str, Any], server: Server
) -> set[str]:
    resources: list[wire.Medication] = [
        entry.resource
        for key in _MEDICATIONS
        for entry in contents[key].entries
        if entry.resource is not None
    ]
    sent = {r.id for r in resources if r.resourceType == "Medication" and r.id}
    referring = [r for r in resources if r.status not in _NOT_TAKEN]
    references = [
        r.medicationReference.reference
        for r in referring
        if r.medicationCodeableConcept is None and r.medicationReference is not None
    ]
    wanted = (server.medication_id(r) for r in [*references, *medication_references(context)] if r)
    return {id for id in wanted if id is not None} - sent
