"""What was known of a resource at a past moment (SPEC 13), as data. Only a rehearsal reads it."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from cds_service.knowledge.loader import KnowledgeError

_FILE = "as_it_stood.json"


class ResourceRow(msgspec.Struct, frozen=True):
    """When resources of a type are known, and until when they hold.

    The first date of `known_from` that is there decides; `undated` is "always" or "never". The
    earliest date of `ends` ends it: with `only_if_over` only where the status is one of `over`.
    A period whose end is a date without a time ends with that day (FHIR `Period.end`).
    Until then an `over` status reads `while_it_holds`, and the elements `without` are removed.
    A status of `over` without an end: the first date of `ended_without_date`, or so many days
    after it began (`ended_after_days`); it is counted as `count`. The elements `never` are always
    removed where no date ends it.
    """

    type: str
    undated: str
    title: str
    known_from: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    only_if_over: bool = False
    status: str = ""
    over: frozenset[str] = frozenset()
    while_it_holds: str = ""
    ended_without_date: tuple[str, ...] = ()
    ended_after_days: int | None = None
    without: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    count: str = ""


class MomentRules(msgspec.Struct, frozen=True):
    """What makes a moment: visits of these statuses, orders of these intents, refills within days.

    Orders of `unsigned_status` were selected only. Those and the ones of `retracted_status` make no
    later order a refill.
    """

    visit_status: frozenset[str]
    inpatient_class: frozenset[str]
    order_intent: frozenset[str]
    unsigned_status: frozenset[str]
    retracted_status: frozenset[str]
    refill_within_days: int


class AsItStood(msgspec.Struct, frozen=True):
    """The whole table."""

    version: str
    status: str
    source: str
    resources: tuple[ResourceRow, ...]
    moments: MomentRules

    def rows(self) -> dict[str, ResourceRow]:
        """The rows by resource type."""
        return {row.type: row for row in self.resources}


def load_as_it_stood() -> AsItStood:
    """The table of this package; raises `KnowledgeError` where it cannot be read."""
    try:
        content = files(__package__).joinpath("data", _FILE).read_bytes()
        return msgspec.json.decode(content, type=AsItStood, strict=True)
    except (OSError, msgspec.DecodeError) as error:
        raise KnowledgeError(f"knowledge file {_FILE}: {error}") from None
