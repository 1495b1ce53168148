"""Which of the decided cards are returned: a pure function of site file, hook, client and day.

Hazard cards, order checks and `mg-low-severe` are always returned, except in the dated silent mode
before go-live. Everything that is withheld is recorded with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum

import msgspec

from cds_service.knowledge.model import Card
from cds_service.site.model import CardSettings, Mode, SilentMode, SiteFile
from cds_service.site.options import NO_OPTIONS, Options

SEVERITY = ("critical", "warning", "info")
"""The indicators of cards, the most serious first."""
SUGGESTION = "suggestion"
DEFAULT_LOCKOUT_DAYS = {SUGGESTION: 90, "information": 30}
"""How long a card stays away after it was shown, by kind (other kinds: no lock-out)."""


class Why(StrEnum):
    """Why a card that was decided is not returned; the names are those of `/explain`."""

    SILENT = "silentHere"
    NEVER = "neverHere"
    LOCKED = "lockedUntil"
    OPTION = "notAskedFor"


class Showing(msgspec.Struct, frozen=True):
    """What one client sees at one hook.

    `modes` are the cards that are not shown, `silent` the silent modes before go-live, `indicators`
    the changed indicators and `lockout_days` the days of the cards that have a lock-out. `options`
    are those of one call.
    """

    modes: Mapping[str, Mode] = {}
    silent: tuple[SilentMode, ...] = ()
    indicators: Mapping[str, str] = {}
    lockout_days: Mapping[str, int] = {}
    options: Options = NO_OPTIONS

    def with_options(self, options: Options) -> Showing:
        """What the client sees in a call with these options."""
        return msgspec.structs.replace(self, options=options) if options != NO_OPTIONS else self

    def can_be_declined(self, card: Card, decided: str) -> bool:
        """Whether options can leave out this card: a suggestion or information, never critical."""
        return card.may_be_silenced and self.indicator(card, decided) != SEVERITY[0]

    def why_withheld(self, card: str, today: date) -> Why | None:
        """Why this card is not returned on this day; `None` if it is returned."""
        if self.silent and self.silent_until(today) is not None:
            return Why.SILENT
        mode = self.modes.get(card)
        if mode is None:
            return None
        return Why.NEVER if mode is Mode.NEVER else Why.SILENT

    def silent_until(self, today: date) -> date | None:
        """The day on which the silent mode before go-live ends, if it is in force."""
        ends = [m.until for m in self.silent if m.active(today) and m.until is not None]
        return max(ends) if ends else None

    def indicator(self, card: Card, decided: str) -> str:
        """The indicator that is shown. Only a suggestion can be shown as less serious."""
        wanted = self.indicators.get(card.id, decided)
        if card.kind == SUGGESTION:
            return wanted
        return min(wanted, decided, key=SEVERITY.index)


SHOW_ALL = Showing()


def showing(
    site: SiteFile, hook: str, client: str, cards: Mapping[str, Card], *, lockouts: bool
) -> Showing:
    """What a client sees at a hook. Without `lockouts` no key is configured to know patients by."""
    settings = site.clients.get(client)
    hook_modes = [site.hooks[hook].mode] if hook in site.hooks else []
    silent = [site.mode] if site.mode is not None else []
    if settings is not None:
        hook_modes += [settings.hooks[hook].mode] if hook in settings.hooks else []
        silent += [settings.mode] if settings.mode is not None else []
    silenceable = [card for card in cards.values() if card.may_be_silenced]
    modes = {c.id: _strictest([*hook_modes, _settings(site, c).mode]) for c in silenceable}
    return Showing(
        modes={card: mode for card, mode in modes.items() if mode is not Mode.SHOW},
        silent=tuple(silent),
        indicators={card: s.indicator for card, s in site.cards.items() if s.indicator},
        lockout_days=_lockout_days(site, silenceable) if lockouts else {},
    )


def _settings(site: SiteFile, card: Card) -> CardSettings:
    return site.cards.get(card.id, _DEFAULT)


_DEFAULT = CardSettings()


def _lockout_days(site: SiteFile, silenceable: Iterable[Card]) -> dict[str, int]:
    found = {}
    for card in silenceable:
        days = _settings(site, card).lockout_days
        found[card.id] = DEFAULT_LOCKOUT_DAYS.get(card.kind, 0) if days is None else days
    return {card: days for card, days in found.items() if days}


def _strictest(modes: Iterable[Mode]) -> Mode:
    return max(modes, key=tuple(Mode).index)
