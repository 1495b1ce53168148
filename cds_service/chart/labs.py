"""Laboratory results: which are results, which of them can be used, and why the others cannot.

A result that cannot be used is kept: "take the latest, then judge" needs to know of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from cds_service.chart import dates, quantities
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of, reference_of
from cds_service.chart.quantities import Measured
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import (
    NOTHING,
    CodeableConcept,
    Coding,
    Observation,
    Period,
    Quantity,
    ReferenceRange,
)
from cds_service.knowledge.terminology import Hit, SetCode, Terminology

FINAL = frozenset({"final", "amended", "corrected"})
LOINC = "http://loinc.org"
_MAX_EXPONENT = 12
NOT_A_RESULT = frozenset({"registered", "preliminary", "cancelled", "entered-in-error"})
T = TypeVar("T")


class LabResult:
    """A result of a test that a value set holds. It is read when somebody asks what it says.

    `measured` is `None` where the result cannot be read; then `why` says so in the words of the
    explanation. `high` is the upper reference limit of the laboratory, in the unit it states.
    """

    __slots__ = ("_coding", "_observation", "_source", "entry", "name", "set_id", "when")

    def __init__(
        self,
        hit: tuple[SetCode, str, Coding],
        name: str,
        when: dates.When,
        source: Observation | _Component,
        observation: Observation,
    ) -> None:
        self.entry, self.set_id, self._coding = hit
        self.when = when
        self.name = name
        self._source = source
        self._observation = observation

    def read(self) -> Reading:
        """What the result says, and whether it can be used."""
        measured, why = _measured(self._source)
        if _has_unknown_modifier(self._observation):
            measured, why = None, "carries a modifierExtension that this service does not know"
        if self._observation.status not in FINAL:
            measured, why = None, "has no status, or one that FHIR does not define as a result"
        if not self.entry.use:
            measured, why = None, "was taken in a way that does not show kidney function"
        return Reading(measured, why, self._evidence(measured))

    def high(self) -> Measured | None:
        """The upper reference limit of the laboratory."""
        return _high(self._source.referenceRange)

    def _evidence(self, measured: Measured | None) -> Evidence:
        unit = (measured.unit or measured.unit_written or None) if measured else None
        assumed = measured is not None and measured.unit == ""
        return Evidence(
            resource=self.name,
            system=self._coding.system,
            code=self._coding.code,
            display=label_of(self._observation.code, self._coding) or self.entry.display,
            date=self.when.written or None,
            value=f"{measured.comparator}{measured.value}" if measured else None,
            unit=unit,
            matched="value",
            note="no unit was given: that of the LOINC code" if assumed else None,
        )


class Reading(NamedTuple):
    """What a result says: `measured` is `None` where it cannot be read, and `why` tells."""

    measured: Measured | None
    why: str
    evidence: Evidence


class Labs(msgspec.Struct):
    """The results of one prefetch key.

    `complete` is false where the server has more and what it sent is not newest first, so that
    the newest result may be missing.
    """

    results: list[LabResult] = []
    set_aside: list[tuple[str, str, str]] = []
    foreign: int = 0
    complete: bool = True


class _Component(msgspec.Struct, gc=False):
    code: CodeableConcept | None = None
    valueQuantity: Raw = NOTHING
    valueString: Raw = NOTHING
    dataAbsentReason: Raw = NOTHING
    referenceRange: Raw = NOTHING


class _Extension(msgspec.Struct, gc=False):
    url: str | None = None


_COMPONENTS = msgspec.json.Decoder(list[_Component])
_QUANTITY = msgspec.json.Decoder(Quantity)
_STRING = msgspec.json.Decoder(str)
_PERIOD = msgspec.json.Decoder(Period)
_RANGES = msgspec.json.Decoder(list[ReferenceRange])
_EXTENSIONS = msgspec.json.Decoder(list[_Extension])
_OTHER_VALUES = ("valueCodeableConcept", "valueInteger", "valueBoolean", "valueRange", "valueRatio")


def read_labs(
    content: Content[Observation],
    terminology: Terminology,
    set_ids: frozenset[str],
    subject: Subject,
    *,
    reader: Reader,
) -> Labs:
    """Every result of this patient whose code, or that of a component, stands in the value sets."""
    labs = Labs()
    members = terminology.codes_of(set_ids, LOINC)
    for position, entry in enumerate(content.entries):
        observation = entry.resource
        if observation is None or observation.code is None:
            continue
        codings = observation.code.coding
        parts = []
        if observation.component is not NOTHING:
            parts = _components(observation, members, terminology)
        elif codings is None or (len(codings) == 1 and codings[0].code not in members):
            continue  # most results are others, so this comes first, and in place
        own = _hit(observation.code, members, terminology)
        if own is None and not parts:
            continue
        name = reference_of(entry, position)
        if not subject.is_meant(observation.subject):
            labs.foreign += 1
            continue
        reason = _not_a_result(observation)
        if reason:
            labs.set_aside.append((name, label_of(observation.code), reason))
            continue
        when = observed(observation)
        if own is not None and not (parts and _valueless(observation)):
            labs.results.append(LabResult(own, name, when, observation, observation))
        labs.results += [
            LabResult(hit, name, when, component, observation)
            for component, hit in parts
            if not _is_absent(component)
        ]
    if content.partial:
        labs.complete = _newest_first(labs.results)
    return labs


def _hit(
    code: CodeableConcept, members: Mapping[str, tuple[Hit, ...]], terminology: Terminology
) -> tuple[SetCode, str, Coding] | None:
    for coding in code.coding or ():
        hits = members.get(coding.code or "")
        if hits is not None and terminology.canonical(coding.system) == LOINC:
            return hits[0].entry, hits[0].set_id, coding
    return None


def _components(
    observation: Observation, members: Mapping[str, tuple[Hit, ...]], terminology: Terminology
) -> list[tuple[_Component, tuple[SetCode, str, Coding]]]:
    components = _decode(_COMPONENTS, observation.component) or []
    found = ((c, _hit(c.code, members, terminology)) for c in components if c.code is not None)
    return [(component, hit) for component, hit in found if hit is not None]


def _not_a_result(observation: Observation) -> str:
    if observation.status in NOT_A_RESULT:
        return f"status is {observation.status}"
    if observation.modifierExtension is not NOTHING:
        urls = [e.url or "" for e in _decode(_EXTENSIONS, observation.modifierExtension) or ()]
        if any(url.lower().endswith("notdone") for url in urls):
            return "was not done"
    if observation.dataAbsentReason is not NOTHING and _valueless(observation):
        return "has no value (dataAbsentReason)"
    return ""


def _valueless(observation: Observation) -> bool:
    present = (observation.valueQuantity, observation.valueString)
    return not any(memoryview(v) for v in present) and not any(
        memoryview(getattr(observation, name)) for name in _OTHER_VALUES
    )


def _is_absent(component: _Component) -> bool:
    """A component that says why it has no value is no result."""
    present = memoryview(component.valueQuantity) or memoryview(component.valueString)
    return bool(memoryview(component.dataAbsentReason)) and not present


def _has_unknown_modifier(observation: Observation) -> bool:
    if observation.modifierExtension is NOTHING:
        return False
    return _decode(_EXTENSIONS, observation.modifierExtension) != []


def _measured(source: Observation | _Component) -> tuple[Measured | None, str]:
    if memoryview(source.valueQuantity):
        quantity = _decode(_QUANTITY, source.valueQuantity)
        if quantity is None or quantity.value is None or not _is_sane(quantity.value):
            return None, "has no number that can be read"
        return _quantity(quantity), ""
    if memoryview(source.valueString):
        text = _decode(_STRING, source.valueString)
        measured = quantities.from_text(text) if text is not None else None
        return measured, "" if measured else "is a text that is not just a number"
    return None, "has no number"


def _is_sane(value: Decimal) -> bool:
    """Whether one can calculate with it: neither NaN nor beyond any laboratory's exponents."""
    return value.is_finite() and abs(value.adjusted()) <= _MAX_EXPONENT


def _quantity(quantity: Quantity) -> Measured:
    value = quantity.value if quantity.value is not None else Decimal(0)
    unit = quantities.canonical_unit(quantity.code, quantity.system, quantity.unit)
    written = quantity.unit or quantity.code or ""
    return Measured(value, (quantity.comparator or "").strip(), unit, written)


def _high(raw: Raw) -> Measured | None:
    """The lowest upper limit among the normal reference ranges."""
    highs = []
    for reference in _decode(_RANGES, raw) or ():
        kinds = [c.code for c in (reference.type.coding or ())] if reference.type else []
        high = reference.high
        if high is None or high.value is None or not _is_sane(high.value):
            continue
        if not kinds or "normal" in kinds:
            highs.append(_quantity(high))
    return min(highs, key=lambda m: m.value) if highs else None


def observed(observation: Observation) -> dates.When:
    """effectiveDateTime, instant, end (or start) of the period, issued (SPEC 3.1); else undated."""
    for raw in (observation.effectiveDateTime, observation.effectiveInstant):
        if raw is not NOTHING and (found := dates.parse(_decode(_STRING, raw))) is not None:
            return found
    period = _decode(_PERIOD, observation.effectivePeriod)
    if period is not None:
        found = dates.parse(period.end) or dates.parse(period.start)
        if found is not None:
            return found
    return dates.parse(_decode(_STRING, observation.issued)) or dates.undated()


def _decode(decoder: msgspec.json.Decoder[T], raw: Raw) -> T | None:
    if raw is NOTHING:
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _newest_first(results: list[LabResult]) -> bool:
    moments = [r.when.latest for r in results]
    return bool(moments) and moments == sorted(moments, reverse=True)


def newest_first(results: list[LabResult]) -> list[LabResult]:
    """The results by the latest moment each can have been taken, the newest first.

    Those of one moment stand by name, however the EHR ordered its entries.
    """
    return sorted(results, key=lambda r: (r.when.latest, r.name), reverse=True)
