"""Special cases of a card, in which its usual sentence would not be true.

A variant has a summary of its own (`variants` in `cards.json`), lines of its own (`<card>.do.<variant>`
in `wording.json`), or both. Which variants there are stands in `cds_service/knowledge/wording.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cards.spacing import interactions
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
    """Whether no advice gives a time: "no magnesium antacid at all", "tell the anaesthetist"."""
    advice = [said for _, said in interactions(card.cautions)]
    return bool(advice) and not any(map(_names_an_interval, advice))


def _names_an_interval(advice: str) -> bool:
    return any(map(str.isdecimal, advice))


def _all_of(*tests: Callable[[CardDecision], bool]) -> Callable[[CardDecision], bool]:
    return lambda card: all(test(card) for test in tests)


def _always(_: CardDecision) -> bool:
    return True


CASES: Final[dict[str, dict[str, Callable[[CardDecision], bool]]]] = {
    "mg-suggest-reduced": {
        "with_plan": offers_plan,
        "tests_only": _has_value,
        "tests_unknown": _always,
    },
    "mg-check-renal": {"with_plan": offers_plan},
    "mg-with-diuretic": {"with_plan": offers_plan},
    "mg-hazard-hypermag": {"slightly_high": _is_warning},
    "mg-hazard-dose": {
        "dose_unknown": _lacks("dose"),
        "any_kidney_up_to": _all_of(_lacks("renal_reason"), _is_up_to),
        "any_kidney": _lacks("renal_reason"),
        "up_to": _is_up_to,
    },
    "rx-mg-hypermag": {"slightly_high": _is_warning},
    "rx-mg-allergy": {"gut": _is_info},
    "rx-mg-renal-caution": {"other_agent": _is_no_supplement},
    "rx-mg-renal-unknown": {"unusable": _newest_is_not_usable, "other_agent": _is_no_supplement},
    "rx-mg-age": {"no_age": _lacks("age"), "infant": _is_no_supplement},
    "rx-mg-dose": {"up_to": _is_up_to},
    "rx-mg-dose-unknown": {"no_words": _lacks("text")},
    "rx-mg-interaction": {
        "several_no_interval": _all_of(_has_several_drugs, _has_no_interval),
        "no_interval": _has_no_interval,
        "several": _has_several_drugs,
    },
}
"""By card, its special cases with what they hold for; the first that holds applies."""


def variant(card: CardDecision) -> str:
    """The special case of a card, "" for the usual one."""
    cases = CASES.get(card.card, {})
    return next((name for name, holds in cases.items() if holds(card)), "")
