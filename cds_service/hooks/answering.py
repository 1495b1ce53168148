"""From a well-formed call to its cards, or to the account of the whole decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from cards.context import CardContext
from cards.explanation import explanation
from cards.phrases import Phrases
from cards.render import render
from cds_service.chart.chart import Chart, open_chart
from cds_service.chart.evidence import Gap
from cds_service.correlation import Correlation
from cds_service.fhir.drafts import medication_references
from cds_service.fhir.prefetch import Content, surely_sent
from cds_service.hooks.envelope import HookCall
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.lockouts import LookUp, PatientLockouts, Remembered
from cds_service.hooks.uuids import new_uuid
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decide import decide, decision_without_chart, is_settled_by
from cds_service.reasoning.decision import Decision
from cds_service.site.force import InForce

if TYPE_CHECKING:
    from cds_service.fetching.fetching import Fetching

Clock = Callable[[], datetime]
Contents = Mapping[str, Content[Any]]
NOTHING_FETCHED: Contents = MappingProxyType({})


def utc_now() -> datetime:
    """The time of a call, unless a clock is given."""
    return datetime.now(UTC)


def no_earlier_suggestions(_: Sequence[str]) -> None:
    """The look-up of a service that keeps no lock-outs."""


class NotKnownError(BadCallError):
    """Required data are neither in the request nor available from the FHIR server (412)."""

    def __init__(self, fetched: Contents, *issues: Issue) -> None:
        super().__init__(412, *issues)
        self.fetched = fetched


class Answer(msgspec.Struct, frozen=True):
    """The result of a call: the decision, its cards, and the fetched data.

    `remember` is the data to store for each card with a lock-out. `settled` is true where no rule
    applies to the orders of the call, so that its chart was not read.
    """

    decision: Decision
    cards: list[dict[str, Any]]
    fetched: Contents = NOTHING_FETCHED
    remember: Sequence[Remembered | None] = ()
    settled: bool = False


class Answering(msgspec.Struct, frozen=True):
    """Handles calls with the values in force and one clock. Stores nothing of a call.

    `look_up` finds earlier suggestions for a patient. `templates` are the prefetch templates of
    each hook. `fetching` returns what fetches missing data. Without it, nothing is fetched.
    """

    force: InForce
    now: Clock = utc_now
    new_uuid: Callable[[], str] = new_uuid
    fetching: Callable[[], Fetching] | None = None
    templates: Mapping[str, Mapping[str, str]] = {}
    look_up: LookUp = no_earlier_suggestions
    decide: Callable[..., Decision] = decide

    @property
    def knowledge(self) -> Knowledge:
        """The knowledge with the site's values."""
        return self.force.knowledge

    def answer(
        self,
        call: HookCall,
        base_url: str,
        *,
        complete: bool = False,
        ids: Correlation | None = None,
    ) -> Answer:
        """The cards. Raises `NotKnownError` (412) if required data are missing.

        With `complete` every rule is evaluated, even if the draft orders alone decide. `ids` are
        sent to the FHIR server of the call.
        """
        now = self.now().astimezone(UTC)
        chart = open_chart(call.prefetch, call.patient_id, now.date(), self.knowledge)
        drafts = None
        if not complete and _may_be_settled_by_orders(call):
            drafts = call.hook.read_orders(chart, call.context)
            if is_settled_by(drafts):
                return Answer(decision_without_chart(call.hook.name, chart), [], settled=True)
        fetched = self._fetch(call, ids)
        chart.add_fetched(fetched)
        self._require_known(chart, fetched)
        if drafts is None:
            drafts = call.hook.read_orders(chart, call.context)
        showing = self.force.showing(call.hook.name, call.client).with_options(call.options)
        lockouts = PatientLockouts(call, self.force.keys, showing, now, self.look_up)
        decision = self.decide(
            call.hook.name, call.hook.policy, chart, drafts, complete, showing, lockouts.until
        )
        context = CardContext(
            patient_id=call.patient_id,
            user_id=call.user_id,
            now=now,
            base_url=base_url,
            new_uuid=self.new_uuid,
            encounter_id=call.encounter_id,
            site=self.force.label,
            units=self.force.units,
        )
        cards = render(decision, context, self.knowledge)
        remember = [lockouts.to_remember(card) for card in decision.cards]
        return Answer(decision, cards, fetched, remember)

    def _fetch(self, call: HookCall, ids: Correlation | None) -> Contents:
        """The missing data of the call, with the prefetch templates of its hook."""
        if self.fetching is None or call.fhir_server is None:
            return NOTHING_FETCHED
        from cds_service.fetching.fetching import Question  # not needed if nothing is fetched

        return self.fetching().complete(
            Question(
                prefetch=call.prefetch,
                context=call.context,
                templates=self.templates[call.hook.name],
                orders=call.hook.member_of_orders,
                fhir_server=call.fhir_server,
                token=call.token,
                client=call.client,
                ids=ids,
            )
        )

    def _require_known(self, chart: Chart, fetched: Contents) -> None:
        gaps, phrases = chart.missing_required(), Phrases(self.knowledge)
        if gaps:
            raise NotKnownError(fetched, *(_not_known(gap, phrases) for gap in gaps))

    def explain(self, answer: Answer) -> dict[str, Any]:
        """Every fact, rule and card of a complete decision, as JSON."""
        return explanation(answer.decision, answer.cards, self.knowledge, self.force.label)


def _may_be_settled_by_orders(call: HookCall) -> bool:
    """Whether the call has readable orders, and the required keys were sent."""
    orders = call.hook.orders
    if orders is None or not surely_sent(call.prefetch):
        return False
    return not any(medication_references(call.context, orders.member))


def _not_known(gap: Gap, phrases: Phrases) -> Issue:
    text = phrases.fill("message.not_known", key=gap.key, why=phrases.words(gap.why))
    return Issue("required", text, f"$.prefetch.{gap.key}")
