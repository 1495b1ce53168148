"""What is in force: the knowledge with the site's values, and what each client sees at each hook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from cds_service.knowledge.loader import Knowledge
from cds_service.site.approval import Review, review
from cds_service.site.lockouts import LockoutKeys
from cds_service.site.model import Mode, Site
from cds_service.site.showing import SHOW_ALL, Showing, showing


class InForce(msgspec.Struct, frozen=True, eq=False):
    """One configuration, whole. A reload makes a new one, so a call sees one or the other.

    `knowledge` has the site's parameters in place of the defaults. `views` is what each client sees
    at each hook; clients that the file does not name are under "". `review` states what is approved.
    """

    knowledge: Knowledge
    site: Site | None = None
    keys: LockoutKeys = LockoutKeys()
    views: Mapping[tuple[str, str], Showing] = {}
    review: Review = Review()

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

    def offers(self, hook: str) -> bool:
        """Whether discovery lists a hook."""
        hooks = self.site.file.hooks if self.site is not None else {}
        return hook not in hooks or hooks[hook].mode is not Mode.NEVER

    @property
    def units(self) -> str:
        """The units in which laboratory values are shown, "" for as reported."""
        return self.site.file.units if self.site is not None else ""

    @property
    def asks_for_all_orders(self) -> bool:
        """Whether the prefetch template of orders requests every status, not only active ones."""
        return self.site is not None and self.site.file.search.medication_requests == "all"

    @property
    def silent_mode_until(self) -> date | None:
        """The end of the silent mode of the whole service, whether or not it has passed."""
        mode = self.site.file.mode if self.site is not None else None
        return mode.until if mode is not None and mode.silent else None

    def silent_until(self, today: date) -> date | None:
        """The day on which the silent mode of the whole service ends, if it is in force."""
        until = self.silent_mode_until
        return until if until is not None and today < until else None


def in_force(site: Site, keys: LockoutKeys, hooks: tuple[str, ...]) -> InForce:
    """What is in force with a site file."""
    knowledge = site.knowledge
    clients = ("", *site.file.clients)
    views = {
        (hook, client): showing(site.file, hook, client, knowledge.cards, lockouts=bool(keys.keys))
        for hook in hooks
        for client in clients
    }
    reviewed = review(knowledge, site)
    knowledge = msgspec.structs.replace(knowledge, approved=reviewed.is_approved)
    return InForce(knowledge, site, keys, views, reviewed)


def of_defaults(knowledge: Knowledge) -> InForce:
    """What is in force without a site file."""
    reviewed = review(knowledge, None)
    knowledge = msgspec.structs.replace(knowledge, approved=reviewed.is_approved)
    return InForce(knowledge, review=reviewed)
