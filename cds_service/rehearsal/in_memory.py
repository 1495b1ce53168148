"""A rehearsal of a few patients in memory, by the functions of both engines. It writes no file.

It needs neither the library of the tables nor that of the plots, so a page can show it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import structs

from cds_service.bars import stacked_bars
from cds_service.knowledge.as_it_stood import load_as_it_stood
from cds_service.rehearsal.blocks import Block
from cds_service.rehearsal.deciding import Decider
from cds_service.rehearsal.figures import figures_of
from cds_service.rehearsal.gathering import Gathering
from cds_service.rehearsal.lines import Coded, patient_of, read_line
from cds_service.rehearsal.options import Options
from cds_service.rehearsal.partition import Deciders, Records, Sent, decide_partition
from cds_service.rehearsal.products import Products, product_record, sorted_records
from cds_service.rehearsal.recognising import Recogniser
from cds_service.rehearsal.report import Inputs
from cds_service.rehearsal.rules import rules_of_site
from cds_service.rehearsal.source import KINDS, Source
from cds_service.rehearsal.summary import Totals
from cds_service.rehearsal.tasks import CLINICIANS, CODES, LINES, MOMENTS, PEOPLE, Setup, setup_of
from cds_service.site.force import InForce

Lines = Mapping[str, Sequence[bytes]]
"""Resources as JSON, by type."""
_NAME: Final = "memory"


def rehearse_in_memory(lines: Lines, force: InForce, first: date, as_of: date) -> Inputs:
    """What the report of these patients is made from, from the first day to the last.

    The silent mode of a site file is left out, as in every rehearsal.
    """
    rules = rules_of_site(force.site) if force.site is not None else force
    decider = Decider(rules)
    options = Options(source=_NAME, out=Path(), first=first)
    source = Source(Path(), (), frozenset(KINDS))
    setup = setup_of(options, source, work=Path(), bits=0, as_of=as_of.isoformat())
    totals = Totals()
    records, sent = _gathered(lines, decider, setup, totals)
    found = decide_partition(setup, records, sent, Deciders(decider), visits=totals.visits)
    totals.decided(found.done)
    summary = totals.summary(options, source, setup.as_of, decider, "")
    rows = map(structs.asdict, found.rows)
    figures = figures_of(rows, decider.knowledge.cards)
    return Inputs(summary, figures, draw=stacked_bars, sampled=False)


def _gathered(lines: Lines, decider: Decider, setup: Setup, totals: Totals) -> tuple[Records, Sent]:
    """Both passes over the lines."""
    knowledge = decider.knowledge
    put_aside: dict[str, list[bytes]] = defaultdict(list)
    gathering = Gathering(
        setup,
        _patients(lines, decider),
        load_as_it_stood().moments,
        knowledge.terminology,
        lambda what, _, record: put_aside[what].append(record),
        part=_NAME,
    )
    for kind, found in lines.items():
        gathering.block(kind, Block(kind, 1, list(found)))
    met = gathering.met()
    totals.gathered(_NAME, met)
    names = (LINES, PEOPLE, MOMENTS, CLINICIANS, CODES)
    records = Records(*(put_aside[name] for name in names))
    medications = {read.id or "": line for read, line in _medications(lines)}
    products = sorted_records(filter(None, (product_record(r) for r, _ in _medications(lines))))
    return records, Sent(medications, Products(products), met.departments)


def _patients(lines: Lines, decider: Decider) -> set[str]:
    """The patients who can matter."""
    knowledge = decider.knowledge
    finder = Recogniser(knowledge)
    magnesium = {read.id or "" for read, line in _medications(lines) if finder.is_magnesium(line)}
    recogniser = Recogniser(knowledge, magnesium)
    return {
        patient
        for kind, found in lines.items()
        for line in found
        if (read := read_line(kind, line)) is not None
        and recogniser.matters(read, line)
        and (patient := patient_of(read)) is not None
    }


def _medications(lines: Lines) -> list[tuple[Coded, bytes]]:
    found = ((read_line("Medication", line), line) for line in lines.get("Medication", ()))
    return [(read, line) for read, line in found if isinstance(read, Coded)]
