"""The chart of one patient through time: what a FHIR server would have sent for each prefetch key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from cds_service.chart import dates
from cds_service.chart.dates import When
from cds_service.chart.subject import bare_id
from cds_service.knowledge.as_it_stood import ResourceRow
from cds_service.knowledge.terminology import Terminology
from cds_service.rehearsal.history import Item, is_known, item_of
from cds_service.rehearsal.lines import key_of

NOT_ACTIVE: Final = frozenset(
    {"on-hold", "cancelled", "completed", "stopped", "draft", "entered-in-error"}
)
"""Statuses that the template `status=active` leaves out. A missing or unknown status may be active."""
Token = tuple[str, str]
"""A code system and a code of it."""
_COUNT = re.compile(r"_count=(\d+)")
_ACTIVE = "&status=active"


class Asked(NamedTuple):
    """What the template of one prefetch key asks for.

    `newest` is how many it wants, newest first. `active` is true if it asks for active orders only.
    """

    key: str
    kind: str
    codes: frozenset[Token] | None
    newest: int | None
    active: bool


def asked_by(templates: Mapping[str, str], codes: Mapping[str, Iterable[Token]]) -> list[Asked]:
    """The templates of a service, as far as a rehearsal has to answer them."""
    found = []
    for key, template in templates.items():
        kind = template.partition("?")[0].partition("/")[0]
        count = _COUNT.search(template)
        wanted = frozenset(codes[key]) if key in codes else None
        active = _ACTIVE in template
        found.append(Asked(key, kind, wanted, int(count[1]) if count else None, active))
    return found


class _Head(msgspec.Struct):
    """What decides whether a template finds a resource. Whether it is well formed is seen later."""

    status: Any = None
    code: Any = None
    medicationReference: Any = None
    effectiveDateTime: Any = None
    effectivePeriod: Any = None
    effectiveInstant: Any = None
    issued: Any = None


_HEAD = msgspec.json.Decoder(_Head)


class _Held(NamedTuple):
    """A resource with both its forms as entries of a Bundle."""

    item: Item
    before: bytes
    after: bytes
    effective: When | None
    medication: str

    def at(self, moment: When) -> bytes | None:
        item = self.item
        if item.since is not None and not is_known(item.since, moment):
            return None
        if item.changed is None or is_known(item.changed, moment):
            return self.after
        return self.before


class Chart:
    """The resources of one patient. Nothing of it changes while the moments go by."""

    def __init__(
        self,
        lines: Iterable[tuple[str, bytes]],
        rows: Mapping[str, ResourceRow],
        asked: Iterable[Asked],
        terminology: Terminology,
    ) -> None:
        """`lines` are (type, JSON), each resource once. Lines that are not JSON are left out."""
        self.counts: Counter[str] = Counter()
        self._terminology = terminology
        self._asked = list(asked)
        self._held: dict[str, list[_Held]] = {a.key: [] for a in self._asked}
        self._medications: dict[str, bytes] = {}
        for kind, line in sorted(lines):
            row = rows.get(kind)
            if row is None:
                continue
            try:
                head = _HEAD.decode(line)
                asked = [a for a in self._asked if a.kind == kind and self._finds(a, head)]
                if not asked and kind != "Medication":
                    continue
                item = item_of(line, row, self.counts)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                continue
            if item is None:
                continue
            if kind == "Medication":
                self._medications[item.id] = _entry(item.after, b"include")
            else:
                self._hold(item, head, asked)
        for found in self._asked:
            if found.newest is not None:
                self._held[found.key].sort(key=_newest_first)

    def _hold(self, item: Item, head: _Head, asked: list[Asked]) -> None:
        held = _Held(
            item,
            b"" if item.before is item.after else _entry(item.before),
            _entry(item.after),
            _effective(head) if item.kind == "Observation" else None,
            _medication(head),
        )
        for found in asked:
            self._held[found.key].append(held)

    def _finds(self, asked: Asked, head: _Head) -> bool:
        """Whether a template finds a resource at any time, by its code."""
        if asked.codes is None:
            return True
        codings = head.code.get("coding") if isinstance(head.code, dict) else None
        for coding in codings if isinstance(codings, list) else ():
            if isinstance(coding, dict):
                system, code = coding.get("system"), coding.get("code")
                if isinstance(system, str) and isinstance(code, str):
                    token = (self._terminology.canonical(system) or system, code)
                    if token in asked.codes:
                        return True
        return False

    def prefetch(self, moment: When, order: str) -> dict[str, Raw]:
        """Every prefetch value at a moment. `order` is the id of the draft: it is not active yet."""
        return {a.key: Raw(self._value(a, moment, order)) for a in self._asked}

    def _value(self, asked: Asked, moment: When, order: str) -> bytes:
        entries: list[bytes] = []
        medications: dict[str, None] = {}
        more = False
        for held in self._held[asked.key]:
            entry = held.at(moment)
            if entry is None or (asked.kind == "MedicationRequest" and held.item.id == order):
                continue
            if asked.active and _status_of(entry) in NOT_ACTIVE:
                continue
            if asked.newest is not None and len(entries) == asked.newest:
                more = True
                break
            entries.append(entry)
            if held.medication:
                medications[held.medication] = None
        if asked.kind == "Patient":
            return _resource(entries[0]) if entries else b"null"
        included = [self._medications[m] for m in medications if m in self._medications]
        return _searchset([*entries, *included], more)

    def medication(self, reference: str) -> bytes | None:
        """The Medication that an order refers to, as an entry of a Bundle."""
        return self._medications.get(bare_id(reference))


_BEFORE = b'{"resource":'
_BEHIND = b',"search":{"mode":"match"}}'


class _Status(msgspec.Struct):
    status: Any = None


class _StatusEntry(msgspec.Struct):
    resource: _Status


_STATUS_ENTRY = msgspec.json.Decoder(_StatusEntry)


def _status_of(entry: bytes) -> str:
    status = _STATUS_ENTRY.decode(entry).resource.status
    return status if isinstance(status, str) else ""


def _entry(resource: bytes, mode: bytes = b"match") -> bytes:
    return b'{"resource":%b,"search":{"mode":"%b"}}' % (resource, mode)


def _resource(entry: bytes) -> bytes:
    return entry[len(_BEFORE) : -len(_BEHIND)]


def _searchset(entries: list[bytes], more: bool) -> bytes:
    """A searchset; with `more` it says that there is another page."""
    link = b',"link":[{"relation":"next","url":"urn:next"}]' if more else b""
    inside = b',"entry":[' + b",".join(entries) + b"]" if entries else b""
    return b'{"resourceType":"Bundle","type":"searchset"' + link + inside + b"}"


def _medication(head: _Head) -> str:
    reference = head.medicationReference
    target = reference.get("reference") if isinstance(reference, dict) else None
    return bare_id(target) if isinstance(target, str) and not target.startswith("#") else ""


def _effective(head: _Head) -> When | None:
    period = head.effectivePeriod if isinstance(head.effectivePeriod, dict) else {}
    texts = (
        *(head.effectiveDateTime, head.effectiveInstant),
        *(period.get("end"), period.get("start"), head.issued),
    )
    return next((w for t in texts if isinstance(t, str) and (w := dates.parse(t))), None)


def _newest_first(held: _Held) -> tuple[float, bytes]:
    when = held.effective
    return (-when.latest.timestamp() if when is not None else 1e18, key_of(held.item.id))


def unique(lines: Iterable[tuple[str, str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Each resource once, as (type, JSON), of lines given as (type, id, JSON).

    Of several versions of one id the last updated one counts. Nothing depends on the order of lines.
    """
    newest: dict[tuple[str, str], tuple[str, bytes]] = {}
    for kind, own, line in lines:
        key = (kind, own or line.decode(errors="replace"))
        version = (_updated(line), line)
        if key not in newest or version > newest[key]:
            newest[key] = version
    for (kind, _), (_, line) in newest.items():
        yield kind, line


class _Meta(msgspec.Struct):
    lastUpdated: Any = None


class _Updated(msgspec.Struct):
    meta: _Meta | None = None


_UPDATED = msgspec.json.Decoder(_Updated)


def _updated(line: bytes) -> str:
    """When a resource was last updated, in a form that sorts."""
    try:
        meta = _UPDATED.decode(line).meta
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    when = dates.parse(meta.lastUpdated) if meta and isinstance(meta.lastUpdated, str) else None
    return when.latest.isoformat() if when is not None else ""
