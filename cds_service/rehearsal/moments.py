"""The moments of a patient: when a hook would have been called (SPEC 13)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from cds_service.chart import dates
from cds_service.chart.dates import When
from cds_service.chart.reading import is_there
from cds_service.chart.subject import bare_id
from cds_service.fhir.reading import FAILURES, Shape
from cds_service.fhir.wire import CodeableConcept, Reference
from cds_service.knowledge.as_it_stood import MomentRules
from cds_service.rehearsal.lines import Coded, Line, Order, Visit

PATIENT_VIEW: Final = "patient-view"
ORDER_SELECT: Final = "order-select"
ORDER_HOOKS: Final = (ORDER_SELECT, "order-sign")
REFILL: Final = "medication-refill"
DISCHARGE: Final = "encounter-discharge"
HOOKS: Final = (PATIENT_VIEW, *ORDER_HOOKS, REFILL, DISCHARGE)
NO_START: Final = "Encounter without a readable start"
NO_CLASS: Final = "Encounter with a class that cannot be read"
_RXNORM = "rxnorm"
_PEOPLE = ("Practitioner", "PractitionerRole")


class Moment(NamedTuple):
    """One call that would have been made. `order` and `encounter` are ids, "" where there is none."""

    hook: str
    at: When
    order: str = ""
    encounter: str = ""
    practitioner: str = ""
    department: str = ""


class Window(NamedTuple):
    """Which moments are rehearsed: from the first day to the last, and not after `as_of`."""

    as_of: When
    first: date | None = None
    last: date | None = None

    def holds(self, at: When) -> bool:
        """Whether a moment is rehearsed."""
        if at.earliest > self.as_of.latest:
            return False
        if self.first is not None and at.first_day < self.first:
            return False
        return self.last is None or at.first_day <= self.last


def visit_moments(visit: Visit, rules: MomentRules) -> Iterator[Moment]:
    """The start of a visit, and the end of an inpatient stay."""
    period = visit.period
    if visit.status not in rules.visit_status or period is None:
        return
    start, end = dates.parse(period.start), dates.parse(period.end)
    about = {
        "encounter": visit.id or "",
        "practitioner": practitioner_of(visit),
        "department": department_of(visit),
    }
    if start is not None:
        yield Moment(PATIENT_VIEW, start, **about)
    if end is not None and _class(visit) in rules.inpatient_class:
        yield Moment(DISCHARGE, end, **about)


def lost_moments(visit: Visit, rules: MomentRules) -> Iterator[str]:
    """What a visit that took place does not tell, so that a moment may be missing."""
    if visit.status not in rules.visit_status:
        return
    period = visit.period
    if period is None or dates.parse(period.start) is None:
        yield NO_START
    if is_there(visit.class_) and not _class(visit):
        yield NO_CLASS


def order_moments(
    order: Order, hooks: Iterable[str], department: str, at: When
) -> Iterator[Moment]:
    """The moments of an order at these hooks."""
    whose = order.encounter.reference if order.encounter is not None else None
    encounter = bare_id(whose) if whose else ""
    for hook in hooks:
        yield Moment(hook, at, order.id or "", encounter, _named(order.requester), department)


def ordered_at(order: Order, rules: MomentRules) -> When | None:
    """When an order was written; `None` for what is no order, or has no date."""
    if order.resourceType != "MedicationRequest" or order.intent not in rules.order_intent:
        return None
    return dates.parse(order.authoredOn)


class Ordered(NamedTuple):
    """One of the orders of a patient. Orders of the same product have the same `product`.

    `signed` is false for a draft. An order that was `retracted` was signed in error.
    """

    at: When
    product: object
    names_prior: bool
    signed: bool = True
    retracted: bool = False


def hooks_of(orders: Sequence[Ordered], within_days: int) -> list[tuple[str, ...]]:
    """The hooks of each order: a draft is selected only, an order that renews is refilled too.

    An order renews where it names a prior one, or where its product was ordered shortly before.
    """
    earlier: dict[object, list[Any]] = {}
    for order in orders:
        if order.product and order.signed and not order.retracted:
            earlier.setdefault(order.product, []).append(order.at.earliest)
    for times in earlier.values():
        times.sort()

    def is_renewal(order: Ordered) -> bool:
        if order.names_prior:
            return True
        times = earlier.get(order.product, ()) if order.product else ()
        before = bisect_left(times, order.at.earliest)
        return before > 0 and order.at.earliest - times[before - 1] <= timedelta(days=within_days)

    def hooks(order: Ordered) -> tuple[str, ...]:
        if not order.signed:
            return (ORDER_SELECT,)
        return (*ORDER_HOOKS, REFILL) if is_renewal(order) else ORDER_HOOKS

    return [hooks(order) for order in orders]


_CONCEPT = msgspec.json.Decoder(CodeableConcept)
_REFERENCE: Shape[Reference] = Shape(Reference)
_CODED: Shape[Coded] = Shape(Coded)
_CONTAINED: Shape[list[msgspec.Raw]] = Shape(list[msgspec.Raw])
_NO_MEDICATIONS: Mapping[str, bytes] = MappingProxyType({})


def ordered(order: Order, at: When, product: object, rules: MomentRules) -> Ordered:
    """An order that was written at a time, among those of its patient."""
    return Ordered(
        at,
        product,
        order.priorPrescription is not None,
        signed=order.status not in rules.unsigned_status,
        retracted=order.status in rules.retracted_status,
    )


def product_of(order: Order, medications: Mapping[str, bytes] = _NO_MEDICATIONS) -> str:
    """The name of the ordered product: its RxNorm code, else another code, its text or reference.

    An order may refer to a Medication, inside it or among `medications` by id. Two orders of one
    code are of one product, whichever way each of them names it.
    """
    if is_there(order.medicationCodeableConcept):
        return _name_of(order.medicationCodeableConcept)
    inside = contained_medication(order)
    medication = medication_of(order)
    if medication in medications:
        inside, _ = _CODED.read(medications[medication])
    return (name_of(inside) if inside is not None else "") or medication


def name_of(medication: Coded) -> str:
    """The name of the product of a Medication: its RxNorm code, another code or its text, else ""."""
    return _name_of(medication.code) if is_there(medication.code) else ""


def _name_of(concept: msgspec.Raw) -> str:
    try:
        read = _CONCEPT.decode(concept)
    except FAILURES:
        return bytes(memoryview(concept)).decode(errors="replace")
    codings = [(c.system or "", c.code) for c in read.coding or () if c.code]
    codings.sort(key=lambda coding: (_RXNORM not in coding[0].lower(), coding))
    if codings:
        return "|".join(codings[0])
    return " ".join((read.text or "").lower().split())


def contained_medication(order: Order) -> Coded | None:
    """The Medication inside an order to which it refers."""
    if not (is_there(order.contained) and is_there(order.medicationReference)):
        return None
    reference = _medication_reference(order)
    inside, _ = _CONTAINED.read(order.contained)
    found = (one for raw in inside or () if (one := _CODED.read(raw)[0]) is not None)
    return next((one for one in found if one.id and reference == f"#{one.id}"), None)


def clinician_of(read: Visit | Order) -> str:
    """Who saw the patient or signed the order."""
    return practitioner_of(read) if isinstance(read, Visit) else _named(read.requester)


def medication_of(read: Line | None) -> str:
    """The id of the Medication that an order or statement refers to, "" where it names none."""
    if not isinstance(read, Order) or not is_there(read.medicationReference):
        return ""
    reference = _medication_reference(read)
    return bare_id(reference) if reference and not reference.startswith("#") else ""


def _medication_reference(order: Order) -> str:
    read, _ = _REFERENCE.read(order.medicationReference)
    return (read.reference if read is not None else None) or ""


def practitioner_of(visit: Visit) -> str:
    """The first person who took part and is not the patient; "" where none is named."""
    people = (p.individual for p in visit.participant or ())
    return next((name for person in people if (name := _named(person))), "")


def department_of(visit: Visit) -> str:
    """Where a visit was: its location, else the organisation, else the kind of service."""
    places = [p.location for p in visit.location or ()]
    for place in (*places, visit.serviceProvider):
        if place is not None and (name := place.display or place.reference):
            return name
    service = visit.serviceType
    if service is None:
        return ""
    codings = service.coding or ()
    return service.text or next((c.display or c.code or "" for c in codings), "")


def _named(reference: Reference | None) -> str:
    """A person by reference; without one by name. Patients, relatives and devices are no clinicians."""
    if reference is None:
        return ""
    target = reference.reference or ""
    kind = target.rpartition("/")[0].rpartition("/")[2]
    if kind and kind not in _PEOPLE:
        return ""
    return target or reference.display or ""


class _Class(msgspec.Struct):
    code: str | None = None


_CLASS = msgspec.json.Decoder(_Class | list[_Class] | str)


def _class(visit: Visit) -> str:
    if not is_there(visit.class_):
        return ""
    try:
        read = _CLASS.decode(visit.class_)
    except FAILURES:
        return ""
    if isinstance(read, str):
        return read.upper()
    first = next(iter(read), None) if isinstance(read, list) else read
    return (first.code or "").upper() if first is not None else ""


def month_of(at: When) -> str:
    """The month of a moment, as 2026-11."""
    return at.first_day.isoformat()[:7]


def by_time(moments: Iterable[Moment]) -> list[Moment]:
    """Moments in the order in which a day goes: visit, orders, discharge."""
    place = {hook: number for number, hook in enumerate(HOOKS)}
    return sorted(moments, key=lambda m: (m.at.earliest, place[m.hook], m.order, m.encounter))
