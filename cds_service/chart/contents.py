"""The contents of the prefetch keys, and resources under the wrong key.

An order may refer to a Medication under any key. A resource that a rule could use but that came
under the key of another type is never treated as absent. It is listed (SPEC 12.1 U-3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Raw

from cds_service.chart.pregnancy import LOINC_STATUS
from cds_service.fhir import wire
from cds_service.fhir.prefetch import KINDS, REFERABLE, Content, Kind, MisplacedResource
from cds_service.fhir.reading import Shape, may_hold
from cds_service.knowledge.terminology import Terminology

MEDICATION = "Medication"
OWNERS: Mapping[str, tuple[str, ...]] = {
    kind: tuple(key for key, asked in KINDS.items() if kind in asked.resource_types)
    for kind in REFERABLE - {MEDICATION}
}
"""By resource type, the keys under which it belongs."""

_OF_VALUE_SETS = frozenset({"Condition", "Observation", "Procedure"})
"""Resources whose code belongs to value sets; drugs are known in another way."""

_FOR_THE_READER = frozenset({"lab_other", "lab_uacr"})
"""Value sets that no rule uses."""

_MEDICATIONS: Kind[wire.Medication] = Kind(wire.Medication, MEDICATION)
_TYPED = b'"Medication"'
_CODED: Shape[wire.Coded] = Shape(wire.Coded)


class Contents(dict[str, Content[Any]]):
    """The contents of the prefetch keys, read on demand.

    It has no reference to the chart, because a reference cycle would keep the memory of a call
    until the garbage collector runs.
    """

    def __init__(self, prefetch: Mapping[str, Raw], known: Mapping[str, Content[Any]]) -> None:
        super().__init__(known)
        self._prefetch = prefetch
        self._others = {key: raw for key, raw in prefetch.items() if key not in KINDS}

    def __missing__(self, key: str) -> Content[Any]:
        content = self[key] = KINDS[key].read(self._prefetch.get(key))
        return content

    def medications(self) -> Iterator[wire.Entry[wire.Medication]]:
        """The Medications that orders and statements may refer to, under any key."""
        for key in ("medicationRequests", "medicationStatements"):
            yield from self[key].entries
        for key in KINDS:
            # A key is not read if its bytes show that it contains none.
            if key in self or may_hold(self._prefetch.get(key, Raw()), _TYPED):
                yield from map(_medication, self[key].others)
        for raw in self._others.values():
            if may_hold(raw, _TYPED):
                yield from _MEDICATIONS.read(raw).entries

    def misplaced(self, key: str) -> Iterator[MisplacedResource]:
        """The resources under a key that belong under another key and are missing there."""
        return (o for o in self[key].others if o.kind != MEDICATION and not self._is_at_home(o))

    def misplaced_unrequested(
        self, terminology: Terminology
    ) -> Iterator[tuple[str, MisplacedResource]]:
        """The same for keys that were not requested, by key, for resources that a rule could use."""
        for key, raw in self._others.items():
            for other in _MEDICATIONS.read(raw).others:
                if not self._is_at_home(other) and not _is_of_no_concern(other, terminology):
                    yield key, other

    def _is_at_home(self, other: MisplacedResource) -> bool:
        return any(
            other.name == wire.name_of(entry, position)
            for owner in OWNERS[other.kind]
            for position, entry in enumerate(self[owner].entries)
        )


def _medication(other: MisplacedResource) -> wire.Entry[wire.Medication]:
    """The entry of a Medication; of other resources one that nothing refers to."""
    if other.kind != MEDICATION:
        return wire.Entry()
    medication, _ = _MEDICATIONS.resource(other.resource)
    return wire.Entry(fullUrl=other.full_url, resource=medication)


def _is_of_no_concern(other: MisplacedResource, terminology: Terminology) -> bool:
    """Whether its code is read, and is one that no rule knows: a vital sign, a common cold."""
    if other.kind not in _OF_VALUE_SETS:
        return False
    coded, unread = _CODED.read(other.resource)
    codings = (coded.code.coding or ()) if coded is not None and coded.code is not None else ()
    read = [c for c in codings if terminology.reads(c.system, c.code)]
    if any(c.code == LOINC_STATUS for c in read):
        return False
    sets = {hit.set_id for c in read for hit in terminology.hits(c.system, c.code)}
    return bool(read) and not unread and sets <= _FOR_THE_READER
