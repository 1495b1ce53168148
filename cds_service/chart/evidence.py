"""Facts with three values, and the evidence they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from cds_service import reasons
from cds_service.reasons import Reason


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """The place of a fact in the chart.

    `resource` is the reference ("Condition/12") or, without an id, the full URL or the position of
    the entry. `matched` is how it was found: "code", "prefix", "ingredient", "atc", "text" or
    "value". `date` is as written. `value` and `unit` are those that the rules compared.
    """

    resource: str
    system: str | None = None
    code: str | None = None
    display: str | None = None
    date: str | None = None
    value: str | None = None
    unit: str | None = None
    matched: str = "code"
    note: Reason | None = None


class FactState(StrEnum):
    """Present (with evidence), absent (searched and not found), or unknown (with the reason)."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Fact(msgspec.Struct, frozen=True, gc=False):
    """A fact about the chart that the rules use, with its state.

    `label` is its name if the wording has none for its id.
    """

    id: str
    state: FactState
    evidence: tuple[Evidence, ...] = ()
    why: Reason | None = None
    label: Reason | None = None

    @property
    def present(self) -> bool:
        """Whether the chart shows it."""
        return self.state is FactState.PRESENT

    @property
    def unknown(self) -> bool:
        """Whether the fact is unknown."""
        return self.state is FactState.UNKNOWN


class Gap(msgspec.Struct, frozen=True, gc=False):
    """A gap: a prefetch key with missing data, and the reason.

    `withheld` contains the issue codes with which a server withheld data of the key.
    """

    key: str
    why: Reason
    withheld: tuple[str, ...] = ()


def merged(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Each key once, with all reasons."""
    whys: dict[str, dict[Reason, None]] = {}
    withheld: dict[str, dict[str, None]] = {}
    for gap in gaps:
        whys.setdefault(gap.key, {})[gap.why] = None
        withheld.setdefault(gap.key, {}).update(dict.fromkeys(gap.withheld))
    return tuple(Gap(key, reasons.combined(why), tuple(withheld[key])) for key, why in whys.items())


def fact(
    fact_id: str,
    evidence: tuple[Evidence, ...] | list[Evidence],
    gaps: tuple[Gap, ...] = (),
    label: Reason | None = None,
) -> Fact:
    """Present if there is evidence, otherwise unknown if there is a gap, otherwise absent.

    The evidence is sorted newest first without duplicates, independent of the order of entries.
    """
    if evidence:
        return Fact(fact_id, FactState.PRESENT, in_order(evidence), label=label)
    if gaps:
        why = reasons.combined(reasons.of_key(g.key, g.why) for g in gaps)
        return Fact(fact_id, FactState.UNKNOWN, why=why, label=label)
    return Fact(fact_id, FactState.ABSENT, label=label)


def in_order(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Evidence newest first, without duplicates. Evidence without a date comes last."""
    once = dict.fromkeys(evidence)
    if len(once) < 2:
        return tuple(once)
    by_name = sorted(once, key=lambda e: (e.resource, e.code or ""))
    return tuple(sorted(by_name, key=lambda e: e.date or "", reverse=True))
