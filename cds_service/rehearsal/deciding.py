"""What the service would have answered at a moment.

The one module of the rehearsal that knows how hook calls are answered. It makes the request body
that an EHR would have sent, and passes it to the function that answers hook calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from cards.phrases import Phrases
from cds_service import reasons
from cds_service.chart.dates import When
from cds_service.chart.evidence import FactState
from cds_service.hooks.answering import Answer, Answering
from cds_service.hooks.envelope import read_call
from cds_service.hooks.errors import BadCallError
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import services_in_force
from cds_service.reasoning.decision import Decision, RuleOutcome
from cds_service.reasons import Reason
from cds_service.rehearsal.charts import Asked, asked_by
from cds_service.rehearsal.moments import ORDER_SELECT, Moment
from cds_service.site.force import InForce

BASE_URL: Final = "https://rehearsal.invalid"
USER: Final = "Practitioner/rehearsal"
_ORDER = "order "
_KIDNEY = "kidney: "
_CARDS = ("mg-", "rx-")
NO_RULE: Final = "no rule applies to the order"
_FAILED = frozenset({"not met", "blocked"})


class Outcome(msgspec.Struct, frozen=True):
    """What was decided at a moment.

    `cards` are (card, indicator, whether it is a safety card), the most serious first; `summaries`
    are their first lines. `why_silent` are the conditions that were not met, `unknown` the prefetch
    keys that were not wholly known.
    """

    cards: tuple[tuple[str, str, bool], ...] = ()
    summaries: tuple[str, ...] = ()
    kidney: str = ""
    risk: tuple[str, ...] = ()
    why_silent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


class Decider:
    """Answers the hook calls of past moments. Holds nothing of any patient."""

    def __init__(self, force: InForce) -> None:
        self.knowledge = force.knowledge
        self.site = force.label
        self._services = {s.hook: s for s in services_in_force(force).values()}
        self._now = datetime.now(UTC)
        self._answering = Answering(force, lambda: self._now, new_uuid=lambda: "rehearsal")

    @property
    def hooks(self) -> tuple[str, ...]:
        """The hooks that the service offers."""
        return tuple(self._services)

    def asked(self) -> list[Asked]:
        """The prefetch templates, which are those of every service."""
        service = next(iter(self._services.values()))
        return asked_by(service.prefetch, service.codes)

    def decide(self, body: bytes, moment: Moment) -> Outcome:
        """What a call at this moment is answered with."""
        try:
            # Most orders are of drugs that no rule knows: their charts need not be read.
            has_orders = HOOKS[moment.hook].orders is not None
            if has_orders and self._answer(body, moment, complete=False).settled:
                return Outcome(why_silent=(NO_RULE,))
            answer = self._answer(body, moment)
        except BadCallError as error:
            return Outcome(why_silent=(f"refused with {error.status}",))
        return _outcome(answer, Phrases(self.knowledge))

    def explain(self, body: bytes, moment: Moment) -> dict[str, Any]:
        """The whole decision as `/explain` returns it."""
        answer = self._answer(body, moment)
        return self._answering.explain(answer)

    def _answer(self, body: bytes, moment: Moment, *, complete: bool = True) -> Answer:
        self._now = clock_at(moment.at)
        return self._answering.answer(read_call(body, moment.hook), BASE_URL, complete=complete)


def clock_at(at: When) -> datetime:
    """What the clock of the service shows at a moment."""
    return at.earliest


def request_body(
    moment: Moment, patient: str, prefetch: Mapping[str, Raw], order: bytes | None
) -> bytes:
    """The hook request that an EHR would have sent. `order` is the draft, as an entry of a Bundle."""
    entries = [Raw(order)] if order is not None else []
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    selected = [f"MedicationRequest/{moment.order}"]
    context = HOOKS[moment.hook].context(USER, patient, bundle, selected)
    if moment.encounter:
        context["encounterId"] = moment.encounter
    return msgspec.json.encode(
        {
            "hook": moment.hook,
            "hookInstance": "rehearsal",
            "context": context,
            "prefetch": prefetch,
        }
    )


def _outcome(answer: Answer, phrases: Phrases) -> Outcome:
    decision = answer.decision
    cards = tuple((c.card, c.indicator, c.safety) for c in decision.cards)
    present = [f.id for f in decision.facts if f.state is FactState.PRESENT]
    return Outcome(
        cards=cards,
        summaries=tuple(card["summary"] for card in answer.cards),
        kidney=str(decision.kidney.kidney_class) if decision.kidney is not None else "",
        risk=tuple(sorted({f for f in present if f.startswith("RF") or f == "menstrual"})),
        why_silent=() if cards else tuple(dict.fromkeys(_why_silent(decision, phrases))),
        unknown=tuple(sorted({gap.key for gap in decision.gaps})),
        unread=tuple(sorted({(n.key, phrases.words(n.why)) for n in decision.not_readable})),
    )


def _why_silent(decision: Decision, phrases: Phrases) -> Iterator[str]:
    """The conditions of a card that were not met, by their rule."""
    rules = [r for r in decision.rules if not r.rule.startswith(_KIDNEY)]
    orders = [r for r in rules if r.rule.startswith(_ORDER)]
    if HOOKS[decision.service].orders is not None:
        if not any(r.outcome == "met" for r in orders):
            yield from (f"order: {_plain(r, phrases)}" for r in orders)
            return
        if decision.service != ORDER_SELECT:
            yield "order checked, nothing found"
            return
    found = False
    for rule in rules:
        if rule.rule.startswith((_ORDER, *_CARDS)):
            continue
        if rule.outcome in _FAILED:
            found = True
            yield rule.rule
    if not found:
        kidney = decision.kidney
        yield f"kidney class {kidney.kidney_class}" if kidney is not None else "nothing found"


def _plain(rule: RuleOutcome, phrases: Phrases) -> str:
    """Why an order gives no card, without the names of diseases."""
    if isinstance(rule.why, Reason) and rule.why.code == reasons.used_for.code:
        return "used for another disease too"
    return phrases.words(rule.why)
