"""All moments of one patient, decided one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import msgspec

from cds_service.chart import dates
from cds_service.chart.dates import When
from cds_service.chart.subject import bare_id
from cds_service.knowledge.as_it_stood import AsItStood
from cds_service.rehearsal.charts import Chart, unique
from cds_service.rehearsal.comparing import Change, changes
from cds_service.rehearsal.deciding import Decider, Outcome, request_body
from cds_service.rehearsal.lines import Order, Visit, read_line
from cds_service.rehearsal.moments import (
    PATIENT_VIEW,
    Moment,
    Window,
    by_time,
    department_of,
    hooks_of,
    lost_moments,
    month_of,
    order_moments,
    ordered,
    ordered_at,
    product_of,
    visit_moments,
)
from cds_service.rehearsal.review import Sampler
from cds_service.rehearsal.rows import Row

Counted = tuple[str, str, str]
"""A hook, a month ("2026-11") and a department."""


Lines = Iterable[tuple[str, str, bytes]]
"""Lines as (type, id, JSON)."""


class Plan(NamedTuple):
    """What is rehearsed. With `as_of_alone` each patient's chart is opened once.

    `visits` is false where the export holds no Encounters: then the chart is opened once, at the
    end.
    """

    window: Window
    hooks: Collection[str]
    as_of_alone: bool = False
    visits: bool = True


class Result(msgspec.Struct):
    """What became of some patients: rows, moments by hook, month and department, and what was met."""

    rows: list[Row] = []
    changes: list[Change] = []
    moments: Counter[Counted] = msgspec.field(default_factory=Counter)
    cannot_undo: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, other: Result) -> None:
        """Add what became of another patient."""
        self.rows += other.rows
        self.changes += other.changes
        self.moments.update(other.moments)
        self.cannot_undo.update(other.cannot_undo)


class Rehearsing:
    """Decides patients, one at a time."""

    def __init__(
        self,
        decider: Decider,
        table: AsItStood,
        plan: Plan,
        sampler: Sampler | None = None,
        against: Decider | None = None,
    ) -> None:
        """`against` are other rules, with which each decision is compared."""
        self._decider = decider
        self._against = against
        self._rows = table.rows()
        self._rules = table.moments
        self._plan = plan
        self._hooks = frozenset(plan.hooks).intersection(decider.hooks)
        self._sampler = sampler

    def patient(self, patient: str, lines: Lines, medications: Mapping[str, bytes]) -> Result:
        """The rows of one patient, whose lines are given as (type, id, JSON)."""
        mine = list(unique(lines))
        chart = self._chart(self._decider, mine, medications)
        person = _person(mine)
        result = Result(cannot_undo=chart.counts)
        result.cannot_undo.update(self._lost_moments(mine))
        shown: dict[str, When] = {}
        compared = self._compared(patient, mine, medications)
        for moment, body in self._calls(patient, mine, medications, chart):
            result.moments[moment.hook, month_of(moment.at), moment.department] += 1
            outcome = self._decider.decide(body, moment)
            before = next(compared, None)
            if before is not None:
                result.changes += changes(patient, moment, outcome, before)
            for row in self._rows_of(patient, person, moment, outcome, shown):
                result.rows.append(row)
                if self._sampler is not None and row.card is not None:
                    self._sampler.offer(row, partial(self._decider.explain, body, moment))
        return result

    def calls(
        self, patient: str, lines: Lines, medications: Mapping[str, bytes]
    ) -> Iterator[tuple[Moment, bytes]]:
        """The request bodies of the moments of one patient."""
        mine = list(unique(lines))
        chart = self._chart(self._decider, mine, medications)
        return self._calls(patient, mine, medications, chart)

    def _calls(
        self,
        patient: str,
        mine: Sequence[tuple[str, bytes]],
        medications: Mapping[str, bytes],
        chart: Chart,
    ) -> Iterator[tuple[Moment, bytes]]:
        orders = {own: line for kind, own, line in _named(mine) if kind == "MedicationRequest"}
        for moment in self.moments(mine, medications):
            draft = _draft(orders.get(moment.order), chart) if moment.order else None
            sent = chart.prefetch(moment.at, moment.order)
            yield moment, request_body(moment, patient, sent, draft)

    def _chart(
        self,
        decider: Decider,
        mine: Sequence[tuple[str, bytes]],
        medications: Mapping[str, bytes],
    ) -> Chart:
        """The chart that the templates of some rules ask for."""
        sent = [("Medication", medications[m]) for m in sorted(medications)]
        return Chart((*mine, *sent), self._rows, decider.asked(), decider.knowledge.terminology)

    def _compared(
        self, patient: str, mine: Sequence[tuple[str, bytes]], medications: Mapping[str, bytes]
    ) -> Iterator[Outcome]:
        """What the other rules decide at each moment; nothing where there are none."""
        if self._against is not None:
            chart = self._chart(self._against, mine, medications)
            for moment, body in self._calls(patient, mine, medications, chart):
                yield self._against.decide(body, moment)

    def moments(
        self, lines: Iterable[tuple[str, bytes]], medications: Mapping[str, bytes]
    ) -> list[Moment]:
        """The moments of a patient that are rehearsed, in their order."""
        plan = self._plan
        if plan.as_of_alone:
            return [Moment(PATIENT_VIEW, plan.window.as_of)] if PATIENT_VIEW in self._hooks else []
        found = list(self._moments(lines, medications))
        if not plan.visits:
            found.append(Moment(PATIENT_VIEW, plan.window.as_of))
        return by_time(m for m in found if m.hook in self._hooks and plan.window.holds(m.at))

    def _moments(
        self, lines: Iterable[tuple[str, bytes]], medications: Mapping[str, bytes]
    ) -> Iterator[Moment]:
        visits: dict[str, Visit] = {}
        orders: list[tuple[Order, When]] = []
        for kind, line in lines:
            read = read_line(kind, line)
            if isinstance(read, Visit):
                visits[read.id or ""] = read
                yield from visit_moments(read, self._rules)
            elif isinstance(read, Order) and (at := ordered_at(read, self._rules)) is not None:
                orders.append((read, at))
        rules = self._rules
        mine = [ordered(o, at, product_of(o, medications), rules) for o, at in orders]
        for (order, at), hooks in zip(
            orders, hooks_of(mine, rules.refill_within_days), strict=True
        ):
            whose = order.encounter.reference if order.encounter is not None else None
            visit = visits.get(bare_id(whose)) if whose else None
            department = department_of(visit) if visit is not None else ""
            yield from order_moments(order, hooks, department, at)

    def _lost_moments(self, lines: Iterable[tuple[str, bytes]]) -> Iterator[str]:
        if self._plan.as_of_alone:
            return
        for kind, line in lines:
            if isinstance(read := read_line(kind, line), Visit):
                yield from lost_moments(read, self._rules)

    def _rows_of(
        self,
        patient: str,
        person: _Person,
        moment: Moment,
        outcome: Outcome,
        shown: dict[str, When],
    ) -> Iterator[Row]:
        for card, indicator, _ in outcome.cards or ((None, None, False),):
            before = shown.get(card) if card is not None else None
            yield Row(
                patient=patient,
                hook=moment.hook,
                at=moment.at.earliest,
                order=moment.order or None,
                encounter=moment.encounter or None,
                practitioner=moment.practitioner or None,
                department=moment.department or None,
                sex=person.sex or None,
                age=person.age(moment.at),
                card=card,
                indicator=indicator,
                kidney=outcome.kidney or None,
                risk=outcome.risk,
                why_silent=outcome.why_silent,
                unknown=outcome.unknown,
                repeat_of_days=(moment.at.first_day - before.first_day).days if before else None,
                knowledge=self._decider.knowledge.version,
                site=self._decider.site or None,
            )
        shown |= {card: moment.at for card, _, _ in outcome.cards}


class _Person(NamedTuple):
    sex: str = ""
    born: When | None = None

    def age(self, at: When) -> int | None:
        born = self.born
        if born is None or born.first_day > at.first_day:
            return None
        return dates.years_between(born.first_day, at.first_day)


class _Patient(msgspec.Struct):
    gender: Any = None
    birthDate: Any = None


def _person(lines: Iterable[tuple[str, bytes]]) -> _Person:
    """Sex and birth of the patient; nothing where they cannot be read."""
    for kind, line in lines:
        if kind == "Patient":
            try:
                read = msgspec.json.decode(line, type=_Patient)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                return _Person()
            sex = read.gender if isinstance(read.gender, str) else ""
            born = dates.parse(read.birthDate) if isinstance(read.birthDate, str) else None
            return _Person(sex, born)
    return _Person()


def _named(lines: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str, bytes]]:
    for kind, line in lines:
        if kind == "MedicationRequest":
            read = read_line(kind, line)
            if read is not None and read.id:
                yield kind, read.id, line


_ORDER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _draft(line: bytes | None, chart: Chart) -> bytes | None:
    """An order as it was before it was signed, with the Medication it refers to, as Bundle entries."""
    if line is None:
        return None
    try:
        order = _ORDER.decode(line) | {"status": "draft"}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return b'{"resource":%b}' % line
    entry = b'{"resource":%b}' % _ENCODER.encode(order)
    reference = order.get("medicationReference")
    target = reference.get("reference") if isinstance(reference, dict) else None
    medication = chart.medication(target) if isinstance(target, str) else None
    return entry if medication is None else entry + b"," + medication
