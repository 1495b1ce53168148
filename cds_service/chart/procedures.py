"""Dialysis procedures: in progress at any age, or performed recently (SPEC 3.2, 11.15)."""

from __future__ import annotations

from datetime import date

import msgspec

from cds_service.chart import dates
from cds_service.chart.conditions import SetAside
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of, reference_of
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import Procedure
from cds_service.knowledge.terminology import Terminology

DIALYSIS = "renal_dialysis"
NOT_DONE = frozenset({"preparation", "not-done", "entered-in-error"})


class Dialysis(msgspec.Struct):
    """Dialysis procedures that count, and those set aside."""

    procedures: list[Evidence] = []
    set_aside: list[SetAside] = []
    foreign: int = 0

    def of(self, set_id: str) -> list[Evidence]:
        """The procedures of a value set that count, newest first."""
        return self.procedures if set_id == DIALYSIS else []


def read_dialysis(
    content: Content[Procedure],
    terminology: Terminology,
    subject: Subject,
    today: date,
    lookback_days: int,
    *,
    reader: Reader,
) -> Dialysis:
    """Dialysis procedures of this patient within `lookback_days`, or in progress."""
    dialysis = Dialysis()
    for position, entry in enumerate(content.entries):
        procedure = entry.resource
        if procedure is None or procedure.code is None:
            continue
        coding = next(
            (
                c
                for c in procedure.code.coding or ()
                if any(h.set_id == DIALYSIS for h in terminology.hits(c.system, c.code))
            ),
            None,
        )
        if coding is None:
            continue
        if not subject.is_meant(procedure.subject):
            dialysis.foreign += 1
            continue
        name = reference_of(entry, position)
        when = _when(procedure)
        reason = _not_counted(procedure, when, today, lookback_days)
        if reason:
            dialysis.set_aside.append(SetAside(name, label_of(procedure.code, coding), reason))
            continue
        dialysis.procedures.append(
            Evidence(
                resource=name,
                system=coding.system,
                code=coding.code,
                display=label_of(procedure.code, coding),
                date=when.written if when else None,
            )
        )
    return dialysis


def _when(procedure: Procedure) -> dates.When | None:
    period = procedure.performedPeriod
    return dates.parse(procedure.performedDateTime) or (
        (dates.parse(period.end) or dates.parse(period.start)) if period else None
    )


def _not_counted(
    procedure: Procedure, when: dates.When | None, today: date, lookback_days: int
) -> str:
    if procedure.status in NOT_DONE:
        return f"status is {procedure.status}"
    if procedure.status == "in-progress":
        return ""
    if when is not None and not dates.maybe_within(when, lookback_days, today):
        return f"was more than {lookback_days} days ago"
    return ""
