"""The site file in force: read once at start, and again on SIGHUP."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cds_service.knowledge.loader import Knowledge
from cds_service.site.check import Checked, check
from cds_service.site.hashing import content_hash
from cds_service.site.model import Hooks, Site


class SiteFileError(Exception):
    """The site file cannot be used. One line: the first fault, and how many more there are."""


def read_site(path: Path, knowledge: Knowledge, hooks: Hooks, today: date) -> Site:
    """The site file at a path; raises `SiteFileError`."""
    checked = checked_file(path, knowledge, hooks, today)
    if checked.site is None:
        first, *more = checked.faults
        others = f" ({len(more)} more: python -m cds_service site check)" if more else ""
        raise SiteFileError(f"{path.name}, {first}{others}")
    return Site(checked.site, content_hash(checked.content), checked.knowledge)


def checked_file(path: Path, knowledge: Knowledge, hooks: Hooks, today: date) -> Checked:
    """The file at a path, checked; raises `SiteFileError` if it cannot be opened."""
    try:
        text = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SiteFileError(f"{path.name} cannot be read: {reason}") from None
    return check(text, knowledge, hooks, today)
