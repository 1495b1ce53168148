"""The real charts through the service, as the command line puts them through: one outcome a chart.

`python -m tests.charts.outcomes` rewrites the table of docs/real-charts.md. It keeps the text
after the table.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.hooks.answering import Answering
from cds_service.hooks.envelope import HookCall, read_call
from cds_service.hooks.errors import BadCallError
from cds_service.hooks.services import Service, services_of
from cds_service.sandbox.from_bundle import BundleError, request_from_bundle
from cds_service.site.force import InForce
from tests.support.decisions import knowledge

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
DOCUMENT = ROOT / "docs" / "real-charts.md"
MODIFIED = "modified charts"
UNDATED = date(2026, 11, 22)
"""The day for charts that hold no clinical date at all."""
URL = "https://cds.example.org"

Row = dict[str, Any]
Explained = dict[str, Any]


class _Bundle(msgspec.Struct):
    resourceType: str  # noqa: N815
    entry: list[Raw] | None = None


@cache
def rows() -> tuple[Row, ...]:
    """The index of the charts, real and modified; none where the charts are not at hand."""
    found = []
    for name in ("index.jsonl", "variants/variants.jsonl"):
        path = DATA / name
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        found += [json.loads(line) for line in lines]
    return tuple(found)


def source_of(row: Row) -> str:
    return MODIFIED if row["modified"] else str(row["source"])


def sources() -> list[str]:
    return sorted({source_of(row) for row in rows()})


def rows_of(source: str) -> list[Row]:
    return [row for row in rows() if source_of(row) == source]


def bundle_of(row: Row) -> bytes:
    return gzip.decompress((DATA / row["file"]).read_bytes())


def day_of(row: Row) -> date:
    return date.fromisoformat(row["as_of"]) if row.get("as_of") else UNDATED


def answering(day: date) -> Answering:
    return Answering(InForce(knowledge()), lambda: datetime.combine(day, time(12), UTC))


@cache
def services() -> dict[str, Service]:
    return {service.hook: service for service in services_of(knowledge()).values()}


def call_of(bundle: bytes, hook: str = "patient-view") -> HookCall:
    body = request_from_bundle(bundle, services()[hook], knowledge().terminology)
    return read_call(body, hook)


def explain(bundle: bytes, day: date, hook: str = "patient-view") -> Explained:
    return explain_call(call_of(bundle, hook), day)


def explain_call(call: HookCall, day: date) -> Explained:
    service = answering(day)
    return service.explain(service.answer(call, URL, complete=True))


def reversed_entries(bundle: bytes) -> bytes:
    read = msgspec.json.decode(bundle, type=_Bundle)
    return msgspec.json.encode(_Bundle(read.resourceType, (read.entry or [])[::-1]))


def outcome(row: Row) -> str:
    """The ids of the cards, "silent", or why there was no answer."""
    try:
        explained = explain(bundle_of(row), day_of(row))
    except BundleError:
        return "not one patient"
    except BadCallError as error:
        return f"refused ({error.status})"
    return ", ".join(cards_of(explained)) or "silent"


def cards_of(explained: Explained) -> list[str]:
    return [r["rule"] for r in explained["rules"] if r["outcome"] == "fired"]


def line_of(source: str, outcomes: Iterable[str]) -> str:
    """The row of a source in the document."""
    counts = Counter(outcomes)
    said = "; ".join(f"{what}: {n}" for what, n in sorted(counts.items(), key=_most_first))
    return f"| {source} | {sum(counts.values())} | {said} |"


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


HEAD = """# Results with real charts

Publicly available synthetic charts from many sources are sent to `patient-view` on the day of their
last entry. They are not part of this repository. If they are available, `tests/charts` runs each of
them and checks this table. It also checks that no chart causes an error, that `/explain` gives a
reason whenever there is no card, and that the order of the resources has no effect.

The counts do not show how often a card would appear in practice, because few of these patients have
migraine. In the modified charts, facts were added to real charts on purpose.

"silent": no card. "not one patient": the file has no Patient resource, or several. "refused (412)": a
required part of the chart cannot be read, and the response names it.

| source | charts | outcomes |
|---|--:|---|
"""


READ = "\n## Twenty charts, read line by line\n"


def document() -> Iterator[str]:
    yield HEAD
    for source in sources():
        yield line_of(source, map(outcome, rows_of(source))) + "\n"
    yield read_by_people()


def read_by_people() -> str:
    """What follows the table is written by hand, and stays."""
    _, heading, text = DOCUMENT.read_text(encoding="utf-8").partition(READ)
    return heading + text


if __name__ == "__main__":
    DOCUMENT.write_text("".join(document()), encoding="utf-8")
