"""A second, independent reading of the clinical rules, over abstract cases.

It knows nothing of FHIR, HTTP or the service: a `Case` states facts, `evaluate` gives the outcome.
It is meant to be read beside the specification, section 12 included: every rule names the section
it comes from. `facts` and `tables` hold what a case is made of; `knowing`, `renal`, `serum`,
`suggesting` and `ordering` hold the rules.
"""

from __future__ import annotations

from tests.table.facts import Card, Case, Outcome
from tests.table.ordering import orders
from tests.table.renal import kidney_class
from tests.table.suggesting import LOW_SEVERE, patient_view
from tests.table.tables import CARD_ORDER, INDICATOR_ORDER, MAX_CARDS, REQUIRED_KEYS


def ranked(cards: list[Card]) -> tuple[Card, ...]:
    """SPEC 6.5: at most three, critical before warning before info; the same card once.

    12.7.24: a dangerously low magnesium is shown beside warnings, so another warning makes room.
    """
    unique = list(dict.fromkeys(cards))
    unique.sort(key=lambda c: (INDICATOR_ORDER.index(c.indicator), CARD_ORDER.index(c.id)))
    shown = unique[:MAX_CARDS]
    if LOW_SEVERE in unique[MAX_CARDS:] and shown[-1].indicator == LOW_SEVERE.indicator:
        shown[-1] = LOW_SEVERE
    return tuple(shown)


def evaluate(case: Case) -> Outcome:
    if case.missing & REQUIRED_KEYS:
        return Outcome(status=412)
    kidney = kidney_class(case)
    if case.deceased:
        return Outcome(kidney=kidney.cls)
    # 6.8: discharge asks what an opened chart asks.
    rule = patient_view if case.hook in {"patient-view", "encounter-discharge"} else orders
    return Outcome(ranked(rule(case, kidney)), kidney.cls, kidney.flags)
