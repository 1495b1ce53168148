"""Laboratory results: which are results, which of them can be used, and why the others cannot.

A result that cannot be used is kept: "take the latest, then judge" needs to know of it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import Raw

from cds_service.chart import dates, quantities
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of, reference_of
from cds_service.chart.quantities import Measured
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import (
    CodeableConcept,
    Coding,
    Entry,
    Observation,
    Period,
    Quantity,
    ReferenceRange,
)
from cds_service.knowledge.terminology import SetCode, Terminology

FINAL = frozenset({"final", "amended", "corrected"})
NOT_A_RESULT = frozenset({"registered", "preliminary", "cancelled", "entered-in-error"})
T = TypeVar("T")


class LabResult(msgspec.Struct, frozen=True):
    """A result of a test that a value set holds.

    `measured` is `None` where the result cannot be read; then `why` says so in the words of the
    explanation. `high` is the upper reference limit of the laboratory, in the unit it states.
    """

    set_id: str
    entry: SetCode
    when: dates.When
    measured: Measured | None
    why: str
    evidence: Evidence
    high: Measured | None = None


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
    valueQuantity: Raw = Raw()
    valueString: Raw = Raw()
    dataAbsentReason: Raw = Raw()
    referenceRange: Raw = Raw()


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
) -> Labs:
    """Every result of this patient whose code, or that of a component, stands in the value sets."""
    labs = Labs()
    for position, entry in enumerate(content.entries):
        observation = entry.resource
        if observation is None:
            continue
        own = _hit(observation.code, terminology, set_ids)
        parts = _components(observation, terminology, set_ids)
        if own is None and not parts:
            continue
        name = reference_of(entry, position)
        if not subject.is_meant(observation.subject):
            labs.foreign += 1
            continue
        label = label_of(observation.code)
        reason = _not_a_result(observation)
        if reason:
            labs.set_aside.append((name, label, reason))
            continue
        when = observed(observation)
        if own is not None and not (parts and _valueless(observation)):
            _add(labs, name, when, observation, own, observation)
        for component, hit in parts:
            _add(labs, name, when, component, hit, observation)
    if content.partial:
        labs.complete = _newest_first(labs.results)
    return labs


def _hit(
    code: CodeableConcept | None, terminology: Terminology, set_ids: frozenset[str]
) -> tuple[SetCode, str, Coding] | None:
    if code is None or code.coding is None:
        return None
    for coding in code.coding:
        for hit in terminology.hits(coding.system, coding.code):
            if hit.set_id in set_ids:
                return hit.entry, hit.set_id, coding
    return None


def _components(
    observation: Observation, terminology: Terminology, set_ids: frozenset[str]
) -> list[tuple[_Component, tuple[SetCode, str, Coding]]]:
    if not memoryview(observation.component):
        return []
    components = _decode(_COMPONENTS, observation.component) or []
    found = ((c, _hit(c.code, terminology, set_ids)) for c in components)
    return [(component, hit) for component, hit in found if hit is not None]


def _not_a_result(observation: Observation) -> str:
    if observation.status in NOT_A_RESULT:
        return f"status is {observation.status}"
    urls = [e.url or "" for e in _decode(_EXTENSIONS, observation.modifierExtension) or ()]
    if any(url.lower().endswith("notdone") for url in urls):
        return "was not done"
    if _valueless(observation) and memoryview(observation.dataAbsentReason):
        return "has no value (dataAbsentReason)"
    return ""


def _valueless(observation: Observation) -> bool:
    present = (observation.valueQuantity, observation.valueString)
    return not any(memoryview(v) for v in present) and not any(
        memoryview(getattr(observation, name)) for name in _OTHER_VALUES
    )


def _add(
    labs: Labs,
    name: str,
    when: dates.When,
    source: Observation | _Component,
    hit: tuple[SetCode, str, Coding],
    observation: Observation,
) -> None:
    entry, set_id, coding = hit
    measured, why = _measured(source)
    if isinstance(source, _Component) and measured is None and memoryview(source.dataAbsentReason):
        return
    if (
        memoryview(observation.modifierExtension)
        and _decode(_EXTENSIONS, observation.modifierExtension) != []
    ):
        measured, why = None, "carries a modifierExtension that this service does not know"
    if observation.status not in FINAL:
        measured, why = None, "has no status, or one that FHIR does not define as a result"
    if not entry.use:
        measured, why = None, "was taken in a way that does not show kidney function"
    evidence = Evidence(
        resource=name,
        system=coding.system,
        code=coding.code,
        display=label_of(observation.code, coding) or entry.display,
        date=when.written or None,
        value=_text(measured) if measured else None,
        unit=(measured.unit or measured.unit_written or None) if measured else None,
        matched="value",
        note="no unit was given: that of the LOINC code"
        if measured and measured.unit == ""
        else None,
    )
    labs.results.append(
        LabResult(set_id, entry, when, measured, why, evidence, _high(source.referenceRange))
    )


def _text(measured: Measured) -> str:
    return f"{measured.comparator}{measured.value}"


def _measured(source: Observation | _Component) -> tuple[Measured | None, str]:
    if memoryview(source.valueQuantity):
        quantity = _decode(_QUANTITY, source.valueQuantity)
        if quantity is None or quantity.value is None or not quantity.value.is_finite():
            return None, "has no number that can be read"
        return _quantity(quantity), ""
    if memoryview(source.valueString):
        text = _decode(_STRING, source.valueString)
        measured = quantities.from_text(text) if text is not None else None
        return measured, "" if measured else "is a text that is not just a number"
    return None, "has no number"


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
        if high is None or high.value is None or not high.value.is_finite():
            continue
        if not kinds or "normal" in kinds:
            highs.append(_quantity(high))
    return min(highs, key=lambda m: m.value) if highs else None


def observed(observation: Observation) -> dates.When:
    """effectiveDateTime, instant, end (or start) of the period, issued (SPEC 3.1); else undated."""
    for raw in (observation.effectiveDateTime, observation.effectiveInstant):
        found = dates.parse(_decode(_STRING, raw))
        if found is not None:
            return found
    period = _decode(_PERIOD, observation.effectivePeriod)
    if period is not None:
        found = dates.parse(period.end) or dates.parse(period.start)
        if found is not None:
            return found
    return dates.parse(_decode(_STRING, observation.issued)) or dates.undated()


def _decode(decoder: msgspec.json.Decoder[T], raw: Raw) -> T | None:
    if not memoryview(raw):
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _newest_first(results: list[LabResult]) -> bool:
    moments = [r.when.latest for r in results]
    return bool(moments) and moments == sorted(moments, reverse=True)


def newest(results: list[LabResult]) -> list[LabResult]:
    """The results of which each may be the newest: more than one where dates are not exact."""
    if not results:
        return []
    bar = max(r.when.earliest for r in results)
    return [r for r in results if r.when.latest >= bar]


__all__ = ["Entry", "LabResult", "Labs", "newest", "observed", "read_labs"]
