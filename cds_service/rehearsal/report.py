"""`report.html`: the page that a committee reads. It contains no patient ids and needs no network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from cds_service.bars import MOST_SERIES
from cds_service.knowledge.model import Card
from cds_service.rehearsal.figures import LOCKOUTS, Figures, figures_of, rows_in
from cds_service.rehearsal.marks import Marks
from cds_service.rehearsal.moments import DISCHARGE, HOOKS, ORDER_HOOKS, PATIENT_VIEW, REFILL
from cds_service.rehearsal.people import DIMENSIONS
from cds_service.rehearsal.plots import stacked
from cds_service.rehearsal.summary import Summary

REPORT: Final = "report.html"
LEAST: Final = 11
"""Smaller groups are not shown: a person could be recognised."""
MOST_MONTHS: Final = 36
MOST_ROWS: Final = 50
_STEPS: Final = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 10**9))
_VISITS = (PATIENT_VIEW, DISCHARGE)
_ORDERS = (*ORDER_HOOKS, REFILL)
Row = Sequence[Any]
Rows = Sequence[Row]
Draw = Callable[[str, str, Sequence[str], Mapping[str, Sequence[float]]], str]
"""Draws stacked bars as SVG: an id, a title, the name of each bar, and the numbers of each series."""


class Inputs(NamedTuple):
    """What a report is made from.

    `sampled` is false where there is no sample for review. `evidence` is the address of the page
    with the texts of the cards, "" for a report that links to nothing.
    """

    summary: Summary
    figures: Figures
    marks: Marks | None = None
    draw: Draw = stacked
    sampled: bool = True
    evidence: str = ""


def write_report(
    out: Path,
    summary: Summary,
    cards: Mapping[str, Card],
    marks: Marks | None = None,
) -> None:
    """Write the page next to the rows it is about."""
    figures = figures_of(rows_in(out / "decisions.parquet"), cards)
    (out / REPORT).write_text(page(Inputs(summary, figures, marks)), encoding="utf-8")


def page(inputs: Inputs) -> str:
    """The page, whole."""
    return _rendered(REPORT, inputs)


def sections(inputs: Inputs) -> str:
    """The sections of the page alone, for a page that has a frame of its own."""
    return _rendered("sections.html", inputs)


def _rendered(template: str, inputs: Inputs) -> str:
    environment = Environment(
        loader=PackageLoader("cds_service.rehearsal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    parts = {name: part(inputs) for name, part in _PARTS.items()}
    marks, comparison = inputs.marks, inputs.summary.compared
    return environment.get_template(template).render(
        summary=inputs.summary,
        least=LEAST,
        total=inputs.figures.total,
        repeats=inputs.figures.repeats.total(),
        marks=marks.shown(inputs.figures.by(0)) if marks is not None else None,
        sampled=inputs.sampled,
        evidence=inputs.evidence,
        comparison=comparison.shown() if comparison is not None else None,
        **parts,
    )


def _population(inputs: Inputs) -> Rows:
    summary = inputs.summary
    moments = _moments(summary)
    span = (summary.first or "the beginning", summary.last or summary.as_of)
    return [
        ("export of", summary.as_of),
        ("moments", f"from {span[0]} to {span[1]}" if summary.history else "one for each patient"),
        ("patients", summary.patients),
        ("patients with migraine or magnesium at some time (decided)", summary.patients_decided),
        ("patients with a card", sum(inputs.figures.per_patient.values())),
        *((f"moments of {hook}", moments[hook]) for hook in summary.hooks),
        ("days on which a clinician saw a patient or wrote an order", summary.clinician_days),
    ]


def _moments(summary: Summary) -> dict[str, int]:
    """The moments of all patients by hook."""
    found = dict.fromkeys(HOOKS, 0)
    for hook, _, number in (*summary.by_month, *summary.ruled_out_by_month):
        found[hook] += number
    return found


def _lines(inputs: Inputs) -> Rows:
    return list(inputs.summary.input.lines.items())


def _warnings(inputs: Inputs) -> list[str]:
    found = inputs.summary.input
    said = []
    if found.missing_types:
        said.append(f"The export has no readable {', '.join(found.missing_types)}.")
    if found.missing_files:
        said.append(f"The manifest names files that are missing: {', '.join(found.missing_files)}.")
    if found.malformed_lines:
        where = "; ".join(
            f"{f.file}{f' line {f.line}' if f.line else ''} {f.why}" for f in found.malformed[:10]
        )
        said.append(f"{found.malformed_lines} lines could not be read: {where}.")
    if found.without_patient:
        said.append(f"{found.without_patient} resources name no patient.")
    if found.deleted:
        said.append(f"{found.deleted} resources are in the deleted-files lists and were left out.")
    if "Encounter" in found.missing_types and inputs.summary.history:
        said.append("Without Encounters each patient's chart was opened once, at the end.")
    return [*said, *found.notes]


def _rates(inputs: Inputs) -> Rows:
    figures, summary = inputs.figures, inputs.summary
    by_hook, moments = figures.by(2), _moments(summary)
    opened = sum(by_hook[hook] for hook in _VISITS)
    ordered = sum(by_hook[hook] for hook in _ORDERS)
    visits, orders = moments[PATIENT_VIEW], moments["order-sign"]
    return [
        ("cards on opening a chart or discharge, per 1,000 visits", *_rate(opened, visits, 1000)),
        ("cards on orders and refills, per 100 orders", *_rate(ordered, orders, 100)),
        ("all cards, per clinician-day", *_rate(figures.total, summary.clinician_days, 1)),
        ("all cards, per patient", *_rate(figures.total, summary.patients, 1)),
    ]


def _rate(number: int, out_of: int, per: int) -> tuple[int, int, str]:
    return number, out_of, f"{per * number / out_of:.2f}" if out_of else "–"


def _by_card(inputs: Inputs) -> Rows:
    """The number at each hook, and at all of them."""
    numbers, hooks = inputs.figures.cards, inputs.summary.hooks
    cards = {(card, indicator) for card, indicator, _ in numbers}
    rows = [
        (*card, *counts, sum(counts))
        for card in cards
        if (counts := [numbers[*card, h] for h in hooks])
    ]
    return sorted(rows, key=lambda row: (-row[-1], row))


def _by_indicator(inputs: Inputs) -> Rows:
    return _most(inputs.figures.by(1))


def _by_month(inputs: Inputs) -> Rows:
    cards: dict[str, int] = {}
    for (month, _), number in inputs.figures.months.items():
        cards[month] = cards.get(month, 0) + number
    moments = _of_all(inputs.summary.by_month, inputs.summary.ruled_out_by_month)
    last = max(cards, default="9999")
    months = sorted(month for month in {*cards, *moments} if month <= last)[-MOST_MONTHS:]
    return [(month, cards.get(month, 0), moments.get(month, 0)) for month in months]


def _by_department(inputs: Inputs) -> Rows:
    summary = inputs.summary
    moments = _of_all(summary.by_department, summary.ruled_out_by_department)
    rows = inputs.figures.departments.most_common()
    return [
        (name, number, moments.get(name, moments.get("", 0)))
        for name, number in sorted(rows, key=lambda row: (-row[1], row[0]))[:MOST_ROWS]
    ]


def _of_all(*counts: Iterable[Row]) -> dict[str, int]:
    """Moments by month or department, over all hooks."""
    found: dict[str, int] = {}
    for rows in counts:
        for _, name, number in rows:
            found[name] = found.get(name, 0) + number
    return found


def _stepped(numbers: Mapping[int, int]) -> Rows:
    """How many have so many cards, in steps."""
    rows: list[Row] = []
    for low, high in _STEPS:
        found = sum(many for number, many in numbers.items() if low <= number <= high)
        name = (
            str(low) if low == high else f"{low} to {high}" if high < 10**9 else f"over {low - 1}"
        )
        if found:
            rows.append((name, found))
    return rows


def _subgroups(inputs: Inputs) -> list[tuple[str, Rows]]:
    groups: dict[str, list[tuple[str, int, int]]] = {}
    for dimension, group, patients, with_card in inputs.summary.people:
        groups.setdefault(dimension, []).append((group, patients, with_card))
    return [(d, _suppressed(groups[d])) for d in DIMENSIONS if d in groups]


def _suppressed(rows: Sequence[tuple[str, int, int]]) -> Rows:
    """Rows without cells under eleven, and without those that would give such a cell away.

    All patients are in the report: what is not shown can be worked out for all such rows together.
    """
    few = {name for name, *numbers in rows if any(0 < n < LEAST for n in numbers)}
    rest = sorted((patients, name) for name, patients, _ in rows if name not in few)
    while rest and few and (len(few) == 1 or _is_small(rows, few)):
        few.add(rest.pop(0)[1])
    shown: list[Row] = []
    for name, patients, with_card in rows:
        if name in few:
            shown.append((name, "not shown", "not shown", ""))
        else:
            share = f"{100 * with_card / patients:.1f} %" if patients else ""
            shown.append((name, patients, with_card, share))
    return shown


def _is_small(rows: Sequence[tuple[str, int, int]], few: Collection[str]) -> bool:
    """Whether rows together have a cell under eleven."""
    numbers = [(patients, with_card) for name, patients, with_card in rows if name in few]
    return any(0 < sum(column) < LEAST for column in zip(*numbers, strict=True))


def _lockouts(inputs: Inputs) -> Rows:
    figures = inputs.figures
    rows = [("none", figures.total), *((f"{d} days", figures.left[d]) for d in LOCKOUTS)]
    total = figures.total
    return [(name, n, f"{100 * n / total:.0f} %" if total else "") for name, n in rows]


def _silent(inputs: Inputs) -> Rows:
    rows = sorted(inputs.figures.silent.items(), key=lambda item: (-item[1], item[0]))
    return [(_in_words(why), hook, number) for (hook, why), number in rows[:MOST_ROWS]]


def _near_misses(inputs: Inputs) -> Rows:
    return [(_in_words(why), number) for why, number in _most(inputs.figures.near_misses)]


def _in_words(why: str) -> str:
    return why.replace("_", " ")


def _not_read(inputs: Inputs) -> Rows:
    rows = inputs.summary.not_read
    return [
        (code or "–", shown, system or "–", kind, number)
        for kind, system, code, shown, number in rows
    ]


def _most(counts: Mapping[str, int]) -> Rows:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_ROWS]


def _plots(inputs: Inputs) -> dict[str, str]:
    figures = inputs.figures
    months = [row[0] for row in _by_month(inputs)]
    cards = [card for card, _ in _most(figures.by(0))]
    series = {card: [figures.months[month, card] for month in months] for card in cards}
    draw = inputs.draw
    indicators = ("critical", "warning", "info")
    by_card = {
        indicator: [
            sum(n for (c, i, _), n in figures.cards.items() if (c, i) == (card, indicator))
            for card in cards
        ]
        for indicator in indicators
    }
    return {
        "cards": draw("cards", "Cards by card and indicator", cards, by_card),
        "months": draw("months", "Cards by month", months, _distinct(series)),
        "lockouts": draw(
            "lockouts",
            "Cards that a lock-out leaves",
            [name for name, _, _ in _lockouts(inputs)],
            {"": [number for _, number, _ in _lockouts(inputs)]},
        ),
    }


def _distinct(series: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """As many series as can be told apart in grey: the last one is the sum of the rest."""
    if len(series) <= MOST_SERIES:
        return dict(series)
    shown = dict(list(series.items())[: MOST_SERIES - 1])
    rest = list(series.values())[MOST_SERIES - 1 :]
    return shown | {f"{len(rest)} other cards": [sum(values) for values in zip(*rest, strict=True)]}


_PARTS: Final[Mapping[str, Callable[[Inputs], Any]]] = {
    "population": _population,
    "lines": _lines,
    "warnings": _warnings,
    "rates": _rates,
    "by_card": _by_card,
    "by_indicator": _by_indicator,
    "by_month": _by_month,
    "by_department": _by_department,
    "by_practitioner": lambda inputs: _stepped(inputs.figures.per_practitioner),
    "by_patient": lambda inputs: _stepped(inputs.figures.per_patient),
    "subgroups": _subgroups,
    "lockouts": _lockouts,
    "repeats_by_card": lambda inputs: _most(inputs.figures.repeats),
    "silent": _silent,
    "near_misses": _near_misses,
    "unknown": lambda inputs: _most(inputs.figures.unknown),
    "not_read": _not_read,
    "plots": _plots,
}
