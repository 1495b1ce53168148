"""The values in force, each next to its default. One list for `site show`, `site diff` and /evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import Card
from cds_service.knowledge.parameters import Parameter
from cds_service.site.model import CardSettings, Identity, Mode, SilentMode, SiteFile
from cds_service.site.showing import DEFAULT_LOCKOUT_DAYS

NONE = "none"
_NO_SITE = Identity(id="defaults", title="Built-in defaults")


class Value(msgspec.Struct, frozen=True):
    """One value in force. `place` is where it is in the file, `title` what it is in words."""

    place: str
    title: str
    default: str
    value: str

    @property
    def changed(self) -> bool:
        """Whether the site file changes it."""
        return self.value != self.default


def inventory(knowledge: Knowledge, site: SiteFile | None) -> list[Value]:
    """Every value that a site can change, in the order of the file. `knowledge` has the defaults."""
    file = site or SiteFile(site=_NO_SITE)
    return [
        *_general(file),
        *_cards(knowledge, file),
        *_hooks("hooks", file.hooks),
        *_parameters(knowledge.parameter_rows, file),
        *_formulary(file),
        *_clients(file),
    ]


def changes(old: Sequence[Value], new: Sequence[Value]) -> Iterator[Value]:
    """What differs between two files: each with the old value as its default."""
    before = {value.place: value for value in old}
    after = {value.place: value for value in new}
    for place in dict.fromkeys([*before, *after]):
        known = after.get(place) or before[place]
        was = before[place].value if place in before else known.default
        now = after[place].value if place in after else known.default
        if was != now:
            yield Value(place, known.title, was, now)


def _general(file: SiteFile) -> Iterator[Value]:
    yield Value("mode", "silent mode before go-live", NONE, _mode(file.mode))
    yield Value("units", "units of laboratory values", "as reported", file.units or "as reported")
    yield Value(
        "search.medicationRequests",
        "status of the orders that the prefetch asks for",
        "active",
        file.search.medication_requests,
    )


def _mode(mode: SilentMode | None) -> str:
    if mode is None or not mode.silent:
        return NONE
    return f"silent until {mode.until}"


def _cards(knowledge: Knowledge, file: SiteFile) -> Iterator[Value]:
    for card in knowledge.cards.values():
        settings = file.cards.get(card.id, CardSettings())
        place = f"cards.{card.id}"
        yield Value(
            f"{place}.indicator",
            "indicator",
            card.indicator,
            settings.indicator or card.indicator,
        )
        if card.may_be_silenced:
            yield Value(f"{place}.mode", "shown, silent or never", Mode.SHOW, settings.mode)
            yield _lockout(place, card, settings)


def _lockout(place: str, card: Card, settings: CardSettings) -> Value:
    default = DEFAULT_LOCKOUT_DAYS.get(card.kind, 0)
    days = default if settings.lockout_days is None else settings.lockout_days
    return Value(f"{place}.lockoutDays", "days before it is shown again", str(default), str(days))


def _hooks(place: str, hooks: Any) -> Iterator[Value]:
    for name, settings in hooks.items():
        title = "how suggestions of this hook are shown"
        yield Value(f"{place}.{name}.mode", title, Mode.SHOW, settings.mode)


def _parameters(rows: Sequence[Parameter], file: SiteFile) -> Iterator[Value]:
    for row in rows:
        if row.site.may_change:
            value = file.parameters.get(row.id, row.value)
            title = f"{row.title} ({row.unit})"
            yield Value(f"parameters.{row.id}", title, _said(row.value), _said(value))


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{Decimal(str(value)).normalize():f}" if not isinstance(value, str) else value


def _formulary(file: SiteFile) -> Iterator[Value]:
    for product in file.formulary:
        code = product.code
        said = f"{code.display}: {_said(product.elemental_mg)} mg elemental, {product.form}"
        yield Value(f"formulary {code.system}|{code.code}", "product of the formulary", NONE, said)


def _clients(file: SiteFile) -> Iterator[Value]:
    for iss, settings in file.clients.items():
        place = f"clients {iss}"
        title = "silent mode of this client before go-live"
        yield Value(f"{place} mode", title, NONE, _mode(settings.mode))
        yield from _hooks(f"{place} hooks", settings.hooks)
