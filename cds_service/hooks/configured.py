"""The values in force: the knowledge, and the site file if there is one."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

from cards.registered import load_knowledge
from cds_service.hooks.registry import HOOKS
from cds_service.knowledge.entries import State
from cds_service.settings import Settings, SettingsError
from cds_service.site.force import InForce, in_force, of_defaults
from cds_service.site.lockouts import LockoutKeys
from cds_service.site.model import Hooks

SNAPSHOT = "WORKERS_SITE_FILE"
"""The environment variable that names the checked copy of the site file that all workers use.

The parent of the workers sets it. A replaced worker then reads the same as the others, even
if the file is being edited at that moment.
"""
APPROVED = State.APPROVED.words

# A hook that checks orders cannot be disabled.
HOOKS_OF_FILES = Hooks(
    tuple(HOOKS), frozenset(name for name, hook in HOOKS.items() if hook.orders is not None)
)


def configured(settings: Settings, today: date | None = None) -> InForce:
    """The values in force. Raises `KnowledgeError` or `SettingsError`, each with one line.

    `today` (UTC) is compared with the dates in the site file. By default the clock is read.
    """
    knowledge = load_knowledge()
    if not settings.site_file:
        require_site_file(settings)
        return of_defaults(knowledge)
    # YAML and its checks: only where there is a file.
    from cds_service.site.load import SiteFileError, read_site

    path = Path(os.environ.get(SNAPSHOT) or settings.site_file)
    try:
        site = read_site(path, knowledge, HOOKS_OF_FILES, today or datetime.now(UTC).date())
    except SiteFileError as error:
        raise SettingsError(f"CDS_SITE_FILE: {error}") from None
    keys = tuple(key for key in (settings.lockout_key, settings.lockout_key_old) if key)
    force = in_force(site, LockoutKeys(keys), HOOKS_OF_FILES.names)
    if settings.require_approved and not force.review.is_approved:
        raise SettingsError(_not_approved(force))
    return force


def require_site_file(settings: Settings) -> None:
    """Raise `SettingsError` if approval is required and there is no file that can contain it."""
    if settings.require_approved and not settings.site_file:
        text = (
            "CDS_REQUIRE_APPROVED: without CDS_SITE_FILE nothing is approved (docs/site-file.md)."
        )
        raise SettingsError(text)


def _not_approved(force: InForce) -> str:
    site, knowledge = force.site, force.knowledge
    present = {"knowledge": knowledge.hash, "site": site.hash if site is not None else ""}
    missing = [f"{what} {present[what]}" for what, s in force.review.words.items() if s != APPROVED]
    return (
        f"CDS_REQUIRE_APPROVED: not approved: {', '.join(missing)}"
        " (python -m cds_service knowledge approve, site approve)."
    )
