"""A population with known answers, worked out from the clinical specification, not from the code.

Each story is a patient with what was recorded on which day, counted from a first day, and the answer
of the specification at each moment. `None` is silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from .population import (
    DIABETES,
    MAGNESIUM_OXIDE,
    MIGRAINE,
    RXNORM,
    TOPIRAMATE,
    Resource,
    clinical,
    condition,
    egfr,
    of,
    order,
    patient,
    visit,
)

Answer = tuple[str, int, str | None]
"""A hook, a day, and the card, or silence."""
VIEW, SELECT, SIGN, REFILL = "patient-view", "order-select", "order-sign", "medication-refill"
DISCHARGE = "encounter-discharge"
ASPIRIN = ("1191", RXNORM)
FUROSEMIDE = ("313988", RXNORM)
CRITICAL = "rx-mg-renal-critical"


class Told(NamedTuple):
    """A patient of a story. `decided` is false where no rule can apply to anything of the patient."""

    resources: list[Resource]
    answers: list[Answer]
    decided: bool = True


class Story:
    """Writes the resources of one patient, by days from a first day."""

    def __init__(self, own: str, first: date) -> None:
        self.own = own
        self.first = first
        self._number = 0

    def day(self, number: int) -> str:
        return (self.first + timedelta(days=number)).isoformat()

    def name(self) -> str:
        self._number += 1
        return f"{self.own}-{self._number}"

    def person(self, **more: Any) -> Resource:
        born = self.first.replace(year=self.first.year - 45)
        return patient(self.own, **{"birthDate": born.isoformat(), **more})

    def has(self, code: tuple[str, str], day: int, **more: Any) -> Resource:
        return condition(self.own, self.name(), code, self.day(day), **more)

    def gfr(self, value: float, day: int, **more: Any) -> Resource:
        return egfr(self.own, self.name(), value, self.day(day), **more)

    def seen(self, day: int, **more: Any) -> Resource:
        return visit(self.own, self.name(), self.day(day) + "T10:00:00Z", **more)

    def orders(self, code: tuple[str, str], day: int, **more: Any) -> Resource:
        dose = {"doseAndRate": [{"doseQuantity": {"value": 400, "unit": "mg", "code": "mg"}}]}
        daily = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
        dosage = {"dosageInstruction": [daily | dose]}
        return order(self.own, self.name(), code, self.day(day), **{**dosage, **more})

    def eligible(self, **more: Any) -> list[Resource]:
        """Migraine and diabetes since day 0 (SPEC 6: eligible and indicated)."""
        return [self.person(**more), self.has(MIGRAINE, 0), self.has(DIABETES, 0)]


def normal_kidneys_for_a_year(s: Story) -> Told:
    """V01; before anything is known: silence; no result yet: UNKNOWN; a good eGFR lasts 365 days."""
    return Told(
        [*s.eligible(), s.gfr(92, 10), *map(s.seen, (-30, 5, 20, 375, 376))],
        [
            *((VIEW, -30, None), (VIEW, 5, "mg-check-renal"), (VIEW, 20, "mg-suggest")),
            *((VIEW, 375, "mg-suggest"), (VIEW, 376, "mg-check-renal")),
        ],
    )


def a_risk_that_abated(s: Story) -> Told:
    """The diabetes of day 0 abated on day 100: after that there is no indication (V06)."""
    over = {"clinicalStatus": clinical("resolved"), "abatementDateTime": s.day(100)}
    return Told(
        [
            *(s.person(), s.has(MIGRAINE, 0), s.has(DIABETES, 0, **over), s.gfr(92, 1)),
            *map(s.seen, (50, 99, 100, 150)),
        ],
        [(VIEW, 50, "mg-suggest"), (VIEW, 99, "mg-suggest"), (VIEW, 100, None), (VIEW, 150, None)],
    )


def magnesium_with_severe_kidney_disease(s: Story) -> Told:
    """V67, V54: the order is critical; from then on the magnesium taken is a hazard."""
    return Told(
        [s.person(), s.gfr(22, 5), s.orders(MAGNESIUM_OXIDE, 10), s.seen(7), s.seen(20)],
        [
            (VIEW, 7, None),
            (SELECT, 10, CRITICAL),
            (SIGN, 10, CRITICAL),
            (VIEW, 20, "mg-hazard-renal"),
        ],
    )


def magnesium_for_thirty_days(s: Story) -> Told:
    """Section 13: a completed order ended with its supply of 30 days."""
    supply = {
        "dispenseRequest": {"expectedSupplyDuration": {"value": 30, "unit": "d", "code": "d"}}
    }
    taken = s.orders(MAGNESIUM_OXIDE, 0, status="completed", **supply)
    return Told(
        [s.person(), s.gfr(22, -5), taken, s.seen(29), s.seen(30)],
        [
            (SELECT, 0, CRITICAL),
            (SIGN, 0, CRITICAL),
            (VIEW, 29, "mg-hazard-renal"),
            (VIEW, 30, None),
        ],
    )


def magnesium_that_was_stopped(s: Story) -> Told:
    """Section 13: without any end it is assumed to have lasted 90 days."""
    taken = s.orders(MAGNESIUM_OXIDE, 0, status="stopped")
    return Told(
        [s.person(), s.gfr(22, -5), taken, s.seen(89), s.seen(90)],
        [
            (SELECT, 0, CRITICAL),
            (SIGN, 0, CRITICAL),
            (VIEW, 89, "mg-hazard-renal"),
            (VIEW, 90, None),
        ],
    )


def a_preventive(s: Story) -> Told:
    """V58: topiramate without a reason, no risk factor; order-sign suggests nothing."""
    return Told(
        [s.person(), s.has(MIGRAINE, 0), s.gfr(100, 1), s.orders(TOPIRAMATE, 5)],
        [(SELECT, 5, "mg-with-preventive"), (SIGN, 5, None)],
    )


def a_safe_order(s: Story) -> Told:
    """V112: magnesium oxide 400 mg daily (241 mg elemental) with good kidneys."""
    return Told(
        [s.person(), s.gfr(95, 1), s.orders(MAGNESIUM_OXIDE, 5), s.seen(10)],
        [(SELECT, 5, None), (SIGN, 5, None), (VIEW, 10, None)],
    )


def kidneys_that_got_worse(s: Story) -> Told:
    """V25: the latest result wins."""
    return Told(
        [*s.eligible(), s.gfr(64, 1), s.gfr(28, 200), s.seen(10), s.seen(210)],
        [(VIEW, 10, "mg-suggest"), (VIEW, 210, "mg-avoid-renal")],
    )


def a_result_issued_later(s: Story) -> Told:
    """Section 13: a result is known when it is issued."""
    late = s.gfr(25, 10, issued=s.day(12) + "T12:00:00Z")
    return Told(
        [*s.eligible(), s.gfr(90, 1), late, s.seen(11), s.seen(12), s.seen(13)],
        [(VIEW, 11, "mg-suggest"), (VIEW, 12, "mg-suggest"), (VIEW, 13, "mg-avoid-renal")],
    )


def a_birthday(s: Story) -> Told:
    """V34, V35: 17 is silent, the 18th birthday is adult."""
    birthday = s.first + timedelta(days=100)
    born = birthday.replace(year=birthday.year - 18, day=min(birthday.day, 28))
    eighteen = (born.replace(year=born.year + 18) - s.first).days
    return Told(
        [
            *s.eligible(birthDate=born.isoformat()),
            s.gfr(100, 1),
            *map(s.seen, (eighteen - 1, eighteen)),
        ],
        [(VIEW, eighteen - 1, None), (VIEW, eighteen, "mg-suggest")],
    )


def an_allergy(s: Story) -> Told:
    """B6 blocks from the day on which the allergy is recorded."""
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": s.name(),
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"text": "Magnesium"},
        "patient": of(s.own),
        "recordedDate": s.day(50),
        "reaction": [{"manifestation": [{"text": "anaphylaxis"}]}],
    }
    return Told(
        [*s.eligible(), s.gfr(90, 1), allergy, s.seen(49), s.seen(50)],
        [(VIEW, 49, "mg-suggest"), (VIEW, 50, None)],
    )


def migraine_that_is_over_without_a_date(s: Story) -> Told:
    """Section 13: never active without a time of the last update."""
    over = s.has(MIGRAINE, 0, clinicalStatus=clinical("resolved"))
    return Told(
        [s.person(), over, s.has(DIABETES, 0), s.gfr(90, 1), s.seen(50)], [(VIEW, 50, None)]
    )


def migraine_that_was_updated(s: Story) -> Told:
    """Section 13: until the last update it counts as active."""
    updated = {"lastUpdated": s.day(100) + "T00:00:00Z"}
    over = s.has(MIGRAINE, 0, clinicalStatus=clinical("inactive"), meta=updated)
    return Told(
        [s.person(), over, s.has(DIABETES, 0), s.gfr(90, 1), s.seen(50), s.seen(150)],
        [(VIEW, 50, "mg-suggest"), (VIEW, 150, None)],
    )


def a_death(s: Story) -> Told:
    """Nothing is suggested for the dead; before the death it was."""
    return Told(
        [*s.eligible(deceasedDateTime=s.day(60)), s.gfr(90, 1), s.seen(50), s.seen(70)],
        [(VIEW, 50, "mg-suggest"), (VIEW, 70, None)],
    )


def an_order_without_a_date(s: Story) -> Told:
    """Section 13: never known, so the diuretic is no risk factor, and it is no moment."""
    undated = s.orders(FUROSEMIDE, 0)
    del undated["authoredOn"]
    return Told(
        [s.person(), s.has(MIGRAINE, 0), s.gfr(90, 1), undated, s.seen(50)], [(VIEW, 50, None)]
    )


def a_refill_with_fallen_kidneys(s: Story) -> Told:
    """V141: the refill is checked as an order is; the first order was no refill."""
    return Told(
        [
            *(s.person(), s.gfr(75, -5), s.orders(MAGNESIUM_OXIDE, 0)),
            *(s.gfr(26, 360), s.orders(MAGNESIUM_OXIDE, 365)),
        ],
        [
            *((SELECT, 0, None), (SIGN, 0, None)),
            *((SELECT, 365, CRITICAL), (SIGN, 365, CRITICAL), (REFILL, 365, CRITICAL)),
        ],
    )


def a_stay(s: Story) -> Told:
    """V146: the discharge asks what opening the chart asks."""
    stay = s.seen(10)
    stay |= {"class": {"code": "IMP"}}
    stay["period"]["end"] = s.day(13) + "T09:00:00Z"
    return Told(
        [*s.eligible(), s.gfr(90, 1), stay],
        [(VIEW, 10, "mg-suggest"), (DISCHARGE, 13, "mg-suggest")],
    )


def visits_that_never_were(s: Story) -> Told:
    """Planned and cancelled visits are no moments."""
    planned = [s.seen(20, status=status) for status in ("planned", "cancelled")]
    return Told([*s.eligible(), s.gfr(90, 1), s.seen(10), *planned], [(VIEW, 10, "mg-suggest")])


def somebody_else(s: Story) -> Told:
    """No migraine and no magnesium: counted, not decided."""
    return Told(
        [
            *(s.person(), s.has(DIABETES, 0), s.gfr(20, 1), s.seen(10), s.seen(20)),
            *(s.orders(ASPIRIN, 15), s.orders(ASPIRIN, 100)),
        ],
        [
            *((VIEW, 10, None), (VIEW, 20, None), (SELECT, 15, None), (SIGN, 15, None)),
            *((SELECT, 100, None), (SIGN, 100, None), (REFILL, 100, None)),
        ],
        decided=False,
    )


STORIES: tuple[Callable[[Story], Told], ...] = (
    *(normal_kidneys_for_a_year, a_risk_that_abated, magnesium_with_severe_kidney_disease),
    *(magnesium_for_thirty_days, magnesium_that_was_stopped, a_preventive, a_safe_order),
    *(kidneys_that_got_worse, a_result_issued_later, a_birthday, an_allergy),
    *(migraine_that_is_over_without_a_date, migraine_that_was_updated, a_death),
    *(an_order_without_a_date, a_refill_with_fallen_kidneys, a_stay, visits_that_never_were),
    somebody_else,
)


def told(copies: int) -> Iterator[tuple[str, date, Told]]:
    """Every story so many times, each copy with another first day."""
    for number, story in enumerate(STORIES):
        for copy in range(copies):
            own = f"s{number}-{copy}"
            first = date(2021, 1, 5) + timedelta(days=37 * copy + 11 * number)
            yield own, first, story(Story(own, first))
