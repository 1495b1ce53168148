"""The meaning of a prefetch value (see CONTRACT: data, no data, partly known, or not known).

An absent key, `null`, an empty Bundle, a searchset, a single resource, an OperationOutcome and
garbage are different. `null` and an empty Bundle mean "there is no data". An absent key, an
OperationOutcome and garbage mean "not known", and later code must not turn that into "no data".
Lost entries and elements of a value are listed in its content (SPEC 12.1 U-1, U-2, U-4).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from cds_service import reasons
from cds_service.fhir import wire
from cds_service.fhir.reading import Shape, Unread, may_hold
from cds_service.fhir.types import R4
from cds_service.reasons import Reason, Said

R = TypeVar("R")


class State(StrEnum):
    """How much of one prefetch key is known."""

    DATA = "data"
    EMPTY = "empty"
    MISSING = "missing"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


class LostPart(NamedTuple):
    """Something of a prefetch value that could not be read: `element` is "" for a whole entry."""

    resource: str
    element: str
    why: Reason


class MisplacedResource(NamedTuple):
    """A resource under a key that is not its own: its type, its names, and its bytes."""

    kind: str
    name: str
    full_url: str | None
    resource: Raw


class Content(msgspec.Struct, Generic[R]):
    """One prefetch key after reading.

    `entries` are the resources of the requested types, as far as they can be read. `unread`
    contains their unreadable elements, and `unreadable` the entries without a readable resource.
    `withheld` are the reasons why an OperationOutcome among the entries means that there is more:
    FHIR issue codes, or "error". `partial` is true if the server has more data, or may have.
    `others` are clinical resources of other keys, and Medications. `why` is the reason if it is not
    known. `beside` is the reason why a server returned no more.
    """

    state: State
    entries: list[wire.Entry[R]] = []
    partial: bool = False
    withheld: tuple[str, ...] = ()
    unreadable: tuple[LostPart, ...] = ()
    unread: tuple[LostPart, ...] = ()
    others: tuple[MisplacedResource, ...] = ()
    why: Reason | None = None
    beside: Reason | None = None

    @property
    def known(self) -> bool:
        """Whether the key is known (data, or "there is no data")."""
        return self.state in (State.DATA, State.EMPTY)

    def resources(self) -> Iterator[tuple[R, str]]:
        """Each resource with its name in evidence."""
        for position, entry in enumerate(self.entries):
            if entry.resource is not None:
                yield entry.resource, wire.name_of(entry, position)


WITHHELD = frozenset(
    """
    suppressed incomplete too-costly throttled timeout transient lock-error no-store
    forbidden security login unknown expired exception
    """.split()  # noqa: SIM905
)
"""The codes of `OperationOutcome.issue` that mean withheld data at any severity (U-1)."""

HARMLESS = frozenset({"information", "warning"})
"""Severities at which all other codes change nothing."""

NOT_ANSWERS = frozenset({"include", "outcome"})
"""The modes of entries that are not matches of a search (SPEC 12.7.14)."""

_PARTS: Shape[wire.Parts] = Shape(wire.Parts)
_PART: Shape[wire.Part] = Shape(wire.Part)
_WHOLE_PARTS: Shape[wire.WholeParts] = Shape(wire.WholeParts)
_HEAD: Shape[wire.Head] = Shape(wire.Head)
_OUTCOME: Shape[wire.Outcome] = Shape(wire.Outcome)


class Kind(Generic[R]):
    """How the value of one prefetch key is decoded: its struct and its resource types."""

    def __init__(self, struct: type[R], *resource_types: str) -> None:
        self.resource_types = frozenset(resource_types)
        self.label: Said = (
            reasons.either(*resource_types) if len(resource_types) > 1 else resource_types[0]
        )
        self._resource: Shape[R] = Shape(struct)
        self._bundle: Shape[wire.Bundle[R]] = Shape(wire.Bundle[struct])  # type: ignore[valid-type]

    def read(self, raw: Raw | None) -> Content[R]:
        """The content of a prefetch value. `None` is an absent key. Never raises."""
        if raw is None:
            return Content(State.MISSING, why=reasons.NOT_SENT)
        if bytes(memoryview(raw)[:4]) == b"null":
            return Content(State.EMPTY)
        bundle = self._bundle.exact(raw)
        if bundle is None or bundle.resourceType != "Bundle":
            return self._by_parts(raw)
        found = _Found(self)
        entries: list[wire.Entry[Any]] = bundle.entry or []
        kinds = {None if (r := e.resource) is None else r.resourceType for e in entries}
        if kinds <= self.resource_types:
            found.entries = entries
        else:
            parts = _WHOLE_PARTS.exact(raw)
            for position, entry in enumerate(entries):
                if _type_of(entry) in self.resource_types:
                    found.entries.append(entry)
                elif parts is not None and parts.entry is not None:
                    found.add(position, parts.entry[position], ())
        # One kind only: nothing was included that is not a match, so the modes need no look.
        alone = len(kinds) == 1 and kinds <= self.resource_types
        matches = len(entries) if alone else _matches(entries)
        return found.content(_more(bundle.total, bundle.link, matches))

    def _by_parts(self, raw: Raw) -> Content[R]:
        """Read entry by entry and element by element, so that malformed data do not discard good data."""
        bundle, unread = _PARTS.read(raw)
        damaged = {part.element.partition("[")[0] for part in unread}
        if bundle is None or "resourceType" in damaged or bundle.resourceType is None:
            return Content(State.UNREADABLE, why=reasons.neither_bundle_nor(self.label))
        if bundle.resourceType != "Bundle":
            return self._single(raw, bundle.resourceType)
        if "entry" in damaged:
            return Content(State.UNREADABLE, why=reasons.ENTRIES_NOT_READABLE)
        found = _Found(self)
        for position, raw_part in enumerate(bundle.entry or ()):
            part, lost = _PART.read(raw_part)
            found.add(position, part, lost)
        more = bool(damaged) or _more(bundle.total, bundle.link, _matches(found.entries))
        return found.content(more)

    def _single(self, raw: Raw, resource_type: str) -> Content[R]:
        if resource_type == "OperationOutcome":
            return Content(State.REFUSED, why=reasons.ANSWERED_WITH_OUTCOME)
        if resource_type not in self.resource_types:
            return Content(State.UNREADABLE, why=reasons.neither_bundle_nor(self.label))
        found = _Found(self)
        found.add(0, wire.Part(resource=raw), ())
        return found.content(more=False)

    def resource(self, raw: Raw) -> tuple[R | None, tuple[Unread, ...]]:
        """One resource of this kind, and the elements of it that cannot be read."""
        return self._resource.read(raw)


class _Found(Generic[R]):
    """The parts of a Bundle found so far."""

    def __init__(self, kind: Kind[R]) -> None:
        self.entries: list[wire.Entry[R]] = []
        self._kind = kind
        self._withheld: dict[str, None] = {}
        self._unreadable: list[LostPart] = []
        self._unread: list[LostPart] = []
        self._others: list[MisplacedResource] = []
        self._strangers = False

    def add(self, position: int, part: wire.Part | None, lost: Sequence[Unread]) -> None:
        """An entry. `lost` are unreadable elements outside its resource."""
        head = _HEAD.read(part.resource)[0] if part is not None else None
        kind = head.resourceType if head is not None else None
        if part is None or head is None or kind not in R4:
            why = reasons.NO_READABLE_RESOURCE if kind is None else reasons.NO_RESOURCE_OF_R4
            self._unreadable.append(LostPart(f"entry {position}", "", why))
        elif kind == "OperationOutcome":
            self._withheld |= dict.fromkeys(_withheld(part.resource))
        elif kind in self._kind.resource_types:
            self._add_own(part, lost)
        else:
            self._add_other(kind, head, part, position)

    def _add_own(self, part: wire.Part, lost: Sequence[Unread]) -> None:
        resource, inside = self._kind.resource(part.resource)
        entry = wire.Entry(fullUrl=part.fullUrl, resource=resource, search=part.search)
        name = wire.name_of(entry, len(self.entries))
        self.entries.append(entry)
        self._unread += (LostPart(name, u.element, u.why) for u in (*inside, *lost))

    def _add_other(self, kind: str, head: wire.Head, part: wire.Part, position: int) -> None:
        if kind in REFERABLE:
            name = f"{kind}/{head.id}" if head.id else part.fullUrl or f"{kind} (entry {position})"
            self._others.append(MisplacedResource(kind, name, part.fullUrl, part.resource))
        if kind != "Medication" and part.mode not in NOT_ANSWERS:
            self._strangers = True

    def content(self, more: bool) -> Content[R]:
        """All of it as the content of a key; `more` is whether the server has more."""
        answers = any(_type_of(e) != "Medication" for e in self.entries)
        state: State = State.DATA
        why: Reason | None = None
        if not answers and self._withheld:
            state, why = State.REFUSED, reasons.ANSWERED_WITH_OUTCOME
        elif not answers and self._unreadable:
            state, why = State.UNREADABLE, reasons.ONLY_MALFORMED_ENTRIES
        elif not answers and self._strangers:
            state, why = State.UNREADABLE, reasons.holds_no(self._kind.label)
        elif not self.entries and not more:
            state = State.EMPTY
        return Content(
            state,
            entries=self.entries,
            partial=more,
            withheld=tuple(self._withheld),
            unreadable=tuple(self._unreadable),
            unread=tuple(self._unread),
            others=tuple(self._others),
            why=why,
        )


def _type_of(entry: wire.Entry[Any]) -> Any:
    return None if entry.resource is None else entry.resource.resourceType


def _withheld(raw: Raw) -> tuple[str, ...]:
    """The reason if an OperationOutcome means withheld data, or nothing if it has no effect (U-1).

    Epic sends a warning for "no results". An unreadable issue may have any meaning.
    """
    outcome, unread = _OUTCOME.read(raw)
    issues = (outcome.issue if outcome is not None else None) or ()
    said = {_reason(issue.severity, issue.code) for issue in issues} - {""}
    if unread or not issues:
        said.add(ERROR)
    return tuple(sorted(said))


ERROR = "error"


def _reason(severity: str | None, code: str | None) -> str:
    code = (code or "").strip().lower()
    if code in WITHHELD:
        return code
    return "" if code and severity in HARMLESS else ERROR


def _more(total: int | None, links: list[wire.Link] | None, matches: int) -> bool:
    """Whether the server has more than these matches, or may have."""
    if any(link.relation == "next" or link.relation is None for link in links or ()):
        return True
    return total is not None and total > matches


def _matches(entries: Iterable[wire.Entry[Any]]) -> int:
    return sum(1 for e in entries if e.mode in (None, "match"))


KINDS: Mapping[str, Kind[Any]] = {
    "patient": Kind(wire.Patient, "Patient"),
    "conditions": Kind(wire.Condition, "Condition"),
    "medicationRequests": Kind(wire.Medication, "MedicationRequest", "Medication"),
    "medicationStatements": Kind(wire.Medication, "MedicationStatement", "Medication"),
    "allergies": Kind(wire.AllergyIntolerance, "AllergyIntolerance"),
    "kidneyLabs": Kind(wire.Observation, "Observation"),
    "magnesiumLabs": Kind(wire.Observation, "Observation"),
    "pregnancyStatus": Kind(wire.Observation, "Observation"),
    "kidneyProcedures": Kind(wire.Procedure, "Procedure"),
}
"""How each prefetch key is read. The keys are those of the discovery document."""

_OUTCOME_TYPE = b'"OperationOutcome"'
_BEGINS_AS_KNOWN = re.compile(
    rb'\s*(?:null|\{\s*"resourceType"\s*:\s*"(?:Bundle|Patient)")', re.ASCII
)

REFERABLE = frozenset(t for kind in KINDS.values() for t in kind.resource_types) - {"Patient"}
"""Relevant resources under any key: those that rules use, and Medications."""

REQUIRED = ("patient", "conditions", "medicationRequests")
"""If one of these is not known, the response is 412."""


def surely_sent(prefetch: Mapping[str, Raw]) -> bool:
    """Whether the required keys seem to be complete, without reading them.

    False is inconclusive: read them to find out. A server that withheld data says so in an
    OperationOutcome (U-1).
    """
    return all(
        key in prefetch
        and _BEGINS_AS_KNOWN.match(memoryview(prefetch[key]))
        and not may_hold(prefetch[key], _OUTCOME_TYPE)
        for key in REQUIRED
    )
