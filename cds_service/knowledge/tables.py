"""Whether the tables of the policy are complete and unambiguous. Checked at every start.

A gap in a table would be a silence nobody chose; so it stops the start instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from cds_service.knowledge.model import CardText, Plans, Policy

KIDNEY_CLASSES = ("NORMAL", "MODERATE", "SEVERE", "UNKNOWN")
AGE_BANDS = ("adult", "elderly")
TRIGGERS = (
    ("patient-view", "chart"),
    ("order-select", "diuretic"),
    ("order-select", "preventive"),
    ("order-select", "acute"),
)
KIDNEY_FINDINGS = frozenset(
    {
        "dialysis",
        "aki_open",
        "egfr_severe",
        "egfr_moderate",
        "egfr_normal_fresh",
        "ckd_severe",
        "ckd_moderate",
        "ckd_unspecified",
        "transplant_with_fresh_egfr",
        "unusable_newer",
    }
)
RISK_KINDS = frozenset({"condition", "diuretic", "ppi", "hypomagnesaemia", "wasting-drug"})
OFFER_KINDS = frozenset({"plan", "perimenstrual", "labs"})
SAFETY_OFFERS = frozenset({"delete", "labs", "update"})
ORDER_CHECKS = frozenset(
    {
        "rx-mg-renal-critical",
        "rx-mg-hypermag",
        "rx-mg-allergy",
        "rx-mg-renal-caution",
        "rx-mg-renal-unknown",
        "rx-mg-avblock",
        "rx-mg-nmj",
        "rx-mg-bowel",
        "rx-mg-dose",
        "rx-mg-duplicate",
        "rx-mg-age",
        "rx-mg-pregnancy",
        "rx-mg-interaction",
        "rx-ksparing-ckd",
    }
)
HAZARDS = frozenset({"mg-hazard-renal", "mg-hazard-hypermag"})
CAUTIONS = frozenset({"C1", "C2", "C3", "C3-offset", "C4", "C5", "C6", "C7", "C8"})
SECOND_REVISION = frozenset(
    {
        "rx-mg-dose-unknown",
        "mg-hazard-dose",
        "mg-hazard-bowel",
        "mg-hazard-nmj",
        *("M9", "M12", "M15", "M15-undated", "M17", "U6", "U13", "S2"),
    }
)
"""Rows of the second revision, accepted while the rules that read them are being written."""


def gaps(policy: Policy, cards: Mapping[str, CardText], plans: Plans) -> Iterator[str]:
    """Each gap, overlap or unknown name in the tables, in words."""
    yield from _kidney(policy)
    yield from _suggest(policy, cards)
    yield from _offers(policy, plans)
    yield from _plans(policy, plans)
    yield from _names("risk factor kinds", {r.kind for r in policy.risk_factors}, RISK_KINDS)
    yield from _exactly("order_safety", [r.card for r in policy.order_safety], ORDER_CHECKS)
    yield from _exactly("hazards", [r.card for r in policy.hazards], HAZARDS)
    yield from _exactly("cautions", [r.id for r in policy.cautions], CAUTIONS)
    named = {r.card for r in (*policy.order_safety, *policy.hazards, policy.unchecked)}
    yield from _names("cards of order_safety", named, frozenset(cards))
    for row in policy.order_safety:
        yield from _names(f"offers of {row.card}", set(row.offers), SAFETY_OFFERS)


def _kidney(policy: Policy) -> Iterator[str]:
    used = {f for r in policy.kidney for f in (*r.when, *r.unless)}
    yield from _names("kidney findings", used, KIDNEY_FINDINGS)
    yield from _names(
        "kidney classes", {r.kidney_class for r in policy.kidney}, frozenset(KIDNEY_CLASSES)
    )
    for unread in sorted(KIDNEY_FINDINGS - used):
        yield f"kidney: no row reads the finding {unread}"
    ids = [r.id for r in policy.kidney]
    if len(set(ids)) < len(ids):
        yield "kidney: two rows have the same id"
    catch_all = [r.id for r in policy.kidney if not r.when]
    if catch_all != ids[-1:]:
        yield "kidney: the last row, and only it, must hold for everybody"


def _suggest(policy: Policy, cards: Mapping[str, CardText]) -> Iterator[str]:
    have = [(r.hook, r.trigger) for r in policy.suggest]
    yield from _exactly("suggest", have, frozenset(TRIGGERS))
    for row in policy.suggest:
        where = f"suggest {row.hook}/{row.trigger}"
        yield from _exactly(where, list(row.cards), frozenset(KIDNEY_CLASSES))
        named = {c for c in (*row.cards.values(), row.low_severe) if c}
        yield from _names(f"cards of {where}", named, frozenset(cards))


def _offers(policy: Policy, plans: Plans) -> Iterator[str]:
    labs = frozenset(lab.id for lab in plans.labs)
    rows = [(r.card, r.kidney_class) for r in policy.offers]
    if len(set(rows)) < len(rows):
        yield "offers: a card has two rows for one kidney class"
    for row in policy.offers:
        yield from _names(f"offers of {row.card}", {o.kind for o in row.offers}, OFFER_KINDS)
        yield from _names(f"tests of {row.card}", {t for o in row.offers for t in o.labs}, labs)
    wanted = {
        (card, kidney_class)
        for r in policy.suggest
        for kidney_class, card in r.cards.items()
        if card
    }
    low = {(r.low_severe, k) for r in policy.suggest for k in KIDNEY_CLASSES}
    for card, kidney_class in sorted(wanted | low):
        if not {(card, kidney_class), (card, "*")} & set(rows):
            yield f"offers: no row for {card} with kidney class {kidney_class}"


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
    for surplus in sorted(map(str, set(have) - want - SECOND_REVISION)):
        yield f"{where}: nothing reads the row {surplus}"
    if len(set(have)) < len(have):
        yield f"{where}: two rows for the same case"


def _names(what: str, used: set[str] | frozenset[str], known: frozenset[str]) -> Iterator[str]:
    for name in sorted(used - known):
        yield f"{what}: {name} is not known"
