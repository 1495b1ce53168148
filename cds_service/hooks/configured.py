"""What is in force by the settings: the knowledge, and the site file where one is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cards.registered import load_knowledge
from cds_service.hooks.registry import HOOKS
from cds_service.settings import Settings
from cds_service.site.check import Hooks
from cds_service.site.force import InForce, in_force
from cds_service.site.lockouts import LockoutKeys

# Where orders are checked, a hook cannot be switched off.
HOOKS_OF_FILES = Hooks(
    tuple(HOOKS), frozenset(name for name, hook in HOOKS.items() if hook.orders is not None)
)


def configured(settings: Settings, today: date) -> InForce:
    """What is in force; raises `KnowledgeError` or `SiteFileError`, each with one line."""
    knowledge = load_knowledge()
    if not settings.site_file:
        return InForce(knowledge)
    from cds_service.site.load import read_site  # YAML and its checks: only where there is a file

    site = read_site(Path(settings.site_file), knowledge, HOOKS_OF_FILES, today)
    keys = tuple(key for key in (settings.lockout_key, settings.lockout_key_old) if key)
    return in_force(knowledge, site, LockoutKeys(keys), HOOKS_OF_FILES.names)
