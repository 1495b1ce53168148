"""Runs a rehearsal in this process, and reads what it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cds_service.rehearsal.options import Options
from cds_service.rehearsal.run import rehearse


def run(source: Path, out: Path, **options: Any) -> Path:
    """The folder with the files of a run."""
    rehearse(Options(source=str(source), out=out, **options))
    return out


def rows(out: Path) -> list[dict[str, Any]]:
    """The rows of a run."""
    found: list[dict[str, Any]] = pq.read_table(out / "decisions.parquet").to_pylist()
    return found


def summary(out: Path) -> dict[str, Any]:
    """The numbers of a run."""
    found: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return found


def cards(out: Path) -> list[tuple[str, str, str]]:
    """Patient, hook and card of each card."""
    return [(r["patient"], r["hook"], r["card"]) for r in rows(out) if r["card"]]
