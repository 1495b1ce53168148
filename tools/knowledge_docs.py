"""Make the pages of the documentation that are tables of the knowledge.

    .venv/bin/python -m tools.knowledge_docs [--check]

`docs/parameters.md` lists every parameter with its value, its reason and what a site may do to it.
With `--check` nothing is written: the command fails where a page is not up to date.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cards.registered import load_knowledge
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.parameters import Parameter, said
from tools.made_files import asks_for_check, write_files

DOCS = Path(__file__).resolve().parents[1] / "docs"
_UNITS = {
    "1": "",
    "bool": "",
    "a": "years",
    "mo": "months",
    "wk": "weeks",
    "d": "days",
    "h": "hours",
    "/d": "a day",
    "mg/d": "mg/day",
    "{character}": "characters",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
}
_HEAD = """# Parameters

All numbers and flags of the rules. This page is made from `cds_service/knowledge/data/parameters.json` by
`.venv/bin/python -m tools.knowledge_docs`. Do not edit it by hand.

A site can change the parameters that have a direction, in its site file. The direction is the one in which
no rule becomes less strict. The limit is the last value that is accepted.

| parameter | value | meaning | reason | a site may set |
|---|---|---|---|---|
"""


def pages(knowledge: Knowledge) -> Mapping[str, str]:
    """Each page that is made from the knowledge, by its name in `docs`."""
    rows = "".join(map(_row, knowledge.parameter_rows))
    return {"parameters.md": _HEAD + rows}


def _row(row: Parameter) -> str:
    cells = (f"`{row.id}`", with_unit(row), row.title, row.why, _site(row))
    return f"| {' | '.join(cells)} |\n"


def with_unit(row: Parameter) -> str:
    """A value as people read it: "365 days", "1.2 mg/dL", "yes"."""
    return f"{said(row.value)} {_UNITS.get(row.unit, row.unit)}".strip()


def _site(row: Parameter) -> str:
    """What a site may set. The value itself is the other end of the range."""
    site = row.site
    if not site.may_change:
        return f"no. {site.why}"
    return f"{site.direction}, to {said(site.limit)}. {site.why}"


def main(arguments: list[str] | None = None) -> int:
    """Writes the pages, or with `--check` prints those that are not up to date."""
    check = asks_for_check(__doc__ or "", arguments)
    files = {f"{DOCS.name}/{name}": text for name, text in pages(load_knowledge()).items()}
    return write_files(files, DOCS.parent, check=check)


if __name__ == "__main__":
    raise SystemExit(main())
