"""The record of one call. Log line, metrics and audit record are made only from this.

It contains only names that we define: the route, the service, the configured client, card ids, the
kidney class, prefetch keys. It contains no path, body, header or context, because they may identify
a patient. `hookInstance` is stored as a salted hash, with which an integrator finds a call in the
log.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import g

from cds_service.correlation import Correlation
from cds_service.fhir.prefetch import KINDS, Content
from cds_service.hooks.envelope import HookCall
from cds_service.reasoning.decision import Decision
from cds_service.store.records import AnsweredCall, IssuedCard, WithheldCard

if TYPE_CHECKING:
    from cds_service.trust.clients import Client

_HASH_BYTES: Final = 8
KEY_BYTES: Final = hashlib.blake2b.MAX_KEY_SIZE
"""The maximum length of the key of the hash."""


class CallRecord(msgspec.Struct):
    """The known data of the current call. `None` means that the step was not reached.

    `route` is the pattern of the address, `seconds` the time until the response, `ids` the ids with
    which other logs refer to the request, `call` the hash, `sent` and `not_sent` prefetch keys,
    `fetched` the results of fetching by key, `unknown` the keys whose data were unknown, `withheld`
    the FHIR issue codes by key, `not_shown` the reasons why decided cards were not returned,
    `silence` the reason for no card. `kind` is "call" or "explain" if the call is stored for the
    audit. `refused` names the check that refused it. `error` is the type of an exception and `at`
    the place in our code. `items` and `new` count feedback.
    """

    started: float = msgspec.field(default_factory=time.perf_counter)
    route: str = "none"
    method: str = "none"
    status: int = 0
    seconds: float = 0.0
    ids: Correlation | None = None
    caller: Client | None = None
    tenant: str = ""
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
    silence: str | None = None
    kidney: str | None = None
    rules: Sequence[str] = ()
    refused: str | None = None
    items: int | None = None
    new: int | None = None
    error: str | None = None
    at: str | None = None

    @property
    def issuer(self) -> str:
        """The issuer of the caller's token, as configured, or "" if calls are not authenticated."""
        return self.caller.iss if self.caller is not None else ""

    @property
    def is_kept(self) -> bool:
        """Whether the record is stored for the audit.

        A call that was refused before it was read is not. Otherwise any caller could fill the
        store.
        """
        return self.kind is not None

    def read(self, call: HookCall, key: bytes) -> None:
        """Record the prefetch keys of a call, and the hash of its instance with this key."""
        instance = call.hook_instance.encode("utf-8", "surrogatepass")
        self.call = hashlib.blake2b(instance, key=key, digest_size=_HASH_BYTES).hexdigest()
        self.sent = [name for name in KINDS if name in call.prefetch]
        self.not_sent = [name for name in KINDS if name not in call.prefetch]

    def fetched_these(self, contents: Mapping[str, Content[Any]]) -> None:
        """Record the fetched prefetch keys and the result for each."""
        if contents:
            self.fetched = {name: content.state.value for name, content in contents.items()}

    def decided(self, decision: Decision) -> None:
        """Record the cards, the kidney class, and the keys whose data were unknown or withheld."""
        self.cards = [card.card for card in decision.cards]
        self.indicators = [card.indicator for card in decision.cards]
        self.unknown = sorted({gap.key for gap in decision.gaps})
        withheld = {gap.key: list(gap.withheld) for gap in decision.gaps if gap.withheld}
        self.withheld = withheld or None
        self.not_shown = {w.card.card: w.why.value for w in decision.withheld} or None
        self.silence = decision.silence or None
        kidney = next((card.kidney for card in decision.cards if card.kidney), decision.kidney)
        if kidney is not None:
            self.kidney = kidney.kidney_class.value

    def issued(self, cards: Sequence[IssuedCard | WithheldCard]) -> None:
        """Record the rules that led to cards, including cards that were not returned."""
        self.rules = tuple(dict.fromkeys(rule for card in cards for rule in card.rules))

    def failed(self, error: Exception, at: str) -> None:
        """Record the type and place of an exception. Its text may contain patient data."""
        self.error, self.at = type(error).__name__, at

    def answered(self, route: str | None, method: str, status: int) -> None:
        """Record the response. An unknown address may contain anything, so it has no route."""
        if route is not None:
            self.route, self.method = route, method
        self.status = status
        self.seconds = time.perf_counter() - self.started


def current_record() -> CallRecord:
    """The record of the current request. It is created on first use."""
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
    "silence",
    "kidney",
    "refused",
    "items",
    "new",
    "error",
    "at",
)
"""The optional fields of a log line."""


def log_fields(record: CallRecord, knowledge: str, site: str = "") -> dict[str, Any]:
    """The members of the log line."""
    fields: dict[str, Any] = {
        "route": record.route,
        "method": record.method,
        "status": record.status,
        "ms": round(record.seconds * 1000, 2),
        "knowledge": knowledge,
    }
    if site:
        fields["site"] = site
    ids = record.ids
    if ids is not None:
        fields["request"], fields["trace"], fields["span"] = ids.request, ids.trace, ids.span
    if record.caller is not None:
        fields["client"] = record.caller.name
    for name in LOGGED:
        value = getattr(record, name)
        if value is not None:
            fields[name] = value
    return fields


def answered_call(record: CallRecord, record_id: str, at: datetime, knowledge: str) -> AnsweredCall:
    """The audit record of a hook call: client, service, time and result.

    It is also stored for errors and calls without a card, so that it shows whether the service was
    called.
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
