"""Nothing dated after a moment changes what is decided at that moment."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.chart import dates
from cds_service.knowledge.as_it_stood import load_as_it_stood
from cds_service.rehearsal.deciding import Decider
from cds_service.rehearsal.moments import HOOKS, Window
from cds_service.rehearsal.patients import Plan, Rehearsing
from cds_service.rehearsal.rules import rules_of

from .population import (
    DIABETES,
    MAGNESIUM_OXIDE,
    MIGRAINE,
    TOPIRAMATE,
    Resource,
    clinical,
    condition,
    egfr,
    lines_of,
    of,
    order,
    patient,
    visit,
)

CHANGE = "2024-06-15"
"""Before it nothing is changed, after it everything may be."""
EARLY = ("2023-01-10", "2023-08-01T10:00:00Z", "2024-02-01", "2024-06-14T23:59:59Z")
LATE = ("2024-06-15T00:00:01Z", "2024-06-16", "2024-09-01T08:00:00+02:00", "2025-03-01")


@cache
def rehearsing() -> Rehearsing:
    as_of = dates.parse("2026-01-01")
    assert as_of is not None
    return Rehearsing(Decider(rules_of(None)), load_as_it_stood(), Plan(Window(as_of), HOOKS))


def decisions(resources: Iterable[Resource]) -> list[dict[str, Any]]:
    """The rows of the moments before the change."""
    found = rehearsing().patient("p", lines_of(resources), {})
    before = dates.parse(CHANGE)
    assert before is not None
    return [msgspec.structs.asdict(r) for r in found.rows if r.at < before.earliest]


def resources_at(days: tuple[str, ...], mark: str) -> st.SearchStrategy[Resource]:
    """Any one resource that becomes known at one of these times."""
    day = st.sampled_from(days)
    number = st.integers(0, 10**6).map(lambda n: f"-{mark}-{n}")
    value = st.sampled_from([15.0, 25.0, 45.0, 75.0, 95.0])
    code = st.sampled_from([DIABETES, MIGRAINE, ("N18.4", MIGRAINE[1]), ("G70.00", MIGRAINE[1])])
    drug = st.sampled_from([MAGNESIUM_OXIDE, TOPIRAMATE, ("4603", MAGNESIUM_OXIDE[1])])
    status = st.sampled_from(["active", "completed", "stopped", "on-hold", "entered-in-error"])
    allergy = {
        "resourceType": "AllergyIntolerance",
        "patient": of("p"),
        "code": {"text": "magnesium"},
    }
    dialysis = {"coding": [{"system": "http://snomed.info/sct", "code": "265764009"}]}
    procedure = {"resourceType": "Procedure", "status": "completed", "code": dialysis}
    return st.one_of(
        st.builds(lambda n, c, d: condition("p", f"c{n}", c, d), number, code, day),
        st.builds(lambda n, v, d: egfr("p", f"e{n}", v, d), number, value, day),
        st.builds(
            lambda n, c, d, s: order("p", f"o{n}", c, d, status=s), number, drug, day, status
        ),
        st.builds(lambda n, d: visit("p", f"v{n}", d), number, day),
        st.builds(lambda n, d: allergy | {"id": f"a{n}", "recordedDate": d}, number, day),
        st.builds(
            lambda n, d: procedure | {"id": f"x{n}", "subject": of("p"), "performedDateTime": d},
            number,
            day,
        ),
    )


ALWAYS = [
    patient("p"),
    condition("p", "m", MIGRAINE, "2022-01-01"),
    visit("p", "first", "2023-06-01T09:00:00Z"),
    visit("p", "last", "2024-06-14T12:00:00Z"),
]
EARLIER = st.lists(resources_at(EARLY, "early"), max_size=6)
LATER = st.lists(resources_at(LATE, "late"), max_size=6)


@settings(max_examples=40, deadline=None)
@given(EARLIER, LATER, LATER)
def test_what_becomes_known_later_changes_no_earlier_decision(
    earlier: list[Resource], later: list[Resource], altered: list[Resource]
) -> None:
    before = decisions([*ALWAYS, *earlier, *later])
    assert before
    assert decisions([*ALWAYS, *earlier, *altered]) == before
    assert decisions([*ALWAYS, *earlier]) == before


def endings(at: str | None) -> list[Resource]:
    """One resource of each kind that ended later, or has not ended yet."""
    over = {} if at is None else {"abatementDateTime": at, "clinicalStatus": clinical("resolved")}
    until = {} if at is None else {"end": at}
    status = "active" if at is None else "completed"
    death = {} if at is None else {"deceasedDateTime": at}
    return [
        patient("p", **death),
        condition("p", "d", DIABETES, "2022-01-01", **over),
        {
            **order("p", "k", ("4603", MAGNESIUM_OXIDE[1]), "2023-01-01", status=status),
            "dispenseRequest": {"validityPeriod": {"start": "2023-01-01", **until}},
        },
        {
            "resourceType": "MedicationStatement",
            "id": "s",
            "status": status,
            "subject": of("p"),
            "medicationCodeableConcept": {"text": "omeprazole 20 mg"},
            "effectivePeriod": {"start": "2022-06-01", **until},
        },
    ]


@settings(max_examples=15, deadline=None)
@given(EARLIER, st.sampled_from(LATE))
def test_what_ends_later_was_not_over_before(earlier: list[Resource], end: str) -> None:
    rest = [r for r in ALWAYS if r["resourceType"] != "Patient"]
    still = decisions([*endings(None), *rest, *earlier])
    assert still
    assert decisions([*endings(end), *rest, *earlier]) == still
