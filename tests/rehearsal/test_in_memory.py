"""A rehearsal in memory gives the numbers and rows that the local engine writes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import pytest
from msgspec import to_builtins

from cds_service.rehearsal.figures import figures_of
from cds_service.rehearsal.in_memory import rehearse_in_memory
from cds_service.rehearsal.report import page, sections
from cds_service.rehearsal.rules import rules_of
from cds_service.web.pages import rehearsal

from .population import LISINOPRIL, Resource, patient, write_export
from .running import rows, run, summary
from .stories import told
from .test_mapping import not_decided
from .test_moments import medication, referring

FIRST, LAST = date(2020, 1, 1), date(2026, 11, 22)


def lines_of(resources: Iterable[Resource]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for resource in resources:
        found[resource["resourceType"]].append(json.dumps(resource).encode())
    return found


def stories() -> list[Resource]:
    found = [r for _, _, story in told(2) for r in story.resources]
    found += [*not_decided("b"), patient("c")]
    found += [medication(f"m{n}", LISINOPRIL) for n in (1, 2)]
    return [*found, *(referring("c", f"o{n}", f"m{n}", f"2025-0{n}-01") for n in (1, 2))]


def synthetic() -> list[Resource]:
    return list(rehearsal._resources(LAST))


@pytest.mark.parametrize("population", [stories, synthetic])
def test_it_agrees_with_the_local_engine(
    tmp_path: Path, population: Callable[[], list[Resource]]
) -> None:
    resources = population()
    inputs = rehearse_in_memory(lines_of(resources), rules_of(None), FIRST, LAST)
    source = write_export(tmp_path / "in", resources)
    out = run(source, tmp_path / "out", as_of=LAST, first=FIRST)
    expected, found = summary(out), to_builtins(inputs.summary)
    assert found["input"].pop("missing_types") == expected["input"].pop("missing_types")
    assert found == expected
    figures = figures_of(rows(out), rules_of(None).knowledge.cards)
    assert inputs.figures == figures
    assert figures.total > 30


def test_the_page_of_a_committee_has_the_same_sections() -> None:
    """The file is drawn by a library, the page by our own bars; the tables are the same."""
    from cds_service.rehearsal.plots import stacked

    inputs = rehearse_in_memory(lines_of(stories()), rules_of(None), FIRST, LAST)
    whole = page(inputs._replace(draw=stacked))
    assert "<a href" not in whole
    for line in sections(inputs).splitlines():
        if line.startswith(("<tr>", "<caption>", "<h2")):
            assert line in whole


def test_without_patients_there_is_a_report_too() -> None:
    inputs = rehearse_in_memory({}, rules_of(None), FIRST, LAST)
    assert inputs.summary.patients == inputs.figures.total == 0
    assert "none" in sections(inputs)
