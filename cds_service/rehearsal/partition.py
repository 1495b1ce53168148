"""Deciding a partition: the same function for both engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from typing import NamedTuple

import msgspec

from cds_service.knowledge.as_it_stood import AsItStood, load_as_it_stood
from cds_service.rehearsal.comparing import Change
from cds_service.rehearsal.comparing import counted as counted_changes
from cds_service.rehearsal.deciding import Decider
from cds_service.rehearsal.lines import key_of, patient_of, read_line
from cds_service.rehearsal.mapping import most_frequent
from cds_service.rehearsal.moments import medication_of, month_of
from cds_service.rehearsal.patients import Plan, Rehearsing, Result
from cds_service.rehearsal.people import Person
from cds_service.rehearsal.products import Products
from cds_service.rehearsal.review import Sampler
from cds_service.rehearsal.rows import Row
from cds_service.rehearsal.rules import rules_of
from cds_service.rehearsal.tally import counted
from cds_service.rehearsal.tasks import Decided, Setup

Named = tuple[str, str, bytes]
"""A line as (type, id, JSON)."""


class Records(NamedTuple):
    """What was put aside for the patients of a partition."""

    lines: Iterable[bytes]
    people: Iterable[bytes]
    moments: Iterable[bytes]
    clinicians: Iterable[bytes]
    codes: Iterable[bytes]


class Sent(NamedTuple):
    """What all partitions need: Medications by id, their products, and departments by their keys."""

    medications: Mapping[str, bytes]
    products: Products
    departments: Mapping[str, str]


class Deciders(NamedTuple):
    """What a partition is decided with: the rules, those to compare with, and a sample for review."""

    rules: Decider
    against: Decider | None = None
    sampler: Sampler | None = None


class Found(NamedTuple):
    """What became of a partition: its rows in their order, what differs, and its numbers."""

    rows: list[Row]
    changes: list[Change]
    done: Decided


def deciders_of(setup: Setup) -> Deciders:
    """The deciders of a partition in a run."""
    other = setup.against
    against = Decider(rules_of(other, "--against")) if other is not None else None
    return Deciders(Decider(rules_of(setup.site)), against, Sampler())


def decide_partition(
    setup: Setup, records: Records, sent: Sent, deciders: Deciders, *, visits: bool
) -> Found:
    """Decide the patients who can matter, and count the moments of the others.

    `visits` is false for an export without Encounters.
    """
    table, window = _table(), setup.window()
    decider, against, sampler = deciders
    plan = Plan(window, setup.hooks, setup.as_of_alone, visits)
    rehearsing = Rehearsing(decider, table, plan, sampler, against)
    done, totals = Decided(), Result()
    people = _people(records.people)
    others = set(people)
    for patient, lines in _by_patient(records.lines):
        totals.add(rehearsing.patient(patient, lines, _referred(lines, sent.medications)))
        done.patients += 1
        others.discard(key_of(patient).hex())
    rows = sorted(totals.rows, key=Row.key)
    names = {bytes.fromhex(key): name for key, name in sent.departments.items()}
    hooks = frozenset(setup.hooks).intersection(decider.hooks)
    ruled_out = counted(records.moments, table.moments, window, hooks, names, sent.products)
    for moment in rehearsing.moments((), {}) if others else ():  # without a visit or an order
        ruled_out[moment.hook, month_of(moment.at), moment.department] += len(others)
    done.rows = len(rows)
    done.moments = [(*key, n) for key, n in sorted(totals.moments.items())]
    done.ruled_out = [(*key, n) for key, n in sorted(ruled_out.items())]
    done.cannot_undo = dict(sorted(totals.cannot_undo.items()))
    done.not_read = most_frequent(records.codes)
    done.samples = sampler.kept() if sampler is not None else []
    done.changes = counted_changes(totals.changes)
    done.people = _subgroups(people.values(), rows, window.as_of.first_day)
    done.clinician_days = len(set(records.clinicians))
    return Found(rows, totals.changes, done)


@cache
def _table() -> AsItStood:
    return load_as_it_stood()


def _by_patient(lines: Iterable[bytes]) -> list[tuple[str, list[Named]]]:
    found: dict[str, list[Named]] = {}
    for line in lines:
        read = read_line("", line)
        patient = patient_of(read) if read is not None else None
        if read is not None and patient is not None:
            kind = read.resourceType or ""
            found.setdefault(patient, []).append((kind, read.id or "", line))
    return sorted(found.items(), key=lambda item: (key_of(item[0]), item[0]))


def _referred(lines: Iterable[Named], medications: Mapping[str, bytes]) -> dict[str, bytes]:
    """The Medications that the orders of a patient refer to."""
    if not medications:
        return {}
    names = {
        name
        for kind, _, line in lines
        if kind in ("MedicationRequest", "MedicationStatement")
        and (name := medication_of(read_line(kind, line)))
    }
    return {name: medications[name] for name in names if name in medications}


def _people(lines: Iterable[bytes]) -> dict[str, Person]:
    """Each person once, by key."""
    return {p.key: p for p in (msgspec.json.decode(x, type=Person) for x in sorted(set(lines)))}


def _subgroups(
    people: Iterable[Person], rows: Iterable[Row], day: date
) -> list[tuple[str, str, int, int]]:
    """How many patients of each subgroup there are, and how many of them got a card."""
    carded = {key_of(row.patient).hex() for row in rows if row.card is not None}
    everyone: Counter[tuple[str, str]] = Counter()
    with_card: Counter[tuple[str, str]] = Counter()
    for person in people:
        for group in person.groups(day):
            everyone[group] += 1
            with_card[group] += person.key in carded
    return [(*group, number, with_card[group]) for group, number in sorted(everyone.items())]
