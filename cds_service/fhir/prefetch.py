"""What a prefetch value means (see CONTRACT: data, no data, or not known).

Absent key, `null`, empty Bundle, searchset, single resource, OperationOutcome and garbage are
different things. `null` and an empty Bundle say "there is no data"; an absent key, an
OperationOutcome and garbage say "not known", and nothing downstream may turn that into "no data".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from cds_service.fhir import wire

R = TypeVar("R")


class State(StrEnum):
    """What is known of one prefetch key."""

    DATA = "data"
    EMPTY = "empty"
    MISSING = "missing"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


class Content(msgspec.Struct, Generic[R]):
    """One prefetch key, read.

    `entries` are the readable resources of the types asked for. `unreadable` names the entries
    that are malformed, by position. `partial` is true where the server said there is more, `failed`
    where an OperationOutcome among the entries says that the search failed in part. `beside` is why
    there is no more of it, as the end of a sentence.
    """

    state: State
    entries: list[wire.Entry[R]] = []
    partial: bool = False
    failed: bool = False
    unreadable: tuple[str, ...] = ()
    why: str = ""
    beside: str = ""

    @property
    def known(self) -> bool:
        """Whether the question was answered at all (data, or "there is no data")."""
        return self.state in (State.DATA, State.EMPTY)


class Kind(Generic[R]):
    """How the value of one prefetch key is decoded: its struct and the resource types it holds."""

    def __init__(self, struct: type[R], *resource_types: str) -> None:
        self.resource_types = frozenset(resource_types)
        self.label = " or ".join(resource_types)
        self._resource = msgspec.json.Decoder(struct)
        self._bundle = msgspec.json.Decoder(wire.Bundle[struct])  # type: ignore[valid-type]

    def read(self, raw: Raw | None) -> Content[R]:
        """The content of a prefetch value; `None` is an absent key. Never raises."""
        if raw is None:
            return Content(State.MISSING, why="was not sent")
        if bytes(memoryview(raw)[:4]) == b"null":
            return Content(State.EMPTY)
        try:
            return self._strict(raw)
        except msgspec.ValidationError:
            return self._loose(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return Content(State.UNREADABLE, why="is not readable JSON")

    def _strict(self, raw: Raw) -> Content[R]:
        bundle = self._bundle.decode(raw)
        if bundle.resourceType != "Bundle":
            return self._single(raw, bundle.resourceType)
        found: list[wire.Entry[Any]] = bundle.entry or []
        kinds = {r.resourceType for e in found if (r := e.resource) is not None}
        if None in kinds or "OperationOutcome" in kinds:
            return self._loose(raw)
        if len(kinds) == 1 and kinds <= self.resource_types:
            # One kind only: nothing to sort out, and nothing included that is not a match.
            partial = _has_next(bundle.link) or (bundle.total or 0) > len(found)
            return _content(found, (), partial)
        entries = [e for e in found if _type_of(e) in self.resource_types]
        return _content(entries, (), _more(bundle.total, bundle.link, found))

    def _single(self, raw: Raw, resource_type: Any) -> Content[R]:
        if resource_type == "OperationOutcome":
            return Content(State.REFUSED, why="was answered with an OperationOutcome")
        if not isinstance(resource_type, str) or resource_type not in self.resource_types:
            return Content(State.UNREADABLE, why=f"is neither a Bundle nor a {self.label}")
        try:
            entry: wire.Entry[R] = wire.Entry(resource=self._resource.decode(raw))
        except msgspec.ValidationError:
            return Content(State.UNREADABLE, why=f"holds a malformed {self.label}")
        return Content(State.DATA, entries=[entry])

    def _loose(self, raw: Raw) -> Content[R]:
        """Entry by entry: one malformed entry never loses the good ones."""
        try:
            bundle = _LOOSE_BUNDLE.decode(raw)
            if bundle.resourceType != "Bundle":
                return self._single(raw, bundle.resourceType)
            raw_entries = _RAW_LIST.decode(bundle.entry) if memoryview(bundle.entry) else None
        except (msgspec.DecodeError, RecursionError):
            return Content(State.UNREADABLE, why=f"is neither a Bundle nor a {self.label}")
        entries: list[wire.Entry[R]] = []
        unreadable: list[str] = []
        refused = False
        for position, raw_entry in enumerate(raw_entries or ()):
            try:
                entry = _LOOSE_ENTRY.decode(raw_entry)
                resource_type = _type_in(entry.resource)
                if resource_type == "OperationOutcome":
                    refused = refused or _is_failure(entry.resource)
                elif not isinstance(resource_type, str):
                    unreadable.append(f"entry {position}")
                elif resource_type in self.resource_types:
                    entries.append(_entry(entry, self._resource.decode(entry.resource)))
            except (msgspec.DecodeError, RecursionError):
                unreadable.append(f"entry {position}")
        if refused and not entries:
            return Content(State.REFUSED, why="was answered with an OperationOutcome")
        if unreadable and not entries:
            return Content(State.UNREADABLE, why="holds only malformed entries")
        links = bundle.link if isinstance(bundle.link, list) else []
        more = _more(
            bundle.total if isinstance(bundle.total, int) else None,
            [wire.Link(relation=x.get("relation")) for x in links if isinstance(x, dict)],
            entries,
        )
        return _content(entries, tuple(unreadable), more, failed=refused)


class _Typed(msgspec.Struct):
    resourceType: Any = None


_LOOSE_BUNDLE = msgspec.json.Decoder(wire.LooseBundle)
_LOOSE_ENTRY = msgspec.json.Decoder(wire.LooseEntry)
_RAW_LIST = msgspec.json.Decoder(list[Raw] | None)
_TYPED = msgspec.json.Decoder(_Typed)
_OUTCOME = msgspec.json.Decoder(wire.Outcome)


def _type_of(entry: wire.Entry[Any]) -> Any:
    return None if entry.resource is None else entry.resource.resourceType


def _type_in(resource: Raw) -> Any:
    return _TYPED.decode(resource).resourceType


def _entry(loose: wire.LooseEntry, resource: R) -> wire.Entry[R]:
    return wire.Entry(fullUrl=loose.fullUrl, resource=resource, search=loose.search)


def _is_failure(outcome: Raw) -> bool:
    """Whether an OperationOutcome entry reports a failure: Epic sends a warning for "no results"."""
    issues = _OUTCOME.decode(outcome).issue or []
    return any(issue.get("severity") not in ("information", "warning") for issue in issues)


def _has_next(links: list[wire.Link] | None) -> bool:
    return any(link.relation == "next" for link in links or ())


def _more(
    total: int | None, links: list[wire.Link] | None, entries: Iterable[wire.Entry[Any]]
) -> bool:
    """Whether the server says that it has more matches than these."""
    if _has_next(links):
        return True
    if total is None:
        return False
    matches = sum(1 for e in entries if e.mode in (None, "match"))
    return total > matches


def _content(
    entries: list[wire.Entry[R]],
    unreadable: tuple[str, ...],
    partial: bool,
    failed: bool = False,
) -> Content[R]:
    state = State.DATA if entries or unreadable or partial else State.EMPTY
    return Content(state, entries=entries, partial=partial, failed=failed, unreadable=unreadable)


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

_BEGINS_AS_KNOWN = re.compile(
    rb'\s*(?:null|\{\s*"resourceType"\s*:\s*"(?:Bundle|Patient)")', re.ASCII
)

REQUIRED = ("patient", "conditions", "medicationRequests")
"""Without these the service cannot answer at all: 412."""


def surely_sent(prefetch: Mapping[str, Raw]) -> bool:
    """Whether the required keys were sent, by how they begin: for calls that need not look inside.

    False does not mean that they were not: then they have to be read.
    """
    return all(
        key in prefetch and _BEGINS_AS_KNOWN.match(memoryview(prefetch[key])) for key in REQUIRED
    )
