"""The recorded pregnancy status (LOINC 82810-3): the latest one decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.evidence import Evidence, in_order
from cds_service.chart.labs import FINAL, LOINC, NOT_A_RESULT, observed
from cds_service.chart.naming import label_of, names_nothing, reference_of, why_not_read
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.reading import Shape
from cds_service.fhir.wire import CodeableConcept, Entry, Observation, Text
from cds_service.knowledge.terminology import Terminology
from cds_service.knowledge.words import fold

LOINC_STATUS = "82810-3"
ANSWERS: Mapping[str, bool] = {
    "77386006": True,
    "LA15173-0": True,
    "60001007": False,
    "LA26683-5": False,
}
"""Whether a coded value means pregnant: SNOMED CT and LOINC. Any other code is inconclusive."""
TEXTS: Mapping[str, bool] = {"pregnant": True, "not pregnant": False}
PREGNANCY = "pregnancy"


class PregnancyStatus(msgspec.Struct, frozen=True):
    """The meaning of the latest recorded status.

    `pregnant` is the evidence for pregnancy. `newest_first` is whether the statuses were sent in
    that order, so that missing ones are older.
    """

    pregnant: Evidence | None = None
    newest_first: bool = False


class _Status(NamedTuple):
    when: dates.When
    name: str
    pregnant: bool | None


_CONCEPT: Shape[CodeableConcept] = Shape(CodeableConcept)
_TEXT: Shape[str] = Shape(Text)


def read_pregnancy_status(
    content: Content[Observation],
    terminology: Terminology,
    subject: Subject,
    today: date,
    lookback_days: int,
    *,
    reader: Reader,
    safety_words: Mapping[str, tuple[str, ...]],
    elsewhere: Iterable[Content[Observation]] = (),
) -> PregnancyStatus:
    """The latest status within `lookback_days`. An unreadable one makes the key partly known.

    `elsewhere` contains results of other keys, among which there may be a status.
    """
    statuses: list[_Status] = []
    words = tuple(f" {word}" for word in safety_words[PREGNANCY])
    damaged = {lost.resource for lost in content.unread if lost.element.partition(".")[0] == "code"}
    for position, entry in (*enumerate(content.entries), *_statuses(elsewhere)):
        observation = entry.resource
        if observation is None or not subject.is_meant(observation.subject):
            continue
        if observation.status in NOT_A_RESULT or _is_another(observation, terminology):
            continue
        name = reference_of(entry, position)
        if not _is_status(observation):
            if name not in damaged:
                _note_unread(observation.code, name, words, reader)
            continue
        when = observed(observation, reader, name)
        final = observation.status in FINAL
        statuses.append(_Status(when, name, _answer(observation, name, reader) if final else None))
    moments = [status.when.latest for status in statuses]
    return PregnancyStatus(
        pregnant=_latest(
            [s for s in statuses if dates.maybe_within(s.when, lookback_days, today)],
            next((hit.entry.display for hit in terminology.hits(LOINC, LOINC_STATUS)), None),
            reader,
        ),
        newest_first=bool(moments) and moments == sorted(moments, reverse=True),
    )


def _latest(recent: list[_Status], display: str | None, reader: Reader) -> Evidence | None:
    """Evidence that the latest status is pregnant. If several may be the latest, one of them is enough."""
    if not recent:
        return None
    bar = max(status.when.earliest for status in recent)
    latest = [status for status in recent if status.when.latest >= bar]
    said = in_order(_evidence(status, display) for status in latest if status.pregnant)
    if said:
        return said[0]
    for status in latest:
        if status.pregnant is None:
            reader.record_unreadable(status.name, "value", reasons.NO_PREGNANCY_ANSWER)
    return None


def _evidence(status: _Status, display: str | None) -> Evidence:
    return Evidence(
        resource=status.name,
        system=LOINC,
        code=LOINC_STATUS,
        display=display,
        date=status.when.written or None,
        value="pregnant",
        matched="value",
    )


def _statuses(
    elsewhere: Iterable[Content[Observation]],
) -> Iterator[tuple[int, Entry[Observation]]]:
    for content in elsewhere:
        for position, entry in enumerate(content.entries):
            # Most results are others, so this is seen in place.
            code = entry.resource.code if entry.resource is not None else None
            if code is not None and code.coding is not None:
                for coding in code.coding:
                    if coding.code == LOINC_STATUS:
                        yield position, entry


def _is_status(observation: Observation) -> bool:
    codings = (observation.code.coding or ()) if observation.code else ()
    return any(c.code == LOINC_STATUS for c in codings)


def _is_another(observation: Observation, terminology: Terminology) -> bool:
    """Whether its code is readable and has another meaning."""
    if _is_status(observation):
        return False
    codings = (observation.code.coding or ()) if observation.code else ()
    return any(terminology.reads(c.system, c.code) for c in codings)


def _note_unread(
    code: CodeableConcept | None, name: str, words: tuple[str, ...], reader: Reader
) -> None:
    """A result without a readable code. It may be the status, unless its words are about something
    else.
    """
    concept = code or CodeableConcept()
    named = fold(" ".join((label_of(concept), *(c.display or "" for c in concept.coding or ()))))
    matters = names_nothing(code) or any(word in named for word in words)
    record = reader.record_unreadable if matters else reader.record_unsupported
    record(name, "code", why_not_read(code))


def _answer(observation: Observation, name: str, reader: Reader) -> bool | None:
    """Whether a status is pregnant, by any of its readable codings, or `None` if none shows it."""
    concept, _ = reader.read_parts(
        _CONCEPT, observation.valueCodeableConcept, name, "valueCodeableConcept", matters=False
    )
    text, _ = reader.read_parts(_TEXT, observation.valueString, name, "valueString", matters=False)
    codings = (concept.coding or ()) if concept is not None else ()
    coded = [ANSWERS[code] for c in codings if (code := c.code or "") in ANSWERS]
    if coded or codings:
        return any(coded) if coded else None
    written = (concept.text if concept is not None else None) or text or ""
    return TEXTS.get(written.strip().lower())
