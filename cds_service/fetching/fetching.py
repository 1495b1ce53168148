"""Fetch the missing data of a hook call from its FHIR server, in parallel and within a time limit.

The result has the same form as sent data: the content of each prefetch key. A key that is not
available stays not known, with the reason.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import msgspec
from msgspec import Raw

from cds_service import reasons
from cds_service.correlation import Correlation
from cds_service.fetching.client import NO_IDS, Client, Limits
from cds_service.fetching.failures import UnavailableError, Why
from cds_service.fetching.forms import Query, forms_of, queries
from cds_service.fetching.searching import Search, joined
from cds_service.fetching.sending import Request, Send, send
from cds_service.fetching.servers import Server, Servers, Token
from cds_service.fhir import wire
from cds_service.fhir.drafts import DRAFT_ORDERS, medication_references, medications_sent
from cds_service.fhir.prefetch import KINDS, Content, Kind
from cds_service.fhir.reading import Shape

BUDGET_MS = 400
"""The time that fetching may take without being flagged in the log."""
_THREADS = 32
_BATCH = 20
_BATCHES = 5
_SINGLY = 20
_LEVELS = 3
_MEDICATION_KEYS = ("medicationRequests", "medicationStatements")
# The Medications of these are not needed. Those of stopped ones may be (SPEC M-15).
_NEVER_TAKEN = frozenset({"cancelled", "entered-in-error", "not-taken"})
_STOPPED = frozenset({"completed", "stopped"})
# With these a server says that it cannot search for Medications by id. It may still read them.
_NOT_SEARCHABLE = frozenset({400, 403, 404, 405, 422, 501})
_NOT_FOUND = frozenset({Why.OUTCOME, Why.UNREADABLE, Why.FEWER})
# If data are withheld for one of these reasons, fetching them again does not help.
_FOR_GOOD = frozenset({"suppressed", "forbidden", "security", "login", "unknown", "expired"})
_REMEMBERED_SECONDS = 3_600.0

Contents = Mapping[str, Content[Any]]
_log = logging.getLogger(__name__)


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one hook call."""

    seconds: float = 2.0
    request_seconds: float = 1.5
    max_pages: int = 50
    max_bytes: int = 10_000_000


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """The data of one hook call that fetching needs. `client` is the calling client, if known.

    `orders` is the member of the context that contains orders. `ids` are those of the call, which
    are sent to its FHIR server.
    """

    prefetch: Mapping[str, Raw]
    context: Mapping[str, Any]
    templates: Mapping[str, str]
    orders: str = DRAFT_ORDERS
    fhir_server: str | None = None
    token: Token | None = None
    client: str = ""
    ids: Correlation | None = None


class _Habits:
    """Which form of a search a server takes, as far as that is known. It is forgotten in time.

    One entry for each server of the list and key at most.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Server, str], tuple[str, float]] = {}

    def form(self, server: Server, key: str) -> str:
        """The form that worked last, otherwise the configured one."""
        name, until = self._known.get((server, key), ("", 0.0))
        return name if time.monotonic() < until else server.form_of(key)

    def learn(self, server: Server, key: str, form: str) -> None:
        """Remember the form that worked."""
        if form != self.form(server, key):
            self._known[server, key] = (form, time.monotonic() + _REMEMBERED_SECONDS)


class _Task:
    """The requests for one key: the searches of the form that was tried last."""

    def __init__(self, key: str, kind: Kind[Any], template: str) -> None:
        self.key = key
        self.kind = kind
        self.template = template
        self.searches: tuple[Search, ...] = ()
        self.is_late = False

    @property
    def failure(self) -> UnavailableError | None:
        """The failure, if there was one."""
        if self.is_late:
            return UnavailableError(Why.TIMEOUT)
        return next((s.failure for s in self.searches if s.failure is not None), None)

    @property
    def is_refused(self) -> bool:
        """Whether the server does not take the search in this form, and so gave nothing."""
        return self.content() is None and any(search.refused for search in self.searches)

    def content(self) -> Content[Any] | None:
        """All results combined, or `None` if there are no usable results."""
        found = [c for search in self.searches if (c := search.content()) is not None]
        is_partial = self.failure is not None or any(content.partial for content in found)
        return joined(found, is_partial) if found else None


Observe = Callable[[float, Mapping[str, int]], None]
"""Takes the seconds of the fetching of one call, and the number of failures for each reason."""


def _not_observed(_: float, __: Mapping[str, int]) -> None:
    """Without metrics."""


class Fetching:
    """Completes hook calls. One for the whole service: it owns the connections and the threads."""

    def __init__(
        self,
        servers: Iterable[Server],
        bounds: Bounds,
        client: Client | None = None,
        observe: Observe = _not_observed,
        send: Send = send,
    ) -> None:
        self._observe = observe
        self._send = send
        self._servers = Servers(servers)
        self.bounds = bounds
        self._client = client or Client()
        self._habits = _Habits()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="fetching")

    def complete(self, question: Question) -> Contents:
        """The contents of the keys that were processed. For others, the sent content stays valid."""
        server = self._server(question)
        if isinstance(server, Why):
            return _not_asked(question, server)
        bounds = self.bounds
        limits = Limits(bounds.seconds, bounds.request_seconds, bounds.max_bytes)
        started = time.monotonic()
        asking = _Asking(
            self._client, self._threads, self._habits, server, question, limits, self._send
        )
        try:
            contents = _completed(question, server, asking, bounds.max_pages)
        finally:
            limits.end()
        if asking.requests:
            seconds = time.monotonic() - started
            _report(asking, seconds * 1000)
            self._observe(seconds, asking.failures)
        return contents

    def close(self) -> None:
        """Close connections and end threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _server(self, question: Question) -> Server | Why:
        """The FHIR server of the call, or the reason why there is none."""
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
        habits: _Habits,
        server: Server,
        question: Question,
        limits: Limits,
        send: Send,
    ) -> None:
        self._client = client
        self._threads = threads
        self._habits = habits
        self._server = server
        self._context = question.context
        self._token = question.token
        self._ids = question.ids
        self._limits = limits
        self._send = send
        self.requests = 0
        self.failures: dict[str, int] = {}

    def ask(self, tasks: Iterable[_Task], max_pages: int) -> None:
        """Send all requests, and wait until all have ended or the time is up."""
        running = {self._threads.submit(self._run, task, max_pages): task for task in tasks}
        done, late = wait(running, timeout=self._limits.remaining())
        for future in late:
            future.cancel()
            running[future].is_late = True
        for future in done:
            future.result()
        for task in running.values():
            if (failure := task.failure) is not None:
                self.failures[failure.code] = self.failures.get(failure.code, 0) + 1

    def _run(self, task: _Task, max_pages: int) -> None:
        """Try one form after the other, until the server takes one. Runs in a thread of its own."""
        for form in forms_of(task.key, self._habits.form(self._server, task.key)):
            task.searches = tuple(
                Search(task.kind, query, self._server.target(query.template, self._context))
                for query in queries(task.template, form)
            )
            for search in task.searches:
                self._read_pages(task.key, search, max_pages)
            if not task.is_refused:
                if task.content() is not None:
                    self._habits.learn(self._server, task.key, form.name)
                return

    def _read_pages(self, key: str, search: Search, max_pages: int) -> None:
        """Request page after page."""
        target = search.target
        if target is None:
            return
        asked: set[str] = set()
        try:
            while len(asked) < max_pages:
                asked.add(target)
                self.requests += 1
                raw = self._get(target, key, search.query, len(asked))
                link = search.add(raw)
                if link is None:
                    return
                target = self._server.next_target(target, link)
                if target is None or target in asked:
                    search.failure = UnavailableError(Why.LOOP if target else Why.ELSEWHERE)
                    return
        except UnavailableError as failure:
            search.failure = failure
        else:
            search.failure = UnavailableError(Why.PAGES)

    def _get(self, target: str, key: str, query: Query, page: int) -> bytes:
        """One page, requested with the ids of the call if it has some."""

        def get(ids: Mapping[str, str]) -> bytes:
            return self._client.get(self._server, target, self._token, self._limits, ids)

        if self._ids is None:
            return get(NO_IDS)
        request = Request(server=self._server, key=key, path=query.path, page=page)
        return self._send(request, self._ids, get)


def _report(asking: _Asking, milliseconds: float) -> None:
    fields = {
        "ms": round(milliseconds, 2),
        "over_budget": milliseconds > BUDGET_MS,
        "requests": asking.requests,
        "failures": asking.failures,
    }
    _log.info("fetched", extra={"fields": fields})


def _not_asked(question: Question, why: Why) -> Contents:
    """Every key that was not sent, with the reason why no server was used."""
    if why is Why.NO_SERVER:
        return {}
    return {
        key: _without(kind.read(None), UnavailableError(why))
        for key, kind in KINDS.items()
        if key not in question.prefetch
    }


def _completed(question: Question, server: Server, asking: _Asking, max_pages: int) -> Contents:
    sent = {key: kind.read(question.prefetch.get(key)) for key, kind in KINDS.items()}
    tasks = {
        key: _Task(key, KINDS[key], template)
        for key, template in question.templates.items()
        if key in sent and _is_wanting(sent[key])
    }
    asking.ask(tasks.values(), max_pages)
    contents = {
        key: _chosen(content, tasks[key]) if key in tasks else content
        for key, content in sent.items()
    }
    _add_medications(contents, question, server, asking)
    return contents


def _is_wanting(content: Content[Any]) -> bool:
    """Whether it is worth asking."""
    if not content.known:
        return True
    return content.partial or bool(content.unreadable) or not _FOR_GOOD.issuperset(content.withheld)


def _chosen(sent: Content[Any], task: _Task) -> Content[Any]:
    """The fetched and the sent data combined: data in either of them count."""
    fetched = task.content()
    if fetched is None:
        return _without(sent, task.failure)
    if not sent.known:
        return _without(fetched, task.failure)
    if not _is_whole(fetched):
        return _without(joined([fetched, sent], partial=True), task.failure)
    # Nothing is missing any more, unless it was withheld from this user.
    found = {_name(entry) for entry in fetched.entries}
    more = [entry for entry in sent.entries if _name(entry) not in found]
    rest = msgspec.structs.replace(
        sent,
        entries=more,
        withheld=tuple(code for code in sent.withheld if code in _FOR_GOOD),
        unreadable=(),
        unread=sent.unread if more else (),
    )
    return joined([fetched, rest], partial=False)


def _is_whole(content: Content[Any]) -> bool:
    return not (content.partial or content.withheld or content.unreadable)


def _name(entry: wire.Entry[Any]) -> tuple[str | None, str | None]:
    return (entry.resource.resourceType, entry.resource.id) if entry.resource else (None, None)


def _without(content: Content[Any], failure: UnavailableError | None) -> Content[Any]:
    """The content, with the reason why there is no more of it."""
    if failure is None:
        return content
    if content.known:
        return msgspec.structs.replace(content, beside=failure.reason)
    return msgspec.structs.replace(
        content, why=reasons.with_failure(content.why or reasons.NOT_SENT, failure.reason)
    )


# ------------------------------------------------- medications that are only referred to

_MEDICATION: Kind[wire.Medication] = Kind(wire.Medication, "Medication")
_INGREDIENTS: Shape[list[wire.Ingredient]] = Shape(list[wire.Ingredient])


def _add_medications(
    contents: dict[str, Content[Any]],
    question: Question,
    server: Server,
    asking: _Asking,
) -> None:
    """Fetch the Medications that orders and statements refer to, several at a time.

    A fetched Medication may refer to its ingredients in turn.
    """
    asked: set[str] = set()
    for _ in range(_LEVELS):
        known = [key for key in _MEDICATION_KEYS if contents[key].known]
        missing = _missing_medications(contents, question, server) if known else {}
        ids = [id for id in missing if id not in asked]
        if not ids:
            return
        asked.update(ids)
        found, failure = _fetch_medications(ids, asking)
        for key in known:
            content = contents[key]
            # New lists, because the sent content may be used elsewhere.
            more = msgspec.structs.replace(
                content,
                entries=[*content.entries, *found.entries],
                unread=(*content.unread, *found.unread),
            )
            contents[key] = more if content.beside else _without(more, failure)


def _fetch_medications(
    ids: Sequence[str], asking: _Asking
) -> tuple[Content[Any], UnavailableError | None]:
    """The Medications of these ids, and why some are missing."""
    asked = ids[: _BATCH * _BATCHES]
    batches = [asked[at : at + _BATCH] for at in range(0, len(asked), _BATCH)]
    combined = [_Task("", _MEDICATION, f"Medication?_id={','.join(batch)}") for batch in batches]
    asking.ask(combined, max_pages=_BATCH)
    have = {entry.resource.id for entry in _all_of(combined).entries if entry.resource is not None}
    left = [
        id
        for batch, task in zip(batches, combined, strict=True)
        if _may_be_read(task.failure)
        for id in batch
        if id not in have
    ]
    singly = [_Task("", _MEDICATION, f"Medication/{id}") for id in left[:_SINGLY]]
    asking.ask(singly, max_pages=1)
    is_cut = len(ids) > len(asked) or len(left) > len(singly)
    failures = [t.failure for t in singly]
    failures += [t.failure for t in combined if not _may_be_read(t.failure)]
    cut = UnavailableError(Why.MEDICATIONS) if is_cut else None
    return _all_of([*combined, *singly]), next(filter(None, failures), cut)


def _all_of(tasks: Iterable[_Task]) -> Content[Any]:
    found = (task.content() for task in tasks)
    return joined([content for content in found if content is not None], partial=False)


def _may_be_read(failure: UnavailableError | None) -> bool:
    """Whether a Medication that is missing in the search results may still be read by its id."""
    return failure is None or failure.status in _NOT_SEARCHABLE or failure.why in _NOT_FOUND


def _missing_medications(
    contents: Mapping[str, Content[Any]], question: Question, server: Server
) -> dict[str, None]:
    """The ids of those that were not sent, each once: first those of draft orders and current medicines."""
    resources: list[wire.Medication] = [
        entry.resource
        for key in _MEDICATION_KEYS
        for entry in contents[key].entries
        if entry.resource is not None
    ]
    medications = [r for r in resources if r.resourceType == "Medication"]
    referring = [r for r in resources if r.status not in _NEVER_TAKEN and r.medicationReference]
    referring.sort(key=lambda r: r.status in _STOPPED)
    elsewhere = (o for content in contents.values() for o in content.others)
    have = {r.id for r in medications} | set(medications_sent(question.context, question.orders))
    have |= {o.name.rpartition("/")[2] for o in elsewhere if o.kind == "Medication"}
    references = [
        *medication_references(question.context, question.orders),
        *(r.medicationReference.reference for r in referring if r.medicationReference),
        *(reference for r in medications for reference in _ingredients(r)),
    ]
    ids = (server.medication_id(reference) for reference in references if reference)
    return dict.fromkeys(id for id in ids if id is not None and id not in have)


def _ingredients(medication: wire.Medication) -> Iterator[str | None]:
    """The references by which a Medication names its ingredients."""
    if medication.ingredient is not wire.NOTHING:
        for ingredient in _INGREDIENTS.read(medication.ingredient)[0] or ():
            if ingredient.itemReference is not None:
                yield ingredient.itemReference.reference
