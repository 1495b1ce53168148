"""Answers with three values: yes, no, or the reason why it is not known."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service import reasons
from cds_service.chart.evidence import Fact, Gap
from cds_service.reasons import Reason

Verdict = bool | Reason
"""Yes, no, or why it is not known. A `Reason` must never be used as a condition."""


def of_fact(fact: Fact) -> Verdict:
    """Whether the chart shows a fact."""
    return (fact.why or reasons.NOT_KNOWN) if fact.unknown else fact.present


def of_gaps(gaps: Iterable[Gap]) -> Verdict:
    """No, or not known if there are gaps: for something that was not found."""
    why = dict.fromkeys(reasons.of_key(gap.key, gap.why) for gap in gaps)
    return reasons.combined(why) if why else False


def inverse(verdict: Verdict) -> Verdict:
    """The opposite. What is not known stays so."""
    return not verdict if isinstance(verdict, bool) else verdict


def all_hold(*verdicts: Verdict) -> Verdict:
    """No if one of them is no, otherwise not known if one of them is not known."""
    return False if False in verdicts else next(filter(_is_open, verdicts), True)


def any_holds(*verdicts: Verdict) -> Verdict:
    """Yes if one of them is yes, otherwise not known if one of them is not known."""
    return True if True in verdicts else next(filter(_is_open, verdicts), False)


def why_open(verdict: Verdict) -> Reason | None:
    """The reason why it is not known, or `None` if it is known."""
    return verdict if isinstance(verdict, Reason) else None


def _is_open(verdict: Verdict) -> bool:
    return isinstance(verdict, Reason)
