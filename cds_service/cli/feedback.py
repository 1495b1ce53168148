"""`feedback`: the report as tables, CSV or JSON; the comments; and deleting old records."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import msgspec
from rich.table import Table
from rich.text import Text

from cards.registered import load_knowledge
from cds_service.cli.errors import CommandError
from cds_service.cli.printing import console
from cds_service.feedback.reading import every_reason
from cds_service.feedback.report import (
    FEW,
    WITHHELD,
    Line,
    Report,
    as_csv,
    as_json,
    duration,
    make_report,
    percent,
)
from cds_service.settings import read_settings
from cds_service.store.errors import StoreError
from cds_service.store.location import database_url
from cds_service.store.store import Store

_WARNING = "These are free texts of clinicians. They may hold patient data: do not pass them on."


def show_report(days: int, form: str) -> None:
    """The report on the cards of the last days."""
    until = datetime.now(UTC)
    with _store() as store:
        history = store.history(until - timedelta(days=days), until)
    _FORMS[form](make_report(history, every_reason(load_knowledge())))


def show_comments(days: int) -> None:
    """The comments of the last days, under a warning."""
    with _store() as store:
        comments = store.comments(datetime.now(UTC) - timedelta(days=days))
    table = _table("Comments", "received", "card", "comment")
    for comment in comments:
        received = f"{comment.at:%Y-%m-%d %H:%M}"
        table.add_row(received, comment.card or "(unknown)", Text(_visible(comment.text)))
    out = console()
    out.print(_WARNING if comments else "No comments are kept from these days.")
    if comments:
        out.print(table)


def purge() -> None:
    """Delete data older than the retention time."""
    with _store() as store:
        console().print(f"Deleted {store.purge()} rows.")


@contextmanager
def _store() -> Iterator[Store]:
    settings = read_settings()
    url = database_url(settings.database_url, settings.data_dir)
    store = Store(url, settings.retention_days)
    try:
        yield store
    except StoreError as error:
        raise CommandError(f"The store cannot be used: {error}.") from None
    finally:
        store.close()


def _print_json(report: Report) -> None:
    print(msgspec.json.format(msgspec.json.encode(as_json(report))).decode())


def _print_csv(report: Report) -> None:
    sys.stdout.write(as_csv(report))


def _print_tables(report: Report) -> None:
    out = console()
    out.print(f"Cards issued from {report.since:%Y-%m-%d} to {report.until:%Y-%m-%d} (UTC).")
    out.print(
        f"Feedback items: {report.feedback}; on cards that are not known: {report.unmatched}."
    )
    out.print(_counts("All", [Line("all cards", report.total)]))
    for by, lines in report.groups.items():
        out.print(_counts(f"By {by}", lines))
    reasons = _table("Why cards were overridden", "card", "reason", "cards")
    for reason in report.reasons:
        reasons.add_row(reason.card, Text(reason.reason), str(reason.count))
    taken = _table("Suggestions taken", "card", "suggestion", "offered", "accepted")
    for kind in report.suggestions:
        taken.add_row(kind.card, kind.kind, str(kind.offered), str(kind.accepted))
    out.print(reasons, taken, _weeks(report))
    if report.some_are_few:
        out.print(f"few: fewer than {FEW} cards, so the share may change with the next ones.")


def _counts(title: str, lines: list[Line] | tuple[Line, ...]) -> Table:
    table = _table(
        title, "name", "issued", "accepted", "overridden", "ignored", "open", "share accepted",
        "range (95 %)", "median time",
    )  # fmt: skip
    for line in lines:
        tally = line.tally
        low, high = tally.interval or (None, None)
        table.add_row(
            Text(line.name),
            *map(str, (tally.issued, tally.accepted, tally.overridden, tally.ignored, tally.open)),
            f"{percent(tally.share)}{' (few)' if tally.few else ''}",
            f"{percent(low)} to {percent(high)}" if tally.interval else "",
            duration(tally.median_seconds),
        )
    return table


def _weeks(report: Report) -> Table:
    table = _table("Decided by card and week", "card", "week", "decided", "returned", *WITHHELD)
    for line in report.weeks:
        counts = (line.decided, line.returned, *(line.withheld[why] for why in WITHHELD))
        table.add_row(line.card, line.week, *map(str, counts))
    return table


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", title_style="bold")


def _visible(text: str) -> str:
    """Remove control characters for the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


_FORMS: Mapping[str, Callable[[Report], None]] = MappingProxyType(
    {"csv": _print_csv, "json": _print_json, "tables": _print_tables}
)
