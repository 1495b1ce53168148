"""A rehearsal gives the rows that were worked out from the specification without reading the program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from .independent import (
    AS_OF,
    Case,
    expectations,
    main_population,
    population_without_visits,
    write_export,
)
from .running import rows, run

POPULATIONS = {"with visits": main_population, "without visits": population_without_visits}
PER_PATIENT = {"none-suggest", "none-hazard"}
"""Cases in which "without Encounters" is read for each patient. Here it is read for the whole export: a
patient without a visit would otherwise count as one (docs/clinical-decisions.md, "Rehearsal")."""


def expected_rows(cases: Sequence[Case]) -> Counter[tuple[str, str, datetime, str | None]]:
    return Counter(
        (one["patient"], row["hook"], _minute(datetime.fromisoformat(row["at"])), row["card"])
        for one in expectations(cases)
        for row in one["rows"]
        if not (one["patient"] in PER_PATIENT and row["at"].startswith(AS_OF))
    )


def _minute(at: datetime) -> datetime:
    known = at if at.tzinfo else at.replace(tzinfo=UTC)
    return known.astimezone(UTC).replace(second=0, microsecond=0)


@pytest.mark.parametrize("name", POPULATIONS)
def test_every_row(name: str, tmp_path: Path) -> None:
    cases = POPULATIONS[name]()
    write_export(cases, tmp_path / "in")
    out = run(tmp_path / "in", tmp_path / "out", as_of=date.fromisoformat(AS_OF))
    found = Counter((r["patient"], r["hook"], _minute(r["at"]), r["card"]) for r in rows(out))
    wanted = expected_rows(cases)
    assert (wanted - found, found - wanted) == (Counter(), Counter())
