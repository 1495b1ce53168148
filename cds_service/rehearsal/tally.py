"""Moments of patients that need no decision: they are counted, not decided.

Each visit and order becomes a small record. They are counted by patient, because a refill depends on
the orders before, and because an export may hold a resource twice.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from cds_service.chart.dates import When
from cds_service.chart.subject import bare_id
from cds_service.knowledge.as_it_stood import MomentRules
from cds_service.rehearsal.lines import Line, Order, Visit, key_of
from cds_service.rehearsal.moments import (
    DISCHARGE,
    PATIENT_VIEW,
    Ordered,
    Window,
    hooks_of,
    medication_of,
    month_of,
    ordered,
    ordered_at,
    product_of,
    visit_moments,
)
from cds_service.rehearsal.products import Products, key_of_medication

_FORMAT: Final = struct.Struct("<8s8sBqi8s8s???")
RECORD_BYTES: Final = _FORMAT.size
_VISIT, _DISCHARGE, _ORDER = range(3)
_HOOK_OF = {_VISIT: PATIENT_VIEW, _DISCHARGE: DISCHARGE}
_KIND_OF = {hook: kind for kind, hook in _HOOK_OF.items()}
_NONE = bytes(8)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Record(NamedTuple):
    """One moment. `place` is the department of a visit, or the encounter of an order."""

    patient: bytes
    own: bytes
    kind: int
    instant: int
    day: int
    place: bytes
    product: bytes
    prior: bool
    signed: bool
    retracted: bool


def records_of(
    read: Line, patient: bytes, own: str, rules: MomentRules, names: dict[bytes, str]
) -> Iterator[bytes]:
    """The records of a visit or an order. `names` gets the departments behind their keys."""
    if isinstance(read, Visit):
        for moment in visit_moments(read, rules):
            place = key_of(moment.department) if moment.department else _NONE
            names[place] = moment.department
            yield _packed(patient, own, _KIND_OF[moment.hook], moment.at, place)
    elif isinstance(read, Order) and (at := ordered_at(read, rules)) is not None:
        whose = read.encounter.reference if read.encounter is not None else None
        place = key_of(bare_id(whose)) if whose else _NONE
        order = ordered(read, at, _product_key(read), rules)
        yield _packed(patient, own, _ORDER, at, place, order)


def _product_key(order: Order) -> bytes:
    """A key of what is ordered: of the product, or of the Medication resource that has its code."""
    product = product_of(order)
    if product and product == medication_of(order):
        return key_of_medication(product)
    return key_of(product) if product else _NONE


def _packed(
    patient: bytes, own: str, kind: int, at: When, place: bytes, order: Ordered | None = None
) -> bytes:
    instant = (at.earliest - _EPOCH) // _MICROSECOND
    day = at.first_day.toordinal()
    about = order[1:] if order is not None else (_NONE, False, False, False)
    return _FORMAT.pack(patient, key_of(own), kind, instant, day, place, *about)


def counted(
    records: Iterable[bytes],
    rules: MomentRules,
    window: Window,
    hooks: Collection[str],
    names: Mapping[bytes, str],
    products: Products,
) -> Counter[tuple[str, str, str]]:
    """The moments by hook, month and department, of records of whole patients."""
    moments: Counter[tuple[str, str, str]] = Counter()
    unique = {(r.patient, r.own, r.kind): r for r in sorted(map(_unpacked, records))}
    departments = {
        (r.patient, r.own): names.get(r.place, "") for r in unique.values() if r.kind == _VISIT
    }
    orders: dict[bytes, list[_Record]] = {}
    for record in unique.values():
        if record.kind == _ORDER:
            orders.setdefault(record.patient, []).append(record)
        elif _holds(window, record):
            hook = _HOOK_OF[record.kind]
            moments[hook, _month(record), names.get(record.place, "")] += 1
    for patient, mine in orders.items():
        of_patient = [_ordered(record, products) for record in mine]
        all_hooks = hooks_of(of_patient, rules.refill_within_days)
        for record, hooks_of_one in zip(mine, all_hooks, strict=True):
            if _holds(window, record):
                department = departments.get((patient, record.place), "")
                for hook in hooks_of_one:
                    moments[hook, _month(record), department] += 1
    return Counter({key: number for key, number in moments.items() if key[0] in hooks})


def _unpacked(record: bytes) -> _Record:
    return _Record(*_FORMAT.unpack(record))


def _ordered(record: _Record, products: Products) -> Ordered:
    product = products.of(record.product) if record.product != _NONE else b""
    return Ordered(_at(record), product, record.prior, record.signed, record.retracted)


def _at(record: _Record) -> When:
    instant = _EPOCH + timedelta(microseconds=record.instant)
    day = date.fromordinal(record.day)
    return When(instant, instant, day, day, "")


def _holds(window: Window, record: _Record) -> bool:
    return window.holds(_at(record))


def _month(record: _Record) -> str:
    return month_of(_at(record))
