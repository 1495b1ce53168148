"""The report on feedback: how often each card was issued, accepted, overridden or ignored."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from math import sqrt
from types import MappingProxyType
from typing import Any

import msgspec

from cds_service.knowledge.model import OverrideReason
from cds_service.site.showing import Why
from cds_service.store.history import CardOutcome, History, IssuedCards
from cds_service.store.records import OTHER_REASON

FEW = 20
"""With fewer cards than this, a percentage is not reliable, and the row is flagged."""
_Z = 1.96  # quantile of the normal distribution: 95 of 100 intervals contain the true share
NO_CLIENT = "(not authenticated)"
NO_SITE = "(no site file)"
WITHHELD = tuple(why.value for why in Why)
"""The reasons for which a decided card is not returned, as in `/explain`."""
NO_REASON = "(no reason given)"
OTHER = "(a reason that no card offers)"


class Tally(msgspec.Struct, frozen=True):
    """The number of some cards, and their outcomes.

    `open` cards were issued within the last day and can still get feedback. Shares are of the other
    cards.
    """

    issued: int
    accepted: int
    overridden: int
    ignored: int
    open: int
    median_seconds: int | None

    @property
    def settled(self) -> int:
        """The cards that are not open."""
        return self.issued - self.open

    @property
    def few(self) -> bool:
        """Whether there are too few cards for a conclusion."""
        return self.settled < FEW

    @property
    def share(self) -> float | None:
        """The share of accepted cards among the settled ones."""
        return self.accepted / self.settled if self.settled else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the true share (Wilson)."""
        n = self.settled
        if not n:
            return None
        share, spread = self.accepted / n, _Z**2 / n
        middle = (share + spread / 2) / (1 + spread)
        half = _Z / (1 + spread) * sqrt(share * (1 - share) / n + spread / (4 * n))
        return max(0.0, middle - half), min(1.0, middle + half)


class Line(msgspec.Struct, frozen=True):
    """The tally of one card, rule, week and so on."""

    name: str
    tally: Tally


class ReasonLine(msgspec.Struct, frozen=True):
    """How many overrides of a card gave a reason."""

    card: str
    reason: str
    count: int


class SuggestionLine(msgspec.Struct, frozen=True):
    """How often a kind of suggestion on a card was offered and accepted."""

    card: str
    kind: str
    offered: int
    accepted: int


class WeekLine(msgspec.Struct, frozen=True):
    """How often a card was decided in one week: returned, and not returned by reason."""

    week: str
    card: str
    returned: int
    withheld: Mapping[str, int]

    @property
    def decided(self) -> int:
        """All decisions for this card, whether or not it was returned."""
        return self.returned + sum(self.withheld.values())


class Report(msgspec.Struct, frozen=True):
    """The report for a time span. The keys of `groups` name the grouping.

    `weeks` compares weeks in which a card was silent with weeks in which it was returned.
    """

    since: datetime
    until: datetime
    total: Tally
    groups: Mapping[str, tuple[Line, ...]]
    reasons: tuple[ReasonLine, ...]
    suggestions: tuple[SuggestionLine, ...]
    weeks: tuple[WeekLine, ...]
    feedback: int
    unmatched: int

    @property
    def some_are_few(self) -> bool:
        """Whether any line has too few cards."""
        return any(line.tally.few for lines in self.groups.values() for line in lines)


# A card has one value of each, but several rules. It counts for every rule.
GROUPS: Mapping[str, Callable[[IssuedCards], Iterable[str]]] = MappingProxyType(
    {
        "card": lambda cards_group: [cards_group.card],
        "rule": lambda cards_group: cards_group.rules,
        "hook": lambda cards_group: [cards_group.hook],
        "service": lambda cards_group: [cards_group.service],
        "client": lambda cards_group: [cards_group.client or NO_CLIENT],
        "week": lambda cards_group: [cards_group.week.isoformat()],
        "knowledge": lambda cards_group: [cards_group.knowledge],
        "site": lambda cards_group: [cards_group.site or NO_SITE],
        "card and knowledge": lambda cards_group: [f"{cards_group.card}, {cards_group.knowledge}"],
    }
)


def make_report(history: History, reasons: Iterable[OverrideReason]) -> Report:
    """The report on a history. `reasons` contains the displayed names of the reasons."""
    displays = {f"{r.system}|{r.code}": r.display for r in reasons}
    displays |= {"": NO_REASON, OTHER_REASON: OTHER}
    return Report(
        since=history.since,
        until=history.until,
        total=_tally(history.issues),
        groups={by: _lines(history.issues, names) for by, names in GROUPS.items()},
        reasons=tuple(
            ReasonLine(o.card, displays.get(o.reason, o.reason), o.count)
            for o in sorted(history.overrides, key=lambda o: (o.card, -o.count, o.reason))
        ),
        suggestions=tuple(
            SuggestionLine(t.card, t.kind, t.offered, t.accepted)
            for t in sorted(history.taken, key=lambda t: (t.card, t.kind))
        ),
        weeks=_weeks(history),
        feedback=history.feedback,
        unmatched=history.unmatched,
    )


def _lines(
    issues: Iterable[IssuedCards], names: Callable[[IssuedCards], Iterable[str]]
) -> tuple[Line, ...]:
    groups: dict[str, list[IssuedCards]] = {}
    for cards_group in issues:
        for name in names(cards_group):
            groups.setdefault(name, []).append(cards_group)
    return tuple(Line(name, _tally(groups[name])) for name in sorted(groups))


def _weeks(history: History) -> tuple[WeekLine, ...]:
    """A line for each card and week in which it was decided, in the order of card and week."""
    returned: Counter[tuple[str, str]] = Counter()
    withheld: dict[tuple[str, str], Counter[str]] = {}
    for issued in history.issues:
        returned[issued.card, issued.week.isoformat()] += issued.count
    for line in history.withheld:
        reasons = withheld.setdefault((line.card, line.week.isoformat()), Counter())
        reasons[line.why] += line.count
    return tuple(
        WeekLine(
            week,
            card,
            returned[card, week],
            {why: withheld.get((card, week), Counter())[why] for why in WITHHELD},
        )
        for card, week in sorted({*returned, *withheld})
    )


def _tally(issues: Iterable[IssuedCards]) -> Tally:
    outcomes: Counter[CardOutcome] = Counter()
    seconds: Counter[int] = Counter()
    for cards_group in issues:
        outcomes[cards_group.outcome] += cards_group.count
        if cards_group.seconds is not None:
            seconds[cards_group.seconds] += cards_group.count
    return Tally(
        issued=outcomes.total(),
        accepted=outcomes[CardOutcome.ACCEPTED],
        overridden=outcomes[CardOutcome.OVERRIDDEN],
        ignored=outcomes[CardOutcome.IGNORED],
        open=outcomes[CardOutcome.OPEN],
        median_seconds=_median(seconds),
    )


def _median(counted: Counter[int]) -> int | None:
    """The median, or the lower of the two middle values."""
    middle = (counted.total() + 1) // 2
    for value in sorted(counted):
        middle -= counted[value]
        if middle <= 0:
            return value
    return None


# --------------------------------------------------------------- other forms


def as_json(report: Report) -> dict[str, Any]:
    """The report, ready for JSON."""
    return {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "feedback": report.feedback,
        "unmatched": report.unmatched,
        "few": FEW,
        "total": _tally_json(report.total),
        "by": {
            by: [{"name": line.name, **_tally_json(line.tally)} for line in lines]
            for by, lines in report.groups.items()
        },
        "overrideReasons": msgspec.to_builtins(report.reasons),
        "suggestions": msgspec.to_builtins(report.suggestions),
        "weeks": [
            {
                "card": w.card,
                "week": w.week,
                "decided": w.decided,
                "returned": w.returned,
                **w.withheld,
            }
            for w in report.weeks
        ],
    }


def _tally_json(tally: Tally) -> dict[str, Any]:
    low, high = tally.interval or (None, None)
    return {
        **msgspec.to_builtins(tally),
        "acceptedShare": _rounded(tally.share),
        "acceptedShareLow": _rounded(low),
        "acceptedShareHigh": _rounded(high),
        "tooFewToConclude": tally.few,
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


_COLUMNS = (
    "table", "name", "issued", "accepted", "overridden", "ignored", "open", "median_seconds",
    "acceptedShare", "acceptedShareLow", "acceptedShareHigh", "tooFewToConclude", "decided", *WITHHELD,
)  # fmt: skip


def as_csv(report: Report) -> str:
    """All tables of the report as one. The first column names the table."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_csv_rows(report))
    return out.getvalue()


def _csv_rows(report: Report) -> Iterator[dict[str, Any]]:
    yield {"table": "total", "name": "all", **_tally_json(report.total)}
    for by, lines in report.groups.items():
        for line in lines:
            yield {"table": by, "name": line.name, **_tally_json(line.tally)}
    for reason in report.reasons:
        name = f"{reason.card}, {reason.reason}"
        yield {"table": "override reason", "name": name, "overridden": reason.count}
    for kind in report.suggestions:
        name = f"{kind.card}, {kind.kind}"
        yield {
            "table": "suggestion",
            "name": name,
            "issued": kind.offered,
            "accepted": kind.accepted,
        }
    for week in report.weeks:
        yield {
            "table": "decided by card and week",
            "name": f"{week.card}, {week.week}",
            "issued": week.returned,
            "decided": week.decided,
            **week.withheld,
        }
    yield {"table": "unmatched feedback", "name": "all", "issued": report.unmatched}


def percent(share: float | None) -> str:
    """A share as text."""
    return "" if share is None else f"{share:.0%}"


def duration(seconds: int | None) -> str:
    """A duration in its largest fitting unit."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} s"
