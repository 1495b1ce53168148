"""From a well-formed call to its cards, or to the account of the whole decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from cards.context import CardContext
from cards.explanation import explanation
from cards.render import render
from cds_service.chart.chart import DRAFTS, Chart, open_chart
from cds_service.chart.evidence import Gap
from cds_service.fhir.drafts import medication_references
from cds_service.fhir.prefetch import Content, surely_sent
from cds_service.hooks.envelope import HookCall
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.uuids import new_uuid
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decide import concerns_nobody, decide
from cds_service.reasoning.decision import Decision

Clock = Callable[[], datetime]
Completing = Callable[[HookCall], Mapping[str, Content[Any]]]
"""Gets what a call did not bring: the contents of prefetch keys, to stand before what was sent."""


def utc_now() -> datetime:
    """The moment of a call, unless a clock is given."""
    return datetime.now(UTC)


def _as_sent(_: HookCall) -> Mapping[str, Content[Any]]:
    return {}


class Answer(msgspec.Struct, frozen=True):
    """What follows from a call: the decision, and the cards that say it."""

    decision: Decision
    cards: list[dict[str, Any]]


class Answering(msgspec.Struct, frozen=True):
    """Answers calls from one body of knowledge, by one clock. Holds nothing of any call."""

    knowledge: Knowledge
    now: Clock = utc_now
    new_uuid: Callable[[], str] = new_uuid
    complete: Completing = _as_sent

    def answer(self, call: HookCall, base_url: str, *, complete: bool = False) -> Answer:
        """The cards; raises `BadCallError` (412) where data without which there is no answer are missing.

        `complete` looks at every rule, also where the matter is settled.
        """
        now = self.now().astimezone(UTC)
        settled = None if complete else self._settled(call, now.date())
        if settled is not None:
            return Answer(settled, [])
        contents = {**call.contents, **self.complete(call)}
        chart = open_chart(call.prefetch, call.patient_id, now.date(), self.knowledge, contents)
        _require_known(chart)
        decision = decide(call.hook, chart, call.context, complete)
        context = CardContext(
            patient_id=call.patient_id,
            user_id=call.user_id,
            now=now,
            base_url=base_url,
            new_uuid=self.new_uuid,
            encounter_id=call.encounter_id,
        )
        return Answer(decision, render(decision, context, self.knowledge))

    def _settled(self, call: HookCall, today: date) -> Decision | None:
        """The decision where it is silence whatever the chart says, so that it need not be read."""
        if not surely_sent(call.prefetch) or any(medication_references(call.context)):
            return None
        chart = open_chart(call.prefetch, call.patient_id, today, self.knowledge, call.contents)
        if not concerns_nobody(call.hook, chart, call.context):
            return None
        return Decision(
            service=call.hook,
            day=today,
            gaps=chart.gaps(DRAFTS),
            not_readable=chart.not_readable(),
        )

    def explain(self, call: HookCall, base_url: str) -> dict[str, Any]:
        """Every fact, rule and card of the decision, as JSON."""
        answer = self.answer(call, base_url, complete=True)
        return explanation(answer.decision, answer.cards, self.knowledge)


def _require_known(chart: Chart) -> None:
    gaps = chart.missing_required()
    if gaps:
        raise BadCallError(412, *map(_not_known, gaps))


def _not_known(gap: Gap) -> Issue:
    text = (
        f"The prefetch key {gap.key} {gap.why}. Without it there is no safe answer."
        " Send the data; null or an empty Bundle says that there are none."
    )
    return Issue("required", text, f"$.prefetch.{gap.key}")
