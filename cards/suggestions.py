"""Suggestions with their actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cards.context import CardContext
from cards.drafts import lab_draft, medication_draft, with_daily_dose
from cards.markdown import plain
from cards.phrases import Phrases
from cards.values import plain_number
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import Plan
from cds_service.reasoning.decision import CardDecision, Offer, OfferKind, OrderRef

Json = dict[str, Any]
AT_MOST_ONE, ANY = "at-most-one", "any"
_LONGEST_LABEL = 60


def suggestions(card: CardDecision, call: CardContext, knowledge: Knowledge) -> list[Json]:
    """The suggestions of a card, in the order of its offers, without those that can do nothing."""
    made = []
    one_only = behaviour(card) == AT_MOST_ONE
    recommended = False
    for offer in card.offers:
        label, actions = _MAKERS[offer.kind](offer, card, call, knowledge)
        if not actions:
            continue
        suggestion: Json = {"label": label, "uuid": call.new_uuid()}
        if offer.recommended and not (one_only and recommended):
            suggestion["isRecommended"] = recommended = True
        made.append(suggestion | {"actions": actions})
    return made


def behaviour(card: CardDecision) -> str:
    """`any` if tests are among the suggestions (one draft order may be accepted too), else at most
    one.

    Of two plans only one may be started, even if tests are offered too.
    """
    tests = any(offer.kind is OfferKind.LABS and offer.labs for offer in card.offers)
    plans = sum(offer.kind is OfferKind.PLAN for offer in card.offers)
    return ANY if tests and plans < 2 else AT_MOST_ONE


# ------------------------------------------------------------- one per kind

_Made = tuple[str, list[Json]]


def _plan(offer: Offer, card: CardDecision, call: CardContext, knowledge: Knowledge) -> _Made:
    phrases = Phrases(knowledge)
    plan = next(plan for plan in knowledge.plans.plans if plan.id == offer.plan)
    action = {
        "type": "create",
        "description": phrases.fill(
            "action.plan", product=_product(plan, phrases), plan=plan.in_words
        ),
        "resource": medication_draft(plan, card, call, knowledge),
    }
    return _plan_label(plan, knowledge, phrases), [action]


def _product(plan: Plan, phrases: Phrases) -> str:
    """What the draft orders: the site's product, or the salt."""
    return plain(plan.product.code.display) if plan.product else phrases["action.plan.salt"]


def _plan_label(plan: Plan, knowledge: Knowledge, phrases: Phrases) -> str:
    daily = list(_daily(plan))
    first, last = daily[0], daily[-1]
    if plan.id == knowledge.policy.perimenstrual_plan:
        return phrases.fill("suggestion.plan.perimenstrual", last=last)
    if first == last:
        return phrases.fill("suggestion.plan.one", first=first)
    return phrases.fill("suggestion.plan.steps", first=first, last=last)


def _daily(plan: Plan) -> Iterable[str]:
    """The daily dose of each step; instructions with one sequence are one step."""
    steps: dict[int, int] = {}
    for step in plan.steps:
        mg = step.dose_mg * step.frequency // step.period
        steps[step.sequence] = steps.get(step.sequence, 0) + mg
    return map(str, steps.values())


def _labs(offer: Offer, card: CardDecision, call: CardContext, knowledge: Knowledge) -> _Made:
    phrases = Phrases(knowledge)
    by_id = {lab.id: lab for lab in knowledge.plans.labs}
    tests = [(by_id[lab], phrases.label("lab", lab)) for lab in offer.labs]
    actions = [
        {
            "type": "create",
            "description": phrases.fill("action.lab", test=test),
            "resource": lab_draft(lab, card, call, knowledge, offer.due_weeks),
        }
        for lab, test in tests
    ]
    named = phrases.join([test for _, test in tests])
    if offer.due_weeks is None:
        return phrases.fill("suggestion.labs", tests=named), actions
    start, end = map(str, offer.due_weeks)
    label = phrases.fill("suggestion.labs.due", tests=named, from_weeks=start, to_weeks=end)
    return label, actions


def _delete(offer: Offer, card: CardDecision, _: CardContext, knowledge: Knowledge) -> _Made:
    order = offer.order or card.order
    if order is None or not order.reference:
        return "", []
    phrases = Phrases(knowledge)
    name, refill = _order_name(order, phrases), ".refill" if order.refill else ""
    action = {
        "type": "delete",
        "description": phrases.fill(f"action.delete{refill}", order=name),
        "resourceId": order.reference,
    }
    return phrases.fill(f"suggestion.delete{refill}", order=name), [action]


def _update(offer: Offer, card: CardDecision, _: CardContext, knowledge: Knowledge) -> _Made:
    order = offer.order or card.order
    if order is None or not order.reference or offer.daily_mg is None:
        return "", []
    phrases = Phrases(knowledge)
    dose, name = plain_number(offer.daily_mg), _order_name(order, phrases)
    said = phrases.fill("action.update", order=name, dose=dose)
    if offer.salt is not None:
        said = phrases.fill("action.update.salt", order=name, salt=offer.salt[1], dose=dose)
    action = {
        "type": "update",
        "description": said,
        "resource": with_daily_dose(order, offer.daily_mg, knowledge, offer.salt),
    }
    return phrases.fill("suggestion.update", dose=dose), [action]


def _order_name(order: OrderRef, phrases: Phrases) -> str:
    return plain(order.label, _LONGEST_LABEL) or phrases["order.unnamed"]


_MAKERS: dict[OfferKind, Callable[[Offer, CardDecision, CardContext, Knowledge], _Made]] = {
    OfferKind.PLAN: _plan,
    OfferKind.LABS: _labs,
    OfferKind.DELETE: _delete,
    OfferKind.UPDATE: _update,
}
