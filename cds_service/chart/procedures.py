"""Procedures on the kidneys: dialysis, transplant, and others that make function a question.

Dialysis counts in progress at any age, or performed recently (SPEC 3.2, 11.15); a transplant at any
age (12.3 K-1); any other of `renal_risk` too (K-2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.conditions import UncountedResource
from cds_service.chart.evidence import Evidence, in_order
from cds_service.chart.naming import label_of, names_nothing, why_not_read
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import CodeableConcept, Coding, Procedure
from cds_service.knowledge.terminology import Hit, Terminology
from cds_service.knowledge.words import fold
from cds_service.reasons import Reason

DIALYSIS = "renal_dialysis"
TRANSPLANT = "renal_transplant_procedure"
RISK = "renal_risk"
RECIPIENT = frozenset({"allograft", "regime", "follow-up"})
"""Grades of a transplant that mean that the patient lives with it."""

NOT_DONE = frozenset({"preparation", "not-done", "entered-in-error"})
DONE = frozenset({"completed", "in-progress"})
STATUS = NOT_DONE | DONE | {"on-hold", "stopped"}
_WORDS = ("renal", "renal_transplant")


class Procedures(msgspec.Struct):
    """Procedures that count, by value set, and those set aside."""

    by_set: dict[str, list[Evidence]] = {}
    set_aside: list[UncountedResource] = []
    foreign: int = 0

    def of(self, set_id: str) -> Sequence[Evidence]:
        """The procedures of a value set, newest first."""
        return in_order(self.by_set.get(set_id, ()))


class _Found(NamedTuple):
    """A procedure being read; `odd` are its elements that are not of their FHIR type."""

    resource: Procedure
    name: str
    odd: frozenset[str]
    reader: Reader


class _Window(NamedTuple):
    today: date
    lookback_days: int


def read_procedures(
    content: Content[Procedure],
    terminology: Terminology,
    subject: Subject,
    today: date,
    lookback_days: int,
    *,
    reader: Reader,
    safety_words: Mapping[str, tuple[str, ...]],
) -> Procedures:
    """Procedures of this patient; dialysis within `lookback_days`, or in progress."""
    procedures = Procedures()
    words = tuple(f" {word}" for set_id in _WORDS for word in safety_words[set_id])
    odd: dict[str, set[str]] = {}
    for resource, element, _ in content.unread:
        odd.setdefault(resource, set()).add(element.partition(".")[0])
    for procedure, name in content.resources():
        hits = _hits(procedure.code, terminology)
        if not subject.is_meant(procedure.subject):
            procedures.foreign += bool(hits)
            continue
        found = _Found(procedure, name, frozenset(odd.get(name, ())), reader)
        if hits:
            _add(procedures, found, hits, _Window(today, lookback_days))
        elif "code" not in found.odd and not _is_read(procedure.code, terminology):
            _note_unread(found, words)
    return procedures


def _hits(code: CodeableConcept | None, terminology: Terminology) -> dict[str, Coding]:
    """By value set, the first coding that belongs to it."""
    found: dict[str, Coding] = {}
    for coding in (code.coding or ()) if code is not None else ():
        for hit in terminology.hits(coding.system, coding.code):
            for set_id in _sets_of(hit):
                found.setdefault(set_id, coding)
    return found


def _sets_of(hit: Hit) -> tuple[str, ...]:
    """A transplant of a recipient counts as both. That of a donor, or a lost one, is only a renal risk."""
    if hit.set_id == TRANSPLANT:
        return (TRANSPLANT, RISK) if hit.entry.grade in RECIPIENT else (RISK,)
    return (hit.set_id,) if hit.set_id in (DIALYSIS, RISK) else ()


def _is_read(code: CodeableConcept | None, terminology: Terminology) -> bool:
    codings = (code.coding or ()) if code is not None else ()
    return any(terminology.reads(c.system, c.code) for c in codings)


def _note_unread(found: _Found, words: tuple[str, ...]) -> None:
    """A procedure without a readable code. It may be dialysis or a transplant, unless its words
    name something else or it was not done.
    """
    code, reader = found.resource.code, found.reader
    concept = code or CodeableConcept()
    named = fold(" ".join((concept.text or "", *(c.display or "" for c in concept.coding or ()))))
    perhaps = names_nothing(code) or any(word in named for word in words)
    matters = perhaps and found.resource.status not in NOT_DONE
    record = reader.record_unreadable if matters else reader.record_unsupported
    record(found.name, "code", why_not_read(code))


def _add(procedures: Procedures, found: _Found, hits: dict[str, Coding], window: _Window) -> None:
    when = _when(found)
    for set_id, coding in hits.items():
        label = label_of(found.resource.code, coding)
        reason = _not_counted(found, set_id, when, window)
        if reason is not None:
            aside = UncountedResource(found.name, label, reason)
            procedures.set_aside += [] if aside in procedures.set_aside else [aside]
            continue
        procedures.by_set.setdefault(set_id, []).append(
            Evidence(
                resource=found.name,
                system=coding.system,
                code=coding.code,
                display=label,
                date=(when.written or None) if when else None,
            )
        )


def _when(found: _Found) -> dates.When | None:
    """The time of the procedure, or the end of its period. It is undated if that cannot be read."""
    procedure, name, reader = found.resource, found.name, found.reader
    if found.odd & {"performedDateTime", "performedPeriod"}:
        return dates.undated()
    period = procedure.performedPeriod
    written = (
        (procedure.performedDateTime, "performedDateTime"),
        (period.end if period else None, "performedPeriod.end"),
        (period.start if period else None, "performedPeriod.start"),
    )
    for text, element in written:
        if text is not None:
            return reader.date(text, name, element) or dates.undated()
    return None


def _not_counted(
    found: _Found, set_id: str, when: dates.When | None, window: _Window
) -> Reason | None:
    status = found.resource.status
    if status in NOT_DONE:
        return reasons.status_is(status)
    if status not in STATUS and "status" not in found.odd:
        found.reader.record_unreadable(found.name, "status", reasons.MISSING_OR_NO_FHIR_CODE)
    if set_id == TRANSPLANT and status not in DONE:
        return reasons.status_is(status) if status in STATUS else reasons.STATUS_NOT_READABLE
    if set_id == DIALYSIS and status != "in-progress" and when is not None:
        recent = dates.maybe_within(when, window.lookback_days, window.today)
        return None if recent else reasons.performed_earlier(window.lookback_days)
    return None
