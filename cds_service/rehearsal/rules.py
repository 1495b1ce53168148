"""The rules that are rehearsed: the knowledge of this version, with a site file where one is named."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec

from cards.registered import load_knowledge
from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.knowledge.loader import KnowledgeError
from cds_service.rehearsal.errors import UsageError
from cds_service.site.force import InForce, in_force, of_defaults
from cds_service.site.lockouts import LockoutKeys
from cds_service.site.model import Site


@cache
def rules_of(site: Path | None, option: str = "--site") -> InForce:
    """What is in force in a rehearsal; raises `UsageError` where the site file cannot be used.

    A folder is that of another knowledge version (`cds_service/knowledge/data` of that version).

    The silent mode before go-live is left out: a rehearsal is about the time after it. Lock-outs
    need the memory of a running service; the report shows what they would leave.
    """
    if site is not None and site.is_dir():
        try:
            return InForce(load_knowledge(site))
        except KnowledgeError as error:
            raise UsageError(f"{option}: {error}") from None
    knowledge = load_knowledge()
    if site is None:
        return of_defaults(knowledge)
    from cds_service.site.load import SiteFileError, read_site

    try:
        read = read_site(site, knowledge, HOOKS_OF_FILES, datetime.now(UTC).date())
    except SiteFileError as error:
        raise UsageError(f"{option}: {error}") from None
    return rules_of_site(read)


def rules_of_site(site: Site) -> InForce:
    """What is in force with a site file, without its silent mode and without lock-outs."""
    loud = msgspec.structs.replace(site, file=msgspec.structs.replace(site.file, mode=None))
    return in_force(loud, LockoutKeys(), HOOKS_OF_FILES.names)
