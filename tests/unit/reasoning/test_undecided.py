"""`/explain` never says "not met" of a card that the missing data could have given."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.reasoning.decision import Decision
from cds_service.reasoning.verdicts import (
    Verdict,
    all_hold,
    any_holds,
    inverse,
    of_gaps,
    why_open,
)
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY
from tests.unit.reasoning.asking import (
    ANTACID,
    AV_BLOCK,
    BOWEL_OBSTRUCTION,
    CIPROFLOXACIN,
    DIABETES,
    HCTZ,
    LAXATIVE,
    MIGRAINE,
    MYASTHENIA,
    OXIDE,
    PREGNANT,
    SPIRONOLACTONE,
    SUMATRIPTAN,
    TOPIRAMATE,
    aged,
    charted,
    decide,
    egfr,
    has,
    level,
    orders,
    outcome,
    refills,
    selects,
    signs,
    takes,
    views,
)

OPEN, OTHER = reasons.NOT_KNOWN, reasons.NO_BIRTH_DATE
CALCITRIOL = "1894"


@pytest.mark.parametrize(
    ("verdicts", "both", "either"),
    [
        ((), True, False),
        ((True, True), True, True),
        ((True, False), False, True),
        ((True, OPEN), OPEN, True),
        ((OPEN, OTHER), OPEN, OPEN),
        ((OPEN, False), False, OPEN),
        ((False, False), False, False),
    ],
)
def test_what_follows_from_several_verdicts(
    verdicts: tuple[Verdict, ...], both: Verdict, either: Verdict
) -> None:
    assert (all_hold(*verdicts), any_holds(*verdicts)) == (both, either)


def test_single_verdicts() -> None:
    assert [inverse(v) for v in (True, False, OPEN)] == [False, True, OPEN]
    assert [why_open(v) for v in (True, False, OPEN)] == [None, None, OPEN]
    assert of_gaps(()) is False


# ------------------------------------------- what may be missing, and what would follow from it

POSSIBLE: dict[str, tuple[list[Resource], ...]] = {
    "conditions": (
        [has("N18.5")],
        [has("N18.30")],
        [has(AV_BLOCK)],
        [has(MYASTHENIA)],
        [has(BOWEL_OBSTRUCTION)],
        [has(PREGNANT)],
        [has("E83.41")],
        [has(MIGRAINE), has(DIABETES)],
    ),
    "kidneyLabs": ([egfr(12)], [egfr(45)], [egfr(92)]),
    "magnesiumLabs": ([level(1.0)], [level(1.5)], [level(3.1)], [level(5.5)]),
    "allergies": ([fhir.allergy(OXIDE, type="allergy")],),
    "medicationRequests": (
        [takes(OXIDE)],
        [takes(LAXATIVE)],
        [takes(CIPROFLOXACIN)],
        [takes(SPIRONOLACTONE)],
        [takes(HCTZ)],
        [takes(OXIDE, dosage=fhir.dosage(9, "tablet"))],
    ),
    "medicationStatements": (
        [fhir.medication_statement(OXIDE, today=TODAY)],
        [fhir.medication_statement(SPIRONOLACTONE, today=TODAY)],
        [fhir.medication_statement(CIPROFLOXACIN, today=TODAY)],
    ),
    "kidneyProcedures": ([fhir.procedure("265764009", 5, today=TODAY)],),
    "pregnancyStatus": (
        [
            fhir.observation(
                fhir.PREGNANCY_STATUS,
                days_ago=5,
                value_concept=fhir.concept("LA15173-0", "loinc"),
                today=TODAY,
            )
        ],
    ),
}
"""For each key, data that it may have held."""

TOLD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "migraine and diabetes": {"conditions": [has(MIGRAINE), has(DIABETES)]},
    "migraine alone": {"conditions": [has(MIGRAINE)]},
    "takes magnesium": {"taken": (takes(OXIDE),)},
    "takes a laxative, moderate": {"taken": (takes(LAXATIVE),), "gfr": 45},
    "takes ciprofloxacin and spironolactone": {
        "taken": (takes(CIPROFLOXACIN), takes(SPIRONOLACTONE))
    },
    "of no known age": {"conditions": [has(MIGRAINE), has(DIABETES)], "who": fhir.patient(TODAY)},
    "a child of one year": {"who": aged(1)},
}
"""Charts that are known but for one key."""

DRAFTS: dict[str, Resource | None] = {
    "none": None,
    "supplement": orders(OXIDE, None),
    "high dose": orders(mg=600),
    "dose not read": orders(OXIDE, None, dosage=fhir.dosage(text="as I told you")),
    "dose in scoops": orders(OXIDE, None, dosage=fhir.dosage(times_per_day=None, text="2 scoops")),
    "laxative": orders(LAXATIVE, None),
    "antacid": orders(ANTACID, None),
    "spironolactone": orders(SPIRONOLACTONE, None),
    "ciprofloxacin": orders(CIPROFLOXACIN, None),
    "calcitriol": orders(CALCITRIOL, None),
    "topiramate": orders(TOPIRAMATE, None),
    "thiazide": orders(HCTZ, None),
    "sumatriptan": orders(SUMATRIPTAN, None),
}


def on(told: dict[str, Any], **found: Any) -> Chart:
    conditions = found.pop("conditions", told.get("conditions", []))
    rest = {k: v for k, v in told.items() if k != "conditions"}
    if "medicationRequests" in found:
        rest.pop("taken", None)
    return charted(*conditions, **{**rest, **found})


def decided(chart: Chart, draft: Resource | None) -> list[Decision]:
    if draft is None:
        return [views(chart, complete=True), decide("encounter-discharge", chart, {}, True)]
    return [ask(chart, draft, complete=True) for ask in (signs, selects, refills)]


def outcomes(decision: Decision) -> dict[str, str]:
    return {rule.rule: rule.outcome.value for rule in decision.rules}


@pytest.mark.parametrize("key", POSSIBLE)
def test_no_card_that_missing_data_could_give_is_called_not_met(key: str) -> None:
    """The card that any of the possible data gives is fired or unknown without these data."""
    wrong = []
    for name, told in TOLD.items():
        for order, draft in DRAFTS.items():
            without = decided(on(told, without=(key,)), draft)
            for possible in POSSIBLE[key]:
                complete = decided(on(told, **{key: possible}), draft)
                for with_it, without_it in zip(complete, without, strict=True):
                    said = outcomes(without_it)
                    wrong += [
                        f"{name}, {order}, {without_it.service}: {card}"
                        for card, outcome_there in outcomes(with_it).items()
                        if outcome_there == "fired" and said[card] not in ("fired", "unknown")
                    ]
    assert wrong == []


@each_row("draft", [name for name in DRAFTS if name != "none"])
def test_an_order_without_missing_data_leaves_nothing_undecided(draft: str) -> None:
    """Except the dose that cannot be read, and what depends on it."""
    for decision in decided(on(TOLD["migraine and diabetes"]), DRAFTS[draft]):
        open_ = {rule for rule, said in outcomes(decision).items() if said == "unknown"}
        unread = draft in ("dose not read", "dose in scoops")
        assert open_ == ({"rx-mg-dose"} if unread else set())


def test_a_chart_without_missing_data_leaves_nothing_undecided() -> None:
    for name, told in TOLD.items():
        for decision in decided(on(told), None):
            open_ = {rule for rule, said in outcomes(decision).items() if said == "unknown"}
            assert open_ == ({"adult", "mg-suggest"} if name == "of no known age" else set()), name


def test_what_is_surely_not_met_stays_so() -> None:
    """Without migraine nothing is suggested, whatever the kidneys; without magnesium no hazard."""
    known = views(charted(gfr=None, without=("kidneyLabs",)), complete=True)
    assert {outcome(known, f"mg-{card}") for card in ("suggest", "hazard-renal")} == {"not met"}
    severe = signs(charted(gfr=12, without=("magnesiumLabs",)), orders(), complete=True)
    assert outcome(severe, "rx-mg-renal-caution") == "not met"
    unasked = signs(charted(without=("kidneyLabs",)), orders(LAXATIVE, None), complete=True)
    assert outcome(unasked, "rx-mg-duplicate") == "not met"
    other = signs(charted(without=("kidneyLabs",)), orders(HCTZ, None), complete=True)
    assert {outcome(other, c) for c in ("rx-mg-interaction", "rx-ksparing-ckd")} == {"not met"}


def test_unknown_kidneys_leave_every_rule_of_the_kidneys_undecided() -> None:
    on_magnesium = charted(taken=(takes(OXIDE, authored_days=400),), gfr=None)
    for ask, cards in (
        (
            lambda c: signs(c, orders(), complete=True),
            ("rx-mg-renal-critical", "rx-mg-renal-caution"),
        ),
        (lambda c: views(c, complete=True), ("mg-hazard-renal", "mg-hazard-dose")),
        (lambda c: signs(c, orders(CALCITRIOL, None), complete=True), ("rx-mg-interaction",)),
        (lambda c: signs(c, orders(SPIRONOLACTONE, None), complete=True), ("rx-ksparing-ckd",)),
    ):
        decision = ask(on_magnesium)
        for card in cards:
            (rule,) = [r for r in decision.rules if r.rule == card]
            assert (card, rule.outcome) == (card, "unknown")
            assert in_words(rule.why) == "there is no eGFR and no creatinine by a known code"


def test_an_order_that_nobody_can_identify_leaves_every_check_of_magnesium_undecided() -> None:
    lost = {**orders(OXIDE, None), "medicationCodeableConcept": {"coding": [{"code": "7"}]}}
    chart = charted(has(MIGRAINE), has(DIABETES), gfr=None)
    for ask in (signs, selects, refills):
        decision = ask(chart, lost, complete=True)
        assert {outcome(decision, c) for c in ("rx-mg-renal-critical", "rx-mg-dose")} == {"unknown"}
        assert outcome(decision, "no suggestion") == "unknown"
    assert outcome(selects(chart, lost, complete=True), "mg-with-preventive") == "unknown"
    assert outcome(signs(chart, lost, complete=True), "mg-with-preventive") == "not met"


def test_of_somebody_who_has_died_nothing_is_undecided() -> None:
    dead = charted(who={**aged(50), "deceasedBoolean": True}, without=("kidneyLabs",))
    said = outcomes(views(dead, complete=True))
    assert {said[card] for card in ("mg-suggest", "mg-hazard-renal")} == {"not met"}
