"""The site file as typed values (CONTRACT: "Site file"). What each key means is in docs/site-file.md."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from cds_service.knowledge.loader import Knowledge


class Mode(StrEnum):
    """What happens to a card that was decided: shown, recorded only, or dropped."""

    SHOW = "show"
    SILENT = "silent"
    NEVER = "never"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the file; an unknown key is an error."""


class Identity(_Part, frozen=True):
    """Whose file it is. `id` is shown on every card."""

    id: str
    title: str
    contact: str = ""


class SilentMode(_Part, frozen=True):
    """Before go-live: nothing is returned on days before `until` (UTC)."""

    silent: bool
    until: date | None = None

    def active(self, today: date) -> bool:
        """Whether nothing is returned on this day."""
        return self.silent and self.until is not None and today < self.until


class CardSettings(_Part, frozen=True):
    """One card: how it is shown, its indicator, and how long it stays away after it was shown."""

    mode: Mode = Mode.SHOW
    indicator: str = ""
    lockout_days: int | None = None


class HookSettings(_Part, frozen=True):
    """One hook: how its suggestions are shown."""

    mode: Mode = Mode.SHOW


class ClientSettings(_Part, frozen=True):
    """One client, by the issuer of its tokens."""

    mode: SilentMode | None = None
    hooks: dict[str, HookSettings] = {}


class Coding(_Part, frozen=True):
    """A code of a product."""

    system: str
    code: str
    display: str


class Product(_Part, frozen=True):
    """A product of the formulary. `elemental_mg` is elemental magnesium in one `form`."""

    code: Coding
    salt: str
    form: str
    elemental_mg: Decimal


class Search(_Part, frozen=True):
    """What the prefetch templates ask for: "active" orders, or orders of every status ("all")."""

    medication_requests: str = "active"


class Approval(_Part, frozen=True):
    """That a person approved one content: `of` is "site <hash>" or "knowledge <hash>"."""

    name: str
    role: str
    date: date
    of: str


class SiteFile(_Part, frozen=True):
    """The whole file."""

    site: Identity
    mode: SilentMode | None = None
    units: str = ""
    cards: dict[str, CardSettings] = {}
    hooks: dict[str, HookSettings] = {}
    parameters: dict[str, Any] = {}
    search: Search = Search()
    formulary: tuple[Product, ...] = ()
    clients: dict[str, ClientSettings] = {}
    approvals: tuple[Approval, ...] = ()


class Site(msgspec.Struct, frozen=True, eq=False):
    """A valid site file, the hash of its content, and the knowledge with its values."""

    file: SiteFile
    hash: str
    knowledge: Knowledge

    @property
    def label(self) -> str:
        """What is shown on cards, in the log and in reports: the id and the hash."""
        return f"{self.file.site.id}+{self.hash}"


class Hooks(msgspec.Struct, frozen=True):
    """The hooks that a file may name. `always` cannot be switched off: orders are checked there."""

    names: tuple[str, ...]
    always: frozenset[str]
