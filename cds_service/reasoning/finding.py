"""Findings of the checks of an order or of current magnesium."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from cds_service.chart.evidence import Evidence, Fact
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.model import HazardRow, SafetyRow
from cds_service.reasoning.decision import Caution
from cds_service.reasons import Said

Row = TypeVar("Row", SafetyRow, HazardRow)


class Finding(msgspec.Struct, frozen=True):
    """The finding of a check: the evidence, the values for the card, and the severity.

    `grades` are names of additional findings. The rows of the policy define their effect.
    `indicator` is set only if the check itself decides it.
    """

    fact: str
    evidence: tuple[Evidence, ...]
    values: dict[str, Said] = {}
    grades: frozenset[str] = frozenset()
    indicator: str = ""
    cautions: tuple[Caution, ...] = ()
    also: tuple[Fact, ...] = ()


def from_fact(fact: Fact) -> Finding | None:
    """A finding that rests on one fact, or `None` if the fact is not present."""
    if not fact.present:
        return None
    return Finding(fact.id, fact.evidence, {"finding": fact.evidence[0].display or ""})


def row_for(rows: Iterable[Row], finding: Finding) -> Row | None:
    """The first row whose grade was found."""
    return next((r for r in rows if not r.grade or r.grade in finding.grades), None)


def status_cautions(uses: Iterable[MedicationUse]) -> tuple[Caution, ...]:
    """Cautions for magnesium that counts as current although something contradicts it.

    Examples: an order that is years old, an unclear status, a code that contradicts its words.
    """
    found: dict[tuple[str, str], Caution] = {}
    for use in uses:
        product = {"product": use.label}
        lines = (
            (use.old, "M9", product | {"since": use.since.written if use.since else ""}),
            (use.status_unclear, "U6", product),
            (use.contradictory, "U13", product),
        )
        for holds, caution_id, values in lines:
            if holds:
                caution = Caution(caution_id, values, (use.evidence,))
                found.setdefault((caution_id, use.label.lower()), caution)
    return tuple(found.values())
