"""Whether the tables of the policy are complete and unambiguous. Checked at every start.

A gap in a table would mean no card without a decision, so it stops the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from cds_service.knowledge.model import (
    SILENCEABLE_KINDS,
    Card,
    HazardRow,
    OffersRow,
    Plans,
    Policy,
    SafetyRow,
)
from cds_service.knowledge.wording import KIDNEY_CLASSES, KIDNEY_FLAGS

AGE_BANDS = ("adult", "elderly")
KIDNEY_FINDINGS = frozenset(
    {
        *("dialysis", "aki_open", "ckd_severe", "ckd_moderate", "ckd_unspecified"),
        *("egfr_on_file", "egfr_severe", "egfr_moderate", "egfr_normal_fresh", "egfr_good"),
        *("egfr_stale", "egfr_bound", "transplant_with_fresh_egfr"),
        *("conflicting", "order_open", "unusable_newer", "partly_known"),
    }
)
RISK_KINDS = frozenset({"condition", "diuretic", "ppi", "hypomagnesaemia", "wasting-drug"})
OFFER_KINDS = frozenset({"plan", "perimenstrual", "labs"})
SAFETY_OFFERS = frozenset({"delete", "labs", "update"})
CIRCUMSTANCES = frozenset(
    {
        *("renal_risk", "unanswered", "at_risk", "not_tested", "anti_egfr", "stopped_before"),
        *("stale", "needs_labs", "discordant", "conflicting", "unusable_newer", "partly_known"),
    }
)
"""Conditions of an offer. The second line contains flags of the kidney class."""
INDICATORS = frozenset({"", "info", "warning", "critical"})
CAUTIONS = frozenset(
    {
        *("C1", "C2", "C3", "C3-offset", "C4", "C5", "C6", "C7", "C8"),
        *("E1", "M9", "M12", "M15", "M15-undated", "M17", "S2", "U6", "U13"),
    }
)


def gaps(policy: Policy, plans: Plans) -> Iterator[str]:
    """Each gap, overlap or unknown name in the tables of `policy.json`, in words."""
    yield from _kidney(policy)
    yield from _plans(policy, plans)
    yield from _names("risk factor kinds", {r.kind for r in policy.risk_factors}, RISK_KINDS)
    yield from _exactly("cautions", [r.id for r in policy.cautions], CAUTIONS)


def registry_gaps(policy: Policy, cards: Mapping[str, Card], plans: Plans) -> Iterator[str]:
    """Each gap, overlap or unknown name in the tables of `cards.json`, in words."""
    yield from _silencing(cards)
    yield from _suggest(policy, cards)
    yield from _offers(policy, cards, plans)
    yield from _checks(policy, cards, plans)


def _silencing(cards: Mapping[str, Card]) -> Iterator[str]:
    """A card that protects a patient cannot be silenced."""
    wordings = [card.wording for card in cards.values()]
    for card in cards.values():
        if card.may_be_silenced and card.kind not in SILENCEABLE_KINDS:
            yield f"{card.id}: a card of the kind {card.kind} may not be silenced"
        if card.may_be_silenced and card.indicator == "critical":
            yield f"{card.id}: a critical card may not be silenced"
        if wordings.count(card.wording) > 1:
            yield f"{card.id}: another card has the wording {card.wording} too"
        yield from _names(f"indicators of {card.id}", {card.indicator}, INDICATORS - {""})


def _checks(policy: Policy, cards: Mapping[str, Card], plans: Plans) -> Iterator[str]:
    """The tables of orders and hazards: each card has its rows, and each row can be reached."""
    ordered = [r.card for r in policy.order_safety] + [policy.unchecked.card]
    tables: tuple[tuple[str, Sequence[SafetyRow | HazardRow], list[str], str], ...] = (
        ("order_safety", policy.order_safety, ordered, "order-check"),
        ("hazards", policy.hazards, [r.card for r in policy.hazards], "hazard"),
    )
    for table, rows, named, kind in tables:
        of_kind = frozenset(card.id for card in cards.values() if card.kind == kind)
        yield from _exactly(table, list(dict.fromkeys(named)), of_kind)
        for row in rows:
            yield from _names(f"indicators of {row.card}", {row.indicator}, INDICATORS)
            beside = frozenset(r.card for r in rows) - {row.card}
            yield from _names(f"cards beside {row.card}", set(row.silent_beside), beside)
    yield from _reached("hazards", [(r.card, "", r.grade) for r in policy.hazards])
    products = [(r.card, s, r.grade) for r in policy.order_safety for s in r.subtypes]
    yield from _reached("order_safety", products)
    for order in policy.order_safety:
        yield from _names(f"offers of {order.card}", set(order.offers), SAFETY_OFFERS)
    labs = frozenset(lab.id for lab in plans.labs)
    for hazard in policy.hazards:
        yield from _names(f"tests of {hazard.card}", set(hazard.labs), labs)


def _reached(table: str, rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """A row after one that always matches, or after an equal one, is never reached."""
    seen: set[tuple[str, str, str]] = set()
    for card, subtype, grade in rows:
        if (card, subtype, "") in seen or (card, subtype, grade) in seen:
            yield f"{table}: a row of {card} is never reached ({subtype or 'any'}, {grade or 'any'})"
        seen.add((card, subtype, grade))


def _kidney(policy: Policy) -> Iterator[str]:
    used = {f for r in policy.kidney for f in (*r.when, *r.unless)}
    used |= {f for r in policy.kidney_flags for f in (*r.when, *r.unless)}
    yield from _names("kidney findings", used, KIDNEY_FINDINGS)
    yield from _names(
        "kidney classes", {r.kidney_class for r in policy.kidney}, frozenset(KIDNEY_CLASSES)
    )
    for unread in sorted(KIDNEY_FINDINGS - used):
        yield f"kidney: no row reads the finding {unread}"
    ids = [r.id for r in policy.kidney]
    flags = {flag.flag for flag in policy.kidney_flags}
    yield from _names("kidney flags", flags, frozenset(KIDNEY_FLAGS))
    rows = {row for flag in policy.kidney_flags for row in flag.rows}
    yield from _names("rows of the kidney flags", rows, frozenset(ids))
    if len(set(ids)) < len(ids):
        yield "kidney: two rows have the same id"
    catch_all = [r.id for r in policy.kidney if not r.when]
    if catch_all != ids[-1:]:
        yield "kidney: the last row, and only it, must hold for everybody"


def _suggest(policy: Policy, cards: Mapping[str, Card]) -> Iterator[str]:
    kinds = {kind: _of_kind(cards, kind) for kind in ("suggestion", "information", "deficiency")}
    given: set[str] = set()
    for row in policy.suggest:
        where = f"suggest {row.hook}/{row.trigger}"
        yield from _exactly(where, list(row.cards), frozenset(KIDNEY_CLASSES))
        named = {c for c in row.cards.values() if c}
        yield from _names(f"cards of {where}", named, kinds["suggestion"] | kinds["information"])
        yield from _names(f"low magnesium in {where}", {row.low_severe}, kinds["deficiency"])
        yield from _names(f"cards silent in {where}", set(row.silent_if_stopped), frozenset(named))
        given |= {*named, row.low_severe}
    for card in sorted(frozenset().union(*kinds.values()) - given):
        yield f"suggest: nothing gives the card {card}"


def _of_kind(cards: Mapping[str, Card], kind: str) -> frozenset[str]:
    return frozenset(card.id for card in cards.values() if card.kind == kind)


def _offers(policy: Policy, cards: Mapping[str, Card], plans: Plans) -> Iterator[str]:
    labs = frozenset(lab.id for lab in plans.labs)
    for card in cards.values():
        classes = [row.kidney_class for row in card.offers]
        if len(set(classes)) < len(classes):
            yield f"offers: {card.id} has two rows for one kidney class"
        for row in card.offers:
            yield from _offers_of(card.id, row, labs)
        plan = any(o.kind == "plan" for row in card.offers for o in row.offers)
        if plan != (card.kind == "suggestion"):
            yield f"offers of {card.id}: a plan is offered by suggestions, and by each of them"
    wanted = {
        (card, kidney_class)
        for r in policy.suggest
        for kidney_class, card in r.cards.items()
        if card in cards
    }
    low = {(r.low_severe, k) for r in policy.suggest for k in KIDNEY_CLASSES}
    for card_id, kidney_class in sorted(wanted | {pair for pair in low if pair[0] in cards}):
        if not {kidney_class, "*"} & {row.kidney_class for row in cards[card_id].offers}:
            yield f"offers: no row for {card_id} with kidney class {kidney_class}"


def _offers_of(card: str, row: OffersRow, labs: frozenset[str]) -> Iterator[str]:
    yield from _names(f"offers of {card}", {o.kind for o in row.offers}, OFFER_KINDS)
    yield from _names(f"tests of {card}", {t for o in row.offers for t in o.labs}, labs)
    asked = {
        name
        for o in row.offers
        for name in (*o.only_if, *o.unless, *o.recommended_if, *o.not_recommended_if)
    }
    yield from _names(f"circumstances of {card}", asked, CIRCUMSTANCES)
    drafts = [o for o in row.offers if o.kind != "labs" and (o.recommended or o.recommended_if)]
    if drafts[1:]:
        yield f"offers of {card}: two drafts are recommended, and one can be chosen"


def _plans(policy: Policy, plans: Plans) -> Iterator[str]:
    have = [(r.kidney_class, r.age) for r in policy.plans]
    yield from _exactly("plans", have, frozenset(product(KIDNEY_CLASSES, AGE_BANDS)))
    named = {r.plan for r in policy.plans if r.plan} | {policy.perimenstrual_plan}
    yield from _names("dose plans", named, frozenset(p.id for p in plans.plans))
    for row in policy.plans:
        if row.kidney_class == "SEVERE" and row.plan:
            yield f"plans: {row.plan} for SEVERE kidney function"


def _exactly(where: str, have: Sequence[object], want: frozenset[Any]) -> Iterator[str]:
    for missing in sorted(map(str, want - set(have))):
        yield f"{where}: no row for {missing}"
    for surplus in sorted(map(str, set(have) - want)):
        yield f"{where}: nothing reads the row {surplus}"
    if len(set(have)) < len(have):
        yield f"{where}: two rows for the same case"


def _names(what: str, used: set[str] | frozenset[str], known: frozenset[str]) -> Iterator[str]:
    for name in sorted(used - known):
        yield f"{what}: {name} is not known"
