"""Laboratory results: which of them can be used, and why the others cannot.

Unusable results are kept too, because the latest result must be taken first and then judged. So are
results with an unreadable code if their words name a test that a rule uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec import Raw

from cds_service import reasons
from cds_service.chart import dates, quantities
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of, reference_of
from cds_service.chart.quantities import Measured
from cds_service.chart.reading import Reader, is_there
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.reading import Shape
from cds_service.fhir.wire import (
    NOTHING,
    CodeableConcept,
    Coding,
    Observation,
    Period,
    Quantity,
    ReferenceRange,
    Text,
)
from cds_service.knowledge.terminology import SetCode, Terminology
from cds_service.knowledge.words import fold
from cds_service.reasons import Reason, Said

FINAL = frozenset({"final", "amended", "corrected"})
LOINC = "http://loinc.org"
ASKED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "kidneyLabs": frozenset({"lab_egfr", "lab_creatinine"}),
        "magnesiumLabs": frozenset({"lab_magnesium"}),
        "pregnancyStatus": frozenset(),
    }
)
"""The prefetch keys of Observations, with the value sets of the requested tests."""
_TESTS = frozenset().union(*ASKED.values())
NOT_A_RESULT = frozenset({"registered", "preliminary", "cancelled", "entered-in-error"})
_MAX_EXPONENT = 12


class LabResult:
    """A result of a test in a value set. Its value is decoded when `read` is called.

    `high` is the laboratory's upper reference limit, in the unit that it states.
    """

    __slots__ = (
        "_coding",
        "_observation",
        "_path",
        "_reader",
        "_reading",
        "_source",
        "entry",
        "name",
        "set_id",
        "when",
    )

    def __init__(
        self, hit: _Known, when: dates.When, part: _Part, report: _Report, reader: Reader
    ) -> None:
        self.entry, self.set_id, self._coding = hit
        self.when = when
        self.name = report.name
        self._source = part.source
        self._path = part.path
        self._observation = report.observation
        self._reader = reader
        self._reading: Reading | None = None

    def read(self) -> Reading:
        """The content of the result, and whether it can be used. It is decoded once."""
        if self._reading is None:
            self._reading = self._read()
        return self._reading

    def _read(self) -> Reading:
        measured, why = self._measured()
        if _has_unknown_modifier(self._observation, self._reader, self.name):
            measured, why = None, reasons.UNKNOWN_MODIFIER
        status = self._observation.status
        if status not in FINAL:
            measured, why = None, reasons.NO_RESULT_STATUS
            if status != "unknown":  # which FHIR defines
                self._reader.record_unreadable(self.name, "status", reasons.NO_RESULT_CODE)
        if not self.entry.use:
            measured, why = None, reasons.NOT_OF_KIDNEY_FUNCTION
        return Reading(measured, why, self._evidence(measured))

    def high(self) -> Measured | None:
        """The lowest upper limit among the normal reference ranges."""
        raw = self._source.referenceRange
        ranges = self._reader.read(_RANGES, raw, self.name, f"{self._path}referenceRange")
        highs = [_quantity(r.high) for r in ranges or () if _is_normal(r) and r.high is not None]
        usable = [high for high in highs if high is not None]
        return min(usable, key=lambda m: m.value) if usable else None

    def _measured(self) -> tuple[Measured | None, Reason | None]:
        source, path = self._source, self._path
        if is_there(source.valueQuantity):
            quantity = self._reader.read_whole(
                _QUANTITY, source.valueQuantity, self.name, f"{path}valueQuantity"
            )
            measured = _quantity(quantity) if quantity is not None else None
            return measured, None if measured else reasons.NO_READABLE_NUMBER
        if is_there(source.valueString):
            text = self._reader.read(_STRING, source.valueString, self.name, f"{path}valueString")
            measured = quantities.from_text(text) if text is not None else None
            return measured, None if measured else reasons.TEXT_NOT_A_NUMBER
        return None, reasons.NO_NUMBER

    def _evidence(self, measured: Measured | None) -> Evidence:
        unit = (measured.unit or measured.unit_written or None) if measured else None
        assumed = measured is not None and measured.unit == ""
        return Evidence(
            resource=self.name,
            system=self._coding.system,
            code=self._coding.code,
            display=label_of(self._source.code, self._coding) or self.entry.display,
            date=self.when.written or None,
            value=f"{measured.comparator}{measured.value}" if measured else None,
            unit=unit,
            matched="value",
            note=reasons.NO_UNIT if assumed else None,
        )


class Reading(NamedTuple):
    """The content of a result. `measured` is `None` if it cannot be used, and `why` is the reason."""

    measured: Measured | None
    why: Reason | None
    evidence: Evidence


class UnreadResult(msgspec.Struct, frozen=True):
    """A result without a code of a supported system. `set_ids` are the tests that it may be."""

    set_ids: frozenset[str]
    when: dates.When
    evidence: Evidence


class Labs(msgspec.Struct):
    """The results of one prefetch key, or of some tests under any key.

    `unread` are results that may be of a wanted test but have no readable code. `complete` is false
    if the server has more data and what it sent is not sorted newest first, so that the newest
    result may be missing.
    """

    results: list[LabResult] = []
    unread: list[UnreadResult] = []
    set_aside: list[tuple[str, str, Reason]] = []
    foreign: int = 0
    complete: bool = True


def results_of(set_ids: frozenset[str], own: Labs, others: Iterable[Labs]) -> Labs:
    """The results of these tests: of their own key, and of other keys.

    A result under another key is a result (SPEC 12.1). It must not be treated as absent.
    """
    every = (own, *others)
    return Labs(
        [r for labs in every for r in labs.results if r.set_id in set_ids],
        [u for labs in every for u in labs.unread if u.set_ids & set_ids],
        own.set_aside,
        own.foreign,
        own.complete,
    )


class _Component(msgspec.Struct, gc=False):
    code: CodeableConcept | None = None
    valueQuantity: Raw = NOTHING
    valueString: Raw = NOTHING
    dataAbsentReason: Raw = NOTHING
    referenceRange: Raw = NOTHING


class _Extension(msgspec.Struct, gc=False):
    url: Text | None = None


_Known = tuple[SetCode, str, Coding]
"""A code of a wanted test, its value set, and the matching coding."""


class _Test(NamedTuple):
    """The meaning of the code of a result.

    `known` is the wanted test. `is_another` is true if a LOINC code shows that it is another test.
    Otherwise the code cannot be read: `unread` is the reason, and `named` are the tests that it may
    be.
    """

    known: _Known | None = None
    is_another: bool = False
    named: frozenset[str] = frozenset()
    unread: Reason = reasons.NO_CODE


class _Part(NamedTuple):
    """An object with a code and a value: an Observation or one of its components."""

    source: Observation | _Component
    path: str
    test: _Test


class _Report(NamedTuple):
    """An Observation and its name in evidence."""

    observation: Observation
    name: str


_COMPONENTS = Shape[list[_Component] | None](list[_Component] | None)
_QUANTITY = Shape[Quantity | None](Quantity | None)
_STRING = Shape[str | None](Text | None)
_PERIOD = Shape[Period | None](Period | None)
_RANGES = Shape[list[ReferenceRange] | None](list[ReferenceRange] | None)
_CONCEPT = Shape[CodeableConcept | None](CodeableConcept | None)
_EXTENSIONS = Shape[list[_Extension]](list[_Extension])
_OTHER_VALUES = ("valueCodeableConcept", "valueInteger", "valueBoolean", "valueRange", "valueRatio")


class _Wanted:
    """The requested tests: by their LOINC codes, and by words if there is no readable code."""

    def __init__(
        self,
        terminology: Terminology,
        words: Mapping[str, tuple[str, ...]],
        asked: frozenset[str],
    ) -> None:
        self._asked = asked
        self._members = terminology.codes_of(_TESTS, LOINC)
        self._terminology = terminology
        self._words = [(word, set_id) for set_id in _TESTS for word in words[set_id]]
        self._tests: dict[tuple[str | None, ...], _Test] = {}

    def is_surely_another(self, observation: Observation) -> bool:
        """Whether its only coding is a LOINC code of another test, as for most results."""
        if observation.component is not NOTHING or observation.code is None:
            return False
        codings = observation.code.coding
        if codings is None or len(codings) != 1:
            return False
        code = codings[0].code or ""
        is_loinc = codings[0].system == LOINC and code[-2:-1] == "-"
        return is_loinc and code not in self._members

    def part(self, source: Observation | _Component, path: str) -> _Part:
        """An Observation or component with the meaning of its code."""
        code = source.code or CodeableConcept()
        codings = code.coding or ()
        key = (code.text, *[text for c in codings for text in (c.system, c.code, c.display)])
        test = self._tests.get(key)  # the same few tests occur again and again
        if test is None:
            test = self._tests[key] = self._test(code)
        return _Part(source, path, test)

    def _test(self, code: CodeableConcept) -> _Test:
        codings = code.coding or ()
        loinc = [c for c in codings if self._terminology.canonical(c.system) == LOINC]
        for coding in loinc:
            hits = self._members.get(coding.code or "")
            if hits is not None:
                return _Test((hits[0].entry, hits[0].set_id, coding))
        if any(self._terminology.reads(c.system, c.code) for c in loinc):
            return _Test(is_another=True)
        named = self._named_in(code)
        is_another = not named and not self._asked
        return _Test(is_another=is_another, named=named, unread=_why_unread(code))

    def _named_in(self, code: CodeableConcept) -> frozenset[str]:
        """The tests that the words of a code name. Without words, it may be any requested test."""
        said = fold(" ".join(filter(None, (code.text, *(c.display for c in code.coding or ())))))
        if not said.strip():
            return self._asked
        return frozenset([set_id for word, set_id in self._words if word in said])


def read_labs(
    content: Content[Observation],
    terminology: Terminology,
    words: Mapping[str, tuple[str, ...]],
    subject: Subject,
    *,
    reader: Reader,
) -> Labs:
    """Every result of this patient under one key: of any test of `ASKED`, by code or component.

    `words` name the tests of a value set for results without a readable code.
    """
    labs = Labs()
    asked = ASKED[reader.key]
    wanted = _Wanted(terminology, words, asked)
    for position, entry in enumerate(content.entries):
        observation = entry.resource
        if observation is None or wanted.is_surely_another(observation):
            continue
        report = _Report(observation, reference_of(entry, position))
        parts = _parts(report, wanted, reader)
        if not parts:
            continue
        if not subject.is_meant(observation.subject):
            labs.foreign += _is_wanted(parts)
        elif reason := _not_a_result(report, reader):
            if _is_wanted(parts):
                labs.set_aside.append((report.name, label_of(observation.code), reason))
        else:
            _add(labs, report, parts, reader)
    if content.partial:
        labs.complete = _newest_first([r for r in labs.results if r.set_id in asked])
    return labs


def _is_wanted(parts: Iterable[_Part]) -> bool:
    return any(part.test.known or part.test.named for part in parts)


def _parts(report: _Report, wanted: _Wanted, reader: Reader) -> list[_Part]:
    """The relevant parts: the Observation, if it has a value or no components, and its components."""
    observation, name = report
    own = wanted.part(observation, "")
    if observation.component is NOTHING:
        return [] if own.test.is_another else [own]
    found = reader.read(_COMPONENTS, observation.component, name, "component") or []
    components = [
        wanted.part(component, f"component[{position}].")
        for position, component in enumerate(found)
        if not _is_absent(component)
    ]
    # A panel without its own value consists of its components, whatever its code is.
    is_panel = bool(found) and _valueless(observation)
    if not is_panel or (own.test.known and not any(part.test.known for part in components)):
        components.insert(0, own)
    return [part for part in components if not part.test.is_another]


def _add(labs: Labs, report: _Report, parts: Iterable[_Part], reader: Reader) -> None:
    when: dates.When | None = None
    for part in parts:
        test = part.test
        if test.known is not None:
            when = when or observed(report.observation, reader, report.name)
            labs.results.append(LabResult(test.known, when, part, report, reader))
        else:
            reader.record_unsupported(report.name, f"{part.path}code", test.unread)
            if test.named:
                when = when or observed(report.observation, reader, report.name)
                labs.unread.append(_unread(part, when, report))


def _why_unread(code: CodeableConcept) -> Reason:
    given = code.coding or ()
    systems: dict[Said, None] = dict.fromkeys(c.system or reasons.NO_SYSTEM for c in given)
    return reasons.no_code_read(tuple(systems) or reasons.NO_CODE_GIVEN)


def _unread(part: _Part, when: dates.When, report: _Report) -> UnreadResult:
    code = part.source.code or CodeableConcept()
    coding = next(iter(code.coding or ()), Coding())
    evidence = Evidence(
        resource=report.name,
        system=coding.system,
        code=coding.code,
        display=label_of(code, coding),
        date=when.written or None,
        matched="text",
        note=reasons.cannot_be_used(part.test.unread),
    )
    return UnreadResult(part.test.named, when, evidence)


def _not_a_result(report: _Report, reader: Reader) -> Reason | None:
    observation, name = report
    if observation.status in NOT_A_RESULT:
        return reasons.status_is(observation.status)
    raw = observation.modifierExtension
    if raw is not NOTHING and is_there(raw):
        urls = [e.url or "" for e in reader.read(_EXTENSIONS, raw, name, "modifierExtension") or ()]
        if any(url.lower().endswith("notdone") for url in urls):
            return reasons.NOT_DONE
    raw = observation.dataAbsentReason
    if raw is not NOTHING and is_there(raw) and _valueless(observation):
        reader.read(_CONCEPT, raw, name, "dataAbsentReason")
        return reasons.NO_VALUE
    return None


def _valueless(observation: Observation) -> bool:
    present = (observation.valueQuantity, observation.valueString)
    return not any(memoryview(v) for v in present) and not any(
        memoryview(getattr(observation, name)) for name in _OTHER_VALUES
    )


def _is_absent(component: _Component) -> bool:
    """Whether a component has no value and a reason for that."""
    present = memoryview(component.valueQuantity) or memoryview(component.valueString)
    return is_there(component.dataAbsentReason) and not present


def _has_unknown_modifier(observation: Observation, reader: Reader, name: str) -> bool:
    raw = observation.modifierExtension
    if not is_there(raw):
        return False
    return reader.read_whole(_EXTENSIONS, raw, name, "modifierExtension") != []


def _quantity(quantity: Quantity) -> Measured | None:
    """The quantity, if one can calculate with its number."""
    value = quantity.value
    if value is None or not value.is_finite() or abs(value.adjusted()) > _MAX_EXPONENT:
        return None
    unit = quantities.canonical_unit(quantity.code, quantity.unit)
    written = quantity.unit or quantity.code or ""
    return Measured(value, quantities.comparator_of(quantity.comparator), unit, written)


def _is_normal(reference: ReferenceRange) -> bool:
    kinds = [c.code for c in (reference.type.coding or ())] if reference.type else []
    return not kinds or "normal" in kinds


def observed(observation: Observation, reader: Reader, name: str) -> dates.When:
    """effectiveDateTime, instant, end (or start) of the period, issued (SPEC 3.1), otherwise
    undated.

    The first one that is present is used. If it cannot be read, the result is undated: it may be
    the newest, and it is never fresh (SPEC 12.1 U-4).
    """
    raw = observation.effectiveDateTime
    if raw is not NOTHING:
        # Nearly every result has a good one, and a chart has hundreds of results.
        when = dates.parse(_STRING.exact(raw))
        if when is not None:
            return when
    for element, raw in (
        ("effectiveDateTime", observation.effectiveDateTime),
        ("effectiveInstant", observation.effectiveInstant),
    ):
        if raw is not NOTHING and is_there(raw):
            return _date(reader.read(_STRING, raw, name, element), reader, name, element)
    if is_there(observation.effectivePeriod):
        period = reader.read_whole(_PERIOD, observation.effectivePeriod, name, "effectivePeriod")
        if period is None:
            return dates.undated()
        if period.end is not None or period.start is not None:
            element = "effectivePeriod.start" if period.end is None else "effectivePeriod.end"
            return _date(period.start if period.end is None else period.end, reader, name, element)
    issued = reader.read(_STRING, observation.issued, name, "issued")
    return _date(issued, reader, name, "issued")


def _date(text: str | None, reader: Reader, name: str, element: str) -> dates.When:
    return reader.date(text, name, element) or dates.undated()


def _newest_first(results: list[LabResult]) -> bool:
    moments = [r.when.latest for r in results]
    return bool(moments) and moments == sorted(moments, reverse=True)


def newest_first(results: list[LabResult]) -> list[LabResult]:
    """The results by the latest time at which each may have been taken, newest first.

    Results with the same time are ordered by name, independent of entry order.
    """
    return sorted(results, key=lambda r: (r.when.latest, r.name), reverse=True)
