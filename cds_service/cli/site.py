"""`site`: check a site file, show the values in force, compare two files, and write an approval."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from rich.table import Table

from cards.registered import load_knowledge
from cds_service.cli.errors import CommandError
from cds_service.cli.printing import console, print_as_is
from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.knowledge.loader import Knowledge
from cds_service.site.check import Checked
from cds_service.site.hashing import content_hash
from cds_service.site.inventory import Value, changes, inventory
from cds_service.site.load import SiteFileError, checked_file
from cds_service.site.model import SiteFile

DEFAULTS = "defaults"
FAULTY, DIFFERENT = 1, 1


def check(file: str) -> int:
    """Print one line for each fault, or the hash if there is none. Notes go to standard error."""
    checked = _checked(file, load_knowledge())
    for fault in checked.faults:
        print_as_is(str(fault))
    for note in checked.notes:
        print(note, file=sys.stderr)
    if checked.site is None:
        return FAULTY
    print_as_is(content_hash(checked.content))
    return 0


def show(file: str | None, *, as_json: bool) -> int:
    """Print the values in force, each next to its default."""
    knowledge = load_knowledge()
    site = _valid(file, knowledge) if file is not None else None
    values = inventory(knowledge, site)
    if as_json:
        _print_json([_as_json(value) for value in values])
        return 0
    title = site.site.title if site is not None else "Built-in defaults"
    table = Table("setting", "what it is", "default", "in force", title=title, title_justify="left")
    for value in values:
        style = "bold" if value.changed else ""
        table.add_row(value.place, value.title, value.default, value.value, style=style)
    console().print(table)
    return 0


def diff(old: str, new: str, *, as_json: bool) -> int:
    """Print the differences between two files. OLD may be `defaults`."""
    knowledge = load_knowledge()
    before, after = (
        inventory(knowledge, None if file == DEFAULTS else _valid(file, knowledge))
        for file in (old, new)
    )
    found = list(changes(before, after))
    if as_json:
        _print_json([{**_as_json(v), "default": None, "old": v.default} for v in found])
    else:
        for value in found:
            print_as_is(f"{value.place}: {value.default} -> {value.value} ({value.title})")
    return DIFFERENT if found else 0


def approve(file: str, name: str, role: str, day: date | None) -> int:
    """Prints the entry of `approvals` to paste. The file is never rewritten."""
    knowledge = load_knowledge()
    checked = _checked(file, knowledge)
    if checked.site is None:
        raise CommandError(f"{file} has faults: see `site check`. It cannot be approved.")
    subject = f"site {content_hash(checked.content)}"
    print_as_is(approval_entry(name, role, day or datetime.now(UTC).date(), subject))
    return 0


def approval_entry(name: str, role: str, day: date, subject: str) -> str:
    """One item of the list `approvals`, as YAML."""
    said = (msgspec.json.encode(text).decode() for text in (name, role))
    return f"  - {{name: {next(said)}, role: {next(said)}, date: {day.isoformat()}, of: {subject}}}"


def _valid(file: str, knowledge: Knowledge) -> SiteFile:
    checked = _checked(file, knowledge)
    if checked.site is None:
        for fault in checked.faults:
            print(fault, file=sys.stderr)
        raise CommandError(f"{file} has faults.")
    return checked.site


def _checked(file: str, knowledge: Knowledge) -> Checked:
    try:
        today = datetime.now(UTC).date()
        return checked_file(Path(file), knowledge, HOOKS_OF_FILES, today)
    except SiteFileError as error:
        raise CommandError(str(error)) from None


def _as_json(value: Value) -> dict[str, str]:
    return {
        "place": value.place,
        "title": value.title,
        "default": value.default,
        "value": value.value,
    }


def _print_json(values: list[dict[str, str | None]] | list[dict[str, str]]) -> None:
    kept = [{k: v for k, v in value.items() if v is not None} for value in values]
    print_as_is(msgspec.json.format(msgspec.json.encode(kept)).decode())
