"""What is in force: the knowledge with the site's values, and what each client sees at each hook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from cds_service.knowledge.loader import Knowledge
from cds_service.site.load import Site
from cds_service.site.lockouts import LockoutKeys
from cds_service.site.showing import SHOW_ALL, Showing, showing


class InForce(msgspec.Struct, frozen=True, eq=False):
    """One configuration, whole. A reload makes a new one, so a call sees one or the other.

    `knowledge` has the site's parameters in place of the defaults. `views` is what each client sees
    at each hook; clients that the file does not name are under "".
    """

    knowledge: Knowledge
    site: Site | None = None
    keys: LockoutKeys = LockoutKeys()
    views: Mapping[tuple[str, str], Showing] = {}

    @property
    def label(self) -> str:
        """Id and hash of the site file, "" without one."""
        return self.site.label if self.site is not None else ""

    def showing(self, hook: str, client: str) -> Showing:
        """What a client sees at a hook."""
        if self.site is None:
            return SHOW_ALL
        own = self.views.get((hook, client))
        return own if own is not None else self.views[hook, ""]

    def silent_until(self, today: date) -> date | None:
        """The day on which the silent mode of the whole service ends, if it is in force."""
        mode = self.site.file.mode if self.site is not None else None
        return mode.until if mode is not None and mode.active(today) else None


def in_force(
    knowledge: Knowledge, site: Site | None, keys: LockoutKeys, hooks: tuple[str, ...]
) -> InForce:
    """Puts the parts together. `knowledge` has the site's parameters already."""
    if site is None:
        return InForce(knowledge)
    clients = ("", *site.file.clients)
    views = {
        (hook, client): showing(site.file, hook, client, knowledge.cards, lockouts=bool(keys.keys))
        for hook in hooks
        for client in clients
    }
    return InForce(knowledge, site, keys, views)
