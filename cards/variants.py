"""Special cases of a card, in which its usual sentence would not be true.

A special case has a summary of its own (`card.<wording>.summary.<case>` in `wording.json`), lines of
its own (`card.<wording>.do.<case>`), or both. The registry (`cards.json`) lists the cases of a card.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cards.spacing import interactions
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import CardDecision, OfferKind

_SUPPLEMENT: Final = frozenset({"", "supplement"})
_NEWEST_NOT_USABLE: Final = frozenset({"unusable_newer", "partly_known"})


def offers_plan(card: CardDecision) -> bool:
    """Whether the card offers a dose."""
    return any(offer.kind is OfferKind.PLAN for offer in card.offers)


def _has_value(card: CardDecision) -> bool:
    return card.kidney is not None and bool(card.kidney.egfr_text)


def _is_warning(card: CardDecision) -> bool:
    return card.indicator == "warning"


def _is_info(card: CardDecision) -> bool:
    return card.indicator == "info"


def _is_no_supplement(card: CardDecision) -> bool:
    return card.values.get("form", "") not in _SUPPLEMENT


def _newest_is_not_usable(card: CardDecision) -> bool:
    return card.kidney is not None and not _NEWEST_NOT_USABLE.isdisjoint(card.kidney.flags)


def _lacks(value: str) -> Callable[[CardDecision], bool]:
    return lambda card: not card.values.get(value)


def _is_up_to(card: CardDecision) -> bool:
    return bool(card.values.get("up_to"))


def _has_several_drugs(card: CardDecision) -> bool:
    return len(list(interactions(card.cautions))) > 1


def _has_no_interval(card: CardDecision) -> bool:
    """Whether no advice has an interval: "no magnesium antacid at all", "tell the anaesthetist"."""
    advice = [said for _, said in interactions(card.cautions)]
    return bool(advice) and not any(map(_names_an_interval, advice))


def _names_an_interval(advice: str) -> bool:
    return any(map(str.isdecimal, advice))


def _all_of(*tests: Callable[[CardDecision], bool]) -> Callable[[CardDecision], bool]:
    return lambda card: all(test(card) for test in tests)


def _always(_: CardDecision) -> bool:
    return True


CASES: Final[Mapping[str, Callable[[CardDecision], bool]]] = {
    "with_plan": offers_plan,
    "tests_only": _has_value,
    "tests_unknown": _always,
    "slightly_high": _is_warning,
    "dose_unknown": _lacks("dose"),
    "any_kidney_up_to": _all_of(_lacks("renal_reason"), _is_up_to),
    "any_kidney": _lacks("renal_reason"),
    "up_to": _is_up_to,
    "gut": _is_info,
    "other_agent": _is_no_supplement,
    "unusable": _newest_is_not_usable,
    "no_age": _lacks("age"),
    "infant": _is_no_supplement,
    "no_words": _lacks("text"),
    "several_no_interval": _all_of(_has_several_drugs, _has_no_interval),
    "no_interval": _has_no_interval,
    "several": _has_several_drugs,
}
"""When each special case of the registry applies."""


def variant(card: CardDecision, knowledge: Knowledge) -> str:
    """The special case of a card, "" for the usual one: the first that applies."""
    cases = knowledge.cards[card.card].cases
    return next((name for name in cases if CASES[name](card)), "")
