"""What may be kept of one call. The log line, the metrics and the audit record are made from this alone.

Only names that we chose ourselves may be in it: the route, the service, the client as configured,
card ids, the kidney class, prefetch keys. No path, body, header or context: they may identify a
patient. Of `hookInstance` it has a salted hash, by which an integrator finds a call in the log.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import g

from cds_service.fhir.prefetch import KINDS, Content
from cds_service.hooks.envelope import HookCall
from cds_service.reasoning.decision import Decision
from cds_service.store.records import AnsweredCall, IssuedCard, WithheldCard

if TYPE_CHECKING:
    from cds_service.trust.clients import Client

_HASH_BYTES: Final = 8
KEY_BYTES: Final = hashlib.blake2b.MAX_KEY_SIZE
"""The longest key of the hash."""


class CallRecord(msgspec.Struct):
    """What is known so far of the call that is being answered. `None` means: it never came to that.

    `route` is the pattern of the address, `seconds` the time until the answer, `call` the hash,
    `sent` and `not_sent` prefetch keys, `fetched` what became of those that were fetched, `unknown`
    the keys whose data were not known, `withheld` the issue codes of FHIR by key, `not_shown`
    why cards that were decided were not returned. `kind` is "call"
    or "explain" where the call is kept for the audit. `refused` names the check that refused it.
    `error` is the type of an exception and `at` the place in our code. `items` and `new` count
    feedback.
    """

    started: float = msgspec.field(default_factory=time.perf_counter)
    route: str = "none"
    method: str = "none"
    status: int = 0
    seconds: float = 0.0
    caller: Client | None = None
    kind: str | None = None
    service: str | None = None
    call: str | None = None
    sent: Sequence[str] | None = None
    not_sent: Sequence[str] | None = None
    fetched: Mapping[str, str] | None = None
    cards: Sequence[str] | None = None
    indicators: Sequence[str] | None = None
    unknown: Sequence[str] | None = None
    withheld: Mapping[str, Sequence[str]] | None = None
    not_shown: Mapping[str, str] | None = None
    kidney: str | None = None
    rules: Sequence[str] = ()
    refused: str | None = None
    items: int | None = None
    new: int | None = None
    error: str | None = None
    at: str | None = None

    @property
    def issuer(self) -> str:
        """The issuer of the caller's token, as configured; "" where calls are not authenticated."""
        return self.caller.iss if self.caller is not None else ""

    @property
    def is_kept(self) -> bool:
        """Whether it is kept for the audit.

        A call that was refused before it was read is not, or anybody could fill the store.
        """
        return self.kind is not None

    def read(self, call: HookCall, key: bytes) -> None:
        """Record which prefetch keys a call brought, and the hash of its instance under this key."""
        instance = call.hook_instance.encode("utf-8", "surrogatepass")
        self.call = hashlib.blake2b(instance, key=key, digest_size=_HASH_BYTES).hexdigest()
        self.sent = [name for name in KINDS if name in call.prefetch]
        self.not_sent = [name for name in KINDS if name not in call.prefetch]

    def fetched_these(self, contents: Mapping[str, Content[Any]]) -> None:
        """Record which prefetch keys were fetched, and what became of that."""
        if contents:
            self.fetched = {name: content.state.value for name, content in contents.items()}

    def decided(self, decision: Decision) -> None:
        """Record the cards, the kidney class, and the keys whose data were not known, or withheld."""
        self.cards = [card.card for card in decision.cards]
        self.indicators = [card.indicator for card in decision.cards]
        self.unknown = sorted({gap.key for gap in decision.gaps})
        withheld = {gap.key: list(gap.withheld) for gap in decision.gaps if gap.withheld}
        self.withheld = withheld or None
        self.not_shown = {w.card.card: w.why.value for w in decision.withheld} or None
        kidney = next((card.kidney for card in decision.cards if card.kidney), decision.kidney)
        if kidney is not None:
            self.kidney = kidney.kidney_class.value

    def issued(self, cards: Sequence[IssuedCard | WithheldCard]) -> None:
        """Record the rules that led to the cards of the answer, and to those that are not in it."""
        self.rules = tuple(dict.fromkeys(rule for card in cards for rule in card.rules))

    def failed(self, error: Exception, at: str) -> None:
        """Record the type of an exception and where it came from. Its text may hold patient data."""
        self.error, self.at = type(error).__name__, at

    def answered(self, route: str | None, method: str, status: int) -> None:
        """Record the answer. An address that is none of ours may hold anything: it has no route."""
        if route is not None:
            self.route, self.method = route, method
        self.status = status
        self.seconds = time.perf_counter() - self.started


def current_record() -> CallRecord:
    """The record of the request that is being answered; it begins when it is first asked for."""
    record: CallRecord | None = g.get("record")
    if record is None:
        record = g.record = CallRecord()
    return record


LOGGED: Final = (
    "service",
    "call",
    "sent",
    "not_sent",
    "fetched",
    "cards",
    "indicators",
    "unknown",
    "withheld",
    "not_shown",
    "kidney",
    "refused",
    "items",
    "new",
    "error",
    "at",
)
"""What a line of the log has where it is known, beside what it always has."""


def log_fields(record: CallRecord, knowledge: str, site: str = "") -> dict[str, Any]:
    """The members of the line of the log."""
    fields: dict[str, Any] = {
        "route": record.route,
        "method": record.method,
        "status": record.status,
        "ms": round(record.seconds * 1000, 2),
        "knowledge": knowledge,
    }
    if site:
        fields["site"] = site
    if record.caller is not None:
        fields["client"] = record.caller.name
    for name in LOGGED:
        value = getattr(record, name)
        if value is not None:
            fields[name] = value
    return fields


def answered_call(record: CallRecord, record_id: str, at: datetime, knowledge: str) -> AnsweredCall:
    """What is kept of a hook call for the audit: who called what and when, and what was answered.

    Kept also where there was no card, or an error: "was the service asked?" has an answer.
    """
    return AnsweredCall(
        id=record_id,
        at=at,
        client=record.issuer,
        service=record.service or "",
        kind=record.kind or "",
        status=record.status,
        knowledge=knowledge,
        cards=tuple(record.cards or ()),
        rules=tuple(record.rules),
        unknown=tuple(record.unknown or ()),
    )
